//! A device that asks nothing: what it knows of its jobs is what it was told.

use std::collections::BTreeSet;

use crate::model::names::JobId;
use crate::model::operation::{JobExecution, Pending};

/// Developer guide, job-limits.
const PENDING_LIMIT: usize = 10;
const PENDING_LIMIT_IN_WINDOW: usize = 5;

/// Names an execution as a device does.
pub(super) type Numbered = (JobId, u64);

/// What a device was told of one namespace.
#[derive(Debug, Default)]
pub(super) struct Device {
    list: BTreeSet<Numbered>,
    first: Option<Numbered>,
    /// Whether it has begun something since it was told a list. A list that is longer than what it
    /// may show then shows other executions, of which nobody is told: AWS tells of those that come
    /// and go.
    has_begun: bool,
}

impl Device {
    /// Takes in a notify; a list in which everything has room must say something new.
    pub(super) fn notify(&mut self, pending: &Pending) {
        let list = listed(pending);
        let has_room = self.list.len().max(list.len()) < PENDING_LIMIT;
        assert!(!has_room || list != self.list, "told twice: {list:?}");
        self.list = list;
        self.has_begun = false;
    }

    /// Takes in a notify-next, which must say something new.
    pub(super) fn notify_next(&mut self, next: Option<&JobExecution>) {
        let first = next.map(|next| (next.job_id.clone(), next.execution_number));
        assert_ne!(self.first, first, "told twice");
        self.first = first;
    }

    /// Notes that it was heard.
    pub(super) fn begins(&mut self) {
        self.has_begun = true;
    }

    /// Compares what it was told with what GetPendingJobExecutions says; `all` is what is pending.
    pub(super) fn expect_list(&self, pending: &Pending, all: &BTreeSet<Numbered>) {
        let list = listed(pending);
        assert!(list.len() <= PENDING_LIMIT + PENDING_LIMIT_IN_WINDOW);
        assert!(list.len() >= all.len().min(PENDING_LIMIT), "{list:?}");
        assert!(list.is_subset(all), "{list:?} of {all:?}");
        assert!(self.list.is_subset(all), "{:?} of {all:?}", self.list);
        let was_whole = self.list.len() < PENDING_LIMIT;
        if was_whole || !self.has_begun {
            assert_eq!(self.list, list);
        }
    }

    /// Compares what it was told to be next with what is.
    pub(super) fn expect_first(&self, head: Option<&Numbered>) {
        assert_eq!(self.first.as_ref(), head);
    }
}

fn listed(pending: &Pending) -> BTreeSet<Numbered> {
    let all = pending.in_progress_jobs.iter().chain(&pending.queued_jobs);
    let listed: BTreeSet<_> = all
        .clone()
        .map(|summary| (summary.job_id.clone(), summary.execution_number))
        .collect();
    assert_eq!(listed.len(), all.count(), "listed twice");
    listed
}
