//! fw_cfg through the I/O ports of x86.
//!
//! Writing a number to the first port selects an item, which is then read from the second port, from its start. The
//! first items are a signature and, for files, a directory. The kernel uses the same ports, so the item is read twice:
//! if the kernel selected another one in between, the two reads differ.

use anyhow::{Context, bail};

const SIGNATURE: (u16, &[u8]) = (0x0000, b"QEMU");
const DIRECTORY: u16 = 0x0019;
/// Maximum number of files; no version of QEMU supports more.
const MAX_FILES: usize = 4096;
/// Size, number of the item, 2 unused bytes, and the name, padded with zeros.
const ENTRY_BYTES: usize = 64;
const NAME_OFFSET: usize = 8;

/// Items of fw_cfg: after each selection, the item is read from its start.
trait Items {
    /// Selects an item.
    fn select(&mut self, item: u16) -> anyhow::Result<()>;
    /// Reads the next bytes of the item.
    fn read(&mut self, buffer: &mut [u8]) -> anyhow::Result<()>;
}

/// Reads a key that has `bytes` bytes.
pub(super) fn read(key: &str, bytes: usize) -> anyhow::Result<Vec<u8>> {
    let mut device = device::FwCfgDevice::open()?;
    read_key(&mut device, key, bytes)
}

fn read_key(items: &mut impl Items, key: &str, bytes: usize) -> anyhow::Result<Vec<u8>> {
    let (item, signature) = SIGNATURE;
    if read_item(items, item, signature.len())? != signature {
        bail!("there is no fw_cfg device behind the ports");
    }
    let Some((item, size)) = find(items, key)? else {
        bail!("the directory of fw_cfg does not list {key}");
    };
    if usize::try_from(size) != Ok(bytes) {
        bail!("fw_cfg {key} has {size} bytes, but sysfs says {bytes}");
    }
    let text = read_item(items, item, bytes)?;
    if read_item(items, item, bytes)? != text {
        bail!("something else reads fw_cfg at the same time");
    }
    Ok(text)
}

fn read_item(items: &mut impl Items, item: u16, bytes: usize) -> anyhow::Result<Vec<u8>> {
    let mut text = vec![0; bytes];
    items.select(item)?;
    items.read(&mut text)?;
    Ok(text)
}

/// Looks up the number and size of the item with this name.
fn find(items: &mut impl Items, key: &str) -> anyhow::Result<Option<(u16, u32)>> {
    let mut count = [0; 4];
    items.select(DIRECTORY)?;
    items.read(&mut count)?;
    let count = usize::try_from(u32::from_be_bytes(count))?;
    if count > MAX_FILES {
        bail!("the directory of fw_cfg claims {count} files");
    }
    let mut entries = vec![0; count * ENTRY_BYTES];
    items.read(&mut entries)?;
    let entry = entries
        .chunks_exact(ENTRY_BYTES)
        .find(|entry| name(entry) == key.as_bytes());
    entry.map(item_and_size).transpose()
}

fn name(entry: &[u8]) -> &[u8] {
    let name = &entry[NAME_OFFSET..];
    let end = name.iter().position(|byte| *byte == 0);
    &name[..end.unwrap_or(name.len())]
}

fn item_and_size(entry: &[u8]) -> anyhow::Result<(u16, u32)> {
    let size = entry.first_chunk().context("too short")?;
    let item = entry[4..].first_chunk().context("too short")?;
    Ok((u16::from_be_bytes(*item), u32::from_be_bytes(*size)))
}

#[cfg(target_arch = "x86_64")]
mod device {
    use super::Items;
    use crate::host::sys::Ports;
    use anyhow::Context;

    const SELECT: u16 = 0x510;
    const DATA: u16 = 0x511;

    pub(super) struct FwCfgDevice(Ports);

    impl FwCfgDevice {
        pub(super) fn open() -> anyhow::Result<Self> {
            let ports = Ports::open(SELECT, 2);
            Ok(Self(ports.context("this process may not use I/O ports")?))
        }
    }

