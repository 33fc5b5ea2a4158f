//! Volume keys in IBM Crypto Express adapters (s390x).

use super::commands;
use crate::layout::ZKEY_REPOSITORY;
use anyhow::{Context as _, bail};
use std::fs::{self, DirBuilder};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

/// The key of such volumes in the initramfs: a fixed text, not a secret.
pub(super) const KEY_FILE: &str = "/etc/luks/cex.key";
/// Queues of the adapters.
const QUEUES: &str = "/sys/bus/ap/devices";

/// A volume key in the repository.
pub(super) struct VolumeKey {
    repository: PathBuf,
    name: String,
    bits: u64,
}

/// Generates the key of a volume.
pub(super) fn generate(volume: &str, root: &Path) -> anyhow::Result<VolumeKey> {
    let repository = in_root(root, ZKEY_REPOSITORY);
    DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(&repository)
        .with_context(|| format!("cannot create {}", repository.display()))?;
    let queues = queues(&in_root(root, QUEUES))?;
    commands::generate_volume_key(volume, &queues).run()?;
    VolumeKey::find(repository, volume)
}

fn in_root(root: &Path, path: &str) -> PathBuf {
    root.join(path.trim_start_matches('/'))
}

impl VolumeKey {
    fn find(repository: PathBuf, volume: &str) -> anyhow::Result<Self> {
        let name = format!("ignition-luks-{volume}");
        let file = repository.join(format!("{name}.skey"));
        let metadata = fs::metadata(&file);
        let bytes = metadata
            .with_context(|| format!("zkey made no {}", file.display()))?
            .len();
        Ok(Self {
            repository,
            name,
            bits: bytes.saturating_mul(8),
        })
    }

    fn file(&self, suffix: &str) -> PathBuf {
        self.repository.join(format!("{}.{suffix}", self.name))
    }

    /// The arguments for formatting with this key; they follow the device.
    pub(super) fn arguments(&self) -> Vec<String> {
        let file = self.file("skey").display().to_string();
        let (cipher, bits) = ("paes-xts-plain64", self.bits.to_string());
        [
            "--volume-key-file",
            &file,
            "--cipher",
            cipher,
            "--key-size",
            &bits,
        ]
        .map(String::from)
        .into()
    }

    /// The files of the repository that the real root needs, with their names.
    pub(super) fn files(&self) -> anyhow::Result<Vec<(String, Vec<u8>)>> {
        let read = |suffix: &str| -> anyhow::Result<(String, Vec<u8>)> {
            let file = self.file(suffix);
            let content =
                fs::read(&file).with_context(|| format!("cannot read {}", file.display()))?;
            Ok((format!("{}.{suffix}", self.name), content))
        };
        Ok(vec![read("info")?, read("skey")?])
    }
}

/// The queues of adapters in CCA mode, separated by commas.
fn queues(directory: &Path) -> anyhow::Result<String> {
    let act = || {
        format!(
            "cannot look for Crypto Express adapters in {}",
            directory.display()
        )
    };
    let mut found = Vec::new();
    for entry in fs::read_dir(directory).with_context(act)? {
        let entry = entry.with_context(act)?;
        let name = entry.file_name().to_string_lossy().into_owned();
        // Queues are links to their directories.
        let is_directory = entry.file_type().with_context(act)?.is_dir();
        if is_directory || !is_queue(&name) {
            continue;
        }
        let uevent = fs::read_to_string(entry.path().join("uevent")).with_context(act)?;
        if uevent.lines().any(|line| line == "KEY=cca") {
            found.push(name);
        }
    }
    if found.is_empty() {
        bail!(
            "there is no Crypto Express adapter in CCA mode: {} lists none",
            directory.display()
        );
    }
    found.sort();
    Ok(found.join(","))
}

/// True if a name contains the number of a queue, such as `00.0001`.
fn is_queue(name: &str) -> bool {
    let is_hex = |bytes: &[u8]| bytes.iter().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
    let bytes = name.as_bytes();
    bytes
        .windows(7)
        .any(|w| is_hex(&w[..2]) && w[2] == b'.' && is_hex(&w[3..]))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::symlink;

    #[test]
    fn queues_in_cca_mode_are_listed() {
        let root = tempfile::tempdir().expect("a directory");
        let devices = root.path().join("devices");
        let bus = root.path().join("bus");
        for (name, uevent) in [
            ("01.0002", "DEVTYPE=q\nKEY=cca\n"),
            ("00.0001", "KEY=cca\n"),
            ("02.0003", "KEY=ep11\n"),
            ("card00", "KEY=cca\n"),
        ] {
            fs::create_dir_all(devices.join(name)).expect("made");
            fs::write(devices.join(name).join("uevent"), uevent).expect("written");
            fs::create_dir_all(&bus).expect("made");
            symlink(devices.join(name), bus.join(name)).expect("linked");
        }
        fs::create_dir_all(bus.join("03.0004")).expect("made");
        assert_eq!(queues(&bus).expect("some"), "00.0001,01.0002");
        let none = tempfile::tempdir().expect("a directory");
        let error = queues(none.path()).expect_err("none").to_string();
        assert!(error.contains("no Crypto Express adapter"), "{error}");
    }

    #[test]
    fn arguments_and_files_of_a_key() {
        let repository = tempfile::tempdir().expect("a directory");
        let at = |name: &str| repository.path().join(name);
        fs::write(at("ignition-luks-root.skey"), [7; 272]).expect("written");
        fs::write(at("ignition-luks-root.info"), b"info").expect("written");
        let key = VolumeKey::find(repository.path().into(), "root").expect("there");
        let file = at("ignition-luks-root.skey").display().to_string();
        assert_eq!(
            key.arguments(),
            [
                "--volume-key-file",
                &file,
                "--cipher",
                "paes-xts-plain64",
                "--key-size",
                "2176"
            ]
        );
        let files = key.files().expect("read");
        let names: Vec<&str> = files.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(
            names,
            ["ignition-luks-root.info", "ignition-luks-root.skey"]
        );
        assert!(VolumeKey::find(repository.path().into(), "other").is_err());
    }
}
