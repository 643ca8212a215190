//! From text to [`Config`]: one function for each section.

mod download;
mod jobs;
mod mqtt;
mod slots;

use std::fs::File;
use std::io::Read as _;
use std::path::{Path, PathBuf};

use toml::de::DeTable;

use crate::files::{Demand, Need};
use crate::problem::{Place, Problem, Problems};
use crate::reader::{At, Reader};
use crate::table::Section;
use crate::{Config, HandlerKind, HandlerRule, LogLevel};

/// Most bytes of a configuration.
const LEN_MAX: usize = 1024 * 1024;
/// Most entries of `[handlers]`.
const HANDLERS_MAX: usize = 64;
/// Most bytes of a document's `operation`.
const OPERATION_LEN_MAX: usize = 64;

const STATE_DIRECTORY: &str = "/var/lib/iot-jobs-agent";
const BOOT_ID_FILE: &str = "/proc/sys/kernel/random/boot_id";
const REBOOT_COMMAND: [&str; 2] = ["/usr/bin/systemctl", "reboot"];

/// Reads the file and looks at the files that it names.
pub(crate) fn load(path: &Path) -> Result<Config, Problems> {
    let text = text_of(path).map_err(|problem| Problems::new(path, vec![problem]))?;
    let mut reading = read(&text, path);
    reading
        .problems
        .extend(reading.demands.iter().filter_map(Demand::check));
    reading.finish(path)
}

/// Reads the file alone.
pub(crate) fn read_alone(path: &Path) -> Result<Config, Problems> {
    let text = text_of(path).map_err(|problem| Problems::new(path, vec![problem]))?;
    parse(&text, path)
}

/// Reads the text alone.
pub(crate) fn parse(text: &str, path: &Path) -> Result<Config, Problems> {
    read(text, path).finish(path)
}

