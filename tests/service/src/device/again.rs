//! What the devices of an outside broker are told once more, as they may have missed it: that broker does
//! not say who heard what, and keeps their connections while the service is away.
//!
//! A hint that comes twice is harmless. Answers and events are never said again.

use core::time::Duration;

use tokio::time::timeout;

use super::message;
use super::topic::{self, Notice};
use crate::broker::Broker;
use crate::shared::Shared;

/// How many devices are told again at once, and what is waited before the next.
const TOLD_AT_ONCE: usize = 500;
const TELLING_PAUSE: Duration = Duration::from_secs(1);

/// Tells every device of an outside broker what is open for it, and later those again for which
/// something was discarded, for as long as it is polled.
pub async fn serve_outside(shared: Shared, broker: Broker) {
    broker.ready().await;
    tell_all(&shared).await;
    loop {
        tell_lost(&shared, &broker.lost().await);
    }
}

/// Tells every device what is open for it: what was said last before the service ended may be lost.
async fn tell_all(shared: &Shared) {
    let mut last = None;
    loop {
        last = shared.with(|model, now| model.tell_again(last.as_ref(), TOLD_AT_ONCE, now));
        if last.is_none() {
            return;
        }
        // Room for them in what waits for the broker.
        let _ = timeout(TELLING_PAUSE, core::future::pending::<()>()).await;
    }
}

/// Says what holds now on those of `topics` that are for notifications, be it that nothing is pending.
pub(super) fn tell_lost(shared: &Shared, topics: &[String]) {
    let notices = |topic: &'_ String| {
        let (thing, namespace, notice) = topic::read_notice(topic)?;
        Some((topic.clone(), thing, namespace, notice))
    };
    shared.answering(
        |model, now| {
            let payloads = topics.iter().filter_map(notices);
            let payloads = payloads.map(|(topic, thing, namespace, notice)| {
                let namespace = namespace.as_ref();
                let payload = match notice {
                    Notice::Pending => message::notify(&model.pending(&thing, namespace), now),
                    Notice::Next => {
                        let next = model.told_next(&thing, namespace, now);
                        message::notify_next(next.as_ref(), shared.presign(), now)
                    }
                };
                (topic, payload)
            });
            payloads.collect::<Vec<_>>()
        },
        |payloads, _| {
            // A state that is not on disk is nobody's business.
            for (topic, payload) in payloads.unwrap_or_default() {
                shared.post().outlet().publish(&topic, payload);
            }
        },
    );
}
