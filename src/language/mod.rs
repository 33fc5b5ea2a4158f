//! The languages that configs are written in, other than Ignition's current versions.
//!
//! Each language has a directory. It reads a text as a tree of [`node::Node`]s, checks what is specific to it, and
//! returns a tree with the names of an Ignition config, in which every value keeps the offset of its origin.
//! [`crate::config`] checks that tree like any config, so findings, plans, reports and failures name the line that the
//! user wrote. No language knows the machine: what a translation needs from outside comes through [`Surroundings`].

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
mod placed_text;
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
    InstanceData, LocalDirectory, LocalError, LocalKind, LocalNode, SectorBytes, Surroundings,
    refuses_scripts,
};
pub use target::{
    Distribution, K3s, Layer, NetworkManager, SystemConfig, Target, TimeClient, codename,
};
pub use translation::{Translation, parse, parse_as, translate};
pub use unpack::unpacked;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{self, Document, JsonPath, read_stored};

    const PARENT: &str = r#"{"ignition": {"version": "3.4.0"},
        "storage": {"files": [{"path": "/a"}]}}"#;

    #[test]
    fn words_survive_being_stored() {
        let butane = "variant: fcos\nversion: 1.1.0\nstorage: {disks: [{device: /dev/a}]}\n";
        let surroundings = Surroundings::default();
        let child = parse("c.bu", butane.as_bytes(), &surroundings).outcome;
        let parent = config::parse("p.ign", PARENT.as_bytes())
            .outcome
            .expect("valid");
        let merged = Document::merge(&parent, &child.expect("valid"));
        let text = merged.to_json().expect("text");
        let origins = serde_json::to_vec(&merged.origins()).expect("text");
        let origins = serde_json::from_slice(&origins).expect("the same");
        let stored = read_stored("/run/ignition.json", &text).expect("a document");
        let stored = stored.with_origins(origins);
        for (path, want) in [
            ("$.storage.disks.0", "set wipe_table"),
            ("$.storage.files.0", "set wipeTable"),
        ] {
            for document in [&merged, &stored] {
                let origin = document.origin(&JsonPath::new(path));
                let mut hint = "set wipeTable".to_owned();
                document.reword(origin.as_ref(), [&mut hint]);
                assert_eq!(hint, want, "{path}");
            }
        }
    }
}
