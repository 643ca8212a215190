//! The command line.

use core::net::SocketAddr;
use std::ffi::OsString;
use std::path::PathBuf;

use iot_jobs_local::broker::{BrokerError, OutsideBroker};
use iot_jobs_local::knobs::{self, KnobsError, Setting};
use iot_jobs_local::service::{MqttSettings, Settings};
use lexopt::prelude::*;
use tracing::Level;

const DEFAULT_HTTP: &str = "127.0.0.1:9080";
const DEFAULT_MQTT: &str = "127.0.0.1:8883";

/// What `--help` prints.
pub(crate) const HELP: &str = "\
iot-jobs-local - a local service that speaks the AWS IoT Jobs APIs

Usage: iot-jobs-local [OPTIONS]

  --http ADDR:PORT   HTTP and HTTPS: iot, iot-jobs-data, s3 [127.0.0.1:9080]
  --mqtt ADDR:PORT   MQTT over mutual TLS, for devices [127.0.0.1:8883]
  --broker URL       attach to the broker at mqtts://HOST:PORT instead, with the PEM files
  --broker-ca FILE, --broker-cert FILE, --broker-key FILE
  --host NAME        the name by which devices reach the service [localhost]
  --data DIR         keep the certificate authority in DIR [a temporary directory]
  --ready-file FILE  write the addresses to FILE once everything listens
  --region REGION    the region of requests that name none [eu-west-1]
  --account ID       the account in every ARN [123456789012]
  --events           publish events of jobs and executions, as UpdateEventConfigurations does
  --knob NAME=VALUE  set a quota, or choose where AWS is unknown; may be repeated
  --knobs            list what can be set so, and to what
  --quotas aws|local count by the second what AWS counts so, too [local]: a laptop is no account
  --allow-remote     allow addresses that other machines reach
  --log LEVEL        error, warn, info, debug or trace [info]
  --help, --version

Port 0 takes any free port.

  export AWS_ENDPOINT_URL=http://127.0.0.1:9080 AWS_REGION=eu-west-1
  export AWS_ACCESS_KEY_ID=local AWS_SECRET_ACCESS_KEY=local
  aws iot create-thing --thing-name gw-1
  curl -X POST $AWS_ENDPOINT_URL/_local/things/gw-1/certificate

