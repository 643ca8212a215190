//! What ends this boot, and what becomes of the image that runs: roll-backs, reboots, and trials that are over.

use core::time::Duration;

use iot_jobs_hal::{BootState, FirmwareSlots as _, Reboot as _};
use iot_jobs_hal_linux::slots::SlotsError;
use iot_jobs_proto::session::{Input, Lane};
use iot_jobs_proto::time::Instant;

use super::{Driver, Shell};
use crate::seat;
use crate::status::SlotsStatus;

/// A reboot that was asked for and does not come is asked for again.
const REBOOT_AGAIN: Duration = Duration::from_secs(300);
/// A reboot or a rollback that failed is tried again.
const POWER_RETRY: Duration = Duration::from_secs(60);

/// Something that ends this boot, tried until it works.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Power {
    /// Whether the other slot must be made the one to boot first.
    pub(super) roll_back: bool,
    /// When it is tried next.
    pub(super) at: Instant,
    /// Whose it is: the seat and the lane.
    pub(super) lane: (usize, Lane),
}

impl Driver {
    /// Rolls back if that is due, then reboots; tried again when it fails or does not come about.
    pub(super) async fn leave_boot(&mut self, mut power: Power) {
        if power.roll_back {
            let (index, lane) = power.lane;
            // A handler at work holds the slots.
            if let Some(seat) = self.seats.get_mut(index) {
                seat.release(lane);
            }
            match self.roll_back().await {
                Ok(true) => power.roll_back = false,
                Ok(false) => {
                    tracing::info!("the image is not on trial: nothing to roll back");
                    self.power = None;
                    let now = self.now();
                    if let Some(seat) = self.seats.get_mut(index) {
                        seat.session.handle(now, Input::TrialOver(lane));
                    }
                    return;
                }
                Err(error) => tracing::error!(%error, retry_in = ?POWER_RETRY, "cannot roll back"),
            }
        }
        let mut wait = POWER_RETRY;
        if !power.roll_back {
            let Shell {
                reboot, systemd, ..
            } = &mut self.shell;
            match systemd.while_waiting(reboot.reboot()).await {
                Ok(()) => {
                    tracing::info!("reboot under way");
                    wait = REBOOT_AGAIN;
                }
                Err(error) => tracing::error!(%error, retry_in = ?POWER_RETRY, "cannot reboot"),
            }
        }
        power.at = self.now() + wait;
        self.power = Some(power);
    }

    /// Makes the other slot the one that boots; whether there was anything to go back from.
    async fn roll_back(&mut self) -> Result<bool, SlotsError> {
        let Some(slots) = &self.shell.bench.slots else {
            return Ok(false);
        };
        let work = async {
            let mut slots = slots.lock().await;
            match slots.boot_state().await? {
                // Another execution confirmed the image since this one was taken to have it on trial.
                BootState::Confirmed => Ok(false),
                // The roll-back is made, and only the reboot is missing.
                BootState::Marked => Ok(true),
                BootState::Trial => slots.roll_back().await.map(|()| true),
            }
        };
        self.shell.systemd.while_waiting(work).await
    }

    /// Notes which slot runs, unless a handler has the slots for itself.
    pub(super) async fn look_at_slots(&mut self) {
        if let Some(slots) = &self.shell.bench.slots
            && let Ok(mut slots) = slots.try_lock()
        {
            let read = SlotsStatus::read(&mut *slots);
            let found = self.shell.systemd.while_waiting(read).await;
            self.shell.status.borrow_mut().slots = found
                .inspect_err(|error| tracing::error!(%error, "cannot ask the bootloader"))
                .ok();
        }
    }

    /// Once the image is confirmed nobody has it on trial any more.
    pub(super) fn end_trials(&mut self) {
        let status = self.shell.status.borrow();
        let confirmed = status.slots.as_ref().is_some_and(SlotsStatus::is_confirmed);
        drop(status);
        // A roll-back under way finds out by itself.
        if !confirmed || self.power.is_some() {
            return;
        }
        let now = self.now();
        for seat in &mut self.seats {
            for lane in seat::lanes() {
                seat.session.handle(now, Input::TrialOver(lane));
            }
        }
    }
}
