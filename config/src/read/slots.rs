//! `[slots]` and `[slots.bootloader]`

use std::path::PathBuf;

use crate::files::Need;
use crate::reader::At;
use crate::table::Section;
use crate::{Bootloader, Slots};

const MIB: u64 = 1024 * 1024;
/// One tebibyte: more is a mistake.
const MIB_MAX: u64 = 1024 * 1024;
const PRINTENV: &str = "/usr/bin/fw_printenv";
const SETENV: &str = "/usr/bin/fw_setenv";

/// The values of `kind`.
#[derive(Debug, Clone, Copy)]
enum Kind {
    Command,
    File,
    UBoot,
}

const KINDS: [(&str, Kind); 3] = [
    ("command", Kind::Command),
    ("file", Kind::File),
    ("u-boot", Kind::UBoot),
];

pub(super) fn read(mut section: Section<'_, '_>) -> Option<Slots> {
    let a = section.required_path("a", "set it to the file or block device of slot A");
    let b = section.required_path("b", "set it to the file or block device of slot B");
    let size_max = section
        .number("size_max_mib", 1..=MIB_MAX, None)
        .map(|mib| mib.saturating_mul(MIB));
    if let (Some(a), Some(b)) = (&a, &b) {
        check(&mut section, a, b, size_max.is_some());
    }
    let health_command = section.command("health_command");
    let bootloader = section
        .required_section(
            "bootloader",
            "`kind = \"u-boot\"`, `\"command\"` or `\"file\"`",
        )
        .and_then(bootloader);
    section.finish();

    Some(Slots {
        a: a?.value,
        b: b?.value,
        size_max,
        bootloader: bootloader?,
        health_command,
    })
}

fn check(section: &mut Section<'_, '_>, a: &At<PathBuf>, b: &At<PathBuf>, sized: bool) {
    if a.value == b.value {
        let help = "give each slot a file or device of its own";
        section
            .reader
            .problem(b.offset, "`a` and `b` are the same slot", help);
        return;
    }
    for (key, slot, other) in [("a", a, b), ("b", b, a)] {
        let other = other.value.clone();
        section
            .reader
            .demand(key, slot, Need::Slot { other, sized });
    }
}

fn bootloader(mut section: Section<'_, '_>) -> Option<Bootloader> {
    let help = "choose \"u-boot\", \"command\" or \"file\"";
    let text = section.required_text("kind", help)?;
    let bootloader = match section.word("kind", text, &KINDS)? {
        Kind::Command => {
            let help = "set it to the absolute path of the program with the five verbs";
            let program = section.required_text("program", help);
            program
                .and_then(|text| section.program("program", text))
                .map(Bootloader::Command)
        }
        Kind::File => {
            let help = "set it to the file that stands for the bootloader";
            let path = section.required_path("path", help);
            if let Some(path) = &path {
                section.reader.demand("path", path, Need::Parent);
            }
            path.map(|path| Bootloader::File(path.value))
        }
        Kind::UBoot => u_boot(&mut section),
    };
    section.finish();
    bootloader
}

fn u_boot(section: &mut Section<'_, '_>) -> Option<Bootloader> {
    let offset = section.offset;
    let mut tool = |key, default| {
        let text = section.text(key).unwrap_or(At {
            value: default,
            offset,
        });
        section.program(key, text)
    };
    let (printenv, setenv) = (tool("printenv", PRINTENV), tool("setenv", SETENV));
    let running_file = section.path("running_file");
    if let Some(path) = &running_file {
        section.reader.demand("running_file", path, Need::Readable);
    }
    Some(Bootloader::UBoot {
        printenv: printenv?,
        setenv: setenv?,
        running_file: running_file.map(|path| path.value),
    })
}
