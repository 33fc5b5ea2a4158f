//! The modules of kindling that parse untrusted input.
#![allow(dead_code, unused_imports, reason = "the rest of kindling uses them")]

#[path = "../src/accounts/mod.rs"]
pub mod accounts;
#[path = "../src/fetch/authorities.rs"]
pub mod authorities;
#[path = "../src/config/mod.rs"]
pub mod config;
#[path = "../src/disk/mod.rs"]
pub mod disk;
#[path = "../src/cli/findings.rs"]
pub mod findings;
#[path = "../src/language/mod.rs"]
pub mod language;
#[path = "../src/input.rs"]
pub mod input;
#[path = "../src/layout.rs"]
pub mod layout;
#[path = "../src/platform/hypervisor/vmware/ovf.rs"]
pub mod ovf;
#[path = "../src/fetch/tftp/packet.rs"]
pub mod packet;
#[path = "../src/paths.rs"]
pub mod paths;
#[path = "../src/signature/mod.rs"]
pub mod signature;
#[path = "../src/text/mod.rs"]
pub mod text;
#[path = "../src/threads.rs"]
mod threads;

/// The part of `cli` that is fuzzed.
pub mod cli {
    pub use crate::findings;
}

/// The part of `facts` that is fuzzed.
pub mod facts {
    pub use crate::paths;
}

/// The part of `platform` that is fuzzed.
pub mod platform {
    /// Hypervisors
    pub mod hypervisor {
        /// VMware
        pub mod vmware {
            pub use crate::ovf;
        }
    }
}

/// The part of `fetch` that is fuzzed.
pub mod fetch {
    pub use crate::authorities;

    /// Trivial File Transfer Protocol
    pub mod tftp {
        pub use crate::packet;
    }
}
