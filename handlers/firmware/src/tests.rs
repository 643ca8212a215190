//! The handler on a board in memory that can be killed, or lose power, at every step.

extern crate std;

use core::cell::Cell;
use core::future::{Future, pending};
use core::pin::pin;
use core::task::{Context, Waker};
use std::collections::BTreeMap;
use std::format;
use std::rc::Rc;
use std::string::{String, ToString};
use std::vec::Vec;

use iot_jobs_handler::{CancelReason, Downloaded, Job};
use iot_jobs_proto::names::{JobId, Namespace, ThingName};
use iot_jobs_proto::time::Instant;

use super::*;

const OLD: &[u8] = b"the old image, larger than the new one is";
const NEW: &[u8] = b"the new image";
/// More runs than any job needs.
const RUNS_MAX: usize = 12;
/// More polls than any run needs.
const POLLS_MAX: usize = 1000;

#[test]
fn an_image_is_confirmed_after_its_trial() {
    let mut board = Board::new();
    assert_eq!(board.drive(&document()), Ok(Next::Succeed));

    assert_eq!(board.bank.running, Slot::B);
    assert_eq!(board.bank.boot, BootState::Confirmed);
    assert_eq!((board.bank.trials, board.downloads), (1, 1));
    let details: Vec<_> = board.details.iter().map(|(k, v)| (&**k, &**v)).collect();
    assert_eq!(
        details,
        [
            ("bytes", "13"),
            ("handler", "firmware"),
            ("sha256", &*digits(NEW)),
            ("slot", "B"),
            ("version", "1.2.0"),
        ]
    );
}

#[test]
fn a_kill_at_any_step_changes_nothing() {
    for step in 0..steps_of_a_whole_job() {
        let mut board = Board::new();
        board.fuse.burns_at(step);
        let ended = board.drive_with(&document(), Accident::Kill);

        assert_eq!(ended, Ok(Next::Succeed), "step {step}");
        assert_eq!(board.bank.running, Slot::B, "step {step}");
        assert_eq!(board.bank.boot, BootState::Confirmed, "step {step}");
        assert_eq!(board.bank.trials, 1, "step {step}");
    }
}

#[test]
fn power_lost_at_any_step_never_starts_a_second_trial() {
    let mut failed = 0;
    for step in 0..steps_of_a_whole_job() {
        let mut board = Board::new();
        board.fuse.burns_at(step);
        match board.drive_with(&document(), Accident::PowerCut) {
            Ok(next) => {
                assert_eq!(next, Next::Succeed, "step {step}");
                assert_eq!(board.bank.running, Slot::B, "step {step}");
            }
            // The trial was cut short.
            Err(failure) => {
                assert_eq!(failure.code, "rolled_back", "step {step}");
                assert_eq!(board.bank.running, Slot::A, "step {step}");
                failed += 1;
            }
        }
        assert_eq!(board.bank.boot, BootState::Confirmed, "step {step}");
        assert!(board.bank.trials <= 1, "step {step}");
        assert_eq!(board.bank.images[0], OLD, "step {step}");
    }
    assert!(failed > 0, "a cut during the trial is among the steps");
}

#[test]
fn an_image_that_lost_its_trial_to_an_unasked_boot_is_not_tried_again() {
    let mut board = Board::new();
    assert_eq!(board.run(&document(), Run::First), Some(Ok(Next::Reboot)));
    // The power goes before the reboot is announced, and again before the new image gets anywhere.
    board.bank.reboot();
    board.bank.reboot();

    let failure = board.run(&document(), Run::AfterRestart).unwrap();
    assert_eq!(failure.unwrap_err().code, "rolled_back");
    assert_eq!((board.bank.trials, board.downloads), (1, 1));
}

#[test]
fn a_job_that_is_given_up_at_any_step_leaves_no_mark() {
    let mut marked = 0;
    for step in 0..steps_of_a_whole_job() {
        let mut board = Board::new();
        board.fuse.burns_at(step);
        let _ = board.run(&document(), Run::First);
        let (was_marked, state) = (board.bank.boot == BootState::Marked, board.state.clone());
        marked += usize::from(was_marked);
        board.fuse.burns_at.set(None);

        board.withdraw(&state);

        board.bank.reboot();
        assert_eq!(board.bank.running, Slot::A, "step {step}");
        assert_eq!(board.bank.trials, 0, "step {step}");
        assert_eq!(board.bank.images[0], OLD, "step {step}");
    }
    assert!(marked > 0, "some steps come after the mark");
}

