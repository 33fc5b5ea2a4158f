//! What people should know of a platform. `docs/platforms.md` and `kindling platform show` are made of it.

/// A platform in words.
#[derive(Debug, Clone, Copy)]
pub struct About {
    /// Where the config is, in a line of Markdown.
    pub source: &'static str,
    /// What is asked and where, in order, a line each: requests, file systems, files, calls.
    pub asks: &'static [&'static str],
    /// What means that there is no config, which is fine.
    pub no_config: &'static str,
    /// How long it waits for what is not there.
    pub patience: &'static str,
    /// Whether a network is needed.
    pub network: Network,
    /// Modules of the kernel that are needed; those marked by [`Module::Loaded`] are loaded by us.
    pub modules: &'static [Module],
    /// What tests it.
    pub tested: Tested,
}

/// Whether a platform needs a network for its config.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Network {
    /// It does; `fetch-offline` asks for one.
    Needed,
    /// It does not.
    NotNeeded,
}

/// A module of the kernel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Module {
    /// Loaded by us where what it makes is missing.
    Loaded(&'static str),
    /// Loaded by the kernel or udev; it must be there.
    Expected(&'static str),
}

/// What tests a platform, from the strongest to the weakest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Tested {
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
        patience: "none",
        network: Network::NotNeeded,
        modules: &[],
        tested: Tested::Nothing,
    };
}

impl Network {
    /// In a word.
    pub fn name(self) -> &'static str {
        match self {
            Network::Needed => "network",
            Network::NotNeeded => "offline",
        }
    }
}

impl Module {
    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Module::Loaded(name) | Module::Expected(name) => name,
        }
    }
}

impl Tested {
    /// In two words.
    pub fn name(self) -> &'static str {
        match self {
            Tested::RealWire => "real wire",
            Tested::RealMedium => "real medium",
            Tested::RealDevice => "real device",
            Tested::StandIn => "stand-ins",
            Tested::Exchange => "exchange in memory",
            Tested::Nothing => "nothing to ask",
        }
    }
}
