//! What goes wrong on purpose, so that a test can count on it.
//!
//! Each plane has a [`Plan`]: faults that are used up one by one, and faults that stay. What happens on
//! the plane is an [`Occasion`]: it takes the first planned fault that is for it, or else the first
//! standing one that is for it and whose [`Chance`] is drawn. Nothing depends on the clock or on the
//! order in which devices are served: a draw is that of the seed, the plane, the subject, the kind, the
//! standing fault's place, and the number of the occasion among those of its subject and kind.
//!
//! Invariant: a plan without faults counts nothing and costs nothing.

mod chance;
mod json;

use core::time::Duration;
use std::collections::{BTreeMap, VecDeque};

use serde::Serialize;
use serde_json::Value;

use crate::model::names::ThingName;
use crate::model::time::Timestamp;

pub use chance::{Chance, NoChance};
pub use json::{NoSeconds, Seconds, Standing};

/// The most faults in one list.
pub const MAX_FAULTS: usize = 64;
/// The most pairs of subject and kind that are counted one by one; the others of a kind share a count.
const MAX_COUNTS: usize = 16_384;
/// How many faults that befell are remembered.
const MAX_LOG: usize = 256;

/// What befalls one occasion of a plane. The default does nothing.
pub trait Fault: Clone + Default + PartialEq + Serialize {
    /// The plane's name in streams of draws and in errors.
    const PLANE: &'static str;

    /// Whether the fault may befall this occasion.
    fn is_for(&self, occasion: &Occasion<'_>) -> bool;

    /// How likely it is, if that is not certain.
    fn chance(&self) -> Option<Chance>;

    /// Checks what JSON's shape cannot express.
    ///
    /// # Errors
    ///
    /// Fails if a member has no meaning or is too large.
    fn check(&self) -> Result<(), FaultError>;
}

/// Something that happens on a plane.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Occasion<'a> {
    /// Whom or what it is about: a thing, an object, or a plane.
    pub subject: &'a str,
    /// What happens.
    pub kind: &'static str,
    /// The namespace that it is about, if any.
    pub namespace: Option<&'a str>,
}

/// The faults to come on one plane. The default is none.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plan<F> {
    next: VecDeque<F>,
    all: Vec<F>,
    seed: u64,
    counts: BTreeMap<(&'static str, String), u64>,
    draws: u64,
    log: VecDeque<Befallen>,
    forgotten: u64,
}

/// A fault that befell an occasion.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Befallen {
    /// When.
    pub at: Timestamp,
    /// [`Occasion::subject`].
    pub subject: String,
    /// [`Occasion::kind`].
    pub kind: &'static str,
    /// The number of the occasion among those of its subject and kind, counted from 1.
    pub number: u64,
    /// The fault.
    pub fault: Value,
}

/// Why faults are refused.
#[non_exhaustive]
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FaultError {
    /// A planned fault is certain.
    #[error("chance belongs to all{0}, not to next{0}: a planned fault is certain")]
    ChanceOfPlanned(&'static str),
    /// The connections are not the service's.
    #[error(
        "closeConnection needs the embedded broker: an outside one ends its connections itself"
    )]
    NoConnections,
    /// A status that is no error.
    #[error("status {status} is not between 400 and 599")]
    NoErrorStatus {
        /// The status that was asked for.
        status: u16,
    },
    /// A download that would never send a byte is a stall.
    #[error("bytesPerSecond is 0: use stallAfterBytes")]
    NoSpeed,
    /// A status tells when to try again, and content does not.
    #[error("retryAfterSeconds needs a status")]
    NoStatus,
    /// Only an object can be downloaded.
    #[error("{object:?} is not BUCKET/KEY")]
    NotAnObject {
        /// What was to name one.
        object: String,
    },
    /// Nobody makes such a call.
    #[error("{operation:?} is no operation of iot that the service knows")]
    NotAnOperation {
        /// What was to name one.
        operation: String,
    },
    /// Nobody has such a name.
    #[error("{name:?} cannot be the name of a thing")]
    NotAThing {
        /// What was to name one.
        name: String,
    },
    /// A message is not held for so many others.
    #[error("holdForMessages is not between 1 and {limit}")]
    OutOfHold {
        /// The most messages.
        limit: u32,
    },
    /// A time that is too long, or none.
    #[error("{member} is not between {min} and {max} seconds")]
    OutOfTime {
        /// The member.
        member: &'static str,
        /// The shortest time.
        min: u64,
        /// The longest time.
        max: u64,
    },
    /// More faults than are kept.
    #[error("more than {MAX_FAULTS} entries in {list}{plane}")]
    TooMany {
        /// `next` or `all`.
        list: &'static str,
        /// [`Fault::PLANE`].
        plane: &'static str,
    },
}

impl<F> Default for Plan<F> {
    fn default() -> Self {
        Self {
            next: VecDeque::new(),
            all: Vec::new(),
            seed: 0,
            counts: BTreeMap::new(),
            draws: 0,
            log: VecDeque::new(),
            forgotten: 0,
        }
    }
}

