//! Facts about contents that are embedded in the config.

/// A `data:` body that no run can write, whatever the target is.
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
