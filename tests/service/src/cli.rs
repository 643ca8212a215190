//! The command line.

use core::net::SocketAddr;
use std::ffi::OsString;
use std::path::PathBuf;

use iot_jobs_local::broker::{BrokerError, OutsideBroker};
use iot_jobs_local::clock::{self, Scale};
use iot_jobs_local::knobs::{self, KnobsError, Setting};
use iot_jobs_local::model::names::Scope;
use iot_jobs_local::model::time::Timestamp;
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
  --broker URL       attach to the broker at mqtts://HOST:PORT instead
  --broker-ca FILE   the PEM file with the authority that the broker is checked against
  --broker-cert FILE, --broker-key FILE
                     the certificate and key that the service shows the broker
  --broker-user NAME, --broker-password-file FILE
                     the login of the service, besides a certificate or instead of one
  --host NAME        the name by which devices reach the service [localhost]
  --data DIR         keep everything in DIR, so that a restart or a power cut loses nothing that was
                     answered: things, jobs, executions and their timers, objects, the clock, the
                     certificate authority; faults and knobs are not kept [nothing is kept]
  --ready-file FILE  write the addresses to FILE once everything listens
  --region REGION    the region of requests that name none [eu-west-1]
  --account ID       the account in every ARN [123456789012]
  --clock-scale N    run the service's clock N times as fast, up to 100000 [1, or as kept in DIR]
  --frozen-at TIME   let the clock stand at TIME, seconds since 1970, until it is stepped; at the
                     time kept in DIR if that is later: the clock never goes back
  --events           publish events of jobs and executions, as UpdateEventConfigurations does
  --knob NAME=VALUE  set a quota, or choose where AWS is unknown; may be repeated
  --knobs            list what can be set so, and to what
  --quotas aws|local count by the second what AWS counts so, too [local]: a laptop is no account
  --admin            allow /_local to step the clock, to plan faults, to set knobs and to reset
  --allow-remote     allow addresses that other machines reach
  --log LEVEL        error, warn, info, debug or trace [info]
  --help, --help-admin, --version

Port 0 takes any free port.

  export AWS_ENDPOINT_URL=http://127.0.0.1:9080 AWS_REGION=eu-west-1
  export AWS_ACCESS_KEY_ID=local AWS_SECRET_ACCESS_KEY=local
  aws iot create-thing --thing-name gw-1
  curl -X POST $AWS_ENDPOINT_URL/_local/things/gw-1/certificate

The page at / shows things, jobs and executions, live. The service's own paths, below /_local: health,
status, ca.pem, things/THING/certificate, and what the page shows, as JSON: overview, jobs, things,
changes; with --admin also clock, faults, connections, knobs and reset. --help-admin describes them.
";

/// What `--help-admin` prints.
pub(crate) const HELP_ADMIN: &str = include_str!("../../../docs/local-service-admin.md");

