//! Executions that are not to be offered again.
//!
//! Bounded: when it is full, the oldest of those that ended makes room, then the oldest of all. What is forgotten too early is
//! offered once more, and judged or refused once more.

use heapless::Vec;

use crate::names::JobId;
use crate::time::Instant;

/// Most executions remembered: one more than the service lists as pending (AWS general reference, `iot_device_management`).
const LEDGER_MAX: usize = 16;

/// Why an execution is not offered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// It has ended here.
    Ended,
    /// Another agent's.
    Left,
    /// To be offered when an execution of ours has ended, or at this time.
    Postponed(Instant),
}

/// Executions that are not to be offered again, oldest first.
#[derive(Debug, Default)]
pub(crate) struct Ledger(Vec<(JobId, i64, Verdict), LEDGER_MAX>);

impl Ledger {
    pub(crate) fn insert(&mut self, job: JobId, number: i64, verdict: Verdict) {
        self.0
            .retain(|(known, at, _)| (known, *at) != (&job, number));
        if self.0.is_full() {
            let ended = self
                .0
                .iter()
                .position(|(_, _, verdict)| *verdict == Verdict::Ended);
            self.0.remove(ended.unwrap_or(0));
        }
        // There is room: one just left.
        let _ = self.0.push((job, number, verdict));
    }

    /// What was decided about an execution. A job comes again under another number.
    pub(crate) fn verdict(&self, now: Instant, job: &JobId, number: i64) -> Option<Verdict> {
        self.0
            .iter()
            .find(|(known, at, _)| (known, *at) == (job, number))
            .map(|(_, _, verdict)| *verdict)
            .filter(|verdict| match verdict {
                Verdict::Postponed(until) => now < *until,
                Verdict::Ended | Verdict::Left => true,
            })
    }

    /// What was postponed may be offered again.
    pub(crate) fn forget_postponed(&mut self) {
        self.0.retain(|(_, _, verdict)| match verdict {
            Verdict::Postponed(_) => false,
            Verdict::Ended | Verdict::Left => true,
        });
    }
}
