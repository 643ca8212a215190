//! What a device hears of what the disk does.

use core::panic::AssertUnwindSafe;
use core::sync::atomic::AtomicBool;
use std::io;
use std::panic::catch_unwind;

use redb::StorageBackend;
use redb::backends::InMemoryBackend;
use tokio::time::timeout;

use super::*;
use crate::store::Store;

const SYNC: &str = "sync";

/// A disk that tells when it is synced, until it breaks.
#[derive(Debug)]
struct Disk {
    content: InMemoryBackend,
    sent: Arc<Recorder>,
    broken: Arc<AtomicBool>,
}

impl StorageBackend for Disk {
    fn len(&self) -> io::Result<u64> {
        self.content.len()
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        self.content.read(offset, out)
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.content.set_len(len)
    }

    fn sync_data(&self) -> io::Result<()> {
        if self.broken.load(Ordering::Relaxed) {
            return Err(io::ErrorKind::StorageFull.into());
        }
        self.sent.record(None, SYNC, &Bytes::from_static(b"null"));
        self.content.sync_data()
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        self.content.write(offset, data)
    }
}

/// A bench whose state is kept, and what breaks its disk.
fn kept_bench() -> (Bench, Arc<AtomicBool>) {
    let sent = Arc::new(Recorder::default());
    let broken = Arc::new(AtomicBool::new(false));
    let store = Store::on(Disk {
        content: InMemoryBackend::new(),
        sent: Arc::clone(&sent),
        broken: Arc::clone(&broken),
    });
    let store = Arc::new(store.unwrap());
    let (model, _) = store.load(Knobs::default()).unwrap();
    let shared = Shared::keeping(
        model,
        Clock::frozen(Timestamp::from_secs(NOON)),
        Arc::new(Counting::default()),
        Arc::clone(&sent) as Arc<dyn Outlet>,
        Some(store),
    );
    let thing = CreateThing {
        thing_name: "gw-1".to_owned(),
        ..CreateThing::default()
    };
    shared.with(|model, now| model.create_thing(&scope(), thing, now).unwrap());
    let bench = Bench { shared, sent };
    bench.drain();
    (bench, broken)
}

