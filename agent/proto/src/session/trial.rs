//! Whose image is on trial in this boot, as far as the record says. The shell may know better, and says so by
//! [`Input::TrialOver`](crate::session::Input::TrialOver).

use crate::record::{Entry, Phase, Trial};
use crate::session::Session;

impl<const N: usize, const D: usize> Session<N, D> {
    /// Decides whose image is on trial, and until when: that of the execution that kept a state and asked for the reboot, or else
    /// of one that a power cut took the words from, or else of one that asked for the reboot without a word.
    pub(super) fn arm_trial(&mut self, entries: &mut [(u8, Entry<D>)]) {
        let settings = &self.cx.settings;
        let boot = settings.boot;
        let likeliest = entries
            .iter()
            .filter_map(|(_, entry)| likelihood(entry, boot))
            .max();
        for (_, entry) in entries {
            let known = entry.trial.is_some();
            let guessed = likeliest.is_some() && likelihood(entry, boot) == likeliest;
            if !settings.trial || !(known || guessed) {
                entry.trial = None;
                continue;
            }
            let until = self.cx.now + settings.timing.trial_window;
            let begun = entry.trial.filter(|trial| trial.boot == boot);
            if begun.is_none() {
                // Before anything else can bring the agent down.
                self.cx.saves.want();
            }
            entry.trial = Some(Trial {
                boot,
                until: begun.map_or(until, |trial| trial.until.min(until)),
            });
        }
    }
}

/// How likely it is that the image that runs since `boot` is one that the execution installed; `None` if it cannot be.
fn likelihood<const D: usize>(entry: &Entry<D>, boot: u128) -> Option<u8> {
    if entry.boot == boot {
        return None;
    }
    // Who installs an image keeps a state before.
    let prepared = !entry.state.is_empty();
    match entry.phase {
        Phase::Rebooting if prepared => Some(3),
        Phase::Running if prepared => Some(2),
        Phase::Rebooting => Some(1),
        Phase::Unclaimed
        | Phase::Running
        | Phase::Restarting
        | Phase::RolledBack
        | Phase::Reporting(_) => None,
    }
}
