use std::os::unix::fs::symlink;

use super::*;
use crate::bootloader::FileBootloader;

const SIZE_MAX: u64 = 4 * 1024 * 1024;
const OLD: &[u8] = b"the image that runs";

struct Device {
    directory: tempfile::TempDir,
    boots: u128,
}

impl Device {
    fn new() -> Self {
        let device = Self {
            directory: tempfile::tempdir().unwrap(),
            boots: 1,
        };
        fs::write(device.path("a"), OLD).unwrap();
        device
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    /// The slots as the agent finds them at its start.
    fn slots(&self) -> Slots<FileBootloader> {
        let bootloader = FileBootloader::new(self.path("bootloader"), self.boots);
        Slots::new(self.path("a"), self.path("b"), Some(SIZE_MAX), bootloader)
    }

    fn reboot(&mut self) -> Slots<FileBootloader> {
        self.boots += 1;
        self.slots()
    }

    fn spare(&self) -> Vec<u8> {
        fs::read(self.path("b")).unwrap()
    }
}

fn image(len: usize) -> Vec<u8> {
    (0..len).map(|at| u8::try_from(at % 251).unwrap()).collect()
}

async fn install(slots: &mut Slots<FileBootloader>, image: &[u8]) {
    slots.prepare(Slot::B, 0).await.unwrap();
    slots.write(Slot::B, 0, image).await.unwrap();
    slots.sync(Slot::B).await.unwrap();
    slots.mark_trial(Slot::B).await.unwrap();
}

#[tokio::test]
async fn an_image_written_in_pieces_is_whole_once_synced() {
    let device = Device::new();
    let image = image(BLOCK_LEN * 3 + 17);
    let mut slots = device.slots();
    slots.prepare(Slot::B, 0).await.unwrap();
    let mut offset = 0;
    for piece in image.chunks(40_001) {
        slots.write(Slot::B, offset, piece).await.unwrap();
        offset += piece.len() as u64;
    }
    slots.sync(Slot::B).await.unwrap();
    assert!(device.spare() == image);
}

#[tokio::test]
async fn what_was_written_can_be_read_in_pieces_of_any_size() {
    let device = Device::new();
    let image = image(BLOCK_LEN + 1000);
    let mut slots = device.slots();
    slots.prepare(Slot::B, 0).await.unwrap();
    slots.write(Slot::B, 0, &image).await.unwrap();
    for step in [1000, 4096, BLOCK_LEN, BLOCK_LEN * 2] {
        let mut read = Vec::new();
        let mut buffer = vec![0; step];
        loop {
            let offset = read.len() as u64;
            let len = slots.read(Slot::B, offset, &mut buffer).await.unwrap();
            read.extend_from_slice(&buffer[..len]);
            if len < step {
                break;
            }
        }
        assert!(read == image, "in pieces of {step}");
    }
}

#[tokio::test]
async fn an_image_is_resumed_where_it_was_left() {
    let device = Device::new();
    let image = image(BLOCK_LEN * 2);
    let half = image.len() / 2 + 5;
    let mut slots = device.slots();
    slots.prepare(Slot::B, 0).await.unwrap();
    slots.write(Slot::B, 0, &image[..half]).await.unwrap();
    slots.sync(Slot::B).await.unwrap();
    let lost = vec![9; 100];
    slots.write(Slot::B, half as u64, &lost).await.unwrap();
    slots.read(Slot::B, 0, &mut [0; 1]).await.unwrap();
    drop(slots);

    let mut slots = device.slots();
    slots.prepare(Slot::B, half as u64).await.unwrap();
    slots
        .write(Slot::B, half as u64, &image[half..])
        .await
        .unwrap();
    slots.sync(Slot::B).await.unwrap();
    assert!(device.spare() == image);
}

#[tokio::test]
async fn a_resume_beyond_what_was_written_is_refused() {
    let device = Device::new();
    fs::write(device.path("b"), [0; 10]).unwrap();
    let error = device.slots().prepare(Slot::B, 11).await.unwrap_err();
    assert!(matches!(
        error,
        SlotsError::Short {
            len: 10,
            offset: 11,
            ..
        }
    ));
}

#[tokio::test]
async fn the_slot_that_runs_is_never_written() {
    let device = Device::new();
    let mut slots = device.slots();
    let error = slots.prepare(Slot::A, 0).await.unwrap_err();
    assert!(matches!(error, SlotsError::Runs { slot: Slot::A }));
    let error = slots.mark_trial(Slot::A).await.unwrap_err();
    assert!(matches!(error, SlotsError::Runs { slot: Slot::A }));
    let error = slots.write(Slot::A, 0, b"x").await.unwrap_err();
    assert!(matches!(error, SlotsError::NotPrepared { slot: Slot::A }));
    assert_eq!(fs::read(device.path("a")).unwrap(), OLD);
}

#[tokio::test]
async fn the_slot_that_runs_is_not_written_under_another_name() {
    let device = Device::new();
    symlink(device.path("a"), device.path("b")).unwrap();
    let error = device.slots().prepare(Slot::B, 0).await.unwrap_err();
    assert!(matches!(error, SlotsError::SameFile { .. }));
    assert_eq!(fs::read(device.path("a")).unwrap(), OLD);
}

#[tokio::test]
async fn bytes_that_leave_a_gap_are_refused() {
    let device = Device::new();
    let mut slots = device.slots();
    slots.prepare(Slot::B, 0).await.unwrap();
    slots.write(Slot::B, 0, b"abc").await.unwrap();
    for offset in [0, 2, 4] {
        let error = slots.write(Slot::B, offset, b"d").await.unwrap_err();
        assert!(matches!(error, SlotsError::OutOfOrder { expected: 3, .. }));
    }
}

#[tokio::test]
async fn an_image_larger_than_its_slot_is_refused() {
    let device = Device::new();
    let mut slots = device.slots();
    assert_eq!(slots.capacity(Slot::B).await.unwrap(), SIZE_MAX);
    slots.prepare(Slot::B, 0).await.unwrap();
    let error = slots
        .write(Slot::B, 0, &vec![0; SIZE_MAX as usize + 1])
        .await
        .unwrap_err();
    assert!(matches!(
        error,
        SlotsError::BeyondEnd {
            capacity: SIZE_MAX,
            ..
        }
    ));
}

#[tokio::test]
async fn a_medium_that_fails_is_reported_and_nothing_follows() {
    let device = Device::new();
    symlink("/dev/full", device.path("b")).unwrap();
    let full = File::options().write(true).open("/dev/full").unwrap();
    let mut writer = Writer::new(device.path("b"), Arc::new(full), SIZE_MAX, 0);
    writer.write(0, b"abc").await.unwrap();
    let error = writer.sync().await.unwrap_err();
    assert!(matches!(
        error,
        SlotsError::Io {
            operation: "write",
            ..
        }
    ));
    let error = writer.write(3, b"d").await.unwrap_err();
    assert!(matches!(error, SlotsError::OutOfOrder { .. }));
}

#[tokio::test]
async fn a_marked_image_runs_once_and_stays_once_confirmed() {
    let mut device = Device::new();
    let mut slots = device.slots();
    assert_eq!(slots.boot_state().await.unwrap(), BootState::Confirmed);
    install(&mut slots, b"new").await;
    assert_eq!(slots.boot_state().await.unwrap(), BootState::Marked);
    assert_eq!(slots.running().await.unwrap(), Slot::A);

    let mut slots = device.reboot();
    assert_eq!(slots.running().await.unwrap(), Slot::B);
    assert_eq!(slots.boot_state().await.unwrap(), BootState::Trial);
    slots.confirm().await.unwrap();
    assert_eq!(slots.boot_state().await.unwrap(), BootState::Confirmed);

    let mut slots = device.reboot();
    assert_eq!(slots.running().await.unwrap(), Slot::B);
    assert_eq!(slots.boot_state().await.unwrap(), BootState::Confirmed);
}

#[tokio::test]
async fn until_the_mark_is_made_the_next_boot_runs_the_old_image() {
    for steps in 0..=4 {
        let mut device = Device::new();
        let mut slots = device.slots();
        if steps > 0 {
            slots.prepare(Slot::B, 0).await.unwrap();
        }
        if steps > 1 {
            slots.write(Slot::B, 0, b"new").await.unwrap();
        }
        if steps > 2 {
            slots.sync(Slot::B).await.unwrap();
        }
        if steps > 3 {
            slots.mark_trial(Slot::B).await.unwrap();
        }
        drop(slots);

        let expected = if steps > 3 { Slot::B } else { Slot::A };
        assert_eq!(device.reboot().running().await.unwrap(), expected);
    }
}

#[tokio::test]
async fn a_mark_makes_durable_what_was_not_synced() {
    let device = Device::new();
    let mut slots = device.slots();
    slots.prepare(Slot::B, 0).await.unwrap();
    slots.write(Slot::B, 0, b"new").await.unwrap();
    slots.mark_trial(Slot::B).await.unwrap();
    assert_eq!(device.spare(), b"new");
}

#[tokio::test]
async fn an_image_that_is_rolled_back_does_not_boot_again() {
    let mut device = Device::new();
    install(&mut device.slots(), b"new").await;
    let mut slots = device.reboot();
    slots.roll_back().await.unwrap();
    assert_eq!(slots.running().await.unwrap(), Slot::B);

    for _ in 0..2 {
        let mut slots = device.reboot();
        assert_eq!(slots.running().await.unwrap(), Slot::A);
        assert_eq!(slots.boot_state().await.unwrap(), BootState::Confirmed);
    }
}

#[tokio::test]
async fn an_unconfirmed_image_goes_back_by_itself() {
    let mut device = Device::new();
    install(&mut device.slots(), b"new").await;
    assert_eq!(device.reboot().running().await.unwrap(), Slot::B);
    let mut slots = device.reboot();
    assert_eq!(slots.running().await.unwrap(), Slot::A);
    assert_eq!(slots.boot_state().await.unwrap(), BootState::Confirmed);
}

#[tokio::test]
async fn the_way_back_is_kept_while_an_image_is_on_trial() {
    let mut device = Device::new();
    install(&mut device.slots(), b"new").await;
    let mut slots = device.reboot();
    assert_eq!(slots.running().await.unwrap(), Slot::B);

    let error = slots.prepare(Slot::A, 0).await.unwrap_err();
    assert!(matches!(error, SlotsError::Unconfirmed { slot: Slot::B }));
    let error = slots.mark_trial(Slot::A).await.unwrap_err();
    assert!(matches!(error, SlotsError::Unconfirmed { slot: Slot::B }));
    assert_eq!(fs::read(device.path("a")).unwrap(), OLD);
}

#[tokio::test]
async fn a_mark_is_taken_back_before_its_slot_is_written_again() {
    let mut device = Device::new();
    let mut slots = device.slots();
    install(&mut slots, b"new").await;
    slots.prepare(Slot::B, 0).await.unwrap();
    assert_eq!(slots.boot_state().await.unwrap(), BootState::Confirmed);
    assert_eq!(device.reboot().running().await.unwrap(), Slot::A);
}

#[tokio::test]
async fn there_is_no_roll_back_to_a_bad_slot() {
    let device = Device::new();
    let error = device.slots().roll_back().await.unwrap_err();
    assert!(matches!(error, SlotsError::NoWayBack { slot: Slot::B }));
}

#[tokio::test]
async fn a_slot_that_was_never_written_reads_as_empty() {
    let device = Device::new();
    let len = device.slots().read(Slot::B, 0, &mut [0; 4]).await.unwrap();
    assert_eq!(len, 0);
}

#[tokio::test]
async fn a_write_that_was_given_up_lands_before_the_next_image_begins() {
    let device = Device::new();
    let mut slots = device.slots();
    let first = vec![1; BLOCK_LEN * 3];
    let second = vec![2; BLOCK_LEN * 3];
    for _ in 0..8 {
        slots.prepare(Slot::B, 0).await.unwrap();
        {
            let given_up = slots.write(Slot::B, 0, &first);
            tokio::select! { biased; _ = given_up => {}, () = core::future::ready(()) => {} }
        }
        slots.prepare(Slot::B, 0).await.unwrap();
        slots.write(Slot::B, 0, &second).await.unwrap();
        slots.sync(Slot::B).await.unwrap();
        assert!(device.spare() == second);
    }
}

#[test]
fn what_the_kernel_said_is_the_source_of_an_error() {
    let error = SlotsError::Io {
        operation: "write",
        path: "slot-b".into(),
        cause: io::ErrorKind::StorageFull.into(),
    };

    let cause = core::error::Error::source(&error).and_then(|source| source.downcast_ref());

    assert_eq!(cause.map(io::Error::kind), Some(io::ErrorKind::StorageFull));
}
