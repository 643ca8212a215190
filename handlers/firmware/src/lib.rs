//! The firmware handler: stages an image in the spare slot, verifies it, gives it one trial boot, confirms it or goes back.
//!
//! It never writes the slot that runs, never marks bytes that it has not read back, and never gives an image of one execution a
//! second trial. Which step comes next is read from the slots and the bootloader; the blob kept with the record says only what
//! those cannot.
//!
//! ```text
//!  download ──▶ read back ──▶ Armed saved ──▶ marked ──▶ reboot ─┬▶ trial: healthy ──▶ confirmed ──▶ SUCCEEDED
//!     │             │                                          │      └ unhealthy ──▶ roll back, reboot ─┐
//!     ▼             ▼                                          └▶ the old image runs ─────────────────────┴▶ FAILED rolled_back
//!   FAILED   FAILED digest_mismatch
//! ```
//!
//! The document:
//!
//! ```json
//! {"operation": "firmware-update", "version": "1.2.0", "url": "https://…", "size": 33554432, "sha256": "9f86…", "slot": "B"}
//! ```
//!
//! | member | | |
//! |---|---|---|
//! | `version` | string, up to 128 bytes | reported as it is |
//! | `url` | string | where the image is; may be a presigned URL |
//! | `size` | number above 0 | bytes of the image |
//! | `sha256` | 64 hexadecimal digits | the image's digest |
//! | `slot` | `"A"` or `"B"`, optional | the slot that the image is made for; REJECTED on a device that runs from it |
//!
//! Who is told to stop before the mark stops without a trace. After the mark:
//!
//! | the service ends the job (cancelled, removed, timed out) | |
//! |---|---|
//! | before the reboot | the mark is taken back ([`withdraw`]), and the device does not reboot |
//! | while the device reboots, or during the trial | the engine goes back to the old image with another reboot |
//! | once the image is confirmed | it stays: it is healthy, and the report of its success is refused |
//!
//! An agent that is told to stop (SIGTERM) keeps the mark, and reboots when it runs again.
//!
//! Invariant: the spare slot is marked only after the blob says so, and only if its first bytes have the promised digest.
#![no_std]
#![expect(
    clippy::result_large_err,
    reason = "a failure holds its sentence, and is made once in a job"
)]

mod memory;
#[cfg(test)]
mod tests;
mod update;

use core::fmt::Write as _;
use core::future::poll_fn;
use core::task::Poll;

use heapless::String;
use iot_jobs_hal::{BootState, FirmwareSlots, Slot};
use iot_jobs_handler::{
    Device, Download, Failure, FailureClass, Handler, Job, Next, Progress, Run, Target,
};
use sha2::{Digest as _, Sha256};

use memory::Memory;
use update::Update;

/// The status detail `handler`.
const NAME: &str = "firmware";
/// Reboots that are asked for before the handler gives up. More than one only where a reboot was refused or got lost.
const REBOOTS_MAX: u8 = 5;

/// Installs an image into the spare slot and confirms it after its trial boot.
///
/// `BUFFER` bytes are read from a slot at a time; a URL that is spelled with escapes must fit in too. 4096 suits a microcontroller,
/// more is faster elsewhere.
#[derive(Debug)]
pub struct Firmware<const BUFFER: usize> {
    buffer: [u8; BUFFER],
}

impl<const BUFFER: usize> Firmware<BUFFER> {
    /// A handler for any number of jobs, one after the other.
    pub const fn new() -> Self {
        const { assert!(BUFFER >= 512, "reads are too small") };
        Self {
            buffer: [0; BUFFER],
        }
    }
}

impl<const BUFFER: usize> Default for Firmware<BUFFER> {
    fn default() -> Self {
        Self::new()
    }
}

impl<const BUFFER: usize> Handler for Firmware<BUFFER> {
    async fn run(&mut self, job: &Job<'_>, device: &mut impl Device) -> Result<Next, Failure> {
        let update = Update::parse(job.document, &mut self.buffer)?;
        let running = slots(device)?.running().await.map_err(slot_failure)?;
        let boot = slots(device)?.boot_state().await.map_err(slot_failure)?;

        let memory = Memory::read(device.state());
        let target = match &memory {
            Memory::Empty => running.other(),
            Memory::Armed { slot, .. } | Memory::RollingBack { slot, .. } => *slot,
        };
        describe(device, &update, target);
        match memory {
            Memory::Empty => self.begin(&update, running, boot, device).await,
            Memory::Armed { reboots, .. } if running == target => {
                self.settle(&update, running, boot, reboots, device).await
            }
            Memory::Armed { reboots, .. } => match (boot, job.run) {
                (BootState::Marked, _) => reboot(target, reboots, device).await,
                // The agent stopped between the blob and the mark: a reboot is counted only once the slot is marked.
                (BootState::Confirmed, Run::First | Run::AfterRestart) if reboots == 0 => {
                    self.install(&update, target, device).await
                }
                // Asked for or not, the device has booted since the mark.
                (BootState::Confirmed | BootState::Trial, _) => {
                    Err(rolled_back("the device came back with the old image"))
                }
            },
            Memory::RollingBack {
                reboots, reason, ..
            } if running == target => go_back(target, reboots, &reason, boot, device).await,
            Memory::RollingBack { reason, .. } => {
                Err(rolled_back(format_args!("health check failed: {reason}")))
            }
        }
    }
}

