//! What an agent needs of its device: a clock, a place for its state, firmware slots, a reboot.
//!
//! Traits only, no_std, shared by both shells. Futures need not be `Send`: both shells run on one thread.
#![no_std]
#![expect(
    async_fn_in_trait,
    reason = "both shells run on one thread and need no Send"
)]

/// Reads the device's monotonic clock, which counts through suspend.
pub trait Clock {
    /// Milliseconds since the device's boot.
    fn now_millis(&self) -> u64;

    /// Names this boot: another value means that the device rebooted in between.
    fn boot(&self) -> u128;
}

/// Reboots the device.
pub trait Reboot {
    /// Why it failed.
    type Error: core::error::Error;

    /// Asks for the reboot; returning `Ok` means that it is under way.
    async fn reboot(&mut self) -> Result<(), Self::Error>;
}

/// Keeps small blobs through power cuts: after an error or a cut the old value is still there, never a half one.
pub trait StateStore {
    /// Why it failed.
    type Error: core::error::Error;

    /// Reads `key` into `buffer`; `None` when it was never written.
    async fn load(&mut self, key: &str, buffer: &mut [u8]) -> Result<Option<usize>, Self::Error>;

    /// Replaces `key` durably.
    async fn save(&mut self, key: &str, value: &[u8]) -> Result<(), Self::Error>;
}

/// One of the two places that hold an image.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Slot {
    /// The first.
    A,
    /// The second.
    B,
}

impl Slot {
    /// The other one.
    pub const fn other(self) -> Self {
        match self {
            Self::A => Self::B,
            Self::B => Self::A,
        }
    }

    /// `"A"` or `"B"`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::A => "A",
            Self::B => "B",
        }
    }
}

/// What the bootloader is at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BootState {
    /// The running slot is confirmed: it will boot again.
    Confirmed,
    /// The other slot is marked and boots once at the next boot.
    Marked,
    /// The running slot is on its trial boot: unless it is confirmed, the next boot goes back to the other one.
    Trial,
}

/// Two places for an image, and a bootloader that tries one of them once.
///
/// The slot that runs is never written, nor is the other one while the running slot is on its trial: it is the way back. The mark
/// for the trial boot is the last write of an installation.
pub trait FirmwareSlots {
    /// Why it failed.
    type Error: core::error::Error;

    /// The slot that this boot runs from.
    async fn running(&mut self) -> Result<Slot, Self::Error>;

    /// What the bootloader is at.
    async fn boot_state(&mut self) -> Result<BootState, Self::Error>;

    /// Bytes that a slot can hold.
    async fn capacity(&mut self, slot: Slot) -> Result<u64, Self::Error>;

    /// Reads from a slot; fewer bytes than asked for only at its end, none from one that was never written.
    async fn read(
        &mut self,
        slot: Slot,
        offset: u64,
        buffer: &mut [u8],
    ) -> Result<usize, Self::Error>;

    /// Makes the spare slot unbootable and ready to be written from `offset` on (erased on flash). Takes back a mark for its trial.
    async fn prepare(&mut self, spare: Slot, offset: u64) -> Result<(), Self::Error>;

    /// Writes to the spare slot. Offsets grow without gaps after [`FirmwareSlots::prepare`].
    ///
    /// An error may be that of an earlier write. After an error, or a future that was dropped, the slot is prepared again.
    async fn write(&mut self, spare: Slot, offset: u64, bytes: &[u8]) -> Result<(), Self::Error>;

    /// Makes everything written durable.
    async fn sync(&mut self, spare: Slot) -> Result<(), Self::Error>;

    /// Makes everything written durable, then marks the spare slot for one trial boot.
    async fn mark_trial(&mut self, spare: Slot) -> Result<(), Self::Error>;

    /// Confirms the running slot. Harmless when it is confirmed already.
    async fn confirm(&mut self) -> Result<(), Self::Error>;

    /// Makes the other slot the one that boots next, and the running one bad. For a trial that is not confirmed in time; an error
    /// when the other slot cannot boot.
    async fn roll_back(&mut self) -> Result<(), Self::Error>;
}
