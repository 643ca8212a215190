//! Starts the service and an agent, runs a command against them, ends with the command's exit code.
//!
//! For outside clients: boto3 scripts, the AWS CLI, AWS's device SDKs.

use core::time::Duration;
use std::ffi::OsString;
use std::process::{Command, ExitCode};

use iot_jobs_kit::{Binaries, Device, DeviceOptions, KitError, Mosquitto, Service, ServiceOptions};
use lexopt::prelude::*;

const HELP: &str = "\
Starts iot-jobs-local and an agent, runs COMMAND against them, ends with its exit code.

Usage: stage [OPTIONS] -- COMMAND [ARGUMENT ...]

Options:
  --thing NAME       the device's thing [default: gw-1]
  --namespace NS     a namespace that the agent owns besides the default one; repeatable
  --mosquitto        use mosquitto as the broker, with the service attached to it
  --no-agent         start no agent: COMMAND is the device
  -h, --help         print this

COMMAND finds in its environment: AWS_ENDPOINT_URL, AWS_REGION and credentials for the AWS SDKs and the CLI; MQTT_HOST, MQTT_PORT,
MQTT_BROKER (embedded or mosquitto), THING_NAME, THING_CERTIFICATE, THING_KEY and ROOT_CA for a device; DEVICE_DIRECTORY for looking at the
agent's files; IOT_JOBS_LOCAL, the service's program.
";

/// Longest run of a command.
const COMMAND_WITHIN: Duration = Duration::from_secs(900);

#[derive(Debug)]
struct Arguments {
    thing: String,
    namespaces: Vec<String>,
    mosquitto: bool,
    agent: bool,
    command: Vec<OsString>,
}

#[expect(clippy::print_stderr, clippy::print_stdout, reason = "a command line")]
fn main() -> ExitCode {
    let arguments = match parse() {
        Ok(Some(arguments)) => arguments,
        Ok(None) => {
            print!("{HELP}");
            return ExitCode::SUCCESS;
        }
        Err(error) => {
            eprintln!("stage: {error}\n\n{HELP}");
            return ExitCode::from(64);
        }
    };
    match run(&arguments) {
        Ok(code) => ExitCode::from(code),
        Err(error) => {
            eprintln!("stage: {error}");
            ExitCode::from(70)
        }
    }
}

fn parse() -> Result<Option<Arguments>, lexopt::Error> {
    let mut parser = lexopt::Parser::from_env();
    let mut arguments = Arguments {
        thing: "gw-1".into(),
        namespaces: vec![],
        mosquitto: false,
        agent: true,
        command: vec![],
    };
    while let Some(argument) = parser.next()? {
        match argument {
            Long("thing") => arguments.thing = parser.value()?.string()?,
            Long("namespace") => arguments.namespaces.push(parser.value()?.string()?),
            Long("mosquitto") => arguments.mosquitto = true,
            Long("no-agent") => arguments.agent = false,
            Short('h') | Long("help") => return Ok(None),
            Value(program) => {
                arguments.command.push(program);
                arguments.command.extend(parser.raw_args()?);
            }
            Short(_) | Long(_) => return Err(argument.unexpected()),
        }
    }
    if arguments.command.is_empty() {
        return Err("no COMMAND given".into());
    }
    Ok(Some(arguments))
}

fn run(arguments: &Arguments) -> Result<u8, KitError> {
    let binaries = Binaries::for_tests()?;
    let broker_directory = iot_jobs_kit::scratch()?;
    let broker = match arguments.mosquitto {
        true => Some(Mosquitto::start(broker_directory.path(), &arguments.thing)?),
        false => None,
    };
    let mut options = ServiceOptions::default();
    options
        .arguments
        .extend(broker.iter().flat_map(Mosquitto::service_arguments));
    let service = Service::start(binaries, options)?;

    let mut options = DeviceOptions::new(&arguments.thing);
    options
        .namespaces
        .extend(arguments.namespaces.iter().cloned());
    options.port = broker.as_ref().map(Mosquitto::port);
    let mut device = Device::new(binaries, &service, options)?;
    if let Some(broker) = &broker {
        device.use_credentials(
            &broker.path("thing.pem"),
            &broker.path("thing.key"),
            &broker.path("ca.pem"),
        )?;
    }
    if arguments.agent {
        device.power_on()?;
        device.wait_subscribed()?;
    }
    let code = command(arguments, &service, &mut device);
    if !matches!(code, Ok(0)) {
        report(&service, &device);
    }
    code
}

/// Runs the command while the device lives; its exit code.
fn command(arguments: &Arguments, service: &Service, device: &mut Device) -> Result<u8, KitError> {
    let [program, rest @ ..] = arguments.command.as_slice() else {
        return Ok(64);
    };
    let port = device.port().to_string();
    let (broker, root) = match arguments.mosquitto {
        true => ("mosquitto", "broker-ca.pem"),
        false => ("embedded", "ca.pem"),
    };
    let mut child = Command::new(program)
        .args(rest)
        .envs([
            ("AWS_ENDPOINT_URL", service.ready().http.as_str()),
            ("AWS_REGION", iot_jobs_kit::aws::REGION),
            ("AWS_DEFAULT_REGION", iot_jobs_kit::aws::REGION),
            ("AWS_ACCESS_KEY_ID", "local"),
            ("AWS_SECRET_ACCESS_KEY", "local"),
            ("MQTT_HOST", "localhost"),
            ("MQTT_PORT", &port),
            ("MQTT_BROKER", broker),
            ("THING_NAME", &arguments.thing),
        ])
        .env("IOT_JOBS_LOCAL", &Binaries::for_tests()?.local)
        .env("THING_CERTIFICATE", device.path("certificate.pem"))
        .env("THING_KEY", device.path("private.key"))
        .env("ROOT_CA", device.path(root))
        .env("DEVICE_DIRECTORY", device.directory())
        .spawn()
        .map_err(|source| KitError::Start {
            program: program.into(),
            source,
        })?;
    let status = device.live_until("the command to end", COMMAND_WITHIN, || {
        child.try_wait().ok().flatten()
    });
    if status.is_err() {
        let _ = child.kill();
    }
    Ok(status?
        .code()
        .and_then(|code| u8::try_from(code).ok())
        .unwrap_or(1))
}

#[expect(clippy::print_stderr, reason = "a command line")]
fn report(service: &Service, device: &Device) {
    eprintln!(
        "--- the service's last lines\n{}\n--- the agent's last lines\n{}",
        service.tail(),
        device.tail()
    );
}
