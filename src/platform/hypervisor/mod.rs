//! Platforms that provide the config through a device of the machine or its firmware. None imports another.

pub(super) mod applehv;
pub(super) mod hyperv;
pub(super) mod nvidiabluefield;
pub mod qemu;
pub(super) mod vagrant_virtualbox;
pub(super) mod virtualbox;
pub mod vmware;
pub(super) mod zvm;
