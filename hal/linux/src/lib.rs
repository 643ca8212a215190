//! The device traits of iot-jobs-agent on Linux.
//!
//! A clock that counts through suspend and knows its boot, state that survives a power cut, firmware slots over files or block
//! devices with one of three bootloaders, and a reboot by the operator's command. Nothing here knows of jobs, and nothing here
//! runs a shell.
//!
//! Files are written, synced and read on tokio's blocking threads, in blocks, so that a current-thread runtime keeps its MQTT
//! keep-alive while an image is written; see [`slots`].

mod blocking;
pub mod bootloader;
pub mod clock;
pub mod disk;
pub mod program;
pub mod reboot;
pub mod replace;
pub mod slots;
pub mod store;
