//! The command line: what was asked for, its answer on standard output, its error on standard error.

use core::fmt::Display;
use std::ffi::OsString;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use iot_jobs_config::{Config, Problems};
use lexopt::prelude::*;

use crate::error::StartError;
use crate::{agent, journal, status, tls};

/// Where the configuration lies when `--config` does not say.
const CONFIG_FILE: &str = "/etc/iot-jobs-agent/config.toml";

const HELP: &str = "\
Runs AWS IoT Jobs on this device.

usage: iot-jobs-agent <command> [options]

commands:
  run            connect and run jobs until told to stop
  check-config   say everything that is wrong with the configuration
  status         say what the running agent is at

options:
  -c, --config FILE   configuration [/etc/iot-jobs-agent/config.toml]
  -h, --help          this text, or that of a command
  -V, --version       the version

`iot-jobs-agent <command> --help` says more about a command.";

const HELP_RUN: &str = "\
Connects to AWS IoT Core and runs the jobs of this device until told to stop.

usage: iot-jobs-agent run [--config FILE]

SIGTERM and SIGINT stop it within seconds: what is under way stays held and goes on at the next start.
It logs to standard error, with priorities when that is the systemd journal.

environment:
  IOT_JOBS_LOG   error, warn, info, debug or trace, instead of the configured level
  NOTIFY_SOCKET, WATCHDOG_USEC, JOURNAL_STREAM   as systemd sets them

exit codes:
  0    stopped as told
  64   the command line is wrong
  71   the operating system refused something at start
  73   the state directory cannot be used
  74   the saved state cannot be read
  75   another agent uses the state directory
  78   the configuration is wrong
  81   a job asked for a restart of the agent";

const HELP_CHECK_CONFIG: &str = "\
Reads the configuration and the files that it names, and says everything that is wrong with them, each with its line and
what to do. Connects nowhere.

usage: iot-jobs-agent check-config [--config FILE]

exit codes: 0 nothing is wrong, 78 something is";

const HELP_STATUS: &str = "\
Asks the running agent for its connection, its namespaces, what runs and how far it is, and what ended last.

usage: iot-jobs-agent status [--json] [--config FILE]

options:
      --json   one JSON object

exit codes: 0 it answered, 69 no agent runs or none answers, 77 it answers only its own user and root, 78 the configuration is
wrong";

/// What the command line asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Command {
    CheckConfig { config: PathBuf },
    Help(&'static str),
    Run { config: PathBuf },
    Status { config: PathBuf, json: bool },
    Version,
}

/// Carries out what `arguments` (without the program's name) ask for.
pub(crate) fn main(arguments: impl IntoIterator<Item = OsString>) -> ExitCode {
    let done = parse(arguments)
        .map_err(|error| StartError::Usage(error.to_string()))
        .and_then(execute);
    match done {
        Ok(code) => code,
        Err(error) => {
            let _ = writeln!(io::stderr(), "{error}");
            ExitCode::from(&error)
        }
    }
}

fn parse(arguments: impl IntoIterator<Item = OsString>) -> Result<Command, lexopt::Error> {
    let mut parser = lexopt::Parser::from_args(arguments);
    let mut name = None;
    let mut config = PathBuf::from(CONFIG_FILE);
    let mut help = false;
    let mut json = false;
    while let Some(argument) = parser.next()? {
        match argument {
            Short('c') | Long("config") => config = parser.value()?.into(),
            Short('h') | Long("help") => help = true,
            Short('V') | Long("version") => return Ok(Command::Version),
            Long("json") if name == Some("status") => json = true,
            Value(value) if name.is_none() => name = Some(command_name(value)?),
            Value(_) | Short(_) | Long(_) => return Err(argument.unexpected()),
        }
    }
    Ok(match name {
        Some("run") if help => Command::Help(HELP_RUN),
        Some("run") => Command::Run { config },
        Some("check-config") if help => Command::Help(HELP_CHECK_CONFIG),
        Some("check-config") => Command::CheckConfig { config },
        Some("status") if help => Command::Help(HELP_STATUS),
        Some("status") => Command::Status { config, json },
        Some(_) | None if help => Command::Help(HELP),
        Some(_) | None => return Err("a command is missing".into()),
    })
}

