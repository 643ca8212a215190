//! A whole firmware job over each bootloader that is not a file: an operator's program, and U-Boot's environment.

use std::fs;
use std::io;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use iot_jobs_e2e::{Scene, THING, WITHIN};
use iot_jobs_kit::aws::Execution;
use iot_jobs_kit::image::Image;
use iot_jobs_kit::{KitError, wait_for};

const MIB: usize = 1 << 20;
/// More than any job needs.
const REBOOTS_MAX: usize = 4;

/// A board with five verbs. Its first call in a boot does what a bootloader does at power-on.
const BOARD: &str = r#"#!/bin/sh
set -eu
cd "$(dirname "$0")"
get() { cat "board.$1" 2>/dev/null || echo "$2"; }
put() { echo "$2" > "board.new"; mv board.new "board.$1"; }
other() { if [ "$1" = A ]; then echo B; else echo A; fi; }
if [ "$(get boot none)" != "$(cat boot_id)" ]; then
    slot=$(get primary A)
    case $(get "$slot" good) in
        pending) put "$slot" tried ;;
        tried) put "$slot" bad; slot=$(other "$slot"); put primary "$slot" ;;
    esac
    put current "$slot"
    put boot "$(cat boot_id)"
fi
case $1 in
    get-current) get current A ;;
    get-primary) get primary A ;;
    get-state) get "$2" good | sed s/tried/pending/ ;;
    set-primary) put primary "$2" ;;
    set-state) put "$2" "$3" ;;
    *) echo "unknown verb $1" >&2; exit 64 ;;
esac
"#;

/// `fw_printenv`: all of the environment.
const PRINTENV: &str = r#"#!/bin/sh
cat "$(dirname "$0")/environment"
"#;

/// `fw_setenv -s -`: the lines of its standard input replace those of the same names.
const SETENV: &str = r#"#!/bin/sh
set -eu
[ "$*" = "-s -" ] || exit 64
cd "$(dirname "$0")"
cat environment - | awk -F= '{ value[$1] = $0 } END { for (name in value) print value[name] }' > environment.new
mv environment.new environment
"#;

/// What U-Boot's shell has and `sh` has not, and the environment.
const U_BOOT: &str = r#"set -eu
setenv() { name=$1; shift; eval "$name=\$*"; }
setexpr() { eval "$1=$(printf %x $((0x$2 $3 0x$4)))"; }
saveenv() { for name in BOOT_ORDER BOOT_A_LEFT BOOT_B_LEFT BOOT_TRIAL; do eval echo "$name=\$$name"; done > environment; }
reset() { exit 1; }
BOOT_ORDER= BOOT_A_LEFT= BOOT_B_LEFT= BOOT_TRIAL= bootargs=
while IFS='=' read -r name value; do setenv "$name" "$value"; done < environment
"#;

/// The boot script as the documentation has it.
const BOOT_SCRIPT: &str = include_str!("../../../hal/linux/src/bootloader/u_boot_script.txt");

#[test]
fn a_board_with_five_verbs_boots_each_image_into_the_other_slot() {
    let mut scene = board("").unwrap();
    scene.device.power_on().unwrap();
    for (seed, slot) in [(1, "slot-b.img"), (2, "slot-a.img")] {
        let image = Image::new(seed, MIB);
        let job = scene.firmware_job(&image, |_| {}).unwrap();

        let end = scene.end_of(&job).unwrap();

        assert_eq!(end.status(), "SUCCEEDED", "{end:?}");
        assert_eq!(scene.slot(slot, MIB), image.bytes);
    }
    assert_eq!(read(&scene, "board.primary"), "A");
    assert_eq!(read(&scene, "board.A"), "good");
}

#[test]
fn a_board_with_five_verbs_goes_back_from_an_image_that_is_not_healthy() {
    let mut scene = board("health_command = [\"/bin/false\"]\n").unwrap();
    scene.device.power_on().unwrap();
    let job = scene.firmware_job(&Image::new(1, MIB), |_| {}).unwrap();

    let end = scene.end_of(&job).unwrap();

    assert_eq!(end.detail("reason"), "rolled_back", "{end:?}");
    assert_eq!(read(&scene, "board.current"), "A");
}

#[test]
fn a_board_that_refuses_to_mark_a_slot_fails_the_job_with_its_words() {
    let mut scene = board("").unwrap();
    let refuses = BOARD.replace(
        "set-primary)",
        "set-primary) echo 'flash is worn' >&2; exit 5; :",
    );
    program(&scene, "board", &refuses).unwrap();
    scene.device.power_on().unwrap();
    let job = scene.firmware_job(&Image::new(1, MIB), |_| {}).unwrap();

    let end = scene.end_of(&job).unwrap();

    assert_eq!(end.status(), "FAILED", "{end:?}");
    assert!(end.detail("message").contains("flash is worn"), "{end:?}");
    assert_eq!(scene.device.boots(), 1, "no reboot");
}

#[test]
fn u_boot_boots_each_image_into_the_other_slot() {
    let mut scene = u_boot("").unwrap();
    for (seed, slot) in [(1, "slot-b.img"), (2, "slot-a.img")] {
        let image = Image::new(seed, MIB);
        let job = scene.firmware_job(&image, |_| {}).unwrap();

        let end = end_by_u_boot(&mut scene, &job).unwrap();

        assert_eq!(end.status(), "SUCCEEDED", "{end:?}");
        assert_eq!(scene.slot(slot, MIB), image.bytes);
    }
    assert_eq!(
        sorted(&read(&scene, "environment")),
        [
            "BOOT_A_LEFT=3",
            "BOOT_B_LEFT=3",
            "BOOT_ORDER=A B",
            "BOOT_TRIAL=none"
        ]
    );
}