#[test]
fn a_mark_that_nobody_left_is_not_taken_back() {
    let mut board = Board::new();
    board.bank.boot = BootState::Marked;
    for state in [
        Vec::new(),
        Memory::rolling_back(Slot::B, 1, "unfit").write().to_vec(),
    ] {
        board.withdraw(&state);
        assert_eq!(board.bank.boot, BootState::Marked);
    }
}

#[test]
fn an_image_that_does_not_boot_is_not_tried_again() {
    let mut board = Board::new();
    board.bank.new_boots = false;
    let failure = board.drive(&document()).unwrap_err();

    assert_eq!(
        (failure.code, failure.class),
        ("rolled_back", FailureClass::Failed)
    );
    let again = board.run(&document(), Run::AfterReboot).unwrap();
    assert_eq!(again.unwrap_err().code, "rolled_back");
    assert_eq!((board.bank.trials, board.downloads), (1, 1));
    assert_eq!(board.bank.running, Slot::A);
}

#[test]
fn an_unhealthy_image_is_given_up() {
    for step in 0..100 {
        let mut board = Board::new();
        board.healthy = false;
        board.fuse.burns_at(step);
        let failure = board.drive_with(&document(), Accident::Kill).unwrap_err();

        assert_eq!(failure.code, "rolled_back", "step {step}");
        assert_eq!(failure.message, "health check failed: exit code 1");
        assert_eq!(board.bank.running, Slot::A, "step {step}");
        assert_eq!(board.bank.boot, BootState::Confirmed, "step {step}");
        assert_eq!(board.bank.trials, 1, "step {step}");
    }
}

#[test]
fn a_reboot_that_does_not_happen_is_asked_for_again_and_then_given_up() {
    let mut board = Board::new();
    let mut run = Run::First;
    for _ in 0..REBOOTS_MAX {
        assert_eq!(board.run(&document(), run), Some(Ok(Next::Reboot)));
        run = Run::AfterRestart;
    }
    let failure = board.run(&document(), run).unwrap().unwrap_err();

    assert_eq!(failure.code, "reboot_failed");
    assert_eq!(board.downloads, 1);
    board.bank.reboot();
    assert_eq!(board.bank.running, Slot::A, "the mark is gone");
}

#[test]
fn an_image_that_runs_already_is_not_installed() {
    let mut board = Board::new();
    board.bank.images[0] = [NEW, b"what an older image left"].concat();
    assert_eq!(board.drive(&document()), Ok(Next::AlreadyDone));

    assert_eq!((board.downloads, board.bank.writes), (0, 0));
    assert_eq!(board.details["slot"], "A");
}

#[test]
fn wrong_bytes_are_never_marked() {
    let mut board = Board::new();
    board.bank.flips = true;
    let failure = board.drive(&document()).unwrap_err();

    assert_eq!(
        (failure.code, failure.class),
        ("digest_mismatch", FailureClass::Failed)
    );
    assert_eq!(board.bank.boot, BootState::Confirmed);
    assert_eq!(board.bank.images[0], OLD);
    assert_eq!(board.bank.trials, 0);
}

#[test]
fn the_slot_that_runs_is_never_asked_for() {
    let mut board = Board::new();
    let failure = board.drive(&with("slot", "\"A\"")).unwrap_err();
    assert_eq!(
        (failure.code, failure.class),
        ("slot_running", FailureClass::Rejected)
    );
    assert_eq!(
        Board::new().drive(&with("slot", "\"B\"")),
        Ok(Next::Succeed)
    );
}

#[test]
fn the_only_image_to_go_back_to_is_never_overwritten() {
    let mut board = Board::new();
    board.bank.boot = BootState::Trial;
    let failure = board.drive(&document()).unwrap_err();

    assert_eq!(
        (failure.code, failure.class),
        ("trial_running", FailureClass::Transient)
    );
    assert_eq!(board.bank.writes, 0);
}

