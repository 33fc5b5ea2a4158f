//! A guess at the platform of a machine, and its certainty.

/// A guess at the platform of a machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Guess {
    /// The platform.
    pub id: &'static str,
    /// How certain it is.
    pub certainty: Certainty,
    /// The evidence.
    pub reason: String,
}

/// How certain a guess is, most certain first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Certainty {
    /// The kernel command line names the platform.
    Stated,
    /// No other platform has this evidence.
    Certain,
    /// Few other platforms have this evidence.
    Likely,
    /// Several platforms have this evidence.
    Possible,
}

impl Certainty {
    /// Name for output.
    pub fn name(self) -> &'static str {
        match self {
            Certainty::Stated => "told",
            Certainty::Certain => "certain",
            Certainty::Likely => "likely",
            Certainty::Possible => "possible",
        }
    }
}
