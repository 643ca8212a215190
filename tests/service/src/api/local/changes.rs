//! `/_local/changes`: server-sent events that say that something may have changed, not what.
//!
//! An event carries a number that has grown since the last one. Changes that come quickly share an
//! event, and a listener that reads slowly gets fewer: its next event is made when it takes one.
//! (HTML Standard, server-sent events.)

use core::convert::Infallible;
use core::pin::Pin;
use core::task::{Context, Poll, ready};
use core::time::Duration;
use std::sync::Arc;

use axum::body::{Body, Bytes, HttpBody};
use axum::http::header::{CONTENT_TYPE, RETRY_AFTER};
use axum::http::{HeaderValue, Response, StatusCode};
use hyper::body::Frame;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::time::{Interval, MissedTickBehavior, interval};

use crate::api::Backend;
use crate::broker::Broker;

/// Most listeners at a time; each is a tab of a browser.
const MAX_LISTENERS: usize = 64;
/// The shortest time between two events for one listener.
const PAUSE: Duration = Duration::from_millis(200);
/// How often the broker is asked whether clients came or went.
const BEAT: Duration = Duration::from_secs(1);
/// After so many silent beats a listener is sent a comment, so that a connection that is gone is found out.
const SILENT_BEATS: u32 = 15;

/// The places for listeners.
pub(super) fn places() -> Arc<Semaphore> {
    Arc::new(Semaphore::new(MAX_LISTENERS))
}

/// Takes one of `places` and tells of changes until the listener, or the service, is gone.
pub(super) fn listen(service: &Backend, places: Arc<Semaphore>) -> Response<Body> {
    let Ok(place) = places.try_acquire_owned() else {
        let mut full = Response::new(Body::empty());
        *full.status_mut() = StatusCode::SERVICE_UNAVAILABLE;
        let later = HeaderValue::from_static("5");
        full.headers_mut().insert(RETRY_AFTER, later);
        return full;
    };
    let listener = Listener {
        revision: service.shared.revision(),
        broker: service.broker.clone(),
        stopping: service.stopping.clone(),
        told: None,
        beat: every(BEAT),
        pause: every(PAUSE),
        silent: 0,
        _place: place,
    };
    let mut response = Response::new(Body::new(Events::of(listener)));
    let kind = HeaderValue::from_static("text/event-stream");
    response.headers_mut().insert(CONTENT_TYPE, kind);
    response
}

fn every(period: Duration) -> Interval {
    let mut interval = interval(period);
    interval.set_missed_tick_behavior(MissedTickBehavior::Delay);
    interval
}

/// Who is told of changes.
struct Listener {
    revision: watch::Receiver<u64>,
    broker: Broker,
    stopping: watch::Receiver<bool>,
    /// The number that was told last.
    told: Option<u64>,
    beat: Interval,
    pause: Interval,
    /// Beats since the last event.
    silent: u32,
    _place: OwnedSemaphorePermit,
}

impl Listener {
    /// The next thing to send; `None` when the service stops.
    async fn next(mut self) -> Option<(Bytes, Self)> {
        loop {
            let number = self.number();
            if self.told != Some(number) {
                self.pause.tick().await;
                let number = self.number();
                self.told = Some(number);
                self.silent = 0;
                let event = format!("data: {{\"revision\":{number}}}\n\n");
                return Some((event.into(), self));
            }
            let is_beat = tokio::select! {
                changed = self.revision.changed() => {
                    changed.ok()?;
                    false
                }
                _ = self.beat.tick() => true,
                // An error means that who could stop the service is gone: then it stops.
                _ = self.stopping.wait_for(|stop| *stop) => return None,
            };
            self.silent += u32::from(is_beat);
            if self.silent >= SILENT_BEATS {
                self.silent = 0;
                return Some((Bytes::from_static(b": still here\n\n"), self));
            }
        }
    }

    /// The model's number and the broker's only grow, so their sum tells whether one of them has.
    fn number(&mut self) -> u64 {
        let model = *self.revision.borrow_and_update();
        model.wrapping_add(self.broker.traffic())
    }
}

/// The events of one listener, each made when the one before was sent.
struct Events {
    next: Option<Pin<Box<Next>>>,
}

type Next = dyn Future<Output = Option<(Bytes, Listener)>> + Send;

impl Events {
    fn of(listener: Listener) -> Self {
        Self {
            next: Some(Box::pin(listener.next())),
        }
    }
}

impl HttpBody for Events {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let Some(next) = &mut self.next else {
            return Poll::Ready(None);
        };
        let Some((event, listener)) = ready!(next.as_mut().poll(context)) else {
            self.next = None;
            return Poll::Ready(None);
        };
        *self = Self::of(listener);
        Poll::Ready(Some(Ok(Frame::data(event))))
    }
}
