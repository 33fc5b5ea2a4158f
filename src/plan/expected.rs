//! What devices hold before an operation.

/// What a device is expected to hold when an operation that erases it starts.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Expected {
    /// No known signature.
    Blank,
    /// A superblock of this type.
    Kind(String),
    /// Anything: the array or volume is created by this plan.
    Anything,
    /// Unknown, since the device below it is not open yet. Treated as blank until it is probed
    /// ([`super::prerequisites`]).
    Unseen,
}
