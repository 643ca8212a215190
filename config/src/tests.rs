use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use super::*;

const EXAMPLE: &str = include_str!("../agent.example.toml");
const PATH: &str = "/etc/agent/agent.toml";

/// The least that is a configuration.
const LEAST: &str = r#"
[mqtt]
endpoint = "localhost"
thing_name = "gateway"
certificate = "device.crt"
private_key = "device.key"
root_ca = "ca.crt"
"#;

const CERTIFICATE: &str = "-----BEGIN CERTIFICATE-----\nMA==\n-----END CERTIFICATE-----\n";
const KEY: &str = "-----BEGIN PRIVATE KEY-----\nMA==\n-----END PRIVATE KEY-----\n";

fn parse(text: &str) -> Config {
    Config::parse(text, Path::new(PATH)).unwrap_or_else(|problems| panic!("{problems}"))
}

/// What is wrong with `text`, without the path.
fn problems(text: &str) -> Vec<String> {
    let problems = Config::parse(text, Path::new(PATH)).unwrap_err();
    problems
        .iter()
        .map(|found| {
            let line = found.place.map_or(0, |place| place.line);
            format!("{line}: {} / {}", found.problem, found.help)
        })
        .collect()
}

/// What is wrong with the least configuration plus `more`.
fn problems_with(more: &str) -> Vec<String> {
    problems(&format!("{LEAST}{more}"))
}

/// The least configuration with a line of its `[mqtt]` replaced.
fn with_line(key: &str, line: &str) -> String {
    let mut found = false;
    let lines: Vec<_> = LEAST
        .lines()
        .map(|old| {
            let is_it = old.starts_with(key);
            found |= is_it;
            if is_it { line } else { old }
        })
        .collect();
    assert!(found, "{key}");
    lines.join("\n")
}

#[test]
fn the_example_is_a_configuration() {
    let config = parse(EXAMPLE);
    assert_eq!(config.mqtt.thing_name.as_str(), "gateway-0001");
    assert_eq!(
        config.mqtt.certificate,
        Path::new("/etc/agent/device.pem.crt")
    );
    assert_eq!(config.handlers.len(), 2);
}

#[test]
fn every_key_that_is_known_stands_in_the_example() {
    let mut known = read::read(EXAMPLE, Path::new(PATH)).known;
    let kinds = ["command", "file"];
    for kind in kinds {
        let other = EXAMPLE.replace("\"u-boot\"\n", &format!("\"{kind}\"\n"));
        known.extend(read::read(&other, Path::new(PATH)).known);
    }
    assert!(known.len() > 40);

    for (section, key) in known {
        let text = if section.is_empty() {
            EXAMPLE
        } else {
            let (_, from) = EXAMPLE.split_once(&format!("\n[{section}]\n")).unwrap();
            from.split_once("\n[").map_or(from, |(text, _)| text)
        };
        let shown = text.lines().any(|line| {
            line.starts_with(&format!("{key} = "))
                || line.starts_with(&format!("#{key} = "))
                || line.starts_with(&format!("[{key}]"))
                || line.starts_with(&format!("[{section}.{key}]"))
        });
        let is_section = EXAMPLE.contains(&format!("\n[{section}.{key}]\n"));
        assert!(shown || is_section, "[{section}] {key}");
    }
}

#[test]
fn the_examples_optional_keys_are_keys_too() {
    let shown = |line: &str| line.starts_with('#') && !line.starts_with("# ") && line != "#";
    let optional: Vec<_> = EXAMPLE.lines().filter(|line| shown(line)).collect();
    assert!(optional.len() >= 8, "{optional:?}");

    let others = ["#program", "#path"];
    let text: String = EXAMPLE
        .lines()
        .map(|line| {
            let wanted = shown(line) && !others.iter().any(|other| line.starts_with(other));
            line.strip_prefix('#').filter(|_| wanted).unwrap_or(line)
        })
        .map(|line| format!("{line}\n"))
        .collect();
    let config = parse(&text);
    assert_eq!(config.mqtt.client_id, "gateway-0001-jobs");
    assert_eq!(config.slots.unwrap().size_max, Some(256 * 1024 * 1024));
}