#[test]
fn a_device_without_slots_rejects() {
    let mut board = Board::new();
    board.has_slots = false;
    let failure = board.drive(&document()).unwrap_err();
    assert_eq!(
        (failure.code, failure.class),
        ("no_slots", FailureClass::Rejected)
    );
}

#[test]
fn an_image_larger_than_the_slot_is_rejected() {
    let mut board = Board::new();
    let failure = board.drive(&with("size", "101")).unwrap_err();
    assert_eq!(
        (failure.code, failure.class),
        ("too_large", FailureClass::Rejected)
    );
    assert_eq!(board.downloads, 0);
}

#[test]
fn a_job_is_stopped_at_any_step_before_the_mark_and_at_none_after() {
    let mut stopped = 0;
    for step in 0..steps_of_a_whole_job() {
        let mut board = Board::new();
        board.fuse.cancels_at(step);
        match board.drive(&document()) {
            Ok(next) => assert_eq!(next, Next::Succeed, "step {step}"),
            Err(failure) => {
                assert_eq!(failure.class, FailureClass::Cancelled, "step {step}");
                assert_eq!(board.bank.boot, BootState::Confirmed, "step {step}");
                assert_eq!(board.bank.trials, 0, "step {step}");
                stopped += 1;
            }
        }
    }
    assert!(stopped > 5, "most steps come before the mark");
}

#[test]
fn a_wrong_document_is_rejected_with_the_member_at_fault() {
    for (document, member) in [
        (without("version"), "version"),
        (without("url"), "url"),
        (without("size"), "size"),
        (without("sha256"), "sha256"),
        (with("version", "7"), "version"),
        (
            with("version", &format!("\"{}\"", "x".repeat(129))),
            "version",
        ),
        (with("url", "\"ftp://example.com/a\""), "url"),
        (with("size", "-1"), "size"),
        (with("size", "0"), "size"),
        (with("size", "1.5"), "size"),
        (with("sha256", "\"00\""), "sha256"),
        (with("slot", "\"C\""), "slot"),
        ("[]".to_string(), "object"),
        ("{".to_string(), "JSON"),
    ] {
        let mut board = Board::new();
        let failure = board.drive(&document).unwrap_err();
        assert_eq!(
            (failure.code, failure.class),
            ("invalid_document", FailureClass::Rejected),
            "{document}"
        );
        assert!(
            failure.message.contains(member),
            "{document}: {}",
            failure.message
        );
        assert_eq!(board.bank.writes, 0);
    }
}

#[derive(Clone, Copy)]
enum Accident {
    Kill,
    PowerCut,
}

/// Counts steps, and stops everything at one of them.
#[derive(Default)]
struct Fuse {
    steps: Cell<usize>,
    burns_at: Cell<Option<usize>>,
    cancels_at: Cell<Option<usize>>,
    burnt: Cell<bool>,
}

impl Fuse {
    fn burns_at(&self, step: usize) {
        self.burns_at.set(Some(step));
    }

    fn cancels_at(&self, step: usize) {
        self.cancels_at.set(Some(step));
    }

    async fn step(&self) {
        let step = self.steps.get();
        self.steps.set(step + 1);
        if self.burns_at.get() == Some(step) {
            self.burnt.set(true);
            pending::<()>().await;
        }
    }
}

struct Bank {
    fuse: Rc<Fuse>,
    images: [Vec<u8>; 2],
    running: Slot,
    boot: BootState,
    goes_back: bool,
    new_boots: bool,
    flips: bool,
    trials: usize,
    writes: usize,
}

impl Bank {
    fn image(&mut self, slot: Slot) -> &mut Vec<u8> {
        &mut self.images[usize::from(slot == Slot::B)]
    }

    fn reboot(&mut self) {
        match self.boot {
            BootState::Marked if self.goes_back => {
                self.running = self.running.other();
                self.boot = BootState::Confirmed;
            }
            BootState::Marked => {
                self.trials += 1;
                if self.new_boots {
                    self.running = self.running.other();
                    self.boot = BootState::Trial;
                } else {
                    self.boot = BootState::Confirmed;
                }
            }
            BootState::Trial => {
                self.running = self.running.other();
                self.boot = BootState::Confirmed;
            }
            BootState::Confirmed => {}
        }
    }
}

impl FirmwareSlots for Bank {
    type Error = std::io::Error;

