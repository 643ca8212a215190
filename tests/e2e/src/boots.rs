//! What the bootloader's file of a device says, read without the agent's help.

use std::collections::BTreeMap;

use iot_jobs_kit::Device;
use iot_jobs_kit::image::digest;

/// What the next power-on does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Boot {
    /// The slot's file.
    pub slot: String,
    /// The digest of what it holds.
    pub sha256: String,
    /// Whether it is the one boot that an unconfirmed image gets.
    pub trial: bool,
    /// The digest of an image whose trial was not confirmed: it goes.
    pub lost: Option<String>,
}

/// The file and the digest of the image that runs.
pub fn running(device: &Device) -> (String, String) {
    let members = members(device);
    image(device, members.get("current").map_or("A", String::as_str))
}

/// Foretells the next power-on.
pub fn next(device: &Device) -> Boot {
    let members = members(device);
    let mark = |slot: &str| members.get(slot).map_or("good", String::as_str);
    let mut primary = members.get("primary").map_or("A", String::as_str);
    let tried = mark(primary) == "tried";
    let lost = tried.then(|| image(device, primary).1);
    if tried || mark(primary) == "bad" {
        primary = if primary == "A" { "B" } else { "A" };
    }
    let (slot, sha256) = image(device, primary);
    Boot {
        trial: mark(primary) == "pending",
        slot,
        sha256,
        lost,
    }
}

/// Whether the next power-on changes nothing: no image is marked, and the one that runs is confirmed.
pub fn is_settled(device: &Device) -> bool {
    let next = next(device);
    !next.trial && next.lost.is_none() && next.slot == running(device).0
}

/// The members of the bootloader's file; none before the first boot.
fn members(device: &Device) -> BTreeMap<String, String> {
    std::fs::read_to_string(device.path("bootloader"))
        .unwrap_or_default()
        .lines()
        .filter_map(|line| line.split_once(" = "))
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect()
}

fn image(device: &Device, slot: &str) -> (String, String) {
    let file = if slot == "A" {
        "slot-a.img"
    } else {
        "slot-b.img"
    };
    let bytes = std::fs::read(device.path(file)).unwrap_or_default();
    (file.to_owned(), digest(&bytes))
}
