//! What goes out: what the lanes want done, the SUBSCRIBE, the requests that are due.

use crate::execution::{Demand, Leave};
use crate::session::{Action, FilterList, Session, lanes};
use crate::topic::Filters;

impl<const N: usize, const D: usize> Session<N, D> {
    pub(super) fn poll_lanes<'a>(&mut self) -> Option<Action<'a, D>> {
        for (lane, slot) in lanes().zip(&mut self.lanes) {
            let Some(demand) = slot
                .as_mut()
                .and_then(|execution| execution.poll_demand(&mut self.cx))
            else {
                continue;
            };
            return Some(match demand {
                Demand::Run(run, deadline) => Action::RunHandler {
                    lane,
                    run,
                    deadline,
                },
                Demand::Cancel(reason) => Action::CancelHandler { lane, reason },
                Demand::Withdraw => Action::Withdraw(lane),
            });
        }
        for (lane, released) in lanes().zip(&mut self.released) {
            if core::mem::take(released) {
                return Some(Action::Release(lane));
            }
        }
        let alone = self.is_idle();
        for (lane, slot) in lanes().zip(&mut self.lanes) {
            let leave = slot
                .as_mut()
                .and_then(|execution| execution.poll_leave(&self.cx, alone));
            match leave {
                Some(Leave::Reboot) => return Some(Action::Reboot(lane)),
                Some(Leave::Restart) => return Some(Action::Restart(lane)),
                Some(Leave::RollBack) => return Some(Action::RollBack(lane)),
                None => {}
            }
        }
        None
    }

    pub(super) fn subscribe<'a>(&self, buffer: &'a mut [u8]) -> Action<'a, D> {
        let mut texts = FilterList::default();
        let mut rest = buffer;
        if let Ok(filters) = Filters::new(&self.cx.settings.thing, &self.cx.settings.namespace) {
            for filter in filters.iter() {
                let Some((head, tail)) = rest.split_at_mut_checked(filter.len()) else {
                    break;
                };
                for (to, from) in head.iter_mut().zip(filter.bytes()) {
                    *to = from;
                }
                rest = tail;
                let head: &'a [u8] = head;
                if let Ok(text) = core::str::from_utf8(head) {
                    texts.push(text);
                }
            }
        }
        Action::Subscribe(texts)
    }

    pub(super) fn poll_request<'a>(&mut self, buffer: &'a mut [u8]) -> Option<Action<'a, D>> {
        if !self.link.is_ready(self.cx.now) {
            return None;
        }
        for slot in &mut self.lanes {
            let Some(execution) = slot.as_mut() else {
                continue;
            };
            if let Some(due) = execution.request_due(&self.cx) {
                return execution.request(&mut self.cx, due, buffer);
            }
        }
        if self.search.is_due(self.cx.now) {
            return self.search.request(&mut self.cx, buffer);
        }
        None
    }
}
