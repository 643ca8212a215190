//! One handler at work: what it and the driver share, how often it is tried, what its end is reported with.
//!
//! The handler runs as a task of its own; the driver looks into [`Shared`] whenever it is woken. Everything that passes between
//! the two is a cell that the last value wins, so that a busy handler cannot fill a queue.

use core::cell::{Cell, RefCell};
use core::time::Duration;
use std::rc::Rc;

use iot_jobs_handler::{CancelReason, Failure, FailureClass, Next, STATE_LEN_MAX};
use iot_jobs_proto::backoff::{Backoff, SplitMix64};
use iot_jobs_proto::details::{PAIRS_MAX, StatusDetails};
use tokio::sync::Notify;

use crate::{journal, timer};

/// Bytes of status details in one update.
pub(crate) const DETAILS_LEN: usize = 2048;
/// Most runs before a transient failure is reported as FAILED.
const ATTEMPTS_MAX: u32 = 4;
/// Upper edge of the first wait between two of them.
const RETRY_FIRST: Duration = Duration::from_secs(2);
/// Upper edge of every wait between two of them.
const RETRY_MAX: Duration = Duration::from_secs(30);
/// The status detail `progress` of a success.
const DONE: &str = "done";
/// Status details that only the engine sets.
const ENGINE_DETAILS: [&str; 3] = ["handler", "progress", "reason"];
/// Most status details that a handler may set besides.
const HANDLER_DETAILS_MAX: usize = PAIRS_MAX - ENGINE_DETAILS.len();

/// How a run ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Ended {
    /// The handler says what comes next.
    Next(Next),
    /// The handler says why not.
    Failure(Box<Failure>),
}

impl Ended {
    /// Why not, if so.
    pub(crate) fn failure(&self) -> Option<&Failure> {
        match self {
            Self::Failure(failure) => Some(failure),
            Self::Next(_) => None,
        }
    }
}

/// What the driver and a running handler share.
#[derive(Debug)]
pub(crate) struct Shared {
    /// Wakes the driver.
    driver: Rc<Notify>,
    /// Wakes the handler: cancelled, a fresh document, or saved.
    handler: Notify,
    cancelled: Cell<Option<CancelReason>>,
    document: RefCell<Rc<str>>,
    renewals: Cell<u32>,
    renew_wanted: Cell<bool>,
    progress: RefCell<Progressed>,
    progress_news: Cell<bool>,
    details: RefCell<Vec<(String, String)>>,
    state: RefCell<Vec<u8>>,
    save: Cell<Save>,
    ended: RefCell<Option<Ended>>,
}

/// How far a run is.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Progressed {
    /// What is going on.
    pub(crate) phase: String,
    /// Bytes done.
    pub(crate) bytes: u64,
    /// Bytes in all.
    pub(crate) total: Option<u64>,
}

/// What became of the handler's wish to save its state.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Save {
    Done,
    Failed,
    None,
    UnderWay,
    Wanted,
}

/// What a handler wants of the driver.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Want {
    /// It ended.
    Ended(Ended),
    /// It shows life.
    Progress,
    /// Its document's URL expired.
    RenewDocument,
    /// This state is to be saved.
    SaveState(Vec<u8>),
}

impl Shared {
    /// Starts with what the record keeps of earlier runs.
    pub(crate) fn new(driver: Rc<Notify>, document: Rc<str>, state: &[u8]) -> Self {
        Self {
            driver,
            handler: Notify::new(),
            cancelled: Cell::new(None),
            document: RefCell::new(document),
            renewals: Cell::new(0),
            renew_wanted: Cell::new(false),
            progress: RefCell::default(),
            progress_news: Cell::new(false),
            details: RefCell::default(),
            state: RefCell::new(state.to_vec()),
            save: Cell::new(Save::None),
            ended: RefCell::new(None),
        }
    }

    // The driver's side.