#[test]
fn the_example_says_the_defaults() {
    let example = parse(EXAMPLE);
    let least = parse(LEAST);
    assert_eq!(least.mqtt.port, example.mqtt.port);
    assert_eq!(least.mqtt.keep_alive, example.mqtt.keep_alive);
    assert_eq!(least.jobs.timing, example.jobs.timing);
    assert_eq!(least.jobs.namespaces, example.jobs.namespaces);
    assert_eq!(least.jobs.concurrent, example.jobs.concurrent);
    assert_eq!(least.state_directory, example.state_directory);
    assert_eq!(least.boot_id_file, example.boot_id_file);
    assert_eq!(least.download.size_max, example.download.size_max);
    assert_eq!(least.download.stall_timeout, example.download.stall_timeout);
    assert_eq!(least.download.keep_free, example.download.keep_free);
    assert_eq!(least.download.allow_http, example.download.allow_http);
    assert_eq!(least.reboot_command, example.reboot_command);
    assert_eq!(least.log_level, example.log_level);
    let operations = |config: &Config| {
        let mut rules: Vec<_> = config
            .handlers
            .iter()
            .map(|rule| (rule.operation.clone(), rule.handler.as_str()))
            .collect();
        rules.sort_unstable();
        rules
    };
    assert_eq!(operations(&least), operations(&example));
}

#[test]
fn what_is_not_said_has_its_default() {
    let config = parse(LEAST);
    assert_eq!(config.mqtt.client_id, "gateway");
    assert_eq!(config.mqtt.alpn, None);
    assert_eq!(config.jobs.timing.answer_within, Duration::from_secs(10));
    assert!(config.slots.is_none());
    assert!(config.download.allowed_paths.is_empty());
}

#[test]
fn port_443_has_its_alpn() {
    let config = parse(&format!("{LEAST}port = 443"));
    assert_eq!(config.mqtt.alpn.as_deref(), Some("x-amzn-mqtt-ca"));
    let config = parse(&format!("{LEAST}port = 443\nalpn = \"mqtt\""));
    assert_eq!(config.mqtt.alpn.as_deref(), Some("mqtt"));
}

#[test]
fn a_fraction_of_a_second_is_a_duration() {
    let config = parse(&format!(
        "{LEAST}[jobs]\nprogress_every_secs = 0.25\ntrial_window_minutes = 0.05\nstep_timeout_minutes = 0"
    ));
    let timing = config.jobs.timing;
    assert_eq!(timing.progress_every, Duration::from_millis(250));
    assert_eq!(timing.trial_window, Duration::from_secs(3));
    assert_eq!(timing.step_timeout, None);
}

#[test]
fn all_problems_are_told_at_once_in_the_order_of_their_lines() {
    let found = problems(
        "[mqtt]\nendpoint = \"\"\nthing_name = \"a b\"\ncertificate = 7\nroot_ca = \"ca.crt\"\n\
         keep_alive_secs = 5\nprot = 8883\n[job]\n",
    );
    assert_eq!(
        found,
        [
            "1: `private_key` is missing from `[mqtt]` / set it to the PEM file with the device's private key",
            "2: `endpoint` is empty / write a value between the quotes, or remove the line",
            "3: `thing_name`: character ' ' is not allowed in a name / use 1 to 128 of a-z A-Z 0-9 : _ - as AWS IoT does",
            "4: `certificate` is of type integer / write a text in quotes",
            "6: `keep_alive_secs` is 5, outside of 30 to 1200 / write a number in that range; 60 without the line",
            "7: unknown key `prot` in `[mqtt]` / did you mean `port`?",
            "8: unknown section `job` / did you mean `jobs`?",
        ]
    );
}

#[test]
fn problems_display_as_blocks_and_a_count() {
    let problems = Config::parse("[mqtt]\n", Path::new(PATH)).unwrap_err();
    let text = problems.to_string();
    let begin =
        "/etc/agent/agent.toml:1: `endpoint` is missing from `[mqtt]`\nhelp: set it to what";
    assert!(text.starts_with(begin), "{text}");
    assert!(
        text.ends_with("\n\n5 problems in /etc/agent/agent.toml"),
        "{text}"
    );
}

