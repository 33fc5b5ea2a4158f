//! The table of all platforms in `docs/platforms.md`.

use crate::platform::{PLATFORMS, Platform};

const HEAD: &str = "| id | where the config is | network | waits | no config (not an error) | tested by |\n|---|---|---|---|---|---|\n";

/// The table, in Markdown.
pub(super) fn table() -> String {
    let rows = PLATFORMS.iter().map(|platform| row(*platform));
    HEAD.to_owned() + &rows.collect::<String>()
}

fn row(platform: &dyn Platform) -> String {
    let about = platform.about();
    let (id, network, tested) = (platform.id(), about.network.name(), about.tested.name());
    let source = match platform.alias_of() {
        Some(other) => format!("same as `{other}`"),
        None => about.source.into(),
    };
    let (waits, no_config) = (about.waits, about.no_config);
    format!("| `{id}` | {source} | {network} | {waits} | {no_config} | {tested} |\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_documentation_has_this_table() {
        let text = include_str!("../../../docs/platforms.md");
        assert!(
            text.contains(&table()),
            "docs/platforms.md has another table; put this there (kindling platform list --format markdown):\n{}",
            table()
        );
    }
}
