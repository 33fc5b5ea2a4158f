//! What comes out of any language becomes Butane, and that becomes the same config again.

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
                there_and_back(&path.display().to_string(), &json);
                count += 1;
            }
        }
    }
    assert!(count > 50, "only {count} cases are translated");
}

fn there_and_back(name: &str, json: &str) {
    let (document, version) = parsed(name, json.as_bytes());
    let text = butane::from_ignition(&document, version, None)
        .unwrap_or_else(|findings| panic!("{name}: {findings:#?}"));
    let (back, of_butane) = parsed(name, text.as_bytes());
    assert_eq!(of_butane, version, "{name}:\n{text}");
    assert_eq!(meaning(&back), meaning(&document), "{name}:\n{text}");
}