    /// The next thing that the handler wants, the most pressing first; its end last.
    pub(crate) fn want(&self) -> Option<Want> {
        if self.save.get() == Save::Wanted {
            self.save.set(Save::UnderWay);
            return Some(Want::SaveState(self.state.borrow().clone()));
        }
        if self.renew_wanted.take() {
            return Some(Want::RenewDocument);
        }
        let ended = self.ended.take();
        // The report of the end carries the last progress.
        if ended.is_none() && self.progress_news.take() {
            return Some(Want::Progress);
        }
        ended.map(Want::Ended)
    }

    /// Tells the handler to stop at its next safe point. The first reason stays.
    pub(crate) fn cancel(&self, reason: CancelReason) {
        if self.cancelled.get().is_none() {
            self.cancelled.set(Some(reason));
        }
        self.handler.notify_waiters();
    }

    /// Replaces the document by a fresh one.
    pub(crate) fn renewed(&self, document: Rc<str>) {
        self.document.replace(document);
        self.renewals.set(self.renewals.get().wrapping_add(1));
        self.handler.notify_waiters();
    }

    /// Everything handed to the core so far is durable, or could not be written.
    pub(crate) fn saved(&self, durable: bool) {
        if self.save.get() == Save::UnderWay {
            self.save
                .set(if durable { Save::Done } else { Save::Failed });
            self.handler.notify_waiters();
        }
    }

    /// How far the run is.
    pub(crate) fn progressed(&self) -> Progressed {
        self.progress.borrow().clone()
    }

    /// The status details of an update or, once it ended, of the end.
    pub(crate) fn report(
        &self,
        handler: &str,
        ended: Option<&Ended>,
    ) -> StatusDetails<DETAILS_LEN> {
        let failure = ended.and_then(Ended::failure);
        let mut details = StatusDetails::new();
        // What does not fit is left out: a report without a detail is better than none. So the vital ones come first.
        let mut set = |key: &str, value: &str| {
            if let Err(error) = details.insert(key, value) {
                tracing::debug!(key, %error, "left out a status detail");
            }
        };
        set("handler", handler);
        if let Some(failure) = failure {
            set("reason", failure.code);
            set("message", &failure.message);
        }
        for (key, value) in self.details.borrow().iter() {
            // Why it failed says more than what the handler said before.
            if failure.is_none() || key != "message" {
                set(key, value);
            }
        }
        let progress = self.progress.borrow();
        if let Some(Ended::Next(Next::AlreadyDone | Next::Succeed)) = ended {
            set("progress", DONE);
        } else if !progress.phase.is_empty() {
            set("progress", &progress.to_string());
        }
        // A run that moved no bytes, such as one after a reboot, leaves the number to the handler.
        if progress.bytes > 0 {
            set("bytes", &progress.bytes.to_string());
        }
        details
    }

    // The handler's side.

    /// Why to stop.
    pub(crate) fn cancelled(&self) -> Option<CancelReason> {
        self.cancelled.get()
    }

    /// Returns once the handler is to stop.
    pub(crate) async fn until_cancelled(&self) -> CancelReason {
        self.wait(|| self.cancelled.get()).await
    }

    /// The document as it stands.
    pub(crate) fn document(&self) -> Rc<str> {
        Rc::clone(&self.document.borrow())
    }

    /// Asks for a fresh document, and waits for it or for the order to stop.
    pub(crate) async fn renew(&self) -> Result<Rc<str>, CancelReason> {
        let before = self.renewals.get();
        self.renew_wanted.set(true);
        self.driver.notify_one();
        self.wait(|| match self.cancelled.get() {
            Some(reason) => Some(Err(reason)),
            None => (self.renewals.get() != before).then(|| Ok(self.document())),
        })
        .await
    }

    /// The handler's blob.
    pub(crate) fn with_state<T>(&self, look: impl FnOnce(&[u8]) -> T) -> T {
        look(&self.state.borrow())
    }

