//! Structured journal entries that distributions select by message id.
//!
//! They are sent to the native socket of the journal, because the syslog socket does not support fields: see
//! <https://systemd.io/JOURNAL_NATIVE_PROTOCOL/>.

use std::io;
use std::os::unix::net::UnixDatagram;
use std::path::Path;
use std::time::Duration;

/// The native socket of the journal.
pub(crate) const SOCKET: &str = "/run/systemd/journal/socket";

/// Message id: a config was fetched.
const FETCHED_CONFIG: &str = "57124006b5c94805b77ce473e92a8aeb";
/// Message id: the SSH keys of a user were written.
const WROTE_KEYS: &str = "225067b87bbd4a0cb6ab151f82fa364b";
/// Entries that the journal does not accept in this time are dropped.
const WRITE_TIMEOUT: Duration = Duration::from_secs(2);

/// A connection to the journal.
#[derive(Debug)]
pub(crate) struct Journal(UnixDatagram);

impl Journal {
    /// The journal of this system; `None` if there is none, which is not an error.
    pub(crate) fn open() -> Option<Self> {
        Self::connect(Path::new(SOCKET)).ok()
    }

    /// Connects to the journal at `socket`.
    ///
    /// # Errors
    /// If nothing listens there.
    pub(crate) fn connect(socket: &Path) -> io::Result<Self> {
        let connection = UnixDatagram::unbound()?;
        connection.connect(socket)?;
        connection.set_write_timeout(Some(WRITE_TIMEOUT))?;
        Ok(Self(connection))
    }

    /// Records a fetched config: its kind (`base` or `user`), its source, and whether another config refers to it.
    ///
    /// # Errors
    /// If the entry cannot be sent.
    pub(crate) fn record_fetched_config(
        &self,
        kind: &str,
        source: &str,
        referenced: bool,
    ) -> io::Result<()> {
        let how = if referenced { "referenced " } else { "" };
        self.send(&[
            (
                "MESSAGE",
                &format!("fetched {how}{kind} config from \"{source}\""),
            ),
            ("MESSAGE_ID", FETCHED_CONFIG),
            ("IGNITION_CONFIG_TYPE", kind),
            ("IGNITION_CONFIG_SRC", source),
            (
                "IGNITION_CONFIG_REFERENCED",
                if referenced { "true" } else { "false" },
            ),
        ])
    }

    /// Records that the SSH keys of a user were written; `path` includes the target root.
    ///
    /// # Errors
    /// If the entry cannot be sent.
    pub(crate) fn record_written_keys(&self, user: &str, path: &Path) -> io::Result<()> {
        self.send(&[
            (
                "MESSAGE",
                &format!("wrote ssh authorized keys file for user: {user}"),
            ),
            ("MESSAGE_ID", WROTE_KEYS),
            ("IGNITION_USER_NAME", user),
            ("IGNITION_PATH", &path.to_string_lossy()),
        ])
    }

    fn send(&self, fields: &[(&str, &str)]) -> io::Result<()> {
        let mut datagram = Vec::new();
        field(&mut datagram, "PRIORITY", "6");
        for (name, value) in fields {
            field(&mut datagram, name, value);
        }
        self.0.send(&datagram).map(drop)
    }
}

/// Appends `NAME=value`; a multiline value is preceded by its length instead.
fn field(datagram: &mut Vec<u8>, name: &str, value: &str) {
    datagram.extend(name.as_bytes());
    if value.contains('\n') {
        datagram.push(b'\n');
        datagram.extend((value.len() as u64).to_le_bytes());
    } else {
        datagram.push(b'=');
    }
    datagram.extend(value.as_bytes());
    datagram.push(b'\n');
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The datagram that the journal receives for `entry`.
    fn received(entry: impl FnOnce(&Journal) -> io::Result<()>) -> Vec<u8> {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let path = directory.path().join("socket");
        let listener = UnixDatagram::bind(&path).expect("a socket");
        entry(&Journal::connect(&path).expect("it listens")).expect("it is sent");
        let mut datagram = vec![0; 4096];
        let length = listener.recv(&mut datagram).expect("one datagram");
        datagram.truncate(length);
        datagram
    }

    fn text(entry: impl FnOnce(&Journal) -> io::Result<()>) -> String {
        String::from_utf8(received(entry)).expect("text")
    }

    #[test]
    fn fetched_configs_are_recorded() {
        let entry = text(|journal| journal.record_fetched_config("user", "qemu", false));
        let want = "PRIORITY=6\n\
            MESSAGE=fetched user config from \"qemu\"\n\
            MESSAGE_ID=57124006b5c94805b77ce473e92a8aeb\n\
            IGNITION_CONFIG_TYPE=user\n\
            IGNITION_CONFIG_SRC=qemu\n\
            IGNITION_CONFIG_REFERENCED=false\n";
        assert_eq!(entry, want);
        let entry = text(|journal| journal.record_fetched_config("user", "/a.ign", true));
        assert!(entry.contains("MESSAGE=fetched referenced user config from \"/a.ign\"\n"));
        assert!(entry.contains("IGNITION_CONFIG_REFERENCED=true\n"));
    }

    #[test]
    fn written_keys_are_recorded() {
        let path = Path::new("/sysroot/home/core/.ssh/authorized_keys.d/ignition");
        let want = "PRIORITY=6\n\
            MESSAGE=wrote ssh authorized keys file for user: core\n\
            MESSAGE_ID=225067b87bbd4a0cb6ab151f82fa364b\n\
            IGNITION_USER_NAME=core\n\
            IGNITION_PATH=/sysroot/home/core/.ssh/authorized_keys.d/ignition\n";
        assert_eq!(
            text(|journal| journal.record_written_keys("core", path)),
            want
        );
    }

    #[test]
    fn multiline_values_follow_their_length() {
        let entry =
            received(|journal| journal.record_fetched_config("user", "a\nPRIORITY=0", false));
        let want = b"IGNITION_CONFIG_SRC\n\x0c\0\0\0\0\0\0\0a\nPRIORITY=0\n";
        assert!(entry.windows(want.len()).any(|part| part == want));
    }

    #[test]
    fn a_missing_journal_is_an_error() {
        let directory = tempfile::tempdir().expect("a temporary directory");
        assert!(Journal::connect(&directory.path().join("socket")).is_err());
    }
}
