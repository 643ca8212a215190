//! What the driver does for a session: the core's actions, and what handlers want of the core.

use core::ops::Range;
use core::time::Duration;

use iot_jobs_hal::{BootState, Clock as _, FirmwareSlots as _, Reboot as _, StateStore as _};
use iot_jobs_hal_linux::slots::SlotsError;
use iot_jobs_proto::session::{Action, Admission, CancelReason, Input, Lane, Run};
use iot_jobs_proto::time::Instant;

use super::{Driver, End, Shell};
use crate::dispatch::{self, Resource, Selection, Verdict};
use crate::journal;
use crate::run::Want;
use crate::seat::{self, Core, Held, Seat, Start};
use crate::status::SlotsStatus;

/// How long a cancelled handler has to reach a safe point.
const CANCEL_WITHIN: Duration = Duration::from_secs(30);
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

/// What is left to do of an [`Action`]: what needs the session again, or time.
enum Todo {
    Cancel(Lane, CancelReason),
    Document(Lane, Range<usize>),
    Nothing,
    Offer(Lane, Range<usize>),
    Power { lane: Lane, roll_back: bool },
    Release(Lane),
    Run(Lane, Run, Option<Instant>),
    Save(u32),
    Withdraw(Lane),
}

impl Driver {
    /// Executes every action that a session asks for; `message` is the one just handled.
    pub(super) async fn drain(&mut self, index: usize, message: &[u8]) {
        while let Some(todo) = self.next_action(index) {
            // Before a reboot that leaves no time for it.
            self.log(index);
            self.execute(index, todo, message).await;
        }
        self.log(index);
    }

    fn log(&mut self, index: usize) {
        while let Some(event) = self
            .seats
            .get_mut(index)
            .and_then(|seat| seat.session.poll_event())
        {
            journal::log(&event);
            self.shell.status.borrow_mut().note(&event);
        }
    }

    /// Takes the next action: what the link does is done at once, as it may borrow from the session.
    fn next_action(&mut self, index: usize) -> Option<Todo> {
        let seat = self.seats.get_mut(index)?;
        Some(match seat.session.poll_action(&mut self.buffer)? {
            Action::CancelHandler { lane, reason } => Todo::Cancel(lane, reason),
            Action::Document { lane, document } => Todo::Document(lane, document),
            Action::Offer { lane, document } => Todo::Offer(lane, document),
            Action::Publish { topic, payload } => {
                let sent = self.link.publish(topic, payload);
                tracing::trace!(topic, bytes = payload.len(), sent, "publish");
                Todo::Nothing
            }
            Action::Reboot(lane) => Todo::Power {
                lane,
                roll_back: false,
            },
            Action::Release(lane) => Todo::Release(lane),
            Action::Restart(_) => {
                self.end = Some(End::Restart);
                Todo::Nothing
            }
            Action::RollBack(lane) => Todo::Power {
                lane,
                roll_back: true,
            },
            Action::RunHandler {
                lane,
                run,
                deadline,
            } => Todo::Run(lane, run, deadline),
            Action::Save(generation) => Todo::Save(generation),
            Action::Subscribe(filters) => {
                self.link.subscribe(index, &filters);
                Todo::Nothing
            }
            Action::Withdraw(lane) => Todo::Withdraw(lane),
            Action::_Details(never, _) => match never {},
        })
    }

    async fn execute(&mut self, index: usize, todo: Todo, message: &[u8]) {
        let now = self.now();
        let Some(seat) = self.seats.get_mut(index) else {
            return;
        };
        match todo {
            Todo::Cancel(lane, reason) => {
                if let Some(held) = seat.held(lane) {
                    held.cancel(reason, now + CANCEL_WITHIN);
                }
            }
            Todo::Document(lane, range) => {
                if let (Some(held), Some(document)) = (seat.held(lane), document(message, range)) {
                    held.renew(document);
                }
            }
            Todo::Nothing => {}
            Todo::Offer(lane, range) => self.offer(index, lane, document(message, range)),
            Todo::Power { lane, roll_back } => {
                let power = Power {
                    roll_back,
                    at: now,
                    lane: (index, lane),
                };
                self.power = Some(power);
                self.leave_boot(power).await;
            }
            Todo::Release(lane) => {
                let restored = seat.restored(lane);
                if seat.release(lane) || restored {
                    self.freed(index).await;
                }
                if self.power.is_some_and(|power| power.lane == (index, lane)) {
                    self.power = None;
                }
            }
            Todo::Run(lane, run, deadline) => {
                let state = seat.session.handler_state(lane).to_vec();
                if let Some(held) = seat.held(lane) {
                    let start = Start {
                        run,
                        deadline,
                        state: &state,
                        seed: self.shell.random.next_u64(),
                    };
                    held.start(&self.shell.bench, &start);
                }
            }
            Todo::Save(generation) => self.save(index, generation).await,
            Todo::Withdraw(lane) => self.withdraw(index, lane).await,
        }
    }

    /// Judges an offered document, and keeps it when a handler takes it and can have what it needs.
    fn offer(&mut self, index: usize, lane: Lane, document: Option<&str>) {
        let now = self.now();
        let Some(id) = self
            .seats
            .get(index)
            .and_then(|seat| seat.session.execution(lane))
            .cloned()
        else {
            return;
        };
        let verdict = self
            .shell
            .dispatch
            .judge(&id.job, document.unwrap_or_default().as_bytes());
        let free = match &verdict {
            Verdict::Run(selection) => self.is_free(index, lane, selection),
            Verdict::Leave | Verdict::Reject(_) => true,
        };
        if let Verdict::Reject(rejection) = &verdict {
            journal::refused(&id, rejection);
        }
        let Some(seat) = self.seats.get_mut(index) else {
            return;
        };
        let admission = match &verdict {
            Verdict::Leave => Admission::Leave,
            Verdict::Reject(rejection) => Admission::Reject {
                reason: rejection.reason,
                message: &rejection.message,
            },
            Verdict::Run(_) if !free => Admission::Later,
            Verdict::Run(selection) => {
                seat.hold(
                    lane,
                    Held {
                        id,
                        selection: selection.clone(),
                        document: document.unwrap_or_default().into(),
                        running: None,
                    },
                );
                Admission::Claim
            }
        };
        seat.session.handle(now, Input::Admitted(lane, admission));
    }

