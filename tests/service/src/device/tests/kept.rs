//! What a device hears of what the disk does.

use core::sync::atomic::AtomicBool;
use std::io;

use redb::StorageBackend;
use redb::backends::InMemoryBackend;

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
