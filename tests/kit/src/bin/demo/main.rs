//! One firmware job from CreateJob to SUCCEEDED, to watch: the real service, the real agent, a link that breaks.

mod timeline;

use core::time::Duration;
use std::io::{IsTerminal as _, stdout};
use std::process::ExitCode;

use iot_jobs_kit::image::Image;
use iot_jobs_kit::wait::Stopwatch;
use iot_jobs_kit::{
    Aws, AwsError, Binaries, Device, DeviceOptions, KitError, NewJob, Proxy, Service,
    ServiceOptions,
};
use serde_json::{Value, json};

use crate::timeline::Timeline;

const HELP: &str = "\
Runs one firmware job, for real, and shows where the time goes: cargo demo [OPTIONS]

Starts iot-jobs-local (the AWS IoT Jobs APIs on loopback) and iot-jobs-agent as processes of their own, uploads an image of 32 MiB,
creates a job for it, cuts every connection of the device in the middle of the download, reboots the device when it asks to, and
ends when the job has ended. Nothing leaves this machine.

Options:
  --keep       leave the service and the agent up afterwards, and say how to go on with boto3 and the AWS CLI
  -h, --help   print this

Exit code 0 when the job SUCCEEDED.
";

/// The device.
const THING: &str = "gateway-1";
/// The job.
const JOB: &str = "firmware-2-0-0";
/// Bytes of the image.
const IMAGE_LEN: usize = 32 << 20;
/// Where the link is cut.
const CUT_AT: usize = 14 << 20;
/// The downlink's speed: slow enough to watch.
const BYTES_PER_SECOND: usize = 12 << 20;
/// Longest that the job may take.
const WITHIN: Duration = Duration::from_secs(120);

#[expect(clippy::print_stderr, clippy::print_stdout, reason = "a command line")]
fn main() -> ExitCode {
    let mut keep = false;
    // `cargo demo` ends in `--` itself; who writes another one means the same.
    let arguments = std::env::args_os()
        .skip(1)
        .filter(|argument| argument != "--");
    let mut parser = lexopt::Parser::from_args(arguments);
    loop {
        match parser.next() {
            Ok(None) => break,
            Ok(Some(lexopt::Arg::Long("keep"))) => keep = true,
            Ok(Some(lexopt::Arg::Short('h') | lexopt::Arg::Long("help"))) => {
                print!("{HELP}");
                return ExitCode::SUCCESS;
            }
            Ok(Some(other)) => {
                eprintln!("demo: {}\n\n{HELP}", other.unexpected());
                return ExitCode::from(64);
            }
            Err(error) => {
                eprintln!("demo: {error}\n\n{HELP}");
                return ExitCode::from(64);
            }
        }
    }
    match demo(keep) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("demo: {error}");
            ExitCode::from(70)
        }
    }
}