#[test]
fn a_place_counts_characters() {
    let text = "[mqtt]\n\"ä\" = 1\nx = 2";
    let place = Place::of(text, text.find("= 1").unwrap());
    assert_eq!(place, Place { line: 2, column: 5 });
}

#[test]
fn an_empty_file_lacks_its_only_required_section() {
    assert_eq!(
        problems(""),
        [
            "1: section `[mqtt]` is missing / add it with `endpoint`, `thing_name`, `certificate`, `private_key` and `root_ca`"
        ]
    );
}

#[test]
fn broken_toml_is_told_with_its_lines_and_nothing_is_guessed_from_it() {
    let found = problems("[mqtt\nendpoint = \"x\"\nport = = 1\n");
    assert!(found.len() >= 2, "{found:?}");
    assert!(found[0].starts_with("1: "), "{found:?}");
    assert!(
        found.iter().any(|found| found.starts_with("3: ")),
        "{found:?}"
    );
    assert!(!found.iter().any(|found| found.contains("missing from")));
}

#[test]
fn a_key_said_twice_is_a_problem() {
    let found = problems(&format!("{LEAST}endpoint = \"twice\""));
    assert_eq!(found.len(), 1, "{found:?}");
    assert!(found[0].starts_with("8: duplicate key"), "{found:?}");
}

#[test]
fn an_endpoint_is_a_bare_host_name() {
    for (endpoint, expected) in [
        (
            "https://x.amazonaws.com",
            "`endpoint` begins with `https://` / write the bare host name: `x.amazonaws.com`",
        ),
        (
            "mqtts://x:8883/",
            "`endpoint` begins with `mqtts://` / write the bare host name: `x`",
        ),
        (
            "x.amazonaws.com:8883",
            "`endpoint` ends with port `:8883` / write the bare host name: `x.amazonaws.com`, and `port = 8883` on a line of its own",
        ),
        (
            "x/mqtt",
            "`endpoint` has a path / write the bare host name: `x`",
        ),
        (
            "x y",
            "`endpoint` \"x y\" is no host name / write a host name such as `localhost`, without scheme, port and path",
        ),
        (
            "-x",
            "`endpoint` \"-x\" is no host name / write a host name such as `localhost`, without scheme, port and path",
        ),
    ] {
        let found = problems(&with_line(
            "endpoint",
            &format!("endpoint = \"{endpoint}\""),
        ));
        assert_eq!(found, [format!("3: {expected}")]);
    }
    for endpoint in ["localhost", "127.0.0.1", "::1", "a.b-c.amazonaws.com"] {
        let config = parse(&with_line(
            "endpoint",
            &format!("endpoint = \"{endpoint}\""),
        ));
        assert_eq!(config.mqtt.endpoint, endpoint);
    }
}

#[test]
fn a_namespace_has_to_fit_into_a_topic() {
    let thing = "t".repeat(128);
    let thing = with_line("thing_name", &format!("thing_name = \"{thing}\""));
    let fits = format!("{thing}\n[jobs]\nnamespaces = [\"{}\"]", "n".repeat(19));
    assert_eq!(parse(&fits).jobs.namespaces.len(), 1);

    let found = problems(&format!(
        "{thing}\n[jobs]\nnamespaces = [\"{}\"]",
        "n".repeat(20)
    ));
    assert_eq!(found.len(), 1);
    assert!(found[0].contains("use at most 19 characters"), "{found:?}");
}

#[test]
fn bad_namespaces_are_named_each() {
    let found = problems_with(
        "[jobs]\nnamespaces = [\"default\", \"a/b\", \"aws-gg-deployment\", \"x\", \"x\", \"\"]",
    );
    let expected = [
        "an entry of `namespaces` is empty",
        "namespace \"a/b\": character '/' is not allowed in a name",
        "namespace `aws-gg-deployment` belongs to AWS IoT Greengrass",
        "namespace `x` is named twice",
    ];
    assert_eq!(found.len(), expected.len(), "{found:?}");
    for expected in expected {
        assert!(
            found.iter().any(|found| found.contains(expected)),
            "{expected} in {found:?}"
        );
    }
    let found = problems_with("[jobs]\nnamespaces = []");
    assert_eq!(found.len(), 1);
}

