//! Secrets for programs that read them from a file.

use nix::sys::memfd::{MFdFlags, memfd_create};
use std::fs::{File, Permissions};
use std::io::{self, Write};
use std::os::fd::AsRawFd;
use std::os::unix::fs::PermissionsExt;

/// A file in memory that has no name in any directory: other programs of the same user reach it through this process,
/// and it disappears with the process, however that ends.
#[derive(Debug)]
pub struct SecretFile(File);

impl SecretFile {
    /// A file with this content.
    ///
    /// # Errors
    /// If the kernel has no memory for it.
    pub fn new(content: &[u8]) -> io::Result<Self> {
        let mut file = File::from(memfd_create("secret", MFdFlags::MFD_CLOEXEC)?);
        file.set_permissions(Permissions::from_mode(0o600))?;
        file.write_all(content)?;
        Ok(Self(file))
    }

    /// Where programs find it while this value lives.
    pub fn path(&self) -> String {
        format!("/proc/{}/fd/{}", std::process::id(), self.0.as_raw_fd())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::Command;

    #[test]
    fn programs_read_it_from_its_start_as_often_as_they_like() {
        let secret = SecretFile::new(b"hush").expect("made");
        let path = secret.path();
        for _ in 0..2 {
            let output = Command::new("cat").arg(&path).run().expect("read");
            assert_eq!(output.stdout, "hush");
        }
        let mode = std::fs::metadata(&path)
            .expect("there")
            .permissions()
            .mode();
        assert_eq!(mode & 0o777, 0o600);
        drop(secret);
        assert!(std::fs::read(&path).is_err());
    }
}
