//! Counts the instructions that calls of the codec take on a Cortex-M3, under QEMU with `-icount shift=7`: there an instruction
//! takes 128 ns, and the timer ticks every 40 ns. The same call is counted a hundred times; what an empty one takes is taken off.
#![no_std]
#![no_main]

use core::hint::black_box;
use core::panic::PanicInfo;

use cortex_m::Peripherals;
use cortex_m::peripheral::SYST;
use cortex_m::peripheral::syst::SystClkSource;
use cortex_m_rt::entry;
use cortex_m_semihosting::{debug, hprintln};
use iot_jobs_proto::details::StatusDetails;
use iot_jobs_proto::names::{ClientToken, ThingName};
use iot_jobs_proto::topic::Inbound;
use iot_jobs_proto::wire::request::Update;
use iot_jobs_proto::wire::response::Described;
use iot_jobs_proto::wire::status::Status;

const CALLS: u32 = 100;
/// The timer counts down from here.
const TICKS: u32 = 0xFF_FFFF;

const THING: &str = "gateway-000123";
/// As in the measurement of AWS's C library.
const TOPICS: [&str; 12] = [
    "$aws/things/gateway-000123/jobs/notify",
    "$aws/things/gateway-000123/jobs/notify-next",
    "$aws/things/gateway-000123/jobs/get/accepted",
    "$aws/things/gateway-000123/jobs/get/rejected",
    "$aws/things/gateway-000123/jobs/start-next/accepted",
    "$aws/things/gateway-000123/jobs/start-next/rejected",
    "$aws/things/gateway-000123/jobs/$next/get/accepted",
    "$aws/things/gateway-000123/jobs/$next/get/rejected",
    "$aws/things/gateway-000123/jobs/firmware-2026-11-020/get/accepted",
    "$aws/things/gateway-000123/jobs/firmware-2026-11-020/get/rejected",
    "$aws/things/gateway-000123/jobs/firmware-2026-11-020/update/accepted",
    "$aws/things/gateway-000123/jobs/firmware-2026-11-020/update/rejected",
];
const NOTIFY_NEXT: &str = r#"{"timestamp":1760000010,"execution":{"jobId":"firmware-2026-11-020","status":"QUEUED","queuedAt":1760000000,"lastUpdatedAt":1760000000,"versionNumber":1,"executionNumber":1,"jobDocument":{"operation":"firmware-update","url":"https://fw.s3.eu-central-1.amazonaws.com/a.bin?X-Amz-Expires=3600&X-Amz-Signature=0","sha256":"abababababababababababababababababababababababababababababababab"}}}"#;

#[entry]
fn main() -> ! {
    let counted = Peripherals::take().and_then(|peripherals| {
        let mut timer = Timer::start(peripherals.SYST);
        topics(&mut timer)?;
        updates(&mut timer)?;
        let payload = NOTIFY_NEXT.as_bytes();
        let count = timer.count(|| {
            let _ = black_box(Described::parse(black_box(payload)));
        });
        hprintln!("notify-next of {} bytes {}", payload.len(), count);
        Some(())
    });
    debug::exit(match counted {
        Some(()) => debug::EXIT_SUCCESS,
        None => debug::EXIT_FAILURE,
    });
    loop {
        cortex_m::asm::nop();
    }
}

fn topics(timer: &mut Timer) -> Option<()> {
    let thing = ThingName::parse(THING).ok()?;
    let mut sum = 0;
    for topic in TOPICS {
        let count = timer.count(|| {
            let _ = black_box(Inbound::parse(black_box(topic), black_box(&thing)));
        });
        hprintln!("topic {} {}", topic, count);
        sum += count;
    }
    hprintln!("topic mean {}", sum / 12);
    Some(())
}

fn updates(timer: &mut Timer) -> Option<()> {
    let token = ClientToken::parse("0123456789").ok()?;
    let mut details = StatusDetails::<128>::new();
    details.insert("step", "download").ok()?;
    details.insert("progress", "40").ok()?;
    let plain = Update {
        client_token: &token,
        status: Status::InProgress,
        status_details: None,
        expected_version: Some(2),
        execution_number: None,
        step_timeout: None,
        include_job_execution_state: false,
        include_job_document: false,
    };
    let detailed = Update {
        status_details: Some(&details),
        ..plain
    };
    let mut buffer = [0; 256];
    let mut write = |update: &Update<'_, 128>| {
        timer.count(|| {
            let _ = black_box(black_box(update).write(black_box(&mut buffer)));
        })
    };
    let counts = [write(&plain), write(&detailed)];
    hprintln!("update with token {}", counts[0]);
    hprintln!("update with token and details {}", counts[1]);
    Some(())
}

/// The system timer, used as a count of instructions.
struct Timer(SYST);

impl Timer {
    fn start(mut timer: SYST) -> Self {
        timer.set_clock_source(SystClkSource::Core);
        timer.set_reload(TICKS);
        timer.clear_current();
        timer.enable_counter();
        Self(timer)
    }

    /// Instructions of one call.
    fn count(&mut self, call: impl FnMut()) -> u32 {
        let empty = self.ticks(|| {
            black_box(());
        });
        let ticks = self.ticks(call).saturating_sub(empty);
        ticks * 10 / 32 / CALLS
    }

    #[inline(never)]
    fn ticks(&mut self, mut call: impl FnMut()) -> u32 {
        self.0.clear_current();
        let start = SYST::get_current();
        for _ in 0..CALLS {
            call();
        }
        start.wrapping_sub(SYST::get_current()) & TICKS
    }
}

#[panic_handler]
fn panic(_: &PanicInfo<'_>) -> ! {
    debug::exit(debug::EXIT_FAILURE);
    loop {
        cortex_m::asm::nop();
    }
}