/// What the user asked for.
#[derive(Debug)]
pub(crate) enum Command {
    Help(&'static str),
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
        "--broker is incomplete: {missing} is missing\nhelp: an outside broker needs --broker and --broker-ca, with --broker-cert and --broker-key, or --broker-user and --broker-password-file, or all of these"
    )]
    Incomplete { missing: &'static str },
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
        let mut clock = clock::Asked::default();
        let mut asked = Vec::new();
        while let Some(argument) = parser.next()? {
            match argument {
                Short('h') | Long("help") => return Ok(Self::Help(HELP)),
                Long("help-admin") => return Ok(Self::Help(HELP_ADMIN)),
                Short('V') | Long("version") => return Ok(Self::Version),
                Long("account") => settings.account = account(parser.value()?.string()?)?,
                Long("admin") => settings.admin = true,
                Long("allow-remote") => settings.allow_remote = true,
                Long("broker") => outside.broker = Some(parser.value()?.string()?),
                Long("broker-ca") => outside.ca = Some(parser.value()?.into()),
                Long("broker-cert") => outside.certificate = Some(parser.value()?.into()),
                Long("broker-password-file") => outside.password = Some(parser.value()?.into()),
                Long("broker-user") => outside.user = Some(parser.value()?.string()?),
                Long("broker-key") => outside.key = Some(parser.value()?.into()),
                Long("clock-scale") => clock.scale = Some(scale(parser.value()?.string()?)?),
                Long("data") => settings.data = Some(parser.value()?.into()),
                Long("events") => asked.push(("events".to_owned(), true.into())),
                Long("frozen-at") => clock.frozen_at = Some(time(parser.value()?.string()?)?),
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
        settings.clock = clock.clock();
        settings.clock_asked = clock;
        match outside.settings()? {
            Some(outside) => {
                settings.mqtt = MqttSettings::Outside(outside);
                settings.knobs.set_on_outside_broker(asked)?;
            }
            None => settings.knobs.set(asked)?,
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
    user: Option<String>,
    password: Option<PathBuf>,
}

impl Outside {
    /// The options together make a broker; without any there is none.
    fn settings(self) -> Result<Option<OutsideBroker>, UsageError> {
        let needs = |missing| UsageError::Incomplete { missing };
        let certificate = both(
            self.certificate,
            self.key,
            needs("--broker-cert"),
            needs("--broker-key"),
        )?;
        let login = both(
            self.user,
            self.password,
            needs("--broker-user"),
            needs("--broker-password-file"),
        )?;
        let has_proof = certificate.is_some() || login.is_some();
        if !has_proof && self.broker.is_none() && self.ca.is_none() {
            return Ok(None);
        }
        let address = self.broker.ok_or(needs("--broker"))?;
        let ca = self.ca.ok_or(needs("--broker-ca"))?;
        if !has_proof {
            return Err(needs("--broker-cert or --broker-user"));
        }
        let mut broker = OutsideBroker::new(&address, ca)?;
        if let Some((certificate, key)) = certificate {
            broker = broker.with_certificate(certificate, key);
        }
        if let Some((user, password)) = login {
            broker = broker.with_login(user, password);
        }
        Ok(Some(broker))
    }
}

/// Both, or neither.
fn both<A, B>(
    first: Option<A>,
    second: Option<B>,
    no_first: UsageError,
    no_second: UsageError,
) -> Result<Option<(A, B)>, UsageError> {
    match (first, second) {
        (Some(first), Some(second)) => Ok(Some((first, second))),
        (None, None) => Ok(None),
        (None, Some(_)) => Err(no_first),
        (Some(_), None) => Err(no_second),
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
    if Scope::is_region(&value) {
        return Ok(value);
    }
    Err(UsageError::Invalid {
        option: "region",
        value,
        expected: "a name like eu-west-1",
    })
}

fn scale(value: String) -> Result<Scale, UsageError> {
    let scale = value.parse().ok().and_then(Scale::new);
    scale.ok_or(UsageError::Invalid {
        option: "clock-scale",
        value,
        expected: "a number above 0 and at most 100000",
    })
}

fn time(value: String) -> Result<Timestamp, UsageError> {
    let seconds = value.parse().map(Timestamp::from_secs);
    seconds.map_err(|_| UsageError::Invalid {
        option: "frozen-at",
        value,
        expected: "a number of seconds since 1970",
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
        assert!(!settings.allow_remote && !settings.admin);
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
            "--admin",
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
        assert!(settings.allow_remote && settings.admin && settings.knobs.jobs.events);
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
                ["--region", "a-name-that-is-longer-than-any-is"],
                "--region a-name-that-is-longer-than-any-is: a name like eu-west-1 is expected",
            ),
            (
                ["--clock-scale", "0"],
                "--clock-scale 0: a number above 0 and at most 100000 is expected",
            ),
            (
                ["--frozen-at", "noon"],
                "--frozen-at noon: a number of seconds since 1970 is expected",
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
    fn quotas_of_mqtt_are_not_set_on_an_outside_broker() {
        let on_outside_broker = |option: &[&'static str]| {
            let broker = [
                "--broker=mqtts://b",
                "--broker-ca=c",
                "--broker-cert=d",
                "--broker-key=e",
            ];
            [option, &broker].concat()
        };
        let refused = parse(&on_outside_broker(&["--knob", "quotas.payloadBytes=1024"]));
        let told = refused.unwrap_err();
        let says = "--knob: quotas.payloadBytes cannot be set: it is up to the outside broker\n";
        assert!(told.starts_with(says), "{told}");

        let knobs = run(&on_outside_broker(&["--quotas", "aws"])).settings.knobs;
        assert_eq!(knobs.mqtt, Knobs::default().mqtt);
        assert_eq!(knobs.rates.data_plane_reads, Some(200));
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
    fn the_clock_stands_and_runs_as_asked() {
        let settings = run(&["--clock-scale", "60", "--frozen-at", "1700000000"]).settings;
        let asked = clock::Asked {
            frozen_at: Some(Timestamp::from_secs(1_700_000_000)),
            scale: Scale::new(60.0),
        };
        assert_eq!(settings.clock_asked, asked);
        let reading = settings.clock.reading();
        assert_eq!(reading.now, Timestamp::from_secs(1_700_000_000));
        assert_eq!((reading.scale.get(), reading.is_frozen), (60.0, true));
        assert!(!run(&[]).settings.clock.reading().is_frozen);
    }

    #[test]
    fn an_outside_broker_needs_an_authority_and_a_proof() {
        let whole = [
            ("--broker", "mqtts://broker.example:8884"),
            ("--broker-ca", "ca.pem"),
            ("--broker-cert", "service.pem"),
            ("--broker-key", "service.key"),
            ("--broker-user", "jobs"),
            ("--broker-password-file", "password"),
        ];
        let given = |options: &[usize]| -> Vec<&str> {
            let given = options.iter().map(|option| whole[*option]);
            given.flat_map(|(name, value)| [name, value]).collect()
        };
        for (options, missing) in [
            (vec![0], "--broker-ca"),
            (vec![1], "--broker"),
            (vec![0, 1], "--broker-cert or --broker-user"),
            (vec![0, 1, 2], "--broker-key"),
            (vec![0, 1, 3], "--broker-cert"),
            (vec![0, 1, 4], "--broker-password-file"),
            (vec![4, 5], "--broker"),
        ] {
            let error = parse(&given(&options)).unwrap_err();
            let says = format!("--broker is incomplete: {missing} is missing");
            assert!(error.starts_with(&says), "{options:?}: {error}");
        }
        for options in [vec![0, 1, 2, 3], vec![0, 1, 4, 5], (0..6).collect()] {
            match run(&given(&options)).settings.mqtt {
                MqttSettings::Outside(broker) => {
                    assert_eq!((broker.host(), broker.port()), ("broker.example", 8884));
                }
                MqttSettings::Embedded(address) => panic!("{address}"),
            }
        }
    }
}