    /// Replaces the blob, and waits until it is durable: `false` when it could not be written.
    pub(crate) async fn save_state(&self, state: &[u8]) -> bool {
        if state.len() > STATE_LEN_MAX {
            return false;
        }
        self.state.replace(state.to_vec());
        self.save.set(Save::Wanted);
        self.driver.notify_one();
        self.wait(|| match self.save.get() {
            Save::Done | Save::None => Some(true),
            Save::Failed => Some(false),
            Save::UnderWay | Save::Wanted => None,
        })
        .await
    }

    /// Says how far the run is.
    pub(crate) fn set_progress(&self, progress: Progressed) {
        if progress.phase != self.progress.borrow().phase {
            journal::phase(&progress.phase);
        }
        self.progress.replace(progress);
        self.progress_news.set(true);
        self.driver.notify_one();
    }

    /// Sets a status detail of the end; the engine's own, and those beyond the bound, are not taken.
    pub(crate) fn set_detail(&self, key: &str, value: &str) {
        let mut details = self.details.borrow_mut();
        if let Some((_, old)) = details.iter_mut().find(|(known, _)| known == key) {
            value.clone_into(old);
        } else if details.len() >= HANDLER_DETAILS_MAX {
            tracing::debug!(key, "left out a status detail of the handler");
        } else if !ENGINE_DETAILS.contains(&key) {
            details.push((key.to_owned(), value.to_owned()));
        }
    }

    async fn wait<T>(&self, ready: impl Fn() -> Option<T>) -> T {
        loop {
            // Registered before the look, so that no wake is lost in between.
            let woken = self.handler.notified();
            if let Some(value) = ready() {
                return value;
            }
            woken.await;
        }
    }
}

impl core::fmt::Display for Progressed {
    /// `downloading 37%`, or the phase alone while the total is not known.
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str(&self.phase)?;
        match self.total {
            Some(total) if total > 0 => {
                let percent = u128::from(self.bytes) * 100 / u128::from(total);
                write!(f, " {}%", percent.min(100))
            }
            Some(_) | None => Ok(()),
        }
    }
}

/// Ends the run even if the handler panics or is dropped.
struct Ending<'a> {
    shared: &'a Shared,
    ended: Option<Ended>,
}

impl Drop for Ending<'_> {
    fn drop(&mut self) {
        let ended = self.ended.take().unwrap_or_else(|| {
            Ended::Failure(Box::new(Failure::new(
                FailureClass::Failed,
                "handler_panicked",
                "the handler ended without a result; the agent's log says more",
            )))
        });
        self.shared.ended.replace(Some(ended));
        self.shared.driver.notify_one();
    }
}

/// Runs `attempt` until it does not fail transiently, a few times at most.
pub(crate) async fn work(
    shared: &Shared,
    seed: u64,
    mut attempt: impl AsyncFnMut() -> Result<Next, Failure>,
) {
    let mut ending = Ending {
        shared,
        ended: None,
    };
    let mut random = SplitMix64::new(seed);
    let mut retry = Backoff::new(RETRY_FIRST, RETRY_MAX);
    let ended = loop {
        let failure = match attempt().await {
            Ok(next) => break Ended::Next(next),
            Err(failure) => failure,
        };
        if failure.class != FailureClass::Transient || retry.attempts() + 1 >= ATTEMPTS_MAX {
            break Ended::Failure(Box::new(failure));
        }
        let retry_in = retry.next(&mut random);
        tracing::warn!(
            reason = failure.code,
            cause = failure.message.as_str(),
            ?retry_in,
            "run failed, trying again"
        );
        tokio::select! {
            _ = shared.until_cancelled() => break Ended::Failure(Box::new(stopped())),
            () = timer::wait(retry_in) => {}
        }
    };
    ending.ended = Some(ended);
}

