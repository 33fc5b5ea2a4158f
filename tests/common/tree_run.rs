//! Running the program on a tree.

use serde_json::Value;
use std::fs;
use std::path::Path;
use std::process::{Command, Output};

/// Runs a command with a config, which is written beside the tree.
pub fn kindling(command: &str, root: &Path, config: &Value) -> Output {
    let file = root.with_extension("ign");
    fs::write(&file, config.to_string()).expect("the config is written");
    Command::new(env!("CARGO_BIN_EXE_kindling"))
        .args([command, "--root"])
        .args([root, &file])
        .output()
        .expect("kindling runs")
}

/// Everything that a run printed.
pub fn printed(output: &Output) -> String {
    [&output.stdout, &output.stderr]
        .map(|text| String::from_utf8_lossy(text).into_owned())
        .join("\n")
}
