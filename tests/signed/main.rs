//! Signed configs, through the program: keys and signatures by `gpg` and `ssh-keygen`.

mod boot;
mod files;
mod makers;
mod matchbox;
mod network;
#[allow(dead_code, reason = "a part of it is enough here")]
#[path = "../fetch/server.rs"]
mod server;

use std::fs;
use std::path::PathBuf;
use std::process::{Command, Stdio};

const PLAIN: &str = "{\"ignition\": {\"version\": \"3.4.0\"}}\n";

/// A folder with the files of a case.
struct Folder(tempfile::TempDir);

/// How a run of the program ended.
#[derive(Debug)]
struct Ended {
    code: Option<i32>,
    /// Both streams.
    said: String,
}

impl Folder {
    fn new() -> Self {
        Folder(tempfile::tempdir().expect("a temporary directory"))
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn put(&self, name: &str, bytes: impl AsRef<[u8]>) -> PathBuf {
        let path = self.path(name);
        fs::create_dir_all(path.parent().expect("a folder")).expect("a folder");
        fs::write(&path, bytes).expect("a written file");
        path
    }

    /// `kindling verify`, with the keys of this folder.
    fn verify(&self, words: &[&str]) -> Ended {
        let mut command = Command::new(env!("CARGO_BIN_EXE_kindling"));
        command.current_dir(self.0.path()).arg("verify").args(words);
        if self.path("keys").exists() {
            command.args(["--keys", "keys"]);
        }
        ended(&mut command)
    }
}

fn ended(command: &mut Command) -> Ended {
    let output = command
        .stdin(Stdio::null())
        .output()
        .expect("kindling runs");
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    Ended {
        code: output.status.code(),
        said: text(&output.stdout) + &text(&output.stderr),
    }
}

impl Ended {
    #[track_caller]
    fn is(&self, code: i32, fragments: &[&str]) {
        assert_eq!(self.code, Some(code), "{}", self.said);
        for fragment in fragments {
            assert!(
                self.said.contains(fragment),
                "{fragment:?} is not in: {}",
                self.said
            );
        }
    }
}
