//! The description of a platform for people, of which `docs/platforms.md` and `kindling platform show` are made.

/// The description of a platform.
#[derive(Debug, Clone, Copy)]
pub struct About {
    /// Where the config is, in a line of Markdown.
    pub source: &'static str,
    /// The requests and reads, in order, a line each.
    pub asks: &'static [&'static str],
    /// Answers that mean that there is no config, and that this is not an error.
    pub no_config: &'static str,
    /// How long it waits for a service, drive or device that is not there yet.
    pub waits: &'static str,
    /// Whether it needs a network.
    pub network: Network,
    /// Kernel modules that it needs.
    pub modules: &'static [KernelModule],
    /// How it is tested.
    pub tested: TestLevel,
}

/// Whether a platform needs a network for its config.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Network {
    /// It does; stage `fetch-offline` signals that.
    Needed,
    /// It does not.
    NotNeeded,
}

/// A kernel module.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KernelModule {
    /// Loaded by kindling if the device or file that it provides is missing.
    Loaded(&'static str),
    /// Loaded by the kernel or udev; it must be installed.
    Expected(&'static str),
}

/// How a platform is tested, from the strongest way to the weakest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum TestLevel {
    /// The shipped binary asks a server at the address, and with the protocol, of the platform.
    RealWire,
    /// The shipped binary reads real file systems on real devices of a real kernel.
    RealMedium,
    /// The shipped binary reads the device in a real or virtual machine.
    RealDevice,
    /// The shipped binary reads files, and runs programs, that stand in for the device.
    StandIn,
    /// A peer in memory speaks the protocol; the device itself was not there.
    Exchange,
    /// Nothing is asked.
    Nothing,
}

impl About {
    /// A platform that has no source of configs.
    pub const NOTHING: About = About {
        source: "nowhere: it comes from the kernel command line or from `user.ign`",
        asks: &[],
        no_config: "always",
        waits: "none",
        network: Network::NotNeeded,
        modules: &[],
        tested: TestLevel::Nothing,
    };
}

impl Network {
    /// The word for it in tables.
    pub fn name(self) -> &'static str {
        match self {
            Network::Needed => "network",
            Network::NotNeeded => "offline",
        }
    }
}

impl KernelModule {
    /// Name of the module.
    pub fn name(self) -> &'static str {
        match self {
            KernelModule::Loaded(name) | KernelModule::Expected(name) => name,
        }
    }
}

impl TestLevel {
    /// The words for it in tables.
    pub fn name(self) -> &'static str {
        match self {
            TestLevel::RealWire => "real network",
            TestLevel::RealMedium => "real medium",
            TestLevel::RealDevice => "real device",
            TestLevel::StandIn => "simulated device",
            TestLevel::Exchange => "in-memory peer",
            TestLevel::Nothing => "no source",
        }
    }
}