    async fn running(&mut self) -> Result<Slot, Self::Error> {
        Ok(self.running)
    }

    async fn boot_state(&mut self) -> Result<BootState, Self::Error> {
        Ok(self.boot)
    }

    async fn capacity(&mut self, _: Slot) -> Result<u64, Self::Error> {
        Ok(100)
    }

    async fn read(
        &mut self,
        slot: Slot,
        offset: u64,
        buffer: &mut [u8],
    ) -> Result<usize, Self::Error> {
        self.fuse.step().await;
        let image = self.image(slot);
        let rest = &image[image.len().min(usize::try_from(offset).unwrap())..];
        let read = rest.len().min(buffer.len());
        buffer[..read].copy_from_slice(&rest[..read]);
        Ok(read)
    }

    async fn prepare(&mut self, spare: Slot, offset: u64) -> Result<(), Self::Error> {
        assert_ne!(spare, self.running, "the running slot is never written");
        self.fuse.step().await;
        self.boot = BootState::Confirmed;
        self.image(spare).truncate(usize::try_from(offset).unwrap());
        self.fuse.step().await;
        Ok(())
    }

    async fn write(&mut self, spare: Slot, _: u64, bytes: &[u8]) -> Result<(), Self::Error> {
        assert_ne!(spare, self.running, "the running slot is never written");
        self.writes += 1;
        self.image(spare).extend(bytes);
        if self.flips {
            self.image(spare)[0] ^= 1;
        }
        self.fuse.step().await;
        Ok(())
    }

    async fn sync(&mut self, _: Slot) -> Result<(), Self::Error> {
        Ok(())
    }

    async fn mark_trial(&mut self, spare: Slot) -> Result<(), Self::Error> {
        assert_ne!(spare, self.running, "the running slot needs no trial");
        self.fuse.step().await;
        self.boot = BootState::Marked;
        self.fuse.step().await;
        Ok(())
    }

    async fn confirm(&mut self) -> Result<(), Self::Error> {
        self.fuse.step().await;
        self.boot = BootState::Confirmed;
        self.fuse.step().await;
        Ok(())
    }

    async fn roll_back(&mut self) -> Result<(), Self::Error> {
        self.fuse.step().await;
        self.boot = BootState::Marked;
        self.goes_back = true;
        self.fuse.step().await;
        Ok(())
    }
}

struct Board {
    fuse: Rc<Fuse>,
    bank: Bank,
    has_slots: bool,
    healthy: bool,
    downloads: usize,
    state: Vec<u8>,
    details: BTreeMap<String, String>,
}

impl Device for Board {
    type Slots = Bank;

    fn slots(&mut self) -> Option<&mut Bank> {
        self.has_slots.then_some(&mut self.bank)
    }

    async fn download(
        &mut self,
        what: &Download<'_>,
        target: Target<'_>,
    ) -> Result<Downloaded, Failure> {
        assert!(matches!(target, Target::SpareSlot));
        assert_eq!((what.url_member, what.size), ("url", Some(13)));
        let spare = self.bank.running.other();
        if self.bank.image(spare).as_slice() != NEW {
            self.downloads += 1;
            self.bank.prepare(spare, 0).await.unwrap();
            self.bank.write(spare, 0, NEW).await.unwrap();
        }
        Ok(Downloaded {
            bytes: 13,
            refetched: 0,
        })
    }

    fn state(&self) -> &[u8] {
        &self.state
    }

    async fn save_state(&mut self, state: &[u8]) -> Result<(), Failure> {
        self.fuse.step().await;
        self.state = state.to_vec();
        self.fuse.step().await;
        Ok(())
    }

