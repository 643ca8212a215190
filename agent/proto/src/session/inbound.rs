//! What arrives: read, matched to what was asked by its token, and only then to a state.

use crate::event::Event;
use crate::execution::{Description, Execution, Fresh};
use crate::json::JsonStr;
use crate::names::{JobId, Namespace};
use crate::report::Refusal;
use crate::session::ledger::Verdict;
use crate::session::search::Question;
use crate::session::{Document, ExecutionId, Session, lanes};
use crate::topic::{Inbound, Message, Request, Target, Verdict as Answer};
use crate::wire::error::ErrorCode;
use crate::wire::execution::{self as wire, Summary};
use crate::wire::response::{Described, MessageError, Pending, Rejected, Updated};

/// The number of an execution whose message lacks one: the service counts from one.
const NUMBER_FIRST: i64 = 1;

impl<const N: usize, const D: usize> Session<N, D> {
    /// Takes a message; those for others change nothing.
    pub(super) fn message(&mut self, topic: &str, payload: &[u8]) {
        let Ok(inbound) = Inbound::parse(topic, &self.cx.settings.thing) else {
            return;
        };
        if !inbound.is_of(&self.cx.settings.namespace) {
            return;
        }
        let read = match inbound.message {
            Message::Answer { to, verdict } => match verdict {
                Answer::Accepted => self.accepted(to, payload),
                Answer::Rejected => self.rejected(to, payload),
            },
            Message::Notify => self.notified(payload),
            Message::NotifyNext => self.notified_of_next(payload),
            Message::Echo(_) => Ok(()),
        };
        if read.is_err() {
            self.cx.log(Event::Unreadable);
        }
    }

    fn accepted(&mut self, to: Request<'_>, payload: &[u8]) -> Result<(), MessageError> {
        match to {
            Request::Describe(_) => {
                let answer = Described::parse(payload)?;
                if let Some(token) = self.cx.token_number(answer.client_token) {
                    self.described(to, token, answer.execution.as_ref(), payload);
                }
            }
            Request::Pending => {
                let answer = Pending::parse(payload)?;
                if let Some(token) = self.cx.token_number(answer.client_token)
                    && self.search_answered(to, token).is_some()
                {
                    self.listed(&answer);
                }
            }
            Request::Update(job) => {
                let answer = Updated::parse(payload)?;
                if let Some(token) = self.cx.token_number(answer.client_token)
                    && let Some((_, execution)) =
                        self.lanes.iter_mut().enumerate().find_map(|(index, slot)| {
                            let execution = slot.as_mut()?;
                            (job == execution.id().job && execution.awaits_update(token))
                                .then_some((index, execution))
                        })
                {
                    execution.update_accepted(&mut self.cx, token);
                }
            }
            // Never asked.
            Request::StartNext => {}
        }
        Ok(())
    }

    fn rejected(&mut self, to: Request<'_>, payload: &[u8]) -> Result<(), MessageError> {
        let answer = Rejected::parse(payload)?;
        let refusal = Refusal {
            code: answer.code,
            status: answer.execution_state.map(|state| state.status),
        };
        let Some(token) = self.refused_token(to, answer.client_token, answer.code) else {
            return Ok(());
        };
        if let Some(question) = self.search_answered(to, token) {
            self.search.refused(&mut self.cx, &question, &refusal);
            if !refusal.code.is_transient() {
                self.pass_over(question);
            }
            return Ok(());
        }
        let (cx, lanes) = (&mut self.cx, &mut self.lanes);
        for execution in lanes.iter_mut().flatten() {
            match to {
                Request::Update(job) if job == execution.id().job => {
                    execution.update_refused(cx, token, &refusal);
                }
                Request::Describe(Target::Job(job)) if job == execution.id().job => {
                    execution.describe_refused(cx, token, &refusal);
                }
                Request::Update(_)
                | Request::Describe(_)
                | Request::Pending
                | Request::StartNext => {}
            }
        }
        Ok(())
    }

    /// The token of a refused request. A service that could not read the request cannot name it: it is then the one in flight
    /// for that job.
    fn refused_token(
        &self,
        to: Request<'_>,
        token: Option<JsonStr<'_>>,
        code: ErrorCode,
    ) -> Option<u32> {
        if token.is_some() || code != ErrorCode::InvalidJson {
            return self.cx.token_number(token);
        }
        let Request::Update(job) = to else {
            return None;
        };
        self.lanes
            .iter()
            .flatten()
            .find(|execution| job == execution.id().job)
            .and_then(Execution::update_token)
    }

    /// What the search asked, if this answers it: token and topic must both fit.
    fn search_answered(&mut self, to: Request<'_>, token: u32) -> Option<Question> {
        let fits = match (self.search.question(), to) {
            (Question::Next, Request::Describe(Target::Next))
            | (Question::List, Request::Pending) => true,
            (Question::Job(own, _), Request::Describe(Target::Job(job))) => job == *own,
            (
                Question::Next | Question::List | Question::Job(..),
                Request::Describe(_) | Request::Pending | Request::StartNext | Request::Update(_),
            ) => false,
        };
        if fits {
            self.search.answered(token)
        } else {
            None
        }
    }