/// What came of a text.
pub(crate) struct Reading {
    /// None only with problems.
    config: Option<Config>,
    problems: Vec<Problem>,
    demands: Vec<Demand>,
    #[cfg(test)]
    pub(crate) known: Vec<(String, &'static str)>,
}

impl Reading {
    fn finish(self, path: &Path) -> Result<Config, Problems> {
        match self.config {
            Some(config) if self.problems.is_empty() => Ok(config),
            Some(_) | None => Err(Problems::new(path, self.problems)),
        }
    }
}

pub(crate) fn read(text: &str, path: &Path) -> Reading {
    let mut reader = Reader::new(text, path);
    let (table, errors) = DeTable::parse_recoverable(text);
    for error in &errors {
        let offset = error.span().map_or(0, |span| span.start);
        let help = "correct the TOML here; the other checks wait for it";
        reader.problem(offset, error.message(), help);
    }
    // What a broken line was to say is not known: whatever else looked wrong might be right.
    let config = if errors.is_empty() {
        config(Section::root(&mut reader, table.get_ref()))
    } else {
        None
    };
    Reading {
        config,
        problems: reader.problems,
        demands: reader.demands,
        #[cfg(test)]
        known: reader.known,
    }
}

fn config(mut root: Section<'_, '_>) -> Option<Config> {
    let mqtt = root
        .required_section(
            "mqtt",
            "`endpoint`, `thing_name`, `certificate`, `private_key` and `root_ca`",
        )
        .and_then(mqtt::read);
    let thing = mqtt.as_ref().map(|mqtt| &mqtt.thing_name);
    let jobs = jobs::read(root.section("jobs"), thing);
    let (state_directory, boot_id_file) = state(root.section("state"));
    let download = download::read(root.section("download"));
    let slots_offset = root.section("slots").map(|section| section.offset);
    let slots = root.section("slots").and_then(slots::read);
    let reboot_command = reboot(root.section("reboot"));
    let reboot_command = reboot_command.unwrap_or_else(|| default_reboot(&mut root, slots_offset));
    let handlers = handlers(root.section("handlers"), &jobs.leave_operations);
    let log_level = log(root.section("log"));
    root.finish();

    Some(Config {
        mqtt: mqtt?,
        jobs,
        state_directory,
        boot_id_file,
        download,
        slots,
        reboot_command,
        handlers,
        log_level,
    })
}

fn state(section: Option<Section<'_, '_>>) -> (PathBuf, PathBuf) {
    let (mut directory, mut boot_id_file) = (None, None);
    if let Some(mut section) = section {
        directory = section.path("directory");
        boot_id_file = section.path("boot_id_file");
        if let Some(path) = &directory {
            section.reader.demand("directory", path, Need::Directory);
        }
        if let Some(path) = &boot_id_file {
            section.reader.demand("boot_id_file", path, Need::Readable);
        }
        section.finish();
    }
    let or = |path: Option<At<PathBuf>>, default: &str| {
        path.map_or_else(|| PathBuf::from(default), |path| path.value)
    };
    (
        or(directory, STATE_DIRECTORY),
        or(boot_id_file, BOOT_ID_FILE),
    )
}

fn reboot(section: Option<Section<'_, '_>>) -> Option<Vec<String>> {
    let mut section = section?;
    let command = section.command("command");
    section.finish();
    command
}

/// The default has to be there once slots are configured: an image is of no use without a reboot.
fn default_reboot(root: &mut Section<'_, '_>, slots: Option<usize>) -> Vec<String> {
    let [program, ..] = REBOOT_COMMAND;
    if let Some(offset) = slots {
        let path = At {
            value: PathBuf::from(program),
            offset,
        };
        root.reader.demand("reboot.command", &path, Need::Program);
    }
    REBOOT_COMMAND.map(str::to_owned).to_vec()
}

fn handlers(section: Option<Section<'_, '_>>, left: &[String]) -> Vec<HandlerRule> {
    let Some(mut section) = section else {
        return [
            ("file-download", HandlerKind::FileDownload),
            ("firmware-update", HandlerKind::Firmware),
        ]
        .into_iter()
        .filter(|(operation, _)| !left.iter().any(|left| left == operation))
        .map(|(operation, handler)| HandlerRule {
            operation: operation.to_owned(),
            handler,
        })
        .collect();
    };

    let entries = section.entries();
    if entries.len() > HANDLERS_MAX {
        let problem = format!("`[handlers]` has {} entries", entries.len());
        let help = format!("keep at most {HANDLERS_MAX}");
        section.reader.problem(section.offset, problem, help);
    }
    let choices = HandlerKind::ALL.map(|kind| (kind.as_str(), kind));
    let mut rules = Vec::new();
    for (operation, value) in entries.into_iter().take(HANDLERS_MAX) {
        check_operation(&mut section, operation, left);
        let Some(text) = value.get_ref().as_str() else {
            let problem = format!("the handler of `{}` is no text", operation.value);
            let help = "write the handler's name in quotes";
            section.reader.problem(value.span().start, problem, help);
            continue;
        };
        let text = At {
            value: text,
            offset: value.span().start,
        };
        if let Some(handler) = section.word("handler", text, &choices) {
            rules.push(HandlerRule {
                operation: operation.value.to_owned(),
                handler,
            });
        }
    }
    rules
}

fn check_operation(section: &mut Section<'_, '_>, operation: At<&str>, left: &[String]) {
    let At { value, offset } = operation;
    if value.is_empty() || value.len() > OPERATION_LEN_MAX || value.contains(char::is_control) {
        let problem = format!("{value:?} is no name of an operation");
        let help = format!("use 1 to {OPERATION_LEN_MAX} printable characters");
        section.reader.problem(offset, problem, help);
    }
    if left.iter().any(|left| left == value) {
        let problem = format!("operation `{value}` is both handled and left to another agent");
        let help = "remove it here, or from `leave_operations` in `[jobs]`";
        section.reader.problem(offset, problem, help);
    }
}

fn log(section: Option<Section<'_, '_>>) -> LogLevel {
    let Some(mut section) = section else {
        return LogLevel::default();
    };
    let choices = LogLevel::ALL.map(|level| (level.as_str(), level));
    let level = section
        .text("level")
        .and_then(|text| section.word("level", text, &choices));
    section.finish();
    level.unwrap_or_default()
}

fn text_of(path: &Path) -> Result<String, Problem> {
    let whole = |problem: String, help: &str| Problem {
        place: None,
        problem,
        help: help.to_owned(),
    };
    let mut bytes = Vec::new();
    let most = u64::try_from(LEN_MAX).unwrap_or(u64::MAX).saturating_add(1);
    File::open(path)
        .and_then(|file| file.take(most).read_to_end(&mut bytes))
        .map_err(|error| {
            let help = "name the configuration's file, and let the agent's user read it";
            whole(format!("cannot be read: {error}"), help)
        })?;
    if bytes.len() > LEN_MAX {
        let problem = format!("has more than {LEN_MAX} bytes");
        return Err(whole(problem, "name the configuration's file"));
    }
    String::from_utf8(bytes).map_err(|error| {
        let valid = error.utf8_error().valid_up_to();
        let text = String::from_utf8_lossy(error.as_bytes());
        Problem {
            place: Some(Place::of(&text, valid)),
            problem: "a byte is no UTF-8".to_owned(),
            help: "save the file in UTF-8".to_owned(),
        }
    })
}
