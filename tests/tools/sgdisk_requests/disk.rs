//! The disk of a round, and a reader of tables that shares no code with ours.

use super::Slots;
use kindling::disk::gpt::{self, Table, TableFacts};
use std::fs::File;
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::process::Command;

/// One partition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Slot {
    pub start: u64,
    pub sectors: u64,
    pub kind: String,
    /// Empty = generated when the table is written.
    pub guid: String,
    pub label: String,
    pub attributes: u64,
}

/// A disk to write to.
pub struct Medium {
    directory: tempfile::TempDir,
    pub path: PathBuf,
    pub sector_bytes: u32,
    pub sectors: u64,
}

impl Medium {
    /// An image file.
    pub fn file() -> Self {
        let directory = Self::directory();
        let path = directory.path().join("disk");
        Self {
            directory,
            path,
            sector_bytes: 512,
            sectors: 0,
        }
    }
    /// A loop device with sectors of 4096 bytes.
    pub fn loop_device() -> Self {
        let mut medium = Self::file();
        let bytes = 160 << 20;
        let file = File::create(&medium.path).expect("an image");
        file.set_len(bytes).expect("a size");
        let done = Command::new("losetup")
            .args(["--find", "--show", "--sector-size", "4096"])
            .arg(&medium.path)
            .output()
            .expect("losetup is installed (package mount)");
        let device = String::from_utf8_lossy(&done.stdout).trim().to_owned();
        assert!(
            done.status.success(),
            "a loop device with sectors of 4096 bytes, for which this must run as root: {}",
            String::from_utf8_lossy(&done.stderr)
        );
        medium.path = device.into();
        medium.sector_bytes = 4096;
        medium.sectors = bytes / 4096;
        medium
    }
    fn directory() -> tempfile::TempDir {
        let memory = Path::new("/dev/shm");
        match memory.is_dir() {
            true => tempfile::tempdir_in(memory),
            false => tempfile::tempdir(),
        }
        .expect("a temporary directory")
    }
    /// True for an image file, whose size can be chosen.
    pub fn is_file(&self) -> bool {
        self.path.starts_with(self.directory.path())
    }
    pub fn sectors_per_mib(&self) -> u64 {
        (1 << 20) / u64::from(self.sector_bytes)
    }
    /// Makes the disk blank except for a table.
    pub fn reset(&mut self, table: Option<&Table>) {
        let mut file = File::options();
        let mut file = file
            .read(true)
            .write(true)
            .create(true)
            .truncate(self.is_file())
            .open(&self.path)
            .expect("the disk");
        let bytes = self.sectors * u64::from(self.sector_bytes);
        if self.is_file() {
            file.set_len(bytes).expect("a size");
        } else {
            for at in [0, bytes - (1 << 20)] {
                file.seek(SeekFrom::Start(at)).expect("a place");
                file.write_all(&vec![0; 1 << 20]).expect("zeros");
            }
        }
        if let Some(table) = table {
            gpt::write(&mut file, table, &mut |_| Ok(())).expect("a table");
        }
    }
    pub fn facts(&self) -> TableFacts {
        let mut file = File::open(&self.path).expect("the disk");
        gpt::read(&mut file, self.sector_bytes, self.sectors).expect("readable")
    }
    /// The partitions in the primary table, parsed from its bytes; empty if there is none.
    pub fn slots(&self) -> Slots {
        let sector = self.sector_bytes as usize;
        let mut bytes = vec![0; 34 * sector.max(4096)];
        let mut file = File::open(&self.path).expect("the disk");
        file.read_exact(&mut bytes).expect("readable");
        let header = &bytes[sector..];
        if &header[..8] != b"EFI PART" {
            return Slots::new();
        }
        assert_eq!(bytes[446 + 4], 0xEE, "a GPT has a protective MBR");
        let array = number(&header[72..80]) as usize * sector;
        let slots = (0..number(&header[80..84]) as usize).map(|i| &bytes[array + i * 128..][..128]);
        (1..)
            .zip(slots)
            .filter(|(_, raw)| raw[..16] != [0; 16])
            .map(|(number, raw)| (number, slot(raw)))
            .collect()
    }
}

impl Drop for Medium {
    fn drop(&mut self) {
        if !self.is_file() {
            let _ = Command::new("losetup")
                .arg("--detach")
                .arg(&self.path)
                .status();
        }
    }
}

fn number(bytes: &[u8]) -> u64 {
    bytes
        .iter()
        .rev()
        .fold(0, |sum, byte| sum << 8 | u64::from(*byte))
}

fn slot(raw: &[u8]) -> Slot {
    let units = raw[56..].chunks(2).map(|pair| number(pair) as u16);
    let label: Vec<u16> = units.take_while(|unit| *unit != 0).collect();
    Slot {
        start: number(&raw[32..40]),
        sectors: number(&raw[40..48]) + 1 - number(&raw[32..40]),
        kind: guid(&raw[..16]),
        guid: guid(&raw[16..32]),
        label: String::from_utf16(&label).expect("UTF-16"),
        attributes: number(&raw[48..56]),
    }
}

fn guid(raw: &[u8]) -> String {
    let hex = |order: &[usize]| {
        order
            .iter()
            .map(|i| format!("{:02X}", raw[*i]))
            .collect::<String>()
    };
    [
        hex(&[3, 2, 1, 0]),
        hex(&[5, 4]),
        hex(&[7, 6]),
        hex(&[8, 9]),
        hex(&[10, 11, 12, 13, 14, 15]),
    ]
    .join("-")
}