/// Whether the job succeeded.
#[expect(clippy::print_stdout, reason = "a command line")]
fn demo(keep: bool) -> Result<bool, KitError> {
    println!("Building the agent and the service (the first time takes minutes) ...");
    let binaries = Binaries::build("demo")?;
    let watch = Stopwatch::start();
    let service = Service::start(&binaries, ServiceOptions::default())?;
    let link = Proxy::start(service.mqtt_address()).map_err(|source| KitError::File {
        path: "the link".into(),
        source,
    })?;
    let mut options = DeviceOptions::new(THING);
    options.port = Some(link.address().port());
    let mut device = Device::new(&binaries, &service, options)?;
    device.power_on()?;
    device.wait_subscribed()?;
    println!(
        "iot-jobs-local  {}  mqtts://localhost:{}",
        service.ready().http,
        service.ready().mqtt.port
    );
    println!(
        "iot-jobs-agent  thing {THING}, process {}\n",
        device.process().map_or(0, |process| process.id())
    );

    let image = Image::new(2, IMAGE_LEN);
    let aws = service.aws();
    service.fault(&downlink())?;
    create(&aws, &image).map_err(|source| KitError::Aws {
        call: "the job".into(),
        source,
    })?;

    let mut timeline = Timeline::new(IMAGE_LEN, stdout().is_terminal());
    let mut cut = false;
    let aws_of_loop = aws.clone();
    let mut log = LogReader::default();
    let ended = {
        let device_log = device.path("agent.log");
        let link = link.clone();
        device.live_until("the job's end", WITHIN, || {
            for line in log.news(&device_log) {
                timeline.log_line(&line);
            }
            let execution = aws_of_loop.execution(THING, JOB).ok()?;
            timeline.execution(&execution);
            if !cut && timeline.bytes() >= CUT_AT as u64 * 9 / 10 {
                cut = true;
                link.cut();
                timeline.say(
                    "link cut",
                    "every connection of the device, in the middle of the download",
                );
            }
            execution.is_terminal().then_some(execution)
        })?
    };
    for line in log.news(&device.path("agent.log")) {
        timeline.log_line(&line);
    }
    timeline.summary(&ended);
    println!(
        "\n{} after {:.1} s",
        ended.status(),
        watch.elapsed().as_secs_f64()
    );
    let succeeded = ended.status() == "SUCCEEDED" && ended.detail("sha256") == image.sha256;
    if keep {
        stay(&service, device)?;
    } else {
        println!("Next: cargo demo --keep leaves the service up for boto3 and the AWS CLI.");
    }
    Ok(succeeded)
}

/// A downlink that is slow enough to watch, and breaks once.
fn downlink() -> Value {
    let slow = json!({"bytesPerSecond": BYTES_PER_SECOND});
    let breaks = json!({"bytesPerSecond": BYTES_PER_SECOND, "closeAfterBytes": CUT_AT});
    json!({"nextDownloads": [breaks], "allDownloads": slow})
}

/// Uploads the image and creates the job.
fn create(aws: &Aws, image: &Image) -> Result<(), AwsError> {
    aws.upload("firmware", "gateway-2.0.0.img", &image.bytes)?;
    aws.create_job(&NewJob {
        id: JOB,
        thing: THING,
        namespace: None,
        document: json!({
            "operation": "firmware-update",
            "version": "2.0.0",
            "url": "${aws:iot:s3-presigned-url:https://s3.eu-west-1.amazonaws.com/firmware/gateway-2.0.0.img}",
            "size": image.bytes.len(),
            "sha256": image.sha256,
        }),
    })
}

/// Leaves everything up until the user ends it.
#[expect(clippy::print_stdout, reason = "a command line")]
fn stay(service: &Service, mut device: Device) -> Result<(), KitError> {
    let endpoint = &service.ready().http;
    println!(
        r#"
The service and the agent stay up; Ctrl-C ends them. The agent logs to {log}

  export AWS_ENDPOINT_URL={endpoint} AWS_REGION=eu-west-1 AWS_ACCESS_KEY_ID=local AWS_SECRET_ACCESS_KEY=local
  aws iot list-job-executions-for-thing --thing-name {THING}
  aws iot create-job --job-id try-1 --targets arn:aws:iot:eu-west-1:123456789012:thing/{THING} \
      --document '{{"operation":"no-such"}}'
  aws iot describe-job-execution --job-id try-1 --thing-name {THING}

  python3 -c 'import boto3; print(boto3.client("iot").describe_job(jobId="{JOB}")["job"]["jobProcessDetails"])'
"#,
        log = device.path("agent.log").display(),
    );
    loop {
        match device.live_until("Ctrl-C", WITHIN, || None::<()>) {
            Ok(()) | Err(KitError::Timeout { .. }) => {}
            Err(error) => return Err(error),
        }
    }
}

/// Reads what a growing file has that was not read before.
#[derive(Debug, Default)]
struct LogReader {
    read: usize,
}

impl LogReader {
    fn news(&mut self, path: &std::path::Path) -> Vec<String> {
        let text = std::fs::read_to_string(path).unwrap_or_default();
        let lines: Vec<_> = text.lines().skip(self.read).map(str::to_owned).collect();
        self.read += lines.len();
        lines
    }
}