    impl Items for FwCfgDevice {
        fn select(&mut self, item: u16) -> anyhow::Result<()> {
            Ok(self.0.write_word(SELECT, item)?)
        }

        fn read(&mut self, buffer: &mut [u8]) -> anyhow::Result<()> {
            Ok(self.0.read_bytes(DATA, buffer)?)
        }
    }
}

#[cfg(not(target_arch = "x86_64"))]
mod device {
    use super::Items;
    use anyhow::bail;

    /// Does not exist: on other processors the device is memory-mapped, and programs cannot access it.
    pub(super) enum FwCfgDevice {}

    impl FwCfgDevice {
        pub(super) fn open() -> anyhow::Result<Self> {
            bail!("only x86-64 has I/O ports")
        }
    }

    impl Items for FwCfgDevice {
        fn select(&mut self, _item: u16) -> anyhow::Result<()> {
            match *self {}
        }

        fn read(&mut self, _buffer: &mut [u8]) -> anyhow::Result<()> {
            match *self {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

    /// A device in memory.
    struct Memory {
        items: BTreeMap<u16, Vec<u8>>,
        selected: u16,
        offset: usize,
        /// Something else selects the signature before this many reads.
        disturbed_in: Option<u32>,
    }

    impl Items for Memory {
        fn select(&mut self, item: u16) -> anyhow::Result<()> {
            (self.selected, self.offset) = (item, 0);
            Ok(())
        }

        fn read(&mut self, buffer: &mut [u8]) -> anyhow::Result<()> {
            if let Some(left) = self.disturbed_in {
                if left == 0 {
                    self.select(0)?;
                }
                self.disturbed_in = left.checked_sub(1);
            }
            let empty = Vec::new();
            let item = self.items.get(&self.selected).unwrap_or(&empty);
            for byte in buffer {
                *byte = item.get(self.offset).copied().unwrap_or(0);
                self.offset += 1;
            }
            Ok(())
        }
    }

    fn entry(size: u32, item: u16, name: &str) -> Vec<u8> {
        let mut entry = size.to_be_bytes().to_vec();
        entry.extend(item.to_be_bytes());
        entry.extend([0, 0]);
        entry.extend(name.bytes());
        entry.resize(ENTRY_BYTES, 0);
        entry
    }

    fn memory() -> Memory {
        let mut directory = 2u32.to_be_bytes().to_vec();
        directory.extend(entry(3, 0x20, "opt/a"));
        directory.extend(entry(5, 0x21, "opt/a/b"));
        let items = [
            (0, b"QEMU".to_vec()),
            (DIRECTORY, directory),
            (0x20, b"abc".to_vec()),
            (0x21, b"hello".to_vec()),
        ];
        Memory {
            items: items.into(),
            selected: 0,
            offset: 0,
            disturbed_in: None,
        }
    }

    fn failure(mut memory: Memory, key: &str, bytes: usize) -> String {
        let read = read_key(&mut memory, key, bytes);
        read.expect_err("it must fail").to_string()
    }

    #[test]
    fn keys_are_found_in_the_directory() {
        assert_eq!(
            read_key(&mut memory(), "opt/a/b", 5).expect("there"),
            b"hello"
        );
        assert_eq!(read_key(&mut memory(), "opt/a", 3).expect("there"), b"abc");
    }

    #[test]
    fn inconsistencies_are_errors() {
        assert!(failure(memory(), "opt", 3).contains("does not list opt"));
        assert!(failure(memory(), "opt/a", 4).contains("has 3 bytes, but sysfs says 4"));
        let mut other = memory();
        other.items.insert(0, b"ACPI".to_vec());
        assert!(failure(other, "opt/a", 3).contains("no fw_cfg device"));
        let mut many = memory();
        many.items.insert(DIRECTORY, vec![0xff; 8]);
        assert!(failure(many, "opt/a", 3).contains("claims 4294967295 files"));
        let mut busy = memory();
        busy.disturbed_in = Some(4);
        assert!(failure(busy, "opt/a", 3).contains("something else reads"));
    }
}