impl<F: Fault> Plan<F> {
    /// Plans `next` one by one, and `all` for what comes then.
    ///
    /// # Errors
    ///
    /// Fails if a list is too long or a fault is refused.
    pub fn new(next: VecDeque<F>, mut all: Vec<F>, seed: u64) -> Result<Self, FaultError> {
        for (list, len) in [("next", next.len()), ("all", all.len())] {
            if len > MAX_FAULTS {
                let plane = F::PLANE;
                return Err(FaultError::TooMany { list, plane });
            }
        }
        for fault in next.iter().chain(&all) {
            fault.check()?;
        }
        if next.iter().any(|fault| fault.chance().is_some()) {
            return Err(FaultError::ChanceOfPlanned(F::PLANE));
        }
        all.retain(|fault| *fault != F::default());
        Ok(Self {
            next,
            all,
            seed,
            ..Self::default()
        })
    }

    /// Whether nothing can befall.
    pub fn is_empty(&self) -> bool {
        self.next.is_empty() && self.all.is_empty()
    }

    /// The faults that are used up one by one, as far as they are left.
    pub fn planned(&self) -> &VecDeque<F> {
        &self.next
    }

    /// The faults that stay.
    pub fn standing(&self) -> &[F] {
        &self.all
    }

    /// The seed of the draws.
    pub fn seed(&self) -> u64 {
        self.seed
    }

    /// How many draws were made.
    pub fn draws(&self) -> u64 {
        self.draws
    }

    /// The last faults that befell, in their order, and how many came before them.
    pub fn log(&self) -> (&VecDeque<Befallen>, u64) {
        (&self.log, self.forgotten)
    }

    /// Takes the fault of what happens at `now`.
    pub fn take(&mut self, occasion: &Occasion<'_>, now: Timestamp) -> F {
        if self.is_empty() {
            return F::default();
        }
        let number = self.count(occasion);
        let planned = self.next.iter().position(|fault| fault.is_for(occasion));
        let fault = planned.and_then(|at| self.next.remove(at));
        let fault = fault.or_else(|| self.draw(occasion, number));
        let fault = fault.unwrap_or_default();
        if fault != F::default() {
            self.record(&fault, occasion, number, now);
        }
        fault
    }

    fn count(&mut self, occasion: &Occasion<'_>) -> u64 {
        let mut key = (occasion.kind, occasion.subject.to_owned());
        if self.counts.len() >= MAX_COUNTS && !self.counts.contains_key(&key) {
            key.1.clear();
        }
        let count = self.counts.entry(key).or_default();
        *count += 1;
        *count
    }

    fn draw(&mut self, occasion: &Occasion<'_>, number: u64) -> Option<F> {
        let Occasion { subject, kind, .. } = occasion;
        for (place, fault) in self.all.iter().enumerate() {
            if !fault.is_for(occasion) {
                continue;
            }
            let Some(chance) = fault.chance() else {
                return Some(fault.clone());
            };
            self.draws += 1;
            let stream = format!("{}/{subject}/{kind}/{place}", F::PLANE);
            if chance.hits(self.seed, &stream, number) {
                return Some(fault.clone());
            }
        }
        None
    }

    fn record(&mut self, fault: &F, occasion: &Occasion<'_>, number: u64, now: Timestamp) {
        if self.log.len() >= MAX_LOG {
            self.log.pop_front();
            self.forgotten += 1;
        }
        self.log.push_back(Befallen {
            at: now,
            subject: occasion.subject.to_owned(),
            kind: occasion.kind,
            number,
            fault: serde_json::to_value(fault).unwrap_or_default(),
        });
    }
}

/// Whether a selector that may name one thing lets this occasion through.
pub(crate) fn is_of(only: Option<&String>, occasion: &Occasion<'_>) -> bool {
    only.is_none_or(|only| only == occasion.subject)
}

/// Whether a selector that may name one namespace lets this occasion through; an empty name is the
/// default namespace.
pub(crate) fn is_in(namespace: Option<&String>, occasion: &Occasion<'_>) -> bool {
    namespace.is_none_or(|namespace| namespace == occasion.namespace.unwrap_or_default())
}

/// Refuses a selector that no thing can have.
pub(crate) fn check_thing(only: Option<&String>) -> Result<(), FaultError> {
    match only {
        Some(name) if ThingName::parse(name).is_none() => {
            let name = name.clone();
            Err(FaultError::NotAThing { name })
        }
        Some(_) | None => Ok(()),
    }
}

/// Refuses a time outside its limits, which are whole seconds.
pub(crate) fn check_time(
    member: &'static str,
    seconds: Option<Seconds>,
    min: u64,
    max: u64,
) -> Result<(), FaultError> {
    let limits = Duration::from_secs(min)..=Duration::from_secs(max);
    if seconds.is_none_or(|seconds| limits.contains(&seconds.get())) {
        Ok(())
    } else {
        Err(FaultError::OutOfTime { member, min, max })
    }
}

#[cfg(test)]
mod tests;