impl Bench {
    /// A request that ends a job.
    fn request(&self, job: &str) -> Request {
        Request {
            connection: Some(CALLER),
            topic: format!("{JOBS}{job}/update"),
            payload: Bytes::from_static(br#"{"status":"SUCCEEDED"}"#),
        }
    }

    /// Where messages went since the last call, in order; syncs in a row count once.
    fn heard(&self) -> Vec<String> {
        let topics = self.drain().into_iter().map(|sent| sent.topic);
        let mut topics: Vec<_> = topics.collect();
        topics.dedup();
        topics
    }
}

#[test]
fn a_device_hears_of_nothing_that_is_not_on_disk() {
    let (bench, _) = kept_bench();
    bench.create(&json!({"jobId": "J"}));
    assert_eq!(bench.heard(), [SYNC, "notify", "notify-next"]);
    bench.update("J", "SUCCEEDED");
    assert_eq!(
        bench.heard(),
        [SYNC, "J/update/accepted", "notify", "notify-next"]
    );
}

#[test]
fn what_time_alone_did_is_on_disk_before_it_is_told() {
    let (bench, _) = kept_bench();
    let timeout = json!({"inProgressTimeoutInMinutes": 1});
    bench.create(&json!({"jobId": "J", "timeoutConfig": timeout}));
    bench.update("J", "IN_PROGRESS");
    bench.heard();
    bench.wait_until(NOON + 60);
    bench.publish("get", "{}");
    assert_eq!(
        bench.heard(),
        [SYNC, "notify", "notify-next", "get/accepted"]
    );
}

#[test]
fn what_only_asks_does_not_touch_the_disk() {
    let (bench, _) = kept_bench();
    bench.publish("get", "{}");
    assert_eq!(bench.heard(), ["get/accepted"]);
}

#[test]
fn a_step_of_the_clock_alone_is_kept() {
    let (bench, _) = kept_bench();
    bench.wait_until(NOON + 1);
    bench.publish("get", "{}");
    assert_eq!(bench.heard(), [SYNC, "get/accepted"]);
}

#[test]
fn a_disk_that_fails_is_an_internal_error_and_nobody_is_told_anything_any_more() {
    let (bench, broken) = kept_bench();
    bench.create(&json!({"jobId": "J"}));
    bench.drain();
    broken.store(true, Ordering::Relaxed);
    assert!(!bench.shared.has_failed());
    bench.update("J", "IN_PROGRESS");
    broken.store(false, Ordering::Relaxed);
    bench.update("J", "SUCCEEDED");
    bench.publish("get", "{}");

    assert!(bench.shared.has_failed());
    let sent = bench.drain();
    let topics: Vec<_> = sent.iter().map(|sent| sent.topic.as_str()).collect();
    assert_eq!(
        topics,
        ["J/update/rejected", "J/update/rejected", "get/rejected"]
    );
    for sent in sent {
        assert_eq!(sent.payload["code"], "InternalError");
    }
}

#[test]
fn requests_that_wait_together_are_on_disk_at_once_before_any_answer() {
    let (bench, _) = kept_bench();
    bench.create(&json!({"jobId": "J"}));
    bench.create(&json!({"jobId": "K"}));
    bench.drain();
    answer_all(&bench.shared, &[bench.request("J"), bench.request("K")]);
    let topics = [
        SYNC,
        "J/update/accepted",
        "notify",
        "notify-next",
        "K/update/accepted",
        "notify",
        "notify-next",
    ];
    assert_eq!(bench.heard(), topics);
}

#[test]
fn requests_that_a_failing_disk_cannot_confirm_together_are_all_refused() {
    let (bench, broken) = kept_bench();
    bench.create(&json!({"jobId": "J"}));
    bench.create(&json!({"jobId": "K"}));
    bench.drain();
    broken.store(true, Ordering::Relaxed);
    answer_all(&bench.shared, &[bench.request("J"), bench.request("K")]);
    let sent = bench.drain();
    let codes = sent
        .iter()
        .map(|sent| (sent.topic.as_str(), &sent.payload["code"]));
    let refused = &json!("InternalError");
    let expected = [
        ("J/update/rejected", refused),
        ("K/update/rejected", refused),
    ];
    assert_eq!(codes.collect::<Vec<_>>(), expected);
}

#[test]
fn what_is_said_after_the_disk_confirmed_is_not_held_back() {
    let (bench, _) = kept_bench();
    let mut late = None;
    let kept = bench.shared.together(|shared| late = Some(shared.clone()));
    kept.unwrap();
    let late = late.unwrap();
    let payload = Bytes::from_static(b"null");
    late.post().outlet().publish("late", payload);
    assert_eq!(bench.heard(), ["late"]);
    // And what is done through it then is on disk like anything else.
    let again = Bench {
        shared: late,
        ..bench
    };
    again.create(&json!({"jobId": "J"}));
    assert_eq!(again.heard(), [SYNC, "notify", "notify-next"]);
}

#[test]
fn a_panic_among_requests_that_wait_together_does_not_silence_the_service() {
    let (bench, _) = kept_bench();
    let work = AssertUnwindSafe(|| {
        bench.shared.together(|shared| {
            let payload = Bytes::from_static(b"null");
            shared.post().outlet().publish("unkept", payload);
            panic!("on purpose");
        })
    });
    assert!(catch_unwind(work).is_err());
    bench.create(&json!({"jobId": "J"}));
    assert_eq!(bench.heard(), [SYNC, "notify", "notify-next"]);
}

#[tokio::test]
async fn the_timers_end_when_the_disk_fails_though_a_late_message_is_due() {
    let (bench, broken) = kept_bench();
    bench.plan_notifications(json!([{"delaySeconds": 10}]));
    bench.create(&json!({"jobId": "J"}));
    bench.wait_until(NOON + 10);
    broken.store(true, Ordering::Relaxed);

    let timers = timeout(Duration::from_secs(10), bench.shared.run_timers());

    timers.await.expect("the timers go on");
    assert!(bench.shared.has_failed());
}
