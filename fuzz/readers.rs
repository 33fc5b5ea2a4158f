//! The parts of kindling that read hostile bytes.

#[path = "../src/config/mod.rs"]
pub mod config;
#[path = "../src/disk/mod.rs"]
pub mod disk;

/// What comes over a network.
pub mod fetch {
    #[path = "../../src/fetch/authorities.rs"]
    pub mod authorities;

    /// Trivial File Transfer Protocol
    pub mod tftp {
        #[path = "../../../src/fetch/tftp/packet.rs"]
        pub mod packet;
    }
}
