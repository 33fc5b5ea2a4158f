//! Output on the consoles of a booting machine: progress, and why it failed.
//!
//! The log goes to the journal, not to the consoles. They are only written to in an initramfs, not by a stage that is
//! run from a shell. A console may be slow, stuck or gone: output that it does not accept is dropped, so that it does
//! not block a stage.

mod progress;

pub(crate) use progress::ConsoleProgress;

use std::fs::{File, OpenOptions};
use std::io::{ErrorKind, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// Exists in an initramfs only.
pub(crate) const INITRD_RELEASE: &str = "/etc/initrd-release";
/// Lists the names of the consoles that the kernel writes to.
const ACTIVE_CONSOLES: &str = "/sys/class/tty/console/active";

/// How long to wait before retrying to write to a full console.
const RETRY_INTERVAL: Duration = Duration::from_millis(10);
/// How often to try to write to a full console.
const MAX_TRIES: u32 = 20;

/// The consoles of a boot.
#[derive(Debug, Default)]
pub(crate) struct Consoles(Vec<Console>);

#[derive(Debug)]
struct Console {
    path: PathBuf,
    /// True after a write timed out; further writes are tried only once.
    is_stuck: AtomicBool,
}

impl Consoles {
    /// Every active console; none outside of an initramfs.
    pub(crate) fn of_initramfs() -> Self {
        Self::of(
            Path::new(INITRD_RELEASE),
            Path::new(ACTIVE_CONSOLES),
            Path::new("/dev"),
        )
    }

    fn of(mark: &Path, active: &Path, devices: &Path) -> Self {
        if !mark.exists() {
            return Self::default();
        }
        let names = std::fs::read_to_string(active).unwrap_or_default();
        let mut names: Vec<&str> = names.split_whitespace().collect();
        if names.is_empty() {
            names.push("console");
        }
        let console = |name: &str| Console {
            path: devices.join(name),
            is_stuck: AtomicBool::new(false),
        };
        Self(names.into_iter().map(console).collect())
    }

    /// Writes a text to each of them.
    pub(crate) fn write(&self, text: &str) {
        // The terminal may be in raw mode; otherwise, a second carriage return does no harm.
        let text = text.replace('\n', "\r\n");
        for console in &self.0 {
            console.write(text.as_bytes());
        }
    }
}

impl Console {
    fn write(&self, text: &[u8]) {
        // Opened for every write: consoles are hung up when a getty or a shell takes them.
        let flags = nix::libc::O_NONBLOCK | nix::libc::O_NOCTTY;
        let opened = OpenOptions::new()
            .write(true)
            .custom_flags(flags)
            .open(&self.path);
        if let Ok(file) = opened {
            let tries = if self.is_stuck.load(Ordering::Relaxed) {
                1
            } else {
                MAX_TRIES
            };
            let all = try_write_all(&file, text, tries);
            self.is_stuck.store(!all, Ordering::Relaxed);
        }
    }
}

/// Writes as much as the file accepts; true if that is everything.
fn try_write_all(mut file: &File, mut text: &[u8], mut tries: u32) -> bool {
    while !text.is_empty() {
        match file.write(text) {
            Ok(count) if count > 0 => text = text.get(count..).unwrap_or_default(),
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) if error.kind() == ErrorKind::WouldBlock && tries > 1 => {
                tries -= 1;
                std::thread::sleep(RETRY_INTERVAL);
            }
            _ => return false,
        }
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    struct Fixture(tempfile::TempDir);

    impl Fixture {
        fn new(files: &[(&str, &str)]) -> Self {
            let directory = tempfile::tempdir().expect("a temporary directory");
            for (name, text) in files {
                fs::write(directory.path().join(name), text).expect("a file");
            }
            Self(directory)
        }
        fn path(&self, name: &str) -> PathBuf {
            self.0.path().join(name)
        }
        fn consoles(&self) -> Consoles {
            Consoles::of(
                &self.path("initrd-release"),
                &self.path("active"),
                self.0.path(),
            )
        }
        fn text(&self, name: &str) -> String {
            fs::read_to_string(self.path(name)).expect("a file")
        }
    }

    #[test]
    fn every_active_console_is_written_to() {
        let fixture = Fixture::new(&[
            ("initrd-release", ""),
            ("active", "tty0 ttyS0\n"),
            ("tty0", ""),
            ("ttyS0", ""),
            ("console", ""),
        ]);
        fixture.consoles().write("a\nb\n");
        assert_eq!(fixture.text("tty0"), "a\r\nb\r\n");
        assert_eq!(fixture.text("ttyS0"), "a\r\nb\r\n");
        assert_eq!(fixture.text("console"), "");
    }

    #[test]
    fn without_a_list_the_default_console_is_used() {
        let fixture = Fixture::new(&[("initrd-release", ""), ("console", "")]);
        fixture.consoles().write("a\n");
        assert_eq!(fixture.text("console"), "a\r\n");
    }

    #[test]
    fn outside_an_initramfs_nothing_is_written() {
        let fixture = Fixture::new(&[("active", "tty0"), ("tty0", ""), ("console", "")]);
        fixture.consoles().write("a\n");
        assert_eq!(fixture.text("tty0") + &fixture.text("console"), "");
    }

    #[test]
    fn missing_or_stuck_consoles_do_not_block() {
        let fixture = Fixture::new(&[
            ("initrd-release", ""),
            ("active", "gone full tty0"),
            ("tty0", ""),
        ]);
        nix::unistd::mkfifo(&fixture.path("full"), nix::sys::stat::Mode::S_IRWXU).expect("a fifo");
        let reader = OpenOptions::new()
            .read(true)
            .custom_flags(nix::libc::O_NONBLOCK)
            .open(fixture.path("full"))
            .expect("a reader that does not read");
        let consoles = fixture.consoles();
        let long = "x".repeat(100_000);
        for _ in 0..20 {
            consoles.write(&long);
        }
        let stuck = consoles
            .0
            .iter()
            .map(|c| c.is_stuck.load(Ordering::Relaxed));
        let stuck: Vec<bool> = stuck.collect();
        assert_eq!(stuck, [false, true, false], "the next write is tried once");
        assert_eq!(fixture.text("tty0"), long, "the others are written to");
        drop(reader);
    }
}
