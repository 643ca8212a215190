//! What a session's parts share: settings, time, random numbers, tokens, saves, events.

use core::fmt::Write as _;
use core::time::Duration;

use heapless::{Deque, String};

use crate::backoff::{Backoff, SplitMix64};
use crate::event::Event;
use crate::json::JsonStr;
use crate::names::{CLIENT_TOKEN_LEN_MAX, ClientToken};
use crate::session::Settings;
use crate::time::Instant;

/// Most events kept for the driver; of more, the oldest are dropped.
const EVENTS_MAX: usize = 16;
/// The first wait before a record is saved again.
const SAVE_AGAIN_FIRST: Duration = Duration::from_secs(1);
/// The longest wait before a record is saved again.
const SAVE_AGAIN_MOST: Duration = Duration::from_secs(60);

/// What a session's parts share.
#[derive(Debug)]
pub(crate) struct Context {
    pub(crate) settings: Settings,
    /// The time of the latest input.
    pub(crate) now: Instant,
    pub(crate) random: SplitMix64,
    pub(crate) saves: Saves,
    /// The shell stops.
    pub(crate) stopping: bool,
    token_next: u32,
    events: Deque<Event, EVENTS_MAX>,
}

impl Context {
    pub(crate) fn new(now: Instant, mut settings: Settings) -> Self {
        settings.timing = settings.timing.within_limits();
        Self {
            now,
            random: SplitMix64::new(settings.seed),
            saves: Saves::new(),
            stopping: false,
            token_next: 0,
            events: Deque::new(),
            settings,
        }
    }

    /// Notes what happened.
    pub(crate) fn log(&mut self, event: Event) {
        if self.events.is_full() {
            self.events.pop_front();
        }
        // There is room: the oldest just left.
        let _ = self.events.push_back(event);
    }

    pub(crate) fn pop_event(&mut self) -> Option<Event> {
        self.events.pop_front()
    }

    /// A token that was not used before, and its number.
    pub(crate) fn next_token(&mut self) -> Option<(u32, ClientToken)> {
        let number = self.token_next;
        self.token_next = self.token_next.wrapping_add(1);
        let mut text = String::<CLIENT_TOKEN_LEN_MAX>::new();
        write!(text, "{:016x}-{number:x}", self.settings.seed).ok()?;
        Some((number, ClientToken::parse(&text).ok()?))
    }

    /// The number of a token of ours; `None` for anybody else's, and those of earlier starts.
    pub(crate) fn token_number(&self, token: Option<JsonStr<'_>>) -> Option<u32> {
        let (seed, number) = token?.as_plain()?.split_once('-')?;
        if u64::from_str_radix(seed, 16).ok()? != self.settings.seed {
            return None;
        }
        u32::from_str_radix(number, 16).ok()
    }
}

/// Which generations of the record are durable. One save is under way at a time.
#[derive(Debug)]
pub(crate) struct Saves {
    wanted: u32,
    asked: Option<u32>,
    done: u32,
    again_at: Option<Instant>,
    backoff: Backoff,
}

impl Saves {
    const fn new() -> Self {
        Self {
            wanted: 0,
            asked: None,
            done: 0,
            again_at: None,
            backoff: Backoff::new(SAVE_AGAIN_FIRST, SAVE_AGAIN_MOST),
        }
    }

    /// Wants the record saved as it is at the end of this input; its generation.
    pub(crate) fn want(&mut self) -> u32 {
        self.wanted = self.wanted.wrapping_add(1);
        self.wanted
    }

    /// The generation that is durable already.
    pub(crate) const fn durable(&self) -> u32 {
        self.done
    }

    /// Whether `generation` is durable. Generations wrap; half of their range is far more than can be under way.
    pub(crate) const fn is_done(&self, generation: u32) -> bool {
        self.done.wrapping_sub(generation) < u32::MAX / 2
    }

    /// Whether all that was wanted is durable.
    pub(crate) const fn is_clean(&self) -> bool {
        self.done == self.wanted
    }

    /// Hands out the save that is due.
    pub(crate) fn take_due(&mut self, now: Instant) -> Option<u32> {
        let waits = self.again_at.is_some_and(|at| now < at);
        if self.is_clean() || self.asked.is_some() || waits {
            return None;
        }
        self.again_at = None;
        self.asked = Some(self.wanted);
        self.asked
    }

    pub(crate) fn saved(&mut self, generation: u32) {
        if self.asked == Some(generation) {
            self.asked = None;
            self.done = generation;
            self.backoff.reset();
        }
    }

    /// Notes a failure; how long until the next try.
    pub(crate) fn failed(
        &mut self,
        generation: u32,
        now: Instant,
        random: &mut SplitMix64,
    ) -> Option<Duration> {
        if self.asked != Some(generation) {
            return None;
        }
        let wait = self.backoff.next(random);
        self.asked = None;
        self.again_at = Some(now + wait);
        Some(wait)
    }

    pub(crate) const fn timeout(&self) -> Option<Instant> {
        self.again_at
    }
}
