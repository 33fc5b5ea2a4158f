//! What a person in front of a booting machine gets to see: progress, and why it failed.
//!
//! The log goes to the journal; a console shows nothing of it. Only inside an initramfs do consoles
//! belong to the boot; a stage that is run from a shell leaves them alone. Consoles may be slow, stuck
//! or gone: a text that cannot be shown is lost, and no stage waits for it.

mod progress;

pub(crate) use progress::ConsoleProgress;

use std::fs::{File, OpenOptions};
use std::io::{ErrorKind, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// Marks an initramfs.
pub(crate) const INITRD_RELEASE: &str = "/etc/initrd-release";
/// Names of the consoles the kernel writes to.
const ACTIVE: &str = "/sys/class/tty/console/active";

/// Pause before a full console is tried again, and how often that is done.
const PAUSE: Duration = Duration::from_millis(10);
const TRIES: u32 = 20;

/// The consoles of a boot.
#[derive(Debug, Default)]
pub(crate) struct Consoles(Vec<Console>);

#[derive(Debug)]
struct Console {
    path: PathBuf,
    /// It did not make room in time; it is not waited for again.
    stuck: AtomicBool,
}

impl Consoles {
    /// Every active console; none outside an initramfs.
    pub(crate) fn of_initramfs() -> Self {
        Self::of(
            Path::new(INITRD_RELEASE),
            Path::new(ACTIVE),
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
            stuck: AtomicBool::new(false),
        };
        Self(names.into_iter().map(console).collect())
    }

    /// Shows a text on each of them.
    pub(crate) fn write(&self, text: &str) {
        // The line discipline may be raw; a second carriage return does no harm.
        let text = text.replace('\n', "\r\n");
        for console in &self.0 {
            console.write(text.as_bytes());
        }
    }
}

impl Console {
    fn write(&self, text: &[u8]) {
        // Opened again each time: consoles are hung up when a getty or a shell takes them.
        let flags = nix::libc::O_NONBLOCK | nix::libc::O_NOCTTY;
        let opened = OpenOptions::new()
            .write(true)
            .custom_flags(flags)
            .open(&self.path);
        if let Ok(file) = opened {
            let tries = if self.stuck.load(Ordering::Relaxed) {
                1
            } else {
                TRIES
            };
            let all = write_some(&file, text, tries);
            self.stuck.store(!all, Ordering::Relaxed);
        }
    }
}

/// Writes what there is room for; true if that was everything.
fn write_some(mut file: &File, mut text: &[u8], mut tries: u32) -> bool {
    while !text.is_empty() {
        match file.write(text) {
            Ok(count) if count > 0 => text = text.get(count..).unwrap_or_default(),
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) if error.kind() == ErrorKind::WouldBlock && tries > 1 => {
                tries -= 1;
                std::thread::sleep(PAUSE);
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
    use std::time::Instant;

    struct Scene(tempfile::TempDir);

    impl Scene {
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
        let scene = Scene::new(&[
            ("initrd-release", ""),
            ("active", "tty0 ttyS0\n"),
            ("tty0", ""),
            ("ttyS0", ""),
            ("console", ""),
        ]);
        scene.consoles().write("a\nb\n");
        assert_eq!(scene.text("tty0"), "a\r\nb\r\n");
        assert_eq!(scene.text("ttyS0"), "a\r\nb\r\n");
        assert_eq!(scene.text("console"), "");
    }

    #[test]
    fn without_a_list_it_is_the_default_one() {
        let scene = Scene::new(&[("initrd-release", ""), ("console", "")]);
        scene.consoles().write("a\n");
        assert_eq!(scene.text("console"), "a\r\n");
    }

    #[test]
    fn outside_an_initramfs_nothing_is_written() {
        let scene = Scene::new(&[("active", "tty0"), ("tty0", ""), ("console", "")]);
        scene.consoles().write("a\n");
        assert_eq!(scene.text("tty0") + &scene.text("console"), "");
    }

    #[test]
    fn consoles_that_are_gone_or_stuck_do_not_hold_up_anything() {
        let scene = Scene::new(&[
            ("initrd-release", ""),
            ("active", "gone full tty0"),
            ("tty0", ""),
        ]);
        nix::unistd::mkfifo(&scene.path("full"), nix::sys::stat::Mode::S_IRWXU).expect("a fifo");
        let reader = OpenOptions::new()
            .read(true)
            .custom_flags(nix::libc::O_NONBLOCK)
            .open(scene.path("full"))
            .expect("a reader that does not read");
        let consoles = scene.consoles();
        let start = Instant::now();
        let much = "x".repeat(100_000);
        for _ in 0..20 {
            consoles.write(&much);
        }
        assert!(
            start.elapsed() < Duration::from_secs(2),
            "{:?}",
            start.elapsed()
        );
        assert_eq!(scene.text("tty0"), much, "the others are written to");
        drop(reader);
    }
}
