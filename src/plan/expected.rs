//! What devices hold just before an operation.

/// What a device is expected to hold when an operation that erases it starts.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Expected {
    /// No known signature.
    Blank,
    /// A superblock of this type.
    Kind(String),
    /// Whatever an array or volume made by this plan happens to show.
    Anything,
    /// Nothing was seen, since what it lies on is not open yet. Taken for blank until somebody looks
    /// ([`super::prerequisites`]).
    Unseen,
}