impl<const BUFFER: usize> Firmware<BUFFER> {
    /// The execution has done nothing yet.
    async fn begin(
        &mut self,
        update: &Update,
        running: Slot,
        boot: BootState,
        device: &mut impl Device,
    ) -> Result<Next, Failure> {
        let there = self.holds(update, running, "checking", device).await?;
        match boot {
            BootState::Confirmed if there => {
                device.detail("slot", running.as_str());
                return Ok(Next::AlreadyDone);
            }
            BootState::Trial if there => {
                device.detail("slot", running.as_str());
                return self.settle(update, running, boot, 0, device).await;
            }
            // The spare slot is all that the device can go back to.
            BootState::Trial => {
                return Err(Failure::new(
                    FailureClass::Transient,
                    "trial_running",
                    "another image is on its trial boot",
                ));
            }
            BootState::Confirmed | BootState::Marked => {}
        }
        if update.slot == Some(running) {
            return Err(Failure::new(
                FailureClass::Rejected,
                "slot_running",
                format_args!("the device runs from slot {}", running.as_str()),
            ));
        }
        let spare = running.other();
        let capacity = slots(device)?.capacity(spare).await.map_err(slot_failure)?;
        if update.size > capacity {
            return Err(Failure::new(
                FailureClass::Rejected,
                "too_large",
                format_args!(
                    "the image has {} bytes, slot {} holds {capacity}",
                    update.size,
                    spare.as_str()
                ),
            ));
        }
        self.install(update, spare, device).await
    }

    /// Fills the spare slot, verifies it and marks it. The last moment to stop is before the mark.
    async fn install(
        &mut self,
        update: &Update,
        spare: Slot,
        device: &mut impl Device,
    ) -> Result<Next, Failure> {
        check_cancelled(device)?;
        let what = Download {
            url_member: "url",
            size: Some(update.size),
            size_max: update.size,
            sha256: update.sha256,
        };
        device.download(&what, Target::SpareSlot).await?;
        check_cancelled(device)?;
        if !self.holds(update, spare, "verifying", device).await? {
            return Err(Failure::new(
                FailureClass::Failed,
                "digest_mismatch",
                format_args!("slot {} does not hold what was written", spare.as_str()),
            ));
        }
        check_cancelled(device)?;

        let memory = Memory::Armed {
            slot: spare,
            reboots: 0,
        };
        device.save_state(&memory.write()).await?;
        check_cancelled(device)?;
        slots(device)?
            .mark_trial(spare)
            .await
            .map_err(slot_failure)?;
        reboot(spare, 0, device).await
    }

    /// The device runs from the slot that the image was written to.
    async fn settle(
        &mut self,
        update: &Update,
        running: Slot,
        boot: BootState,
        reboots: u8,
        device: &mut impl Device,
    ) -> Result<Next, Failure> {
        if !self.holds(update, running, "checking", device).await? {
            return Err(rolled_back("the device runs another image"));
        }
        match boot {
            BootState::Confirmed | BootState::Marked => return Ok(Next::Succeed),
            BootState::Trial => {}
        }
        if reboots == 0 {
            // A trial that this execution does not remember: it is the only one that it gets.
            let memory = Memory::Armed {
                slot: running,
                reboots: 1,
            };
            device.save_state(&memory.write()).await?;
        }
        device.progress(Progress {
            phase: "confirming",
            ..Progress::default()
        });
        match device.health().await {
            Ok(()) => {
                slots(device)?.confirm().await.map_err(slot_failure)?;
                Ok(Next::Succeed)
            }
            Err(failure) if failure.class == FailureClass::Cancelled => Err(failure),
            Err(failure) => go_back(running, 0, &failure.message, boot, device).await,
        }
    }

    /// Whether the first bytes of a slot are the image.
    async fn holds(
        &mut self,
        update: &Update,
        slot: Slot,
        phase: &str,
        device: &mut impl Device,
    ) -> Result<bool, Failure> {
        let mut hash = Sha256::new();
        let mut at = 0;
        while at < update.size {
            let missing = usize::try_from(update.size.saturating_sub(at)).unwrap_or(usize::MAX);
            let chunk = self.buffer.len().min(missing);
            let chunk = self.buffer.get_mut(..chunk).unwrap_or_default();
            let read = slots(device)?
                .read(slot, at, chunk)
                .await
                .map_err(slot_failure)?;
            if read == 0 {
                return Ok(false);
            }
            hash.update(chunk.get(..read).unwrap_or_default());
            at = at.saturating_add(read as u64);
            device.progress(Progress {
                phase,
                bytes: at,
                total: Some(update.size),
            });
            let_others_run().await;
        }
        Ok(<[u8; 32]>::from(hash.finalize()) == update.sha256)
    }
}

