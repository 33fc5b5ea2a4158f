//! The languages that configs are written in, apart from Ignition's own of today.
//!
//! Each language has a folder. It reads a text as a tree of [`node::Node`]s, judges what is its own, and gives a tree
//! with the names of an Ignition config, in which every value keeps the place of what it was made from. [`crate::config`]
//! judges that tree as any config, so findings, plans, reports and failures name the line that a person wrote.
//! No language knows the machine: what a translation needs from outside comes through [`Surroundings`].

mod assembly;
mod base64_url;
pub mod butane;
mod clc;
mod cloud_init;
mod coreos_cloudinit;
mod detect;
mod document;
mod family;
mod fetched_keys;
mod findings;
mod json;
mod k3os;
mod keyed;
mod knowledge;
mod languages;
mod machine_config;
mod migration;
mod mime;
mod node;
mod old_ignition;
mod packed;
mod password;
mod paths;
mod percent;
mod quoting;
mod result;
mod scalars;
mod seen;
mod shaped;
mod surroundings;
mod target;
mod translation;
mod typed;
mod unpack;
mod yaml;

pub use cloud_init::modules::{MODULES, Module, Support};
pub use detect::{DetectError, detect, detect_for};
pub use knowledge::{Knowledge, KnownInstance};
pub use languages::Language;
pub use migration::{Migration, MigrationStep, explain};
pub use old_ignition::{FamilyResult, Member, append, appends, named_filesystems, references};
pub use surroundings::{
    InstanceData, LocalError, LocalFolder, LocalKind, LocalNode, SectorBytes, Surroundings,
    refuses_scripts,
};
pub use target::{Distribution, K3s, Layer, NetworkManager, SystemConfig, Target, TimeClient};
pub use translation::{Translation, parse, parse_as, translate};
pub use unpack::unpacked;
