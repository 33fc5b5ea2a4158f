//! Tests of the program with signed configs: keys and signatures are made by `gpg` and `ssh-keygen`.

mod boot;
mod files;
mod makers;
mod matchbox;
mod network;

use crate::common::folder::Folder;
use crate::common::run::{Ended, kindling};

const PLAIN: &str = "{\"ignition\": {\"version\": \"3.4.0\"}}\n";

/// Runs `kindling verify` in a folder, with its keys.
trait Verify {
    fn verify(&self, arguments: &[&str]) -> Ended;
}

impl Verify for Folder {
    fn verify(&self, arguments: &[&str]) -> Ended {
        let mut command = kindling();
        command
            .current_dir(self.directory())
            .arg("verify")
            .args(arguments);
        if self.path("keys").exists() {
            command.args(["--keys", "keys"]);
        }
        Ended::of(&mut command)
    }
}
