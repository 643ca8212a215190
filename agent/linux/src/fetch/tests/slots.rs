//! Downloads into the spare firmware slot.

use iot_jobs_hal::{BootState, FirmwareSlots, Slot};

use super::*;

#[tokio::test]
async fn a_slot_is_filled_across_restarts() {
    for killed_after in (0..artifact().len()).step_by(5) {
        let bench = Bench::new();
        let mut slots = Slots::default();
        let server = Server::start(move |number, request| match number {
            0 => {
                let mut steps = cut(request, &artifact(), ETAG, killed_after);
                steps.push(Step::Hold);
                steps
            }
            _ => all(request, &artifact(), ETAG),
        })
        .await;
        let whole_blocks = (killed_after / BLOCK * BLOCK) as u64;
        let killed = async {
            while bench.written.get() < whole_blocks {
                bench.progressed.notified().await;
            }
        };
        tokio::select! {
            () = killed => {}
            ended = fetch(&bench, &server, &mut slots) => panic!("ended: {ended:?}"),
        }
        slots.lose_power();
        fetch(&bench, &server, &mut slots).await.unwrap();

        assert_eq!(slots.spare, artifact(), "{killed_after}");
    }
}

#[tokio::test]
async fn a_filled_slot_is_neither_fetched_nor_written_again() {
    let bench = Bench::new();
    let mut slots = Slots::default();
    let server = Server::start(|_, request| all(request, &artifact(), ETAG)).await;
    fetch(&bench, &server, &mut slots).await.unwrap();
    let writes = slots.writes;

    assert_eq!(
        fetch(&bench, &server, &mut slots).await.unwrap(),
        first_time()
    );
    assert_eq!((server.asked(), slots.writes), (vec![0], writes));
}

#[tokio::test]
async fn a_slot_that_was_overwritten_since_is_filled_anew() {
    let bench = Bench::new();
    let mut slots = Slots::default();
    let server = Server::start(|_, request| all(request, &artifact(), ETAG)).await;
    fetch(&bench, &server, &mut slots).await.unwrap();
    slots.spare[50] ^= 1;

    fetch(&bench, &server, &mut slots).await.unwrap();
    assert_eq!(slots.spare, artifact());
}

#[tokio::test]
async fn an_artifact_larger_than_the_slot_is_refused() {
    let bench = Bench::new();
    let mut slots = Slots {
        capacity: 96,
        ..Slots::default()
    };
    let server = Server::start(|_, request| all(request, &artifact(), ETAG)).await;
    let error = fetch(&bench, &server, &mut slots).await.unwrap_err();
    assert!(
        matches!(
            error,
            FetchError::NoSpace {
                needed: 97,
                free: 96
            }
        ),
        "{error}"
    );
    assert!(server.seen().is_empty());
}

async fn fetch(
    bench: &Bench,
    server: &Server,
    slots: &mut Slots,
) -> Result<Downloaded, FetchError> {
    let mut sink = SlotSink::open(slots, bench.directory.path()).await.unwrap();
    bench
        .fetcher(server)
        .fetch(&bench.order(server), &mut sink, bench, 1)
        .await
}

/// Slots in memory that lose what was not made durable.
#[derive(Debug)]
struct Slots {
    spare: Vec<u8>,
    durable: Vec<u8>,
    capacity: u64,
    writes: usize,
}

impl Default for Slots {
    fn default() -> Self {
        Self {
            spare: Vec::new(),
            durable: Vec::new(),
            capacity: 1000,
            writes: 0,
        }
    }
}

impl Slots {
    fn lose_power(&mut self) {
        self.spare.clone_from(&self.durable);
    }
}

impl FirmwareSlots for Slots {
    type Error = std::io::Error;

    async fn running(&mut self) -> Result<Slot, Self::Error> {
        Ok(Slot::A)
    }

    async fn boot_state(&mut self) -> Result<BootState, Self::Error> {
        Ok(BootState::Confirmed)
    }

    async fn capacity(&mut self, _: Slot) -> Result<u64, Self::Error> {
        Ok(self.capacity)
    }

    async fn read(
        &mut self,
        slot: Slot,
        offset: u64,
        buffer: &mut [u8],
    ) -> Result<usize, Self::Error> {
        assert_eq!(slot, Slot::B, "only the spare slot is read");
        let rest = &self.spare[usize::try_from(offset).unwrap()..];
        let read = rest.len().min(buffer.len());
        buffer[..read].copy_from_slice(&rest[..read]);
        Ok(read)
    }

    async fn prepare(&mut self, spare: Slot, offset: u64) -> Result<(), Self::Error> {
        assert_eq!(spare, Slot::B, "the running slot is never written");
        self.spare.truncate(usize::try_from(offset).unwrap());
        self.durable.clone_from(&self.spare);
        Ok(())
    }

    async fn write(&mut self, spare: Slot, offset: u64, bytes: &[u8]) -> Result<(), Self::Error> {
        assert_eq!(spare, Slot::B, "the running slot is never written");
        assert_eq!(offset, self.spare.len() as u64, "offsets grow without gaps");
        self.spare.extend(bytes);
        self.writes += 1;
        Ok(())
    }

    async fn sync(&mut self, _: Slot) -> Result<(), Self::Error> {
        self.durable.clone_from(&self.spare);
        Ok(())
    }

    async fn mark_trial(&mut self, _: Slot) -> Result<(), Self::Error> {
        panic!("a download marks nothing")
    }

    async fn confirm(&mut self) -> Result<(), Self::Error> {
        panic!("a download confirms nothing")
    }

    async fn roll_back(&mut self) -> Result<(), Self::Error> {
        panic!("a download rolls nothing back")
    }
}
