//! Checks the tables of `docs/ignition.md`: each row names its tests, and no test is missing.

use std::fs;
use std::path::Path;

/// Modules whose tests must all be in the tables.
const MODULES: &[&str] = &[
    "ignition::roles",
    "ignition::stages::log",
    "ignition::stages::reports",
    "ignition::stages::sources",
    "ignition::stages::state",
    "ignition::stages::target",
    "ignition::units",
];

/// The names of tests: text in backticks in the last column of the tables.
fn listed_tests() -> Vec<String> {
    let text = include_str!("../../docs/ignition.md");
    let rows = text.lines().filter(|line| line.starts_with("| "));
    let cells = rows.filter_map(|row| row.trim_end_matches(" |").rsplit(" | ").next());
    let names = cells.flat_map(|cell| cell.split('`').skip(1).step_by(2));
    names.map(String::from).collect()
}

fn source(path: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(path);
    fs::read_to_string(&path).unwrap_or_default()
}

/// The source that a test of that name would be in, and how its definition would begin.
fn place(name: &str) -> (String, String) {
    if let Some(case) = name.strip_prefix("lab:") {
        let files = fs::read_dir("tests/lab/cases").expect("the cases of the lab");
        let texts =
            files.map(|file| fs::read_to_string(file.expect("a file").path()).expect("text"));
        return (texts.collect(), format!("name = \"{case}\"\n"));
    }
    if let Some(scenario) = name.strip_prefix("test-boot:") {
        return (
            ["boots", "clouds", "failing", "logins"]
                .map(|file| source(&format!("tests/boot/{file}.py")))
                .concat(),
            format!("\ndef {scenario}("),
        );
    }
    let (module, function) = name.rsplit_once("::").expect("a module and a function");
    let path = module.replace("::", "/");
    let text = match path.strip_suffix("/tests") {
        Some(path) => source(&format!("src/{path}.rs")) + &source(&format!("src/{path}/mod.rs")),
        None => {
            let file = source(&format!("tests/{path}.rs"));
            file + &source(&format!("tests/{path}/mod.rs"))
        }
    };
    (text, format!("fn {function}("))
}

#[test]
fn the_table_names_tests_that_exist() {
    let listed = listed_tests();
    assert!(
        listed.len() > 100,
        "{} tests were found in the table",
        listed.len()
    );
    for name in listed {
        let (text, begin) = place(&name);
        assert!(
            text.contains(&begin),
            "docs/ignition.md names {name}, which does not exist"
        );
    }
}

#[test]
fn the_table_names_every_test_of_these_modules() {
    let listed = listed_tests();
    for module in MODULES {
        let text = source(&format!("tests/{}.rs", module.replace("::", "/")));
        assert!(!text.is_empty(), "{module} is not there");
        let tests = text
            .split("#[test]\nfn ")
            .skip(1)
            .filter_map(|test| test.split('(').next());
        for test in tests {
            let name = format!("{module}::{test}");
            assert!(
                listed.contains(&name),
                "docs/ignition.md does not name {name}"
            );
        }
    }
}
