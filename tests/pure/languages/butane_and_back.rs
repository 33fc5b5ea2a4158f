//! Round trip: a config translated from any language is converted to Butane and back to the same config.

use crate::common::meaning::{meaning, parsed};
use kindling::language::{self, Language, Surroundings, butane};
use std::fs;
use std::path::Path;

const FOLDERS: [(&str, Language); 5] = [
    ("clc", Language::ContainerLinux),
    ("cloud_init", Language::CloudInit),
    ("coreos_cloudinit", Language::CoreosCloudinit),
    ("k3os", Language::K3os),
    ("old_ignition", Language::OldIgnition),
];

#[test]
fn every_case_that_is_translated() {
    let mut count = 0;
    for (folder, language) in FOLDERS {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("tests/pure/languages")
            .join(folder);
        for entry in fs::read_dir(folder).expect("a folder") {
            let path = entry.expect("an entry").path();
            if path.extension().is_some_and(|suffix| suffix == "out") {
                continue;
            }
            let text = fs::read(&path).expect("a case");
            let text = language::unpacked(&text);
            let surroundings = Surroundings::default();
            let translation = language::translate("case", &text, language, &surroundings, false);
            if let Ok(json) = translation.outcome {
                check_round_trip(&path.display().to_string(), &json);
                count += 1;
            }
        }
    }
    assert!(count > 50, "only {count} cases are translated");
}

fn check_round_trip(name: &str, json: &str) {
    let (document, version) = parsed(name, json.as_bytes());
    let text = butane::from_ignition(&document, version, None)
        .unwrap_or_else(|findings| panic!("{name}: {findings:#?}"));
    let (round_tripped, butane_version) = parsed(name, text.as_bytes());
    assert_eq!(butane_version, version, "{name}:\n{text}");
    assert_eq!(
        meaning(&round_tripped),
        meaning(&document),
        "{name}:\n{text}"
    );
}
