//! Counts instructions, which a busy machine does not change. For each way and work of the benchmark:
//!
//! ```sh
//! cargo build --release -p iot-jobs-proto --example callgrind
//! valgrind --tool=callgrind --callgrind-out-file=/dev/null target/release/examples/callgrind ours topic 1000
//! ```
//!
//! The difference of `Collected` between 1000 rounds and none, divided by 1000, is what one round takes.
#![expect(clippy::print_stderr, reason = "says how it is used")]

#[path = "../benches/codec/workload.rs"]
mod workload;

use std::env;
use std::process::ExitCode;

fn main() -> ExitCode {
    let words: Vec<String> = env::args().skip(1).collect();
    let [way, name, rounds] = words.as_slice() else {
        return usage();
    };
    let works = workload::all();
    let Some(work) = works.iter().find(|work| work.name == name) else {
        return usage();
    };
    let call = match way.as_str() {
        "ours" => &work.ours,
        "naive" => &work.naive,
        _ => return usage(),
    };
    let Ok(rounds) = rounds.parse::<u32>() else {
        return usage();
    };
    for _ in 0..rounds {
        call();
    }
    eprintln!("{name}: {} units per round", work.units);
    ExitCode::SUCCESS
}

fn usage() -> ExitCode {
    eprintln!("usage: callgrind ours|naive topic|update|notify-next ROUNDS");
    ExitCode::FAILURE
}
