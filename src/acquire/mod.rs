//! Obtains the config of a machine and everything it refers to: during boot and for the commands on a desktop.
//!
//! | part | what it is |
//! |---|---|
//! | [`environment`], [`command_line`] | the settings of the process and of the kernel command line |
//! | [`fetcher_setup`] | the fetcher for configs, and which configs are trusted |
//! | [`base`] | configs that the system ships |
//! | [`source`] | which source has the user's config: command line, system or platform |
//! | [`location`] | a config named as an argument: a file, standard input or a URL |
//! | [`instance`] | instance metadata from the platform, for languages that use it |
//! | [`first`] | parses the first config |
//! | [`references`] | follows `ignition.config.replace` and `merge` |
//! | `network` | whether a config needs a network |

pub mod base;
pub mod command_line;
mod config_device;
pub mod environment;
pub mod fetcher_setup;
pub mod findings;
pub mod first;
mod flatcar;
pub mod instance;
pub mod location;
mod network;
pub mod references;
pub mod source;

pub use network::{NetworkNeed, needs_network};