#[test]
fn an_operation_cannot_be_handled_and_left() {
    let found =
        problems_with("[jobs]\nleave_operations = [\"update\"]\n[handlers]\nupdate = \"firmware\"");
    assert_eq!(found.len(), 1);
    assert!(
        found[0].starts_with("11: operation `update` is both handled and left"),
        "{found:?}"
    );

    let config = parse(&format!(
        "{LEAST}[jobs]\nleave_operations = [\"file-download\"]"
    ));
    assert_eq!(config.handlers.len(), 1, "a default handler gives way");
}

#[test]
fn a_handler_that_is_not_there_is_guessed() {
    let found = problems_with("[handlers]\nupdate = \"firmwear\"");
    assert_eq!(
        found,
        ["9: `handler` cannot be `firmwear` / did you mean `firmware`?"]
    );
}

#[test]
fn two_slots_are_two_places() {
    let found = problems_with(
        "[slots]\na = \"x\"\nb = \"./x\"\n[slots.bootloader]\nkind = \"file\"\npath = \"state\"",
    );
    assert_eq!(
        found,
        ["10: `a` and `b` are the same slot / give each slot a file or device of its own"]
    );
}

#[test]
fn each_kind_of_bootloader_has_its_keys() {
    let slots = "[slots]\na = \"a\"\nb = \"b\"\n[slots.bootloader]\n";
    let read = |bootloader: &str| {
        parse(&format!("{LEAST}{slots}{bootloader}"))
            .slots
            .unwrap()
            .bootloader
    };
    let Bootloader::File(path) = read("kind = \"file\"\npath = \"state\"") else {
        panic!("no file");
    };
    assert_eq!(path, Path::new("/etc/agent/state"));
    let Bootloader::Command(path) = read("kind = \"command\"\nprogram = \"/bin/boot\"") else {
        panic!("no command");
    };
    assert_eq!(path, Path::new("/bin/boot"));
    let Bootloader::UBoot {
        printenv,
        running_file,
        ..
    } = read("kind = \"u-boot\"")
    else {
        panic!("no u-boot");
    };
    assert_eq!(printenv, Path::new("/usr/bin/fw_printenv"));
    assert_eq!(running_file, None);

    let found = problems_with(&format!("{slots}kind = \"file\"\nprogram = \"/bin/boot\""));
    assert_eq!(found.len(), 2, "{found:?}");
    let found = problems_with(&format!("{slots}kind = \"uboot\""));
    assert_eq!(
        found,
        ["12: `kind` cannot be `uboot` / did you mean `u-boot`?"]
    );
}

#[test]
fn slots_without_a_bootloader_are_a_problem() {
    let found = problems_with("[slots]\na = \"a\"\nb = \"b\"");
    assert_eq!(found.len(), 1);
    assert!(
        found[0].starts_with("8: section `[slots.bootloader]` is missing"),
        "{found:?}"
    );
}

#[test]
fn a_program_is_named_by_its_absolute_path() {
    let found = problems_with("[reboot]\ncommand = [\"reboot\", \"-f\"]");
    assert_eq!(
        found,
        [
            "9: `command` names `reboot` without its directory / write the program's absolute path: nothing is looked for in PATH"
        ]
    );
    let found = problems_with("[reboot]\ncommand = []");
    assert_eq!(found.len(), 1);
}

