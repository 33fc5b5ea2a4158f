//! What accounts need besides their entries in a config.

/// What comes out besides the accounts.
#[derive(Default)]
pub(super) struct AccountExtras {
    /// The default account, if the config has it.
    pub(super) default: Option<String>,
    /// Rules of sudo and of doas.
    pub(super) sudo: String,
    pub(super) doas: String,
    pub(super) rules_at: Option<u32>,
}