/// The failure of a handler that stopped as told.
pub(crate) fn stopped() -> Failure {
    Failure::new(FailureClass::Cancelled, "cancelled", "stopped as told")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_transient_failure_is_tried_again_before_it_is_reported() {
        let shared = shared();
        let mut left = 2;

        block_on(work(&shared, 1, async || {
            left -= 1;
            if left > 0 {
                Err(failure(FailureClass::Transient))
            } else {
                Ok(Next::Succeed)
            }
        }));

        assert_eq!(shared.want(), Some(Want::Ended(Ended::Next(Next::Succeed))));
    }

    #[test]
    fn a_failure_that_stays_transient_is_reported_after_a_few_runs() {
        let shared = shared();
        let mut runs = 0;

        block_on(work(&shared, 1, async || {
            runs += 1;
            Err(failure(FailureClass::Transient))
        }));

        assert_eq!(runs, ATTEMPTS_MAX);
        assert_eq!(
            shared.want(),
            Some(Want::Ended(Ended::Failure(Box::new(failure(
                FailureClass::Transient
            )))))
        );
    }

    #[test]
    fn a_cancel_ends_the_wait_for_another_run() {
        let shared = shared();
        shared.cancel(CancelReason::CanceledByService);
        let mut runs = 0;

        block_on(work(&shared, 1, async || {
            runs += 1;
            Err(failure(FailureClass::Transient))
        }));

        assert_eq!(runs, 1);
        assert_eq!(
            shared.want(),
            Some(Want::Ended(Ended::Failure(Box::new(stopped()))))
        );
    }

    #[test]
    fn a_handler_that_panics_ends_with_a_failure() {
        let shared = shared();
        let run = std::panic::catch_unwind(core::panic::AssertUnwindSafe(|| {
            block_on(work(&shared, 1, async || panic!("a bug")));
        }));

        assert!(run.is_err());
        assert!(matches!(
            shared.want(),
            Some(Want::Ended(Ended::Failure(failure))) if failure.code == "handler_panicked"
        ));
    }

    #[test]
    fn a_state_is_saved_when_the_driver_says_so() {
        let shared = shared();
        let durable = block_on(async {
            let save = shared.save_state(b"half way");
            let driver = async {
                shared.driver.notified().await;
                assert_eq!(shared.want(), Some(Want::SaveState(b"half way".to_vec())));
                shared.saved(true);
            };
            tokio::join!(save, driver).0
        });

        assert!(durable);
    }

    #[test]
    fn a_fresh_document_reaches_the_handler_that_asked() {
        let shared = shared();
        let document = block_on(async {
            let driver = async {
                shared.driver.notified().await;
                assert_eq!(shared.want(), Some(Want::RenewDocument));
                shared.renewed("fresh".into());
            };
            tokio::join!(shared.renew(), driver).0
        });

        assert_eq!(document.as_deref(), Ok("fresh"));
    }

    #[test]
    fn a_report_says_how_far_the_run_was_and_why_it_failed() {
        let shared = shared();
        shared.set_detail("version", "1.2.3");
        shared.set_detail("reason", "not the handler's to set");
        shared.set_progress(Progressed {
            phase: "downloading".to_owned(),
            bytes: 37,
            total: Some(100),
        });

        let details = shared.report(
            "firmware",
            Some(&Ended::Failure(Box::new(failure(FailureClass::Failed)))),
        );

        let mut pairs: Vec<_> = details.iter().collect();
        pairs.sort_unstable();
        assert_eq!(
            pairs,
            [
                ("bytes", "37"),
                ("handler", "firmware"),
                ("message", "no route"),
                ("progress", "downloading 37%"),
                ("reason", "unreachable"),
                ("version", "1.2.3"),
            ]
        );
    }

    fn shared() -> Shared {
        Shared::new(Rc::new(Notify::new()), "{}".into(), b"")
    }

    fn failure(class: FailureClass) -> Failure {
        Failure::new(class, "unreachable", "no route")
    }

    fn block_on<T>(future: impl Future<Output = T>) -> T {
        tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .start_paused(true)
            .build()
            .unwrap()
            .block_on(future)
    }
}
