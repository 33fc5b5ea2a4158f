//! Facts about the running kernel.

use std::collections::BTreeSet;

/// What the kernel can do, with the modules that it can load.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct KernelFacts {
    /// Formats of file systems that it can mount.
    pub filesystems: BTreeSet<String>,
    /// It certainly has no device mapper, which encrypted volumes need.
    pub lacks_device_mapper: bool,
    /// It certainly has no driver for arrays (MD).
    pub lacks_arrays: bool,
}
