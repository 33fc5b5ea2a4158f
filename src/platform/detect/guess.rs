//! A platform that a machine may be, and how sure that is.

/// A platform that a machine may be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Guess {
    /// The platform.
    pub id: &'static str,
    /// How sure it is.
    pub certainty: Certainty,
    /// The evidence.
    pub reason: String,
}

/// How sure a guess is, the surest first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Certainty {
    /// It is on the kernel command line.
    Told,
    /// No other platform has this evidence.
    Certain,
    /// Few others have it.
    Likely,
    /// Several have it.
    Possible,
}

impl Certainty {
    /// The word for it.
    pub fn name(self) -> &'static str {
        match self {
            Certainty::Told => "told",
            Certainty::Certain => "certain",
            Certainty::Likely => "likely",
            Certainty::Possible => "possible",
        }
    }
}
