//! How fast an image is written into a slot, and for how long that keeps the runtime's only thread.
//!
//! ```text
//! cargo bench -p iot-jobs-hal-linux --bench slots [-- DIRECTORY]
//! ```
//!
//! Prints the time of 256 MiB through [`Slots`], durable, beside the same bytes by plain blocking writes, then the time to read
//! them back. A second image is written beside a task that counts how long the thread was kept at a time.
#![expect(clippy::print_stdout, reason = "a benchmark prints its numbers")]

use core::cell::Cell;
use core::time::Duration;
use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::time::Instant;

use iot_jobs_hal::{FirmwareSlots as _, Slot};
use iot_jobs_hal_linux::bootloader::FileBootloader;
use iot_jobs_hal_linux::slots::{Slots, SlotsError};

const IMAGE_LEN: u64 = 256 * 1024 * 1024;
/// What a TLS stream gives at a time, about.
const PIECE_LEN: usize = 16 * 1024;
const ROUNDS: usize = 3;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn core::error::Error>> {
    // Cargo passes --bench.
    let directory = std::env::args().skip(1).find(|word| !word.starts_with('-'));
    let directory = directory.map_or_else(std::env::temp_dir, PathBuf::from);
    let directory = directory.join(format!("slots-{}", std::process::id()));
    fs::create_dir(&directory)?;
    let measured = measure(&directory).await;
    fs::remove_dir_all(&directory)?;
    Ok(measured?)
}

async fn measure(directory: &Path) -> Result<(), SlotsError> {
    let piece: Vec<u8> = (0..=u8::MAX).cycle().take(PIECE_LEN).collect();
    for _ in 0..ROUNDS {
        let plain = plain(&directory.join("plain"), &piece).map_err(|cause| SlotsError::Io {
            operation: "write",
            path: directory.to_owned(),
            cause,
        })?;
        let ours = write(directory, &piece).await?;
        let kept = longest_kept(directory, &piece).await?;
        let read = read(directory).await?;
        println!(
            "plain {:>5.0} MiB/s · slots {:>5.0} MiB/s ({:.2} of plain), thread kept at most {kept:?} · read back {:>5.0} MiB/s",
            rate(plain),
            rate(ours),
            plain.as_secs_f64() / ours.as_secs_f64(),
            rate(read),
        );
    }
    Ok(())
}

fn plain(path: &Path, piece: &[u8]) -> io::Result<Duration> {
    let started = now();
    let mut file = File::create(path)?;
    for _ in 0..pieces() {
        file.write_all(piece)?;
    }
    file.sync_data()?;
    let took = started.elapsed();
    fs::remove_file(path)?;
    Ok(took)
}

async fn write(directory: &Path, piece: &[u8]) -> Result<Duration, SlotsError> {
    let mut slots = slots(directory);
    let started = now();
    slots.prepare(Slot::B, 0).await?;
    let mut offset = 0;
    for _ in 0..pieces() {
        slots.write(Slot::B, offset, piece).await?;
        offset = offset.saturating_add(u64::try_from(PIECE_LEN).unwrap_or(0));
        // As a download waits for its next piece.
        tokio::task::yield_now().await;
    }
    slots.sync(Slot::B).await?;
    Ok(started.elapsed())
}

/// The watch never rests, so that the time that the image takes beside it says nothing.
async fn longest_kept(directory: &Path, piece: &[u8]) -> Result<Duration, SlotsError> {
    let (longest, ended) = (Cell::new(Duration::ZERO), Cell::new(false));
    let image = async {
        let written = write(directory, piece).await;
        ended.set(true);
        written
    };
    let watch = async {
        let mut last = now();
        while !ended.get() {
            tokio::task::yield_now().await;
            longest.set(longest.get().max(last.elapsed()));
            last = now();
        }
    };
    let (written, ()) = tokio::join!(image, watch);
    written.map(|_| longest.get())
}

async fn read(directory: &Path) -> Result<Duration, SlotsError> {
    let mut slots = slots(directory);
    let mut buffer = vec![0; PIECE_LEN];
    let started = now();
    let mut offset = 0;
    while let len @ 1.. = slots.read(Slot::B, offset, &mut buffer).await? {
        offset = offset.saturating_add(u64::try_from(len).unwrap_or(0));
    }
    Ok(started.elapsed())
}

fn slots(directory: &Path) -> Slots<FileBootloader> {
    let bootloader = FileBootloader::new(directory.join("bootloader"), 1);
    let (a, b) = (directory.join("a"), directory.join("b"));
    Slots::new(a, b, Some(IMAGE_LEN), bootloader)
}

fn pieces() -> u64 {
    IMAGE_LEN / u64::try_from(PIECE_LEN).unwrap_or(IMAGE_LEN)
}

fn rate(took: Duration) -> f64 {
    256.0 / took.as_secs_f64()
}

#[expect(clippy::disallowed_methods, reason = "a benchmark is its own clock")]
fn now() -> Instant {
    Instant::now()
}
