//! How fast the codec is beside the obvious code, in the same run: `cargo bench -p iot-jobs-proto`.
//!
//! Ours and the other take turns and the median of the rounds counts, so that a busy machine slows both. The ratio is the result;
//! absolute numbers belong to the machine.
#![expect(clippy::print_stdout, reason = "the table is the output")]

mod workload;

use core::time::Duration;
use std::time::Instant;

use workload::Work;

const ROUNDS: usize = 15;
const CALLS: u32 = 20_000;

fn main() {
    println!(
        "{:<12} {:>12} {:>12} {:>7}",
        "", "ours /s", "naive /s", "ratio"
    );
    for work in workload::all() {
        let (ours, naive) = measure(&work);
        println!(
            "{:<12} {:>12.0} {:>12.0} {:>7.2}",
            work.name,
            ours,
            naive,
            ours / naive
        );
    }
}

/// Units per second of both.
fn measure(work: &Work) -> (f64, f64) {
    let mut ours = Vec::new();
    let mut naive = Vec::new();
    for _ in 0..ROUNDS {
        ours.push(time(&work.ours));
        naive.push(time(&work.naive));
    }
    let per_second = |times| f64::from(CALLS * work.units) / median(times).as_secs_f64();
    (per_second(ours), per_second(naive))
}

fn time(call: &dyn Fn()) -> Duration {
    #[expect(clippy::disallowed_methods, reason = "a benchmark reads the clock")]
    let start = Instant::now();
    for _ in 0..CALLS {
        call();
    }
    start.elapsed()
}

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort();
    times.get(ROUNDS / 2).copied().unwrap_or_default()
}