The service's own paths:

  GET  /_local/health                   {\"status\": \"ok\"}
  GET  /_local/status                   things, jobs, connections and the clock
  GET  /_local/ca.pem                   the authority that devices must trust
  POST /_local/things/THING/certificate a certificate and key for a thing
  GET  /_local/clock                    {\"now\": SECONDS}
  POST /_local/clock                    {\"advance\": SECONDS, \"frozen\": true|false}
  GET  /_local/faults                   the faults to come
  POST /_local/faults                   replace them, in a body of any of these members:
    \"nextDownloads\": [FAULT, ...], \"allDownloads\": FAULT, \"urlsExpireAtOnce\": true|false
      a FAULT is any of {\"status\": 503, \"closeAfterBytes\": N, \"stallAfterBytes\": N,
      \"bytesPerSecond\": N}
    \"nextRequests\": [FAULT, ...], \"allRequests\": FAULT
      of devices over MQTT; a FAULT is any of {\"drop\": true} (done, the answer is lost),
      {\"ignore\": true} (not done, no answer), {\"duplicate\": true} (answered twice),
      {\"code\": \"RequestThrottled\"|\"InternalError\"} (refused), {\"hideNext\": SECONDS} (for so
      long nothing is pending), with \"operation\": describe, update, pending or start-next
    \"nextNotifications\": [FAULT, ...], \"allNotifications\": FAULT
      a FAULT is {\"drop\": true} or {\"duplicate\": true}, with \"kind\": notify or notify-next
  GET  /_local/knobs                    quotas, and choices where AWS is unknown: see --knobs
  POST /_local/knobs                    set some: {\"quotas\": {\"concurrentJobs\": 2}, ...}
  POST /_local/reset                    forget things, jobs, buckets, faults and messages
";

/// What the user asked for.
#[derive(Debug)]
pub(crate) enum Command {
    Help,
    Knobs,
    Run(Box<Run>),
    Version,
}

/// A service to run.
#[derive(Debug)]
pub(crate) struct Run {
    pub(crate) settings: Settings,
    pub(crate) ready_file: Option<PathBuf>,
    pub(crate) log: Level,
}

/// Why a command line cannot be followed.
#[non_exhaustive]
#[derive(Debug, thiserror::Error)]
pub(crate) enum UsageError {
    #[error("--broker: {0}\nhelp: see --help")]
    Broker(#[from] BrokerError),
    #[error(
        "{option} belongs to --broker, with --broker-ca, --broker-cert and --broker-key\nhelp: give all four, or none of them"
    )]
    Incomplete { option: &'static str },
    #[error("--{option} {value}: {expected} is expected\nhelp: see --help")]
    Invalid {
        option: &'static str,
        value: String,
        expected: &'static str,
    },
    #[error("--knob: {0}\nhelp: --knobs tells of each of {names}", names = knobs::names().collect::<Vec<_>>().join(", "))]
    Knobs(#[from] KnobsError),
    #[error("{0}\nhelp: see --help")]
    Syntax(#[from] lexopt::Error),
}

impl Command {
    /// Reads the arguments, without the program's name.
    pub(crate) fn parse(arguments: impl IntoIterator<Item = OsString>) -> Result<Self, UsageError> {
        let mut parser = lexopt::Parser::from_args(arguments);
        let mut settings = Settings {
            http: address("http", DEFAULT_HTTP.to_owned())?,
            mqtt: MqttSettings::Embedded(address("mqtt", DEFAULT_MQTT.to_owned())?),
            ..Settings::default()
        };
        let (mut ready_file, mut log, mut outside) = (None, Level::INFO, Outside::default());
        let mut asked = Vec::new();
        while let Some(argument) = parser.next()? {
            match argument {
                Short('h') | Long("help") => return Ok(Self::Help),
                Short('V') | Long("version") => return Ok(Self::Version),
                Long("account") => settings.account = account(parser.value()?.string()?)?,
                Long("allow-remote") => settings.allow_remote = true,
                Long("broker") => outside.broker = Some(parser.value()?.string()?),
                Long("broker-ca") => outside.ca = Some(parser.value()?.into()),
                Long("broker-cert") => outside.certificate = Some(parser.value()?.into()),
                Long("broker-key") => outside.key = Some(parser.value()?.into()),
                Long("data") => settings.data = Some(parser.value()?.into()),
                Long("events") => asked.push(("events".to_owned(), true.into())),
                Long("host") => settings.host = parser.value()?.string()?,
                Long("http") => settings.http = address("http", parser.value()?.string()?)?,
                Long("knob") => asked.push(knob(parser.value()?.string()?)?),
                Long("knobs") => return Ok(Self::Knobs),
                Long("log") => log = level(parser.value()?.string()?)?,
                Long("mqtt") => {
                    settings.mqtt =
                        MqttSettings::Embedded(address("mqtt", parser.value()?.string()?)?);
                }
                Long("quotas") => {
                    asked.push(("quotas".to_owned(), parser.value()?.string()?.into()));
                }
                Long("ready-file") => ready_file = Some(parser.value()?.into()),
                Long("region") => settings.region = region(parser.value()?.string()?)?,
                argument @ (Short(_) | Long(_) | Value(_)) => {
                    return Err(argument.unexpected().into());
                }
            }
        }
        settings.knobs.set(asked)?;
        if let Some(outside) = outside.settings()? {
            settings.mqtt = MqttSettings::Outside(outside);
        }
        Ok(Self::Run(Box::new(Run {
            settings,
            ready_file,
            log,
        })))
    }
}

/// The options of an outside broker.
#[derive(Debug, Default)]
struct Outside {
    broker: Option<String>,
    ca: Option<PathBuf>,
    certificate: Option<PathBuf>,
    key: Option<PathBuf>,
}

impl Outside {
    /// All options together make a broker; without any there is none.
    fn settings(self) -> Result<Option<OutsideBroker>, UsageError> {
        match (self.broker, self.ca, self.certificate, self.key) {
            (None, None, None, None) => Ok(None),
            (Some(broker), Some(ca), Some(certificate), Some(key)) => {
                Ok(Some(OutsideBroker::new(&broker, ca, certificate, key)?))
            }
            (Some(_), _, _, _) => Err(UsageError::Incomplete { option: "--broker" }),
            (None, Some(_), _, _) => Err(UsageError::Incomplete {
                option: "--broker-ca",
            }),
            (None, None, Some(_), _) => Err(UsageError::Incomplete {
                option: "--broker-cert",
            }),
            (None, None, None, Some(_)) => Err(UsageError::Incomplete {
                option: "--broker-key",
            }),
        }
    }
}

fn address(option: &'static str, value: String) -> Result<SocketAddr, UsageError> {
    value.parse().map_err(|_| UsageError::Invalid {
        option,
        value,
        expected: "an address and a port",
    })
}

fn account(value: String) -> Result<String, UsageError> {
    if value.len() == 12 && value.bytes().all(|byte| byte.is_ascii_digit()) {
        return Ok(value);
    }
    Err(UsageError::Invalid {
        option: "account",
        value,
        expected: "a number of 12 digits",
    })
}

fn knob(value: String) -> Result<Setting, UsageError> {
    knobs::setting(&value).ok_or(UsageError::Invalid {
        option: "knob",
        value,
        expected: "NAME=VALUE",
    })
}

fn region(value: String) -> Result<String, UsageError> {
    let is_legal = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    if !value.is_empty() && value.bytes().all(is_legal) {
        return Ok(value);
    }
    Err(UsageError::Invalid {
        option: "region",
        value,
        expected: "a name like eu-west-1",
    })
}

fn level(value: String) -> Result<Level, UsageError> {
    value.parse().map_err(|_| UsageError::Invalid {
        option: "log",
        value,
        expected: "error, warn, info, debug or trace",
    })
}

#[cfg(test)]
mod tests {
    use iot_jobs_local::knobs::Knobs;
    use iot_jobs_local::model::AtConcurrencyLimit;

    use super::*;

    fn parse(arguments: &[&str]) -> Result<Command, String> {
        Command::parse(arguments.iter().map(OsString::from)).map_err(|error| error.to_string())
    }

    fn run(arguments: &[&str]) -> Run {
        match parse(arguments) {
            Ok(Command::Run(run)) => *run,
            other => panic!("{other:?}"),
        }
    }

    /// Where the embedded broker listens.
    fn listens(settings: &Settings) -> String {
        match &settings.mqtt {
            MqttSettings::Embedded(address) => address.to_string(),
            MqttSettings::Outside(broker) => panic!("{broker:?}"),
        }
    }

    #[test]
    fn the_defaults_are_the_documented_ones() {
        let settings = run(&[]).settings;
        assert!(HELP.contains(&format!("[{}]", settings.http)));
        assert!(HELP.contains(&format!("[{}]", listens(&settings))));
        assert!(HELP.contains(&format!("[{}]", settings.host)));
        assert!(HELP.contains(&format!("[{}]", settings.region)));
        assert!(HELP.contains(&format!("[{}]", settings.account)));
        assert!(!settings.allow_remote);
        assert_eq!(settings.knobs, Knobs::default());
    }

    #[test]
    fn every_option_is_taken() {
        let run = run(&[
            "--http=0.0.0.0:0",
            "--mqtt",
            "[::1]:1",
            "--host",
            "box",
            "--data",
            "d",
            "--ready-file",
            "r",
            "--region",
            "us-east-1",
            "--account",
            "000000000001",
            "--allow-remote",
            "--events",
            "--log",
            "debug",
        ]);
        let settings = run.settings;
        assert_eq!(
            (settings.http.to_string(), listens(&settings)),
            ("0.0.0.0:0".into(), "[::1]:1".into())
        );
        assert_eq!(
            (settings.host.as_str(), settings.data),
            ("box", Some("d".into()))
        );
        assert_eq!(
            (settings.region.as_str(), settings.account.as_str()),
            ("us-east-1", "000000000001")
        );
        assert!(settings.allow_remote && settings.knobs.jobs.events);
        assert_eq!((run.ready_file, run.log), (Some("r".into()), Level::DEBUG));
    }

    #[test]
    fn a_wrong_value_is_named_with_what_is_expected() {
        for (arguments, says) in [
            (
                ["--http", "9080"],
                "--http 9080: an address and a port is expected",
            ),
            (
                ["--account", "12"],
                "--account 12: a number of 12 digits is expected",
            ),
            (
                ["--region", "EU"],
                "--region EU: a name like eu-west-1 is expected",
            ),
            (
                ["--log", "loud"],
                "--log loud: error, warn, info, debug or trace is expected",
            ),
        ] {
            assert!(
                parse(&arguments).unwrap_err().starts_with(says),
                "{arguments:?}"
            );
        }
        assert!(
            parse(&["--port", "1"])
                .unwrap_err()
                .starts_with("invalid option '--port'")
        );
    }

    #[test]
    fn knobs_are_set_in_the_order_of_the_options() {
        let knobs = run(&[
            "--knob",
            "quotas.concurrentJobs=2",
            "--knob=atConcurrencyLimit=hold",
            "--quotas=aws",
            "--knob",
            "quotas.requestsPerSecond.controlPlane=off",
        ]);
        let knobs = knobs.settings.knobs;
        assert_eq!(knobs.jobs.quotas.concurrent_jobs, 500);
        assert_eq!(knobs.jobs.at_concurrency_limit, AtConcurrencyLimit::Hold);
        assert_eq!(knobs.mqtt.connects_per_second, Some(1));
        assert_eq!(
            (knobs.rates.control_plane, knobs.rates.data_plane_reads),
            (None, Some(200))
        );
        assert!(matches!(parse(&["--knobs"]), Ok(Command::Knobs)));
    }

    #[test]
    fn every_knob_that_cannot_be_set_is_told_with_the_names_of_all() {
        let refused = parse(&["--knob", "a=1", "--quotas", "gcp", "--knob", "events=2"]);
        let told = refused.unwrap_err();
        for part in [
            "--knob: there is no knob a; quotas cannot be \"gcp\": ",
            "; events cannot be 2: true or false is expected\nhelp: ",
            "quotas.concurrentJobs, ",
        ] {
            assert!(told.contains(part), "{told}");
        }
        assert_eq!(
            parse(&["--knob", "events"]).unwrap_err(),
            "--knob events: NAME=VALUE is expected\nhelp: see --help"
        );
    }

    #[test]
    fn an_outside_broker_needs_all_its_options() {
        let mut arguments = vec!["--broker", "mqtts://broker.example:8884"];
        for option in ["--broker-ca", "--broker-cert", "--broker-key"] {
            assert!(
                parse(&arguments).unwrap_err().contains("give all four"),
                "{arguments:?}"
            );
            arguments.extend([option, "file.pem"]);
        }
        match run(&arguments).settings.mqtt {
            MqttSettings::Outside(broker) => {
                assert_eq!((broker.host(), broker.port()), ("broker.example", 8884))
            }
            MqttSettings::Embedded(address) => panic!("{address}"),
        }
    }
}
