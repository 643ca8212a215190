//! What comes out of a session for the driver to do.

use core::ops::{Deref, Range};

use crate::session::Lane;
use crate::time::Instant;
use crate::topic::FILTERS_MAX;

/// What the driver does for the session. Executed in order; those that need an answer say which.
#[derive(Debug)]
pub enum Action<'a, const D: usize> {
    /// Send one SUBSCRIBE with these filters at QoS 1; answered by [`Input::Subscribed`](crate::session::Input::Subscribed).
    Subscribe(FilterList<'a>),
    /// Publish at QoS 1. Nothing is answered: the core waits for the service's answer and sends again.
    Publish {
        /// The topic.
        topic: &'a str,
        /// The body.
        payload: &'a [u8],
    },
    /// The message just handled holds a job's document at this range of its payload: keep a copy for the lane and judge it;
    /// answered by [`Input::Admitted`](crate::session::Input::Admitted).
    Offer {
        /// The lane that the execution would run in.
        lane: Lane,
        /// Where in the payload the document (a JSON object) stands.
        document: Range<usize>,
    },
    /// The message just handled holds the lane's document anew, with fresh URLs: replace the copy and wake whoever waits for it.
    Document {
        /// The lane.
        lane: Lane,
        /// Where in the payload the document stands.
        document: Range<usize>,
    },
    /// Make [`Session::record`](crate::session::Session::record) durable; answered by
    /// [`Input::Saved`](crate::session::Input::Saved) or [`Input::SaveFailed`](crate::session::Input::SaveFailed) with this
    /// generation. One at a time.
    Save(u32),
    /// Start the lane's handler; it ends with [`Input::Finished`](crate::session::Input::Finished).
    RunHandler {
        /// The lane.
        lane: Lane,
        /// Which run of this execution it is.
        run: Run,
        /// When the agent ends the job itself because of the job's own timer, as far as that is known now. The step timer has no
        /// part in it: it starts anew while the handler shows life. Whoever runs out of either is told by
        /// [`Action::CancelHandler`].
        deadline: Option<Instant>,
    },
    /// Tell the lane's handler to stop at the next safe point; it still ends with
    /// [`Input::Finished`](crate::session::Input::Finished).
    CancelHandler {
        /// The lane.
        lane: Lane,
        /// Why.
        reason: CancelReason,
    },
    /// The lane is free again: drop its document and what the handler kept for it.
    Release(Lane),
    /// Reboot the device. Everything is saved.
    Reboot(Lane),
    /// Restart the agent. Everything is saved.
    Restart(Lane),
    /// The trial image was not confirmed in time, or its job was ended by the service: mark it bad, go back to the other slot,
    /// reboot. Everything is saved. The handler, if one runs, is not waited for. When the image was confirmed meanwhile there is
    /// nothing to go back from: say so by [`Input::TrialOver`](crate::session::Input::TrialOver), and do not reboot.
    RollBack(Lane),
    /// The execution ended without success, and its handler had kept a state ([`Session::handler_state`] has it still): take back
    /// what it prepared for a later boot, such as a slot marked for its trial. Answered by
    /// [`Input::Withdrawn`](crate::session::Input::Withdrawn). No handler runs in the lane; after a restart the driver may not
    /// have seen its document.
    ///
    /// [`Session::handler_state`]: crate::session::Session::handler_state
    Withdraw(Lane),
    /// Never made; carries the size of details.
    #[doc(hidden)]
    _Details(
        core::convert::Infallible,
        core::marker::PhantomData<[(); D]>,
    ),
}

/// The filters of a SUBSCRIBE, in order.
#[derive(Debug, Clone, Copy, Default)]
pub struct FilterList<'a> {
    texts: [&'a str; FILTERS_MAX],
    len: usize,
}

impl<'a> FilterList<'a> {
    /// Adds a filter; there are never more than [`FILTERS_MAX`].
    pub(super) fn push(&mut self, text: &'a str) {
        if let Some(free) = self.texts.get_mut(self.len) {
            *free = text;
            self.len += 1;
        }
    }
}

impl<'a> Deref for FilterList<'a> {
    type Target = [&'a str];

    fn deref(&self) -> &Self::Target {
        self.texts.get(..self.len).unwrap_or_default()
    }
}

/// Which run of an execution's handler.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Run {
    /// The first.
    First,
    /// After the agent restarted, or after a reboot that the handler did not ask for (a power cut).
    AfterRestart,
    /// After the reboot that the handler asked for.
    AfterReboot,
}

/// Why a handler is told to stop.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CancelReason {
    /// The service ended the execution (canceled, removed, deleted); nothing is reported.
    CanceledByService,
    /// The service's timer, or ours just before it, ran out.
    TimedOut,
    /// The agent stops; the execution goes on after its restart.
    Stopping,
}