    /// Whether nothing stands in the way of one more execution in that lane. What an earlier run of the agent began comes before
    /// what is new: it may hold a trial image.
    fn is_free(&mut self, index: usize, lane: Lane, selection: &Selection) -> bool {
        let Some(seat) = self.seats.get_mut(index) else {
            return false;
        };
        // An offer for a lane replaces what the lane held.
        seat.release(lane);
        let resumed = seat.restored(lane);
        let room = resumed || seat.all_held().count() < self.shell.concurrent;
        let Some(resource) = dispatch::resource(selection.handler) else {
            return room;
        };
        let used = self.seats.iter().any(|seat| seat.uses(resource));
        let reserved = !resumed && self.seats.iter().any(Seat::is_restoring);
        room && !used && !reserved
    }

    /// A lane is free: what it had may be what another session waits for.
    async fn freed(&mut self, index: usize) {
        let now = self.now();
        for (_, seat) in self
            .seats
            .iter_mut()
            .enumerate()
            .filter(|(other, _)| *other != index)
        {
            seat.session.handle(now, Input::Freed);
        }
        self.look_at_slots().await;
        self.end_trials();
    }

    async fn save(&mut self, index: usize, generation: u32) {
        let Some(seat) = self.seats.get_mut(index) else {
            return;
        };
        let mut record = vec![0; Core::RECORD_LEN_MAX];
        let saved = match seat.session.record(&mut record) {
            Ok(len) => {
                record.truncate(len);
                let store = &mut self.shell.store;
                let saved = store.save(&seat.key, &record).await;
                saved.map_err(|error| tracing::error!(%error, "cannot save the record"))
            }
            Err(error) => {
                tracing::error!(%error, "cannot write the record");
                Err(())
            }
        };
        for (_, held) in seat.running() {
            if let Some(running) = &held.running {
                running.shared.saved(saved.is_ok());
            }
        }
        let now = Instant::from_millis(self.shell.clock.now_millis());
        let input = match saved {
            Ok(()) => Input::Saved(generation),
            Err(()) => Input::SaveFailed(generation),
        };
        seat.session.handle(now, input);
    }

    /// Takes back what the firmware handler prepared for the next boot.
    async fn withdraw(&mut self, index: usize, lane: Lane) {
        let Some(seat) = self.seats.get_mut(index) else {
            return;
        };
        let state = seat.session.handler_state(lane).to_vec();
        // After a restart nobody has seen the document; the state says enough.
        let firmware = seat.held(lane).is_none_or(|held| {
            dispatch::resource(held.selection.handler) == Some(Resource::Firmware)
        });
        let slots = self.shell.bench.slots.as_ref().filter(|_| firmware);
        let withdrawn = match slots.map(|slots| slots.try_lock()) {
            Some(Ok(mut slots)) => {
                let work = iot_jobs_handler_firmware::withdraw(&state, &mut *slots);
                let withdrawn = self.shell.systemd.while_waiting(work).await;
                withdrawn
                    .map_err(|error| tracing::error!(%error, "cannot take a mark back"))
                    .is_ok()
            }
            // A handler at work has them; it may wait for the driver.
            Some(Err(_)) => false,
            None => true,
        };
        let now = self.now();
        if let Some(seat) = self.seats.get_mut(index) {
            let input = Input::Withdrawn(lane, withdrawn);
            seat.session.handle(now, input);
        }
    }

    /// Tells the core what a handler wants.
    pub(super) fn want(&mut self, index: usize, lane: Lane, want: Want) {
        let now = self.now();
        let Some(seat) = self.seats.get_mut(index) else {
            return;
        };
        let Some(held) = seat.held(lane) else { return };
        let Some(running) = held.running.take() else {
            return;
        };
        let handler = held.selection.handler.as_str();
        let report = |ended| running.shared.report(handler, ended);
        match want {
            Want::Ended(ended) => {
                let cancelled = running.shared.cancelled().is_some();
                if cancelled {
                    journal::handler_stopped(&held.id);
                }
                if let Some(failure) = ended.failure().filter(|_| !cancelled) {
                    journal::handler_failed(&held.id, failure);
                }
                let details = report(Some(&ended));
                let outcome = seat::outcome(&ended, cancelled, &details);
                seat.session.handle(now, Input::Finished(lane, outcome));
            }
            Want::Progress => {
                let details = report(None);
                held.running = Some(running);
                seat.session.handle(now, Input::Progress(lane, &details));
            }
            Want::RenewDocument => {
                held.running = Some(running);
                seat.session.handle(now, Input::RenewDocument(lane));
            }
            Want::SaveState(state) => {
                held.running = Some(running);
                seat.session.handle(now, Input::HandlerState(lane, &state));
            }
        }
    }

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
    async fn look_at_slots(&mut self) {
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
    fn end_trials(&mut self) {
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

/// The document at that range of a message.
fn document(message: &[u8], range: Range<usize>) -> Option<&str> {
    core::str::from_utf8(message.get(range)?).ok()
}