fn command_name(value: OsString) -> Result<&'static str, lexopt::Error> {
    ["run", "check-config", "status"]
        .into_iter()
        .find(|name| value == **name)
        .ok_or_else(|| format!("there is no command {value:?}").into())
}

fn execute(command: Command) -> Result<ExitCode, StartError> {
    match command {
        Command::CheckConfig { config } => {
            let config = checked(&config)?;
            say(&summary(&config));
        }
        Command::Help(text) => say(&text),
        Command::Run { config } => {
            let config = checked(&config)?;
            journal::start(config.log_level);
            return agent::run(config);
        }
        Command::Status { config, json } => {
            // Whoever may ask need not be able to read the agent's keys.
            let config = Config::read(&config).map_err(configuration)?;
            let status = status::ask(&config.state_directory)?;
            if json {
                say(&serde_json::to_string_pretty(&status).unwrap_or_default());
            } else {
                say(&status.text());
            }
        }
        Command::Version => say(&format_args!(
            "iot-jobs-agent {}",
            env!("CARGO_PKG_VERSION")
        )),
    }
    Ok(ExitCode::SUCCESS)
}

fn configuration(problems: Problems) -> StartError {
    StartError::Config(problems.to_string())
}

/// Loads the configuration, and reads the certificates that it names.
fn checked(path: &Path) -> Result<Config, StartError> {
    let config = Config::load(path).map_err(configuration)?;
    tls::client_config(&config.mqtt).map_err(|error| {
        StartError::Config(format!(
            "{}: {error}\nhelp: check `certificate`, `private_key` and `root_ca` in [mqtt]",
            path.display()
        ))
    })?;
    Ok(config)
}

fn summary(config: &Config) -> String {
    let mqtt = &config.mqtt;
    let namespaces: Vec<_> = config
        .jobs
        .namespaces
        .iter()
        .map(journal::namespace_name)
        .collect();
    let handlers: Vec<_> = config
        .handlers
        .iter()
        .map(|rule| format!("{} ({})", rule.operation, rule.handler.as_str()))
        .collect();
    format!(
        "thing       {}\nendpoint    {}:{}\nnamespaces  {}\noperations  {}\nnothing is wrong",
        mqtt.thing_name,
        mqtt.endpoint,
        mqtt.port,
        namespaces.join(", "),
        handlers.join(", ")
    )
}

/// Prints; a reader that went away is no error of ours.
fn say(text: &dyn Display) {
    let _ = writeln!(io::stdout(), "{text}");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn run_takes_a_configuration() {
        assert_eq!(
            parsed(&["run", "--config", "/tmp/a.toml"]).unwrap(),
            Command::Run {
                config: "/tmp/a.toml".into()
            }
        );
    }

    #[test]
    fn the_configuration_lies_in_etc_unless_said_otherwise() {
        assert_eq!(
            parsed(&["check-config"]).unwrap(),
            Command::CheckConfig {
                config: CONFIG_FILE.into()
            }
        );
    }

    #[test]
    fn each_command_has_its_own_help() {
        assert_eq!(parsed(&["--help"]).unwrap(), Command::Help(HELP));
        assert_eq!(parsed(&["run", "-h"]).unwrap(), Command::Help(HELP_RUN));
        assert_eq!(
            parsed(&["status", "--help"]).unwrap(),
            Command::Help(HELP_STATUS)
        );
    }

    #[test]
    fn only_status_takes_json() {
        assert_eq!(
            parsed(&["status", "--json"]).unwrap(),
            Command::Status {
                config: CONFIG_FILE.into(),
                json: true
            }
        );
        assert_eq!(
            parsed(&["run", "--json"]).unwrap_err().to_string(),
            "invalid option '--json'"
        );
    }

    #[test]
    fn a_command_that_does_not_exist_is_named() {
        assert_eq!(
            parsed(&["start"]).unwrap_err().to_string(),
            "there is no command \"start\""
        );
    }

    #[test]
    fn a_command_line_without_a_command_is_refused() {
        assert_eq!(
            parsed(&["--config", "x"]).unwrap_err().to_string(),
            "a command is missing"
        );
    }

    fn parsed(arguments: &[&str]) -> Result<Command, lexopt::Error> {
        parse(arguments.iter().map(OsString::from))
    }
}
