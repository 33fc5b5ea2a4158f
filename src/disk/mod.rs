//! Bytes on disks: partition tables and superblocks, as pure codecs over `Read + Seek`.

pub mod container;
pub mod device;
pub mod extent;
pub mod gpt;
pub mod layout;
pub mod position;
pub mod raid;
pub mod superblock;

pub use device::DeviceRef;
