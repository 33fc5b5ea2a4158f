//! The description of a platform, from which `docs/platforms.md` and `kindling platform show` are generated.

/// The description of a platform.
#[derive(Debug, Clone, Copy)]
pub struct About {
    /// Where the config is, as a line of Markdown.
    pub source: &'static str,
    /// The requests and reads in order, one line each.
    pub requests: &'static [&'static str],
    /// Answers that mean that there is no config, which is not an error.
    pub no_config: &'static str,
    /// How long it waits for a service, drive or device that is not available yet.
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
    /// It does; stage `fetch-offline` signals this.
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

/// How a platform is tested, strongest first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum TestLevel {
    /// The shipped binary sends requests to a server at the platform's address and with its protocol.
    RealWire,
    /// The shipped binary reads real file systems on real devices of a real kernel.
    RealMedium,
    /// The shipped binary reads the device in a real or virtual machine.
    RealDevice,
    /// The shipped binary reads files and runs programs that simulate the device.
    StandIn,
    /// A peer in memory implements the protocol; no device is involved.
    Exchange,
    /// There is nothing to test.
    Nothing,
}

impl About {
    /// A platform without a source of configs.
    pub const NOTHING: About = About {
        source: "nowhere: it comes from the kernel command line or from `user.ign`",
        requests: &[],
        no_config: "always",
        waits: "none",
        network: Network::NotNeeded,
        modules: &[],
        tested: TestLevel::Nothing,
    };
}

impl Network {
    /// Name in tables.
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
    /// Name in tables.
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
