//! Where the config of a machine comes from, and everything it refers to: for a boot and for the desk.
//!
//! | part | what it is |
//! |---|---|
//! | [`environment`], [`command_line`] | the settings of the process and of the kernel command line |
//! | [`fetcher_setup`] | what configs are fetched with, and whose are taken |
//! | [`base`] | configs that the system brings |
//! | [`source`] | which source has the config of the user: command line, system or platform |
//! | [`location`] | a config that is named by a person: a file, standard input or a URL |
//! | [`instance`] | what the platform says of the machine, for languages that use it |
//! | [`first`] | the one reader of a first text |
//! | [`references`] | follows `ignition.config.replace` and `merge` |
//! | `network` | whether what is left needs a network |

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
