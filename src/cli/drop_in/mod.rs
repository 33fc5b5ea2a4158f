//! The programs that this one replaces, under their own names and with their own flags: Ignition and its helpers, and
//! translators of configs.

pub(crate) mod apply;
pub(crate) mod boot;
mod boot_args;
pub(crate) mod duration;
pub(crate) mod flags;
pub(crate) mod rmcfg;
pub(crate) mod translators;
mod usage_error;
pub(crate) mod validate;
