//! Signed configs, through the program: keys and signatures by `gpg` and `ssh-keygen`.

mod boot;
mod files;
mod makers;
mod matchbox;
mod network;

use crate::common::folder::Folder;
use crate::common::run::{Ended, kindling};

const PLAIN: &str = "{\"ignition\": {\"version\": \"3.4.0\"}}\n";

/// `kindling verify`, with the keys of a folder.
trait Verify {
    fn verify(&self, words: &[&str]) -> Ended;
}

impl Verify for Folder {
    fn verify(&self, words: &[&str]) -> Ended {
        let mut command = kindling();
        command
            .current_dir(self.directory())
            .arg("verify")
            .args(words);
        if self.path("keys").exists() {
            command.args(["--keys", "keys"]);
        }
        Ended::of(&mut command)
    }
}
