//! Which platform a machine may be, by what its firmware, devices and file systems say. For people who ask; a boot is
//! told, because a wrong guess would ask a stranger for the config.

mod rules;
mod traits;

pub use rules::guesses;
pub use traits::Traits;

/// A platform that a machine may be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Guess {
    /// The platform.
    pub id: &'static str,
    /// How sure it is.
    pub certainty: Certainty,
    /// What speaks for it.
    pub reason: String,
}

/// How sure a guess is, the surest first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Certainty {
    /// Somebody said so.
    Told,
    /// Nothing else says that of itself.
    Certain,
    /// Few others say that.
    Likely,
    /// Several do.
    Possible,
}

impl Certainty {
    /// In a word.
    pub fn name(self) -> &'static str {
        match self {
            Certainty::Told => "told",
            Certainty::Certain => "certain",
            Certainty::Likely => "likely",
            Certainty::Possible => "possible",
        }
    }
}
