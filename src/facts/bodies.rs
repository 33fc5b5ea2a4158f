//! Facts about contents that are part of the config itself.

/// A `data:` body that cannot be used: whatever the target is, no run can write it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BodyFault {
    /// What the body is, e.g. `contents of file /etc/motd`.
    pub object: String,
    /// Path of the resource in the merged config.
    pub path: String,
    /// Member of the resource that the body contradicts.
    pub member: &'static str,
    /// Why it cannot be used.
    pub cause: String,
    /// What to do about it.
    pub remedy: String,
}
