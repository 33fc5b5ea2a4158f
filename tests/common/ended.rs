//! How a run of the program ended.

use std::process::{Command, Stdio};

/// It.
#[derive(Debug)]
pub struct Ended {
    pub code: Option<i32>,
    pub out: String,
    pub said: String,
}

impl Ended {
    /// Runs a command to its end, with nothing to read.
    pub fn of(mut command: Command) -> Self {
        let output = command
            .stdin(Stdio::null())
            .output()
            .expect("kindling runs");
        Ended {
            code: output.status.code(),
            out: String::from_utf8(output.stdout).expect("text"),
            said: String::from_utf8(output.stderr).expect("text"),
        }
    }

    /// Asserts the exit code, all of standard output, and a part of standard error.
    #[track_caller]
    pub fn assert(&self, code: i32, out: &str, said: &str) {
        assert_eq!((self.code, &*self.out), (Some(code), out), "{self:?}");
        assert!(self.said.contains(said), "{said:?} is not in {self:?}");
    }
}
