//! What accounts need besides their own entries in the resulting config.

/// Collected while the accounts are converted.
#[derive(Default)]
pub(super) struct AccountExtras {
    /// The default account, if the config has it.
    pub(super) default: Option<String>,
    /// Text of the sudo rules.
    pub(super) sudo: String,
    /// Text of the doas rules.
    pub(super) doas: String,
    /// Offset of the first rule.
    pub(super) rules_at: Option<u32>,
}
