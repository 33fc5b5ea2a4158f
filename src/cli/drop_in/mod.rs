//! The programs that this one replaces, by their names and with their flags: Ignition, its helpers, and translators of
//! configs.

pub(crate) mod apply;
pub(crate) mod boot;
mod boot_args;
pub(crate) mod duration;
pub(crate) mod flags;
pub(crate) mod rmcfg;
pub(crate) mod translators;
mod usage_error;
pub(crate) mod validate;
