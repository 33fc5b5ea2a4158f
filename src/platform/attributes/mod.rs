//! Instance metadata: what a platform provides about a machine besides its config, such as host name, SSH keys and
//! addresses.
//!
//! It is fetched by `kindling metadata`, and during a boot whose config needs the name and the keys of the machine.
//! `docs/metadata.md` lists all attributes; a test compares it with `AttributeSource::names`.

pub(super) mod decode;
pub(super) mod drives;
mod env;
mod forms;
mod function;
mod identity;
pub(super) mod mime;
pub(super) mod network;
pub(super) mod nocloud;
pub(super) mod openstack;
pub(super) mod service;
mod tree;
pub(super) mod yaml;

pub(super) use function::FunctionSource;
pub use identity::Identity;
pub(super) use tree::{DocumentTree, KeysAt};