    fn progress(&mut self, _: Progress<'_>) {}

    fn detail(&mut self, key: &str, value: &str) {
        self.details.insert(key.to_string(), value.to_string());
    }

    fn cancelled(&self) -> Option<CancelReason> {
        let due = self.fuse.cancels_at.get()? <= self.fuse.steps.get();
        due.then_some(CancelReason::CanceledByService)
    }

    fn deadline(&self) -> Option<Instant> {
        None
    }

    async fn health(&mut self) -> Result<(), Failure> {
        self.fuse.step().await;
        if self.healthy {
            return Ok(());
        }
        Err(Failure::new(
            FailureClass::Failed,
            "health_check_failed",
            "exit code 1",
        ))
    }
}

impl Board {
    fn new() -> Self {
        let fuse = Rc::new(Fuse::default());
        Self {
            bank: Bank {
                fuse: Rc::clone(&fuse),
                images: [OLD.to_vec(), Vec::new()],
                running: Slot::A,
                boot: BootState::Confirmed,
                goes_back: false,
                new_boots: true,
                flips: false,
                trials: 0,
                writes: 0,
            },
            fuse,
            has_slots: true,
            healthy: true,
            downloads: 0,
            state: Vec::new(),
            details: BTreeMap::new(),
        }
    }

    /// Runs a job to its end, rebooting when the handler asks for it.
    fn drive(&mut self, document: &str) -> Result<Next, Failure> {
        self.drive_with(document, Accident::Kill)
    }

    fn drive_with(&mut self, document: &str, accident: Accident) -> Result<Next, Failure> {
        let mut run = Run::First;
        for _ in 0..RUNS_MAX {
            run = match (self.run(document, run), accident) {
                (None, Accident::Kill) => Run::AfterRestart,
                // The engine tells the handler only of reboots that it asked for.
                (None, Accident::PowerCut) => {
                    self.bank.reboot();
                    match run {
                        Run::First | Run::AfterRestart => Run::AfterRestart,
                        Run::AfterReboot => Run::AfterReboot,
                    }
                }
                (Some(Ok(Next::Reboot)), _) => {
                    self.bank.reboot();
                    Run::AfterReboot
                }
                (Some(ended), _) => return ended,
            };
        }
        panic!("the job never ends");
    }

    /// Takes the mark back.
    fn withdraw(&mut self, state: &[u8]) {
        let mut running = pin!(withdraw(state, &mut self.bank));
        let mut context = Context::from_waker(Waker::noop());
        for _ in 0..POLLS_MAX {
            if let Poll::Ready(done) = running.as_mut().poll(&mut context) {
                return done.unwrap();
            }
        }
        panic!("the withdrawal never ends");
    }

    /// Runs the handler once; `None` when the fuse burnt.
    fn run(&mut self, document: &str, run: Run) -> Option<Result<Next, Failure>> {
        let fuse = Rc::clone(&self.fuse);
        let thing = ThingName::parse("thing").unwrap();
        let namespace = Namespace::default();
        let id = JobId::parse("job").unwrap();
        let job = Job {
            thing: &thing,
            namespace: &namespace,
            id: &id,
            execution: 1,
            operation: "firmware-update",
            document,
            run,
        };
        let mut handler = Firmware::<512>::new();
        let mut running = pin!(handler.run(&job, self));
        let mut context = Context::from_waker(Waker::noop());
        for _ in 0..POLLS_MAX {
            if let Poll::Ready(ended) = running.as_mut().poll(&mut context) {
                return Some(ended);
            }
            if fuse.burnt.replace(false) {
                return None;
            }
        }
        panic!("the run never ends");
    }
}

fn steps_of_a_whole_job() -> usize {
    let mut board = Board::new();
    assert_eq!(board.drive(&document()), Ok(Next::Succeed));
    board.fuse.steps.get()
}

fn members() -> BTreeMap<&'static str, String> {
    BTreeMap::from([
        ("operation", "\"firmware-update\"".to_string()),
        ("version", "\"1.2.0\"".to_string()),
        (
            "url",
            "\"https://example.com/a?X-Amz-Signature=s\"".to_string(),
        ),
        ("size", NEW.len().to_string()),
        ("sha256", format!("\"{}\"", digits(NEW))),
    ])
}

fn document() -> String {
    text(&members())
}

fn with(member: &'static str, value: &str) -> String {
    let mut members = members();
    members.insert(member, value.to_string());
    text(&members)
}

fn without(member: &str) -> String {
    let mut members = members();
    members.remove(member);
    text(&members)
}

fn text(members: &BTreeMap<&str, String>) -> String {
    let members: Vec<String> = members
        .iter()
        .map(|(name, value)| format!("\"{name}\":{value}"))
        .collect();
    format!("{{{}}}", members.join(","))
}

fn digits(bytes: &[u8]) -> String {
    Sha256::digest(bytes)
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect()
}
