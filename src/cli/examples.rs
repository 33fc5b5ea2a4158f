//! Examples of commands, for manual pages.

/// A command line and what it is for.
pub(crate) struct Example {
    /// What it does, as a clause.
    pub purpose: &'static str,
    /// The command line after the program's name.
    pub words: &'static str,
}

const fn example(purpose: &'static str, words: &'static str) -> Example {
    Example { purpose, words }
}

/// Examples by command name; those of the program itself have an empty name.
pub(crate) const EXAMPLES: &[(&str, &[Example])] = &[
    (
        "",
        &[
            example("Check a config", "validate config.ign"),
            example(
                "See what it would do to a disk image, which need not exist",
                "plan --image /dev/vda=disk.img,size=4G config.ign",
            ),
            example(
                "Apply it",
                "apply --image /dev/vda=disk.img,size=4G config.ign",
            ),
        ],
    ),
    (
        "validate",
        &[
            example(
                "Validate configs in any languages",
                "validate node.ign web.bu cloud-config.yaml",
            ),
            example(
                "Print findings for programs",
                "validate --format json config.ign",
            ),
        ],
    ),
    (
        "translate",
        &[
            example(
                "Translate a Butane config to Ignition, with local files",
                "translate --files-dir files node.bu",
            ),
            example(
                "Translate a config to Butane",
                "translate --to butane=fcos:1.6.0 config.ign",
            ),
        ],
    ),
    (
        "explain-migration",
        &[example(
            "Explain what a migration does to a Container Linux Config",
            "explain-migration old.yaml",
        )],
    ),
    (
        "explain",
        &[
            example("Explain a code", "explain K0204"),
            example("List all codes", "explain"),
        ],
    ),
    (
        "schema",
        &[
            example(
                "Print the schema of a version of Ignition",
                "schema --version 3.6.0",
            ),
            example(
                "Print the schema of a version of Butane",
                "schema --format butane --variant fcos --version 1.6.0",
            ),
        ],
    ),
    (
        "verify",
        &[example(
            "Check whether a machine with these keys trusts a config",
            "verify --keys keys.d config.ign",
        )],
    ),
    (
        "plan",
        &[
            example(
                "Show what a first boot does to an empty disk",
                "plan --image /dev/vda=disk.img,size=4G config.ign",
            ),
            example("Show what changes in a tree", "plan --root tree config.ign"),
            example(
                "Write a page for browsers",
                "plan --root tree --html plan.html config.ign",
            ),
        ],
    ),
    (
        "diff",
        &[example(
            "Show what a change of a config means for a tree",
            "diff --root tree old.ign new.ign",
        )],
    ),
    (
        "apply",
        &[
            example(
                "Provision a disk image",
                "apply --image /dev/vda=disk.img,size=4G config.ign",
            ),
            example(
                "Provision a tree, and keep the report",
                "apply --root tree --report report.json config.ign",
            ),
        ],
    ),
    (
        "fetch",
        &[
            example(
                "Print the config that this machine would get",
                "fetch --platform qemu",
            ),
            example(
                "Print it merged with all configs that it refers to",
                "fetch --platform qemu --rendered",
            ),
        ],
    ),
    (
        "boot",
        &[example(
            "Run the stage that writes files",
            "boot -platform qemu -stage files -root /sysroot",
        )],
    ),
    (
        "metadata",
        &[example(
            "Write the attributes as an environment file",
            "metadata --platform aws --env --output /run/metadata/instance",
        )],
    ),
    (
        "report",
        &[
            example("Show what the first boot of this machine did", "report"),
            example(
                "Write a report as a page for browsers",
                "report --html report.html report.json",
            ),
        ],
    ),
    (
        "completions",
        &[example("Print a script for bash", "completions bash")],
    ),
    (
        "man",
        &[example("Write all pages to a directory", "man pages")],
    ),
    (
        "platform",
        &[example(
            "Guess the platform of this machine",
            "platform detect",
        )],
    ),
    (
        "platform list",
        &[example("List all platforms", "platform list")],
    ),
    (
        "platform show",
        &[example(
            "Show how a platform provides its config",
            "platform show aws",
        )],
    ),
    (
        "platform detect",
        &[example(
            "Guess the platform of this machine",
            "platform detect",
        )],
    ),
];

/// Examples of the command with this name.
pub(crate) fn of(name: &str) -> &'static [Example] {
    let found = EXAMPLES.iter().find(|(command, _)| *command == name);
    found.map_or(&[], |(_, examples)| examples)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::Cli;
    use clap::{CommandFactory, Parser};

    #[test]
    fn every_example_is_a_command_line() {
        for (name, examples) in EXAMPLES {
            assert!(!examples.is_empty(), "{name}");
            for Example { words, .. } in *examples {
                let line = std::iter::once("kindling").chain(words.split_whitespace());
                let parsed = Cli::try_parse_from(line);
                assert!(parsed.is_ok(), "kindling {words}: {parsed:?}");
                assert!(
                    words.starts_with(name),
                    "{words} belongs to another command than {name}"
                );
            }
        }
    }

    #[test]
    fn every_command_has_examples() {
        let command = Cli::command();
        for one in command.get_subcommands().filter(|one| !one.is_hide_set()) {
            assert!(!of(one.get_name()).is_empty(), "{}", one.get_name());
        }
    }
}