/// Takes the mark back that an execution left, of which `state` is the blob: its end was reported, or the service ended it, before
/// the marked image had its trial. The image must not boot some day when nobody waits for it.
///
/// Harmless when there is nothing to take back, so that it can be done again after a crash. A slot on its trial boot is left
/// alone: giving up a trial is the engine's to do, with a reboot.
pub async fn withdraw<S: FirmwareSlots>(state: &[u8], slots: &mut S) -> Result<(), S::Error> {
    match Memory::read(state) {
        Memory::Armed { slot, .. } => {
            let is_spare = slots.running().await? != slot;
            if is_spare && slots.boot_state().await? == BootState::Marked {
                slots.prepare(slot, 0).await?;
            }
            Ok(())
        }
        Memory::Empty | Memory::RollingBack { .. } => Ok(()),
    }
}

/// The slot that an execution prepared its image in, by its blob; `None` when it prepared none, or nothing can be read from it.
pub fn prepared(state: &[u8]) -> Option<Slot> {
    match Memory::read(state) {
        Memory::Armed { slot, .. } | Memory::RollingBack { slot, .. } => Some(slot),
        Memory::Empty => None,
    }
}

/// Asks for a reboot, and counts it before it happens.
async fn reboot(slot: Slot, reboots: u8, device: &mut impl Device) -> Result<Next, Failure> {
    if reboots >= REBOOTS_MAX {
        // The image must not boot some day when nobody waits for it.
        slots(device)?
            .prepare(slot, 0)
            .await
            .map_err(slot_failure)?;
        return Err(Failure::new(
            FailureClass::Failed,
            "reboot_failed",
            format_args!(
                "the device did not boot slot {} after {reboots} reboots",
                slot.as_str()
            ),
        ));
    }
    let memory = Memory::Armed {
        slot,
        reboots: reboots.saturating_add(1),
    };
    device.save_state(&memory.write()).await?;
    device.progress(Progress {
        phase: "rebooting",
        ..Progress::default()
    });
    Ok(Next::Reboot)
}

/// Gives up the image that runs.
async fn go_back(
    slot: Slot,
    reboots: u8,
    reason: &str,
    boot: BootState,
    device: &mut impl Device,
) -> Result<Next, Failure> {
    if reboots >= REBOOTS_MAX {
        return Err(Failure::new(
            FailureClass::Failed,
            "roll_back_failed",
            format_args!("the device still runs the unfit image ({reason})"),
        ));
    }
    let memory = Memory::rolling_back(slot, reboots.saturating_add(1), reason);
    device.save_state(&memory.write()).await?;
    // Once it is done the bootloader is at something else than the trial.
    if boot == BootState::Trial {
        slots(device)?.roll_back().await.map_err(slot_failure)?;
    }
    device.progress(Progress {
        phase: "rolling back",
        ..Progress::default()
    });
    Ok(Next::Reboot)
}

/// Sets the details that every end of the job is reported with.
fn describe(device: &mut impl Device, update: &Update, target: Slot) {
    let mut bytes = String::<20>::new();
    let mut digest = String::<64>::new();
    let _ = write!(bytes, "{}", update.size);
    for byte in update.sha256 {
        let _ = write!(digest, "{byte:02x}");
    }
    device.detail("handler", NAME);
    device.detail("version", &update.version);
    device.detail("bytes", &bytes);
    device.detail("sha256", &digest);
    device.detail("slot", target.as_str());
}

fn slots<D: Device>(device: &mut D) -> Result<&mut D::Slots, Failure> {
    device.slots().ok_or_else(|| {
        Failure::new(
            FailureClass::Rejected,
            "no_slots",
            "the device has no firmware slots",
        )
    })
}

fn check_cancelled(device: &impl Device) -> Result<(), Failure> {
    match device.cancelled() {
        None => Ok(()),
        Some(_) => Err(Failure::new(
            FailureClass::Cancelled,
            "cancelled",
            "told to stop before the image was marked",
        )),
    }
}

fn slot_failure(error: impl core::fmt::Display) -> Failure {
    Failure::new(FailureClass::Failed, "slot_error", error)
}

fn rolled_back(why: impl core::fmt::Display) -> Failure {
    Failure::new(FailureClass::Failed, "rolled_back", why)
}

/// Hashing a whole slot takes seconds: whoever shares the thread gets a turn after every read.
async fn let_others_run() {
    let mut asked = false;
    poll_fn(|context| {
        if asked {
            return Poll::Ready(());
        }
        asked = true;
        context.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
}