#[test]
fn no_text_however_strange_makes_the_reader_panic() {
    let mut text = EXAMPLE.to_owned();
    while !text.is_empty() {
        let _ = Config::parse(&text, Path::new(PATH));
        let shorter = text.len().saturating_sub(97);
        text.truncate(
            (0..=shorter)
                .rev()
                .find(|at| text.is_char_boundary(*at))
                .unwrap(),
        );
    }
    for text in [
        "mqtt = 1",
        "[[mqtt]]",
        "slots = []",
        "a.b.c = 1",
        "[jobs]\nnamespaces = [1]",
        "\u{0}",
        "[mqtt]\nport = 1e400",
        "[mqtt]\nkeep_alive_secs = nan",
        "[mqtt]\nport = 0xffff_ffff_ffff_ffff_ffff",
    ] {
        Config::parse(text, Path::new(PATH)).unwrap_err();
    }
}

#[test]
fn a_text_of_any_size_is_answered_in_bounds() {
    let unknown: String = (0..5_000)
        .map(|number| format!("key{number} = 1\n"))
        .collect();
    let nested = format!("a = {}", "[".repeat(100_000));
    let long = format!("[mqtt]\n{} = 1", "k".repeat(500_000));
    for text in [unknown, nested, long] {
        let problems = Config::parse(&text, Path::new(PATH)).unwrap_err();
        assert!((1..=100).contains(&problems.iter().count()));
        assert!(problems.to_string().len() < 200_000);
    }
}

#[test]
fn relative_paths_are_absolute_even_when_the_configuration_is_named_by_a_relative_one() {
    let text = format!("{LEAST}[download]\nallowed_paths = [\"files\"]");

    let config = Config::parse(&text, Path::new("agent.toml")).unwrap();

    let here = std::env::current_dir().unwrap();
    assert_eq!(config.download.allowed_paths, [here.join("files")]);
    assert_eq!(config.mqtt.private_key, here.join("device.key"));
}

/// A directory with a configuration whose files are all there.
struct Installed {
    directory: tempfile::TempDir,
}

impl Installed {
    fn new() -> Self {
        let installed = Self {
            directory: tempfile::tempdir().unwrap(),
        };
        installed.write("device.crt", CERTIFICATE, 0o644);
        installed.write("device.key", KEY, 0o600);
        installed.write("ca.crt", CERTIFICATE, 0o644);
        installed
    }

