//! The reading half of a download: connection after connection, until every byte has arrived or there is a reason to stop.
//!
//! ```text
//!            ┌────────────── back off ◀── lost link, 5xx, 429, stall
//!            ▼                                 │
//!  ask from byte N ──▶ redirect… ──▶ 206 ──▶ take bytes ──▶ all there
//!            ▲                  └──▶ 200 ──▶ begin at byte 0
//!            └── fresh URL ◀── 401, 403
//! ```
//!
//! An answer that looks whole and is shorter than promised may be cut off, or a login page: it is asked for again a few times.
//!
//! Only new bytes count as progress: a server that lets every connection begin anew uses up the attempts.

use core::time::Duration;

use hyper::body::Bytes;
use iot_jobs_proto::backoff::{Backoff, SplitMix64};
use tokio::sync::mpsc;

use super::answer::{Answer, Content};
use super::error::{FetchError, RedirectError};
use super::http::{self, Ask, Body, BodyError, LinkError, Refusal, Reply};
use super::pace::{self, Pace, REDIRECTS_MAX};
use super::resume::Validator;
use super::store::Message;
use super::tally::Tally;
use super::tls::Trust;
use super::url::Url;
use super::{Order, Watch};

/// Fetches the bytes of one artifact.
pub(super) struct Transfer<'a, W> {
    pub(super) order: &'a Order,
    pub(super) url: Url,
    pub(super) allow_http: bool,
    pub(super) trust: Trust,
    pub(super) pace: &'a Pace,
    pub(super) watch: &'a W,
    pub(super) random: SplitMix64,
    pub(super) messages: mpsc::Sender<Message>,
    /// The next byte to fetch.
    pub(super) at: u64,
    pub(super) total: Option<u64>,
    pub(super) validator: Option<Validator>,
    pub(super) tally: &'a Tally,
}

/// Why a connection is over before every byte is there.
enum Halt {
    /// The URL is not valid any longer.
    Expired(Refusal),
    /// There is no use in going on.
    For(FetchError),
    /// Another attempt may bring more, after the server's own time if it named one.
    Link(LinkError, Option<Duration>),
    /// The answer looks whole, and has fewer bytes than promised.
    Short { promised: u64, found: u64 },
}

impl From<FetchError> for Halt {
    fn from(error: FetchError) -> Self {
        Self::For(error)
    }
}

