//! `#cloud-config` of coreos-cloudinit.

use crate::common::language_cases;
use kindling::language::{InstanceData, Language, Surroundings};

#[test]
fn cases() {
    let language = Language::CoreosCloudinit;
    language_cases::check("coreos_cloudinit", language, &Surroundings::default());
}

/// Addresses that the platform provides are substituted before the text is parsed.
#[test]
fn addresses_that_are_known() {
    let variables = [("private_ipv4".to_owned(), "192.0.2.7".to_owned())];
    let surroundings = Surroundings {
        instance: InstanceData {
            variables: &variables,
            ..InstanceData::default()
        },
        ..Surroundings::default()
    };
    let text = "#cloud-config\nwrite_files:\n  - path: /etc/a\n    content: at $private_ipv4\n  - {path: /etc/b, x: 1}\n";
    let found = language_cases::shown(text.as_bytes(), Language::CoreosCloudinit, &surroundings);
    assert!(found.contains("|at 192.0.2.7"), "{found}");
    assert!(found.contains("line 5 col 20"), "{found}");
}
