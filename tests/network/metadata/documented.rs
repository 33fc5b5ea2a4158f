//! Checks `docs/metadata.md` against the program.

use kindling::platform::PLATFORMS;

const DOC: &str = include_str!("../../../docs/metadata.md");

/// The text below a heading of the third level.
fn section<'a>(id: &str) -> &'a str {
    let (_, rest) = DOC.split_once(&format!("\n### {id}\n")).unwrap_or_default();
    rest.split("\n#").next().unwrap_or_default()
}

#[test]
fn every_platform_with_metadata_documents_all_names() {
    for platform in PLATFORMS.iter().filter(|p| p.alias_of().is_none()) {
        let (id, section) = (platform.id(), section(platform.id()));
        let Some(source) = platform.attribute_source() else {
            assert_eq!(
                section, "",
                "docs/metadata.md has a section on {id}, which has no metadata"
            );
            continue;
        };
        let mut listed: Vec<&str> = section
            .split('`')
            .filter(|word| word.starts_with("AFTERBURN_"))
            .collect();
        let mut names: Vec<String> = source
            .names()
            .iter()
            .map(|n| format!("AFTERBURN_{n}"))
            .collect();
        listed.sort_unstable();
        names.sort_unstable();
        assert_eq!(listed, names, "docs/metadata.md on {id}");
    }
}

#[test]
fn aliases_are_listed_with_their_target() {
    for platform in PLATFORMS {
        let Some(real) = platform
            .alias_of()
            .filter(|_| platform.attribute_source().is_some())
        else {
            continue;
        };
        let line = format!("- `{}`: as `{real}`", platform.id());
        assert!(DOC.contains(&line), "docs/metadata.md has no line {line:?}");
    }
}