impl<W: Watch> Transfer<'_, W> {
    /// Fetches until every byte was handed over.
    pub(super) async fn run(mut self) -> Result<(), FetchError> {
        let mut backoff = Backoff::new(self.pace.backoff_first, self.pace.backoff_most);
        let mut fruitless = 0;
        let mut distrusted = 0;
        let mut short = 0;
        let mut renewals = 0;
        loop {
            let before = self.tally.high();
            let Err(halt) = self.attempt().await else {
                return Ok(());
            };
            self.send(Message::Rest).await;
            if self.tally.high() > before {
                backoff.reset();
                fruitless = 0;
                distrusted = 0;
                short = 0;
                renewals = 0;
            } else {
                fruitless += 1;
            }
            match halt {
                Halt::For(error) => return Err(error),
                Halt::Expired(refusal) if renewals >= self.pace.renewals => {
                    return Err(FetchError::Refused(refusal));
                }
                Halt::Expired(_) => {
                    renewals += 1;
                    self.url = self
                        .watch
                        .renew()
                        .await
                        .map_err(|failure| FetchError::Renewal(Box::new(failure)))?;
                }
                Halt::Link(last, after) => {
                    distrusted += u32::from(matches!(last, LinkError::Certificate { .. }));
                    if fruitless >= self.pace.attempts
                        || distrusted >= self.pace.certificate_attempts
                    {
                        return Err(FetchError::Link {
                            attempts: fruitless,
                            last,
                        });
                    }
                    let wait = backoff.next(&mut self.random);
                    pace::pause(after.map_or(wait, |after| after.saturating_add(wait))).await;
                }
                Halt::Short { promised, found } => {
                    short += 1;
                    if short >= self.pace.short_answers {
                        return Err(FetchError::Size {
                            promised,
                            found,
                            at_least: false,
                        });
                    }
                    pace::pause(backoff.next(&mut self.random)).await;
                }
            }
        }
    }

    /// Follows one connection to its end. Done when every byte is there.
    async fn attempt(&mut self) -> Result<(), Halt> {
        let reply = self.ask().await?;
        match reply.answer {
            Answer::Whole(content) => {
                // A login page in place of the artifact must not cost what is there.
                let total = self.total_of(&content)?;
                if self.at > 0 {
                    self.start_again().await;
                }
                self.receive(content, total, reply.body).await
            }
            Answer::Rest(content) => {
                if self.is_another(&content) {
                    self.start_again().await;
                    return Err(Halt::Link(LinkError::Changed, None));
                }
                let total = self.total_of(&content)?;
                self.receive(content, total, reply.body).await
            }
            Answer::Unsatisfiable if self.at > 0 => {
                self.start_again().await;
                Err(Halt::Link(LinkError::Changed, None))
            }
            Answer::Expired => Err(Halt::Expired(reply.refusal)),
            Answer::Never | Answer::Unsatisfiable => Err(FetchError::Refused(reply.refusal).into()),
            Answer::NotNow(after) => Err(Halt::Link(LinkError::Refused(reply.refusal), after)),
            Answer::Nonsense(what) => {
                // A server that cannot do ranges right is asked for the whole.
                if self.at > 0 && reply.refusal.status == 206 {
                    self.start_again().await;
                }
                Err(Halt::Link(LinkError::Nonsense(what), None))
            }
            Answer::Redirect(_) => Err(FetchError::Redirect(RedirectError::Endless).into()),
        }
    }

    /// Asks for what is missing, following redirects. Every attempt begins at the document's URL.
    async fn ask(&self) -> Result<Reply, Halt> {
        let mut url = self.url.clone();
        self.check(&url)?;
        let mut hops = 0;
        loop {
            let ask = Ask {
                from: self.at,
                validator: self.validator.as_ref(),
            };
            let tls = if url.is_https() {
                Some(self.trust.config().await.map_err(FetchError::Roots)?)
            } else {
                None
            };
            let reply = http::get(&url, ask, tls.as_ref(), self.pace)
                .await
                .map_err(|error| Halt::Link(error, None))?;
            let Answer::Redirect(location) = &reply.answer else {
                return Ok(reply);
            };
            if hops == REDIRECTS_MAX {
                return Ok(reply);
            }
            hops += 1;
            let next = url
                .join(location)
                .map_err(|error| FetchError::Redirect(RedirectError::Url(error)))?;
            if url.is_https() && !next.is_https() {
                return Err(FetchError::Redirect(RedirectError::Downgrade).into());
            }
            self.check(&next)?;
            url = next;
        }
    }

    fn check(&self, url: &Url) -> Result<(), FetchError> {
        if url.is_https() || self.allow_http {
            Ok(())
        } else {
            Err(FetchError::PlainHttp)
        }
    }

    /// Whether the server now has another artifact than the one that the first bytes are from.
    fn is_another(&self, content: &Content) -> bool {
        let other_total = matches!((self.total, content.total), (Some(a), Some(b)) if a != b);
        let other_version = match (&self.validator, &content.validator) {
            (Some(Validator::Etag(a)), Some(Validator::Etag(b)))
            | (Some(Validator::LastModified(a)), Some(Validator::LastModified(b))) => a != b,
            (Some(_) | None, Some(_) | None) => false,
        };
        other_total || other_version
    }

    /// Takes a body's bytes. Done when every byte is there.
    async fn receive(
        &mut self,
        content: Content,
        total: Option<u64>,
        mut body: Body,
    ) -> Result<(), Halt> {
        self.total = total;
        if self.validator.is_none() {
            self.validator = content.validator;
        }
        let begin = Message::Begin {
            total,
            validator: self.validator.clone(),
        };
        self.send(begin).await;

        let mut block = Vec::with_capacity(self.pace.block);
        let end = loop {
            match body.next().await {
                Ok(Some(bytes)) => match self.check_size(bytes.len(), total) {
                    Ok(()) => self.fill(&mut block, bytes).await,
                    Err(error) => break Err(Halt::For(error)),
                },
                Ok(None) => break Ok(()),
                Err(error) => break Err(self.lost(error)),
            }
        };
        if !block.is_empty() {
            self.send(Message::Block(block)).await;
        }
        match (end, total) {
            // All that was promised is there: how the connection ended says nothing about it.
            (Ok(()) | Err(Halt::Link(..)), Some(total)) if self.at == total => Ok(()),
            (Err(halt), _) => Err(halt),
            (Ok(()), None) => Ok(()),
            // The end of a chunked body is marked. What came may be no part of the artifact.
            (Ok(()), Some(promised)) if content.length.is_none() && content.delimited => {
                let found = self.at;
                self.start_again().await;
                Err(Halt::Short { promised, found })
            }
            (Ok(()), Some(_)) => Err(Halt::Link(LinkError::Cut { bytes: self.at }, None)),
        }
    }

    /// Bytes in all, if what the document and the server say agrees.
    fn total_of(&self, content: &Content) -> Result<Option<u64>, Halt> {
        let order = self.order;
        match (order.size, content.total) {
            (Some(promised), Some(found)) if found < promised => {
                Err(Halt::Short { promised, found })
            }
            (Some(promised), Some(found)) if found > promised => Err(FetchError::Size {
                promised,
                found,
                at_least: false,
            }
            .into()),
            (None, Some(found)) if found > order.size_max => Err(FetchError::TooLarge {
                found,
                limit: order.size_max,
            }
            .into()),
            (promised, found) => Ok(promised.or(found)),
        }
    }

    fn check_size(&self, more: usize, total: Option<u64>) -> Result<(), FetchError> {
        let found = self.at.saturating_add(more as u64);
        match total {
            Some(promised) if found > promised => Err(FetchError::Size {
                promised,
                found,
                at_least: true,
            }),
            None if found > self.order.size_max => Err(FetchError::TooLarge {
                found,
                limit: self.order.size_max,
            }),
            Some(_) | None => Ok(()),
        }
    }

    async fn fill(&mut self, block: &mut Vec<u8>, mut bytes: Bytes) {
        let after = self.at.saturating_add(bytes.len() as u64);
        self.tally.add(self.at, after);
        self.at = after;
        while !bytes.is_empty() {
            let room = self.pace.block.saturating_sub(block.len());
            block.extend_from_slice(&bytes.split_to(room.min(bytes.len())));
            if block.len() >= self.pace.block {
                let full = core::mem::replace(block, Vec::with_capacity(self.pace.block));
                self.send(Message::Block(full)).await;
            }
        }
    }

    fn lost(&self, error: BodyError) -> Halt {
        let error = match error {
            BodyError::Cut => LinkError::Cut { bytes: self.at },
            BodyError::Stalled(after) => LinkError::Stalled(after),
        };
        Halt::Link(error, None)
    }

    async fn start_again(&mut self) {
        self.at = 0;
        self.total = None;
        self.validator = None;
        self.send(Message::StartAgain).await;
    }

    async fn send(&self, message: Message) {
        if self.messages.send(message).await.is_err() {
            // The writing half ended with an error, which ends this half too.
            core::future::pending().await
        }
    }
}
