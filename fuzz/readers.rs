//! The parts of kindling that read hostile bytes.

#[path = "../src/fetch/authorities.rs"]
pub mod authorities;
#[path = "../src/config/mod.rs"]
pub mod config;
#[path = "../src/disk/mod.rs"]
pub mod disk;
#[path = "../src/platform/vmware/ovf.rs"]
pub mod ovf;
#[path = "../src/fetch/tftp/packet.rs"]
pub mod packet;

/// What comes from hypervisors.
pub mod platform {
    /// VMware
    pub mod vmware {
        pub use crate::ovf;
    }
}

/// What comes over a network.
pub mod fetch {
    pub use crate::authorities;

    /// Trivial File Transfer Protocol
    pub mod tftp {
        pub use crate::packet;
    }
}