#[test]
fn u_boot_goes_back_from_an_image_that_is_not_healthy() {
    let mut scene = u_boot("health_command = [\"/bin/false\"]\n").unwrap();
    let job = scene.firmware_job(&Image::new(1, MIB), |_| {}).unwrap();

    let end = end_by_u_boot(&mut scene, &job).unwrap();

    assert_eq!(end.detail("reason"), "rolled_back", "{end:?}");
    assert_eq!(read(&scene, "running"), "A");
}

#[test]
fn u_boot_goes_back_from_an_image_that_loses_its_power_before_it_is_confirmed() {
    let mut scene = u_boot("").unwrap();
    let job = scene.firmware_job(&Image::new(1, MIB), |_| {}).unwrap();
    wait_for(WITHIN, || scene.device.reboot_requested().then_some(())).unwrap();
    scene.device.pull_power();
    boot(&scene).unwrap();
    assert_eq!(read(&scene, "running"), "B");
    // It hangs: the agent never starts, and a watchdog resets the board.

    boot(&scene).unwrap();
    scene.device.new_boot().unwrap();
    scene.device.power_on().unwrap();

    let end = end_by_u_boot(&mut scene, &job).unwrap();
    assert_eq!(end.detail("reason"), "rolled_back", "{end:?}");
    assert_eq!(read(&scene, "running"), "A");
}

/// A device whose bootloader is a program.
fn board(slots: &str) -> Result<Scene, KitError> {
    let scene = Scene::new(|_| {})?;
    let board = program(&scene, "board", BOARD)?;
    bootloader(&scene, &format!("kind = \"command\"\nprogram = {board:?}"))?;
    scene.configure("[slots]\n", &format!("[slots]\n{slots}"))?;
    Ok(scene)
}

/// A device that U-Boot boots; its power is on.
fn u_boot(slots: &str) -> Result<Scene, KitError> {
    let mut scene = Scene::new(|_| {})?;
    let printenv = program(&scene, "printenv", PRINTENV)?;
    let setenv = program(&scene, "setenv", SETENV)?;
    write(&scene, "environment", "BOOT_TRIAL=none\n")?;
    bootloader(
        &scene,
        &format!(
            "kind = \"u-boot\"\nprintenv = {printenv:?}\nsetenv = {setenv:?}\nrunning_file = \"running\""
        ),
    )?;
    scene.configure("[slots]\n", &format!("[slots]\n{slots}"))?;
    boot(&scene)?;
    scene.device.power_on()?;
    scene.device.wait_subscribed()?;
    Ok(scene)
}

fn bootloader(scene: &Scene, settings: &str) -> Result<(), KitError> {
    scene.configure("kind = \"file\"\npath = \"bootloader\"", settings)
}

/// Power-on: U-Boot's script decides what runs.
fn boot(scene: &Scene) -> Result<(), KitError> {
    let script = format!("{U_BOOT}{BOOT_SCRIPT}\necho $slot > running\n");
    let ran = Command::new("sh")
        .args(["-c", &script])
        .current_dir(scene.device.directory())
        .output()
        .map_err(file(Path::new("sh")))?;
    if ran.status.success() {
        return Ok(());
    }
    Err(KitError::Build(format!("the boot script failed: {ran:?}")))
}

/// Lets the device live, U-Boot booting it whenever it asks for a reboot, until the job's execution has ended.
fn end_by_u_boot(scene: &mut Scene, job: &str) -> Result<Execution, KitError> {
    for _ in 0..REBOOTS_MAX {
        let aws = scene.aws.clone();
        let ended = wait_for(WITHIN, || {
            let execution = aws.execution(THING, job).ok();
            match execution.filter(Execution::is_terminal) {
                Some(end) => Some(Some(end)),
                None => scene.device.reboot_requested().then_some(None),
            }
        });
        match ended {
            Some(Some(end)) => return Ok(end),
            Some(None) => {
                scene.device.pull_power();
                boot(scene)?;
                scene.device.new_boot()?;
                scene.device.power_on()?;
            }
            None => break,
        }
    }
    Err(KitError::Timeout {
        what: format!("the end of {job}"),
        seconds: WITHIN.as_secs(),
        log: scene.device.tail(),
    })
}

/// Makes a program in the device's directory; where it is.
fn program(scene: &Scene, name: &str, text: &str) -> Result<PathBuf, KitError> {
    write(scene, name, text)?;
    let path = scene.device.path(name);
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).map_err(file(&path))?;
    Ok(path)
}

fn write(scene: &Scene, name: &str, text: &str) -> Result<(), KitError> {
    let path = scene.device.path(name);
    fs::write(&path, text).map_err(file(&path))
}

fn read(scene: &Scene, name: &str) -> String {
    let text = fs::read_to_string(scene.device.path(name)).unwrap_or_default();
    text.trim().to_owned()
}

fn sorted(text: &str) -> Vec<&str> {
    let mut lines: Vec<_> = text.lines().collect();
    lines.sort_unstable();
    lines
}

fn file(path: &Path) -> impl FnOnce(io::Error) -> KitError {
    move |source| KitError::File {
        path: path.to_owned(),
        source,
    }
}