    fn described(
        &mut self,
        to: Request<'_>,
        token: u32,
        found: Option<&wire::Execution<'_>>,
        payload: &[u8],
    ) {
        if let Some(question) = self.search_answered(to, token) {
            return self.searched(question, found, payload);
        }
        let Request::Describe(Target::Job(job)) = to else {
            return;
        };
        let (cx, slots) = (&mut self.cx, &mut self.lanes);
        for (lane, slot) in lanes().zip(slots) {
            let Some(execution) = slot.as_mut() else {
                continue;
            };
            if job == execution.id().job && execution.awaits_describe(token) {
                let found = found
                    .filter(|found| found.job_id == execution.id().job)
                    .map(|found| describe(found, payload));
                self.document = match execution.described(cx, token, found) {
                    Some(Fresh::Offer(range)) => Some(Document::Offer(lane, range)),
                    Some(Fresh::Renewal(range)) => Some(Document::Renewal(lane, range)),
                    None => None,
                };
                return;
            }
        }
    }

    /// The search's answer: an execution, or nothing.
    fn searched(
        &mut self,
        question: Question,
        found: Option<&wire::Execution<'_>>,
        payload: &[u8],
    ) {
        let Some(found) = found else {
            if question == Question::Next {
                self.search.found_nothing(&mut self.cx, false);
            }
            return self.pass_over(question);
        };
        let number = found.execution_number.unwrap_or(NUMBER_FIRST);
        let stale = found.status.is_terminal()
            || self.ledger.verdict(self.cx.now, &found.job_id, number) == Some(Verdict::Ended);
        if question == Question::Next {
            if stale {
                self.search.found_nothing(&mut self.cx, true);
            } else {
                self.search.next_seen();
            }
            // Others may stand behind it.
            self.search.want_list();
        }
        if !stale && self.is_eligible(&found.job_id, number) {
            self.search.found();
            self.offer(found, payload);
        }
    }

    /// The service does not describe what its list named: it is not asked for again at once.
    fn pass_over(&mut self, question: Question) {
        if let Question::Job(job, number) = question {
            self.postpone(job, number);
        }
    }

    /// Whether an execution is none of those that are here, were here, or are another agent's.
    fn is_eligible(&self, job: &JobId, number: i64) -> bool {
        let here = self
            .lanes
            .iter()
            .flatten()
            .any(|execution| execution.id().job == *job);
        !here && self.ledger.verdict(self.cx.now, job, number).is_none()
    }

    fn offer(&mut self, found: &wire::Execution<'_>, payload: &[u8]) {
        let description = describe(found, payload);
        let id = ExecutionId {
            namespace: self.cx.settings.namespace.clone(),
            job: found.job_id.clone(),
            number: description.number,
        };
        let Some((lane, slot)) = lanes()
            .zip(&mut self.lanes)
            .find(|(_, slot)| slot.is_none())
        else {
            return;
        };
        let Some(range) = description.document.clone() else {
            let message = "the job document is not a JSON object";
            *slot = Some(Execution::rejected(
                &mut self.cx,
                id,
                "invalid_document",
                message,
            ));
            return;
        };
        self.cx.log(Event::Offered(id.clone()));
        *slot = Some(Execution::offered(id, description.version_to_claim()));
        self.document = Some(Document::Offer(lane, range));
    }

    fn listed(&mut self, list: &Pending<'_>) {
        self.look_for_missed(list);
        let (in_progress, queued) = (list.in_progress.clone(), list.queued.clone());
        for Summary {
            job_id,
            execution_number,
            ..
        } in in_progress.chain(queued)
        {
            let number = execution_number.unwrap_or(NUMBER_FIRST);
            if self.is_eligible(&job_id, number) {
                self.search.add_candidate(job_id, number);
            }
        }
    }

    fn notified(&mut self, payload: &[u8]) -> Result<(), MessageError> {
        let list = Pending::parse(payload)?;
        self.look_for_missed(&list);
        let mut summaries = list.in_progress.clone().chain(list.queued.clone());
        let promising = summaries.any(|summary| {
            let number = summary.execution_number.unwrap_or(NUMBER_FIRST);
            self.is_eligible(&summary.job_id, number)
        });
        if self.cx.settings.namespace != Namespace::Default {
            // Nothing else tells what stands behind `$next`.
            self.listed(&list);
        }
        self.search.hint(self.cx.now, promising);
        Ok(())
    }

    fn notified_of_next(&mut self, payload: &[u8]) -> Result<(), MessageError> {
        let next = Described::parse(payload)?.execution;
        let promising = next.is_some_and(|next| {
            let number = next.execution_number.unwrap_or(NUMBER_FIRST);
            self.is_eligible(&next.job_id, number)
        });
        self.search.hint(self.cx.now, promising);
        Ok(())
    }

    /// Describes the executions that run here and that a list lacks. Absence alone says nothing.
    fn look_for_missed(&mut self, list: &Pending<'_>) {
        let (cx, lanes) = (&self.cx, &mut self.lanes);
        for execution in lanes.iter_mut().flatten() {
            let mut listed = list.in_progress.clone().chain(list.queued.clone());
            if !listed.any(|summary| summary.job_id == execution.id().job) {
                execution.missed(cx);
            }
        }
    }
}

fn describe(found: &wire::Execution<'_>, payload: &[u8]) -> Description {
    Description {
        status: found.status,
        number: found.execution_number.unwrap_or(NUMBER_FIRST),
        version: found.version_number,
        seconds_left: found.seconds_before_timed_out,
        document: found
            .job_document
            .map(|document| document.range())
            // A document that is no JSON comes as a string.
            .filter(|range| payload.get(range.start) == Some(&b'{')),
    }
}