    fn write(&self, name: &str, text: &str, mode: u32) {
        let path = self.path(name);
        fs::write(&path, text).unwrap();
        fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    fn load(&self, more: &str) -> Result<Config, Problems> {
        self.write("agent.toml", &format!("{LEAST}{more}"), 0o644);
        Config::load(&self.path("agent.toml"))
    }

    /// What is wrong, with the directory left out.
    fn problems(&self, more: &str) -> Vec<String> {
        let problems = self.load(more).unwrap_err();
        let directory = format!("{}/", self.directory.path().display());
        problems
            .iter()
            .map(|found| {
                let line = found.place.map_or(0, |place| place.line);
                format!("{line}: {} / {}", found.problem, found.help).replace(&directory, "")
            })
            .collect()
    }
}

#[test]
fn a_configuration_whose_files_are_there_is_loaded() {
    let installed = Installed::new();
    let config = installed.load("").unwrap();
    assert_eq!(config.mqtt.private_key, installed.path("device.key"));
}

#[test]
fn a_key_that_others_can_read_is_told_with_the_command_that_mends_it() {
    let installed = Installed::new();
    installed.write("device.key", KEY, 0o640);
    assert_eq!(
        installed.problems(""),
        [
            "6: `private_key`: device.key is open to other users (mode 0640) / run `chmod 600 device.key`"
        ]
    );
}

#[test]
fn files_that_hold_something_else_are_told() {
    let installed = Installed::new();
    installed.write("device.crt", KEY, 0o600);
    installed.write("device.key", CERTIFICATE, 0o600);
    installed.write("ca.crt", "junk", 0o600);
    assert_eq!(
        installed.problems(""),
        [
            "5: `certificate`: device.crt holds no certificate / name the certificate's file: this one holds a private key",
            "6: `private_key`: device.key holds no private key / name the key's file: this one holds a certificate",
            "7: `root_ca`: ca.crt holds no certificate / name a PEM file with a line `-----BEGIN CERTIFICATE-----`",
        ]
    );
}

#[test]
fn an_encrypted_key_is_told() {
    let installed = Installed::new();
    installed.write(
        "device.key",
        &KEY.replace("PRIVATE", "ENCRYPTED PRIVATE"),
        0o600,
    );
    assert!(installed.problems("")[0].contains("device.key is encrypted"));
}

#[test]
fn missing_files_are_told_beside_the_problems_of_the_text() {
    let installed = Installed::new();
    fs::remove_file(installed.path("ca.crt")).unwrap();
    assert_eq!(
        installed.problems("prot = 1\n[reboot]\ncommand = [\"/nonexistent/reboot\"]"),
        [
            "7: `root_ca`: ca.crt does not exist / create the file, or correct the path",
            "8: unknown key `prot` in `[mqtt]` / did you mean `port`?",
            "10: `command`: /nonexistent/reboot does not exist / create the file, or correct the path",
        ]
    );
}

#[test]
fn a_program_that_others_can_change_is_told() {
    let installed = Installed::new();
    installed.write("reboot.sh", "#!/bin/sh", 0o775);
    let program = installed.path("reboot.sh");
    let reboot = format!("[reboot]\ncommand = [\"{}\"]", program.display());
    let found = installed.problems(&reboot);
    assert_eq!(found.len(), 1);
    assert!(
        found[0].contains("reboot.sh can be changed by other users / run `chmod go-w reboot.sh`"),
        "{found:?}"
    );

    installed.write("reboot.sh", "#!/bin/sh", 0o644);
    let found = installed.problems(&reboot);
    assert!(
        found[0].contains("reboot.sh cannot be executed"),
        "{found:?}"
    );
}

#[test]
fn a_directory_that_can_be_made_is_fine_and_one_below_a_file_is_not() {
    let installed = Installed::new();
    installed
        .load("[state]\ndirectory = \"made/on/demand\"")
        .unwrap();
    let found = installed.problems("[state]\ndirectory = \"ca.crt/state\"");
    assert_eq!(found.len(), 1);
    assert!(
        found[0].contains("cannot be a directory: ca.crt is a file"),
        "{found:?}"
    );
}

#[test]
fn slots_that_are_files_need_a_size() {
    let installed = Installed::new();
    let slots = "[reboot]\ncommand = [\"/bin/sh\"]\n[slots]\na = \"a\"\nb = \"b\"\n";
    let bootloader = "[slots.bootloader]\nkind = \"file\"\npath = \"boot\"";
    let found = installed.problems(&format!("{slots}{bootloader}"));
    assert_eq!(found.len(), 2, "{found:?}");
    assert!(found[0].contains("set `size_max_mib`"), "{found:?}");
    installed
        .load(&format!("{slots}size_max_mib = 8\n{bootloader}"))
        .unwrap();
}

#[test]
fn one_slot_under_two_names_is_told() {
    let installed = Installed::new();
    installed.write("a", "image", 0o600);
    std::os::unix::fs::symlink(installed.path("a"), installed.path("b")).unwrap();
    let found = installed.problems(
        "[reboot]\ncommand = [\"/bin/sh\"]\n[slots]\na = \"a\"\nb = \"b\"\n[slots.bootloader]\nkind = \"file\"\npath = \"boot\"",
    );
    assert!(
        found[0].contains("`a`: a is the same file as b"),
        "{found:?}"
    );
}

#[test]
fn a_configuration_that_is_not_there_has_no_line() {
    let problems = Config::load(Path::new("/nonexistent/agent.toml")).unwrap_err();
    let text = problems.to_string();
    assert!(
        text.starts_with("/nonexistent/agent.toml: cannot be read: "),
        "{text}"
    );
    assert!(
        text.ends_with("\n1 problem in /nonexistent/agent.toml"),
        "{text}"
    );
}

#[test]
fn a_configuration_that_is_no_text_says_where() {
    let installed = Installed::new();
    fs::write(installed.path("agent.toml"), b"[mqtt]\nendpoint = \"\xff\"").unwrap();
    let problems = Config::load(&installed.path("agent.toml")).unwrap_err();
    assert_eq!(
        problems.iter().next().unwrap().place,
        Some(Place {
            line: 2,
            column: 13
        })
    );
}
