//! Detects files that are not raw disk images: formats of virtual machines, optical discs, archives and compressed
//! files.

use std::io::{Error, ErrorKind, Read, Result, Seek, SeekFrom};

/// Length of the footers of VHD and DMG, in bytes.
const FOOTER_BYTES: u64 = 512;
/// Offset of the volume descriptors of an optical disc, in bytes.
const DISC_DESCRIPTORS_OFFSET: u64 = 32_768;
/// Length of a volume descriptor in bytes.
const DISC_SECTOR_BYTES: u64 = 2048;
/// No disc has more descriptors than this before that of UDF.
const MAX_DESCRIPTORS: u64 = 16;

/// How to convert a file that is not a raw image into one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Conversion {
    /// `qemu-img convert -f` with this name of the format.
    QemuImg(&'static str),
    /// A command that writes the content to standard output.
    Decompress(&'static str),
    /// A command that unpacks the file.
    Unpack(&'static str),
    /// There is none.
    None,
}

/// A file format, as it is described to users.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Container {
    /// What such a file is, with an article.
    pub name: &'static str,
    /// How to get a raw image from it.
    pub conversion: Conversion,
}

/// Magic bytes at a fixed offset from the start of a file.
struct MagicBytes {
    offset: usize,
    bytes: &'static [u8],
    container: Container,
}

const fn magic(
    offset: usize,
    bytes: &'static [u8],
    name: &'static str,
    conversion: Conversion,
) -> MagicBytes {
    let container = Container { name, conversion };
    MagicBytes {
        offset,
        bytes,
        container,
    }
}

const VHD: Container = Container {
    name: "a VHD image",
    conversion: Conversion::QemuImg("vpc"),
};
const DMG: Container = Container {
    name: "an Apple disk image (DMG)",
    conversion: Conversion::QemuImg("dmg"),
};
const TAR: Container = Container {
    name: "a tar archive",
    conversion: Conversion::Unpack("tar -xf"),
};
const ISO: Container = Container {
    name: "an ISO 9660 image",
    conversion: Conversion::None,
};
const UDF: Container = Container {
    name: "a UDF image",
    conversion: Conversion::None,
};

use Conversion::{Decompress, QemuImg, Unpack};

/// All of them are in the first sector.
const MAGICS: &[MagicBytes] = &[
    magic(0, b"QFI\xfb\0\0\0\x01", "a qcow image", QemuImg("qcow")),
    magic(0, b"QFI\xfb", "a qcow2 image", QemuImg("qcow2")),
    magic(0, b"QED\0", "a QED image", QemuImg("qed")),
    magic(0, b"KDMV", "a VMDK image", QemuImg("vmdk")),
    magic(0, b"COWD", "a VMDK image", QemuImg("vmdk")),
    magic(
        0,
        b"\xbe\xba\xfe\xca\0\0\0\0",
        "a VMDK image",
        QemuImg("vmdk"),
    ),
    magic(
        0,
        b"# Disk DescriptorFile",
        "the descriptor of a VMDK image",
        QemuImg("vmdk"),
    ),
    magic(0x40, b"\x7f\x10\xda\xbe", "a VDI image", QemuImg("vdi")),
    magic(0, b"conectix", VHD.name, VHD.conversion),
    magic(0, b"vhdxfile", "a VHDX image", QemuImg("vhdx")),
    magic(
        0,
        b"WithoutFreeSpace",
        "a Parallels image",
        QemuImg("parallels"),
    ),
    magic(
        0,
        b"WithouFreSpacExt",
        "a Parallels image",
        QemuImg("parallels"),
    ),
    magic(
        0,
        b"Bochs Virtual HD Image",
        "a Bochs image",
        QemuImg("bochs"),
    ),
    magic(
        0,
        b"\x3a\xff\x26\xed\x01\0",
        "an Android sparse image",
        Unpack("simg2img"),
    ),
    magic(
        0,
        b"\x1f\x8b\x08",
        "compressed with gzip",
        Decompress("gzip -dc"),
    ),
    magic(0, b"\xfd7zXZ\0", "compressed with xz", Decompress("xz -dc")),
    magic(
        0,
        b"\x28\xb5\x2f\xfd",
        "compressed with zstd",
        Decompress("zstd -dc"),
    ),
    magic(
        0,
        b"\x04\x22\x4d\x18",
        "compressed with lz4",
        Decompress("lz4 -dc"),
    ),
    magic(
        0,
        b"\x02\x21\x4c\x18",
        "compressed with lz4",
        Decompress("lz4 -dc"),
    ),
    magic(
        0,
        b"LZIP\x01",
        "compressed with lzip",
        Decompress("lzip -dc"),
    ),
    magic(
        0,
        b"\x89LZO\0\r\n\x1a\n",
        "compressed with lzop",
        Decompress("lzop -dc"),
    ),
    magic(0, b"PK\x03\x04", "a zip archive", Unpack("unzip")),
    magic(0, b"PK\x05\x06", "a zip archive", Unpack("unzip")),
    magic(0, b"7z\xbc\xaf\x27\x1c", "a 7z archive", Unpack("7z x")),
    magic(0, b"Rar!\x1a\x07", "a RAR archive", Unpack("unrar x")),
    magic(0, b"MSWIM\0\0\0", "a WIM archive", Unpack("7z x")),
];

/// What a file is, if it is not a raw image. Only magic bytes at the start and end of the file itself count, not those
/// of the contents of a raw image. An empty file is raw.
///
/// # Errors
/// If the file cannot be read.
pub fn detect(file: &mut (impl Read + Seek)) -> Result<Option<Container>> {
    let bytes = file.seek(SeekFrom::End(0))?;
    let start = read_at(file, 0, 512)?;
    let found = MAGICS.iter().find(|magic| {
        start
            .get(magic.offset..)
            .is_some_and(|rest| rest.starts_with(magic.bytes))
    });
    if let Some(magic) = found {
        return Ok(Some(magic.container));
    }
    if is_bzip2(&start) {
        let (name, conversion) = ("compressed with bzip2", Decompress("bzip2 -dc"));
        return Ok(Some(Container { name, conversion }));
    }
    if is_tar(&start) {
        return Ok(Some(TAR));
    }
    match footer(file, bytes)? {
        Some(container) => Ok(Some(container)),
        None => disc(file),
    }
}

/// Checks for a compression level, then the magic of a block or of the end.
fn is_bzip2(start: &[u8]) -> bool {
    let level = start.get(3).copied().unwrap_or_default();
    let block: &[u8] = start.get(4..10).unwrap_or_default();
    start.starts_with(b"BZh")
        && (b'1'..=b'9').contains(&level)
        && (block == b"\x31\x41\x59\x26\x53\x59" || block == b"\x17\x72\x45\x38\x50\x90")
}

/// Checks the first header of the archive with its checksum, since boot loader code may contain the magic.
fn is_tar(start: &[u8]) -> bool {
    const CHECKSUM: std::ops::Range<usize> = 148..156;
    if start.len() < 512 || !start[257..].starts_with(b"ustar") {
        return false;
    }
    let digits = String::from_utf8_lossy(&start[CHECKSUM]);
    let stored = u32::from_str_radix(digits.trim_matches(['\0', ' ']), 8);
    let sum = start.iter().enumerate().map(|(place, byte)| {
        // The checksum itself counts as spaces.
        u32::from(if CHECKSUM.contains(&place) {
            b' '
        } else {
            *byte
        })
    });
    stored == Ok(sum.sum())
}

/// VHD of fixed size and DMG have their magic at the end. Old programs wrote a VHD footer that is one byte shorter.
fn footer(file: &mut (impl Read + Seek), bytes: u64) -> Result<Option<Container>> {
    let Some(place) = bytes.checked_sub(FOOTER_BYTES) else {
        return Ok(None);
    };
    let footer = read_at(file, place, FOOTER_BYTES)?;
    if footer.starts_with(b"conectix") || footer[1..].starts_with(b"conectix") {
        return Ok(Some(VHD));
    }
    Ok(footer.starts_with(b"koly\0\0\0\x04").then_some(DMG))
}

/// Checks the volume descriptors of ISO 9660 and UDF; a disc with both is reported as the first of them.
fn disc(file: &mut (impl Read + Seek)) -> Result<Option<Container>> {
    for sector in 0..MAX_DESCRIPTORS {
        let descriptor = read_at(
            file,
            DISC_DESCRIPTORS_OFFSET + sector * DISC_SECTOR_BYTES,
            6,
        )?;
        match descriptor.get(1..) {
            Some(b"CD001") => return Ok(Some(ISO)),
            Some(b"NSR02" | b"NSR03") => return Ok(Some(UDF)),
            Some(b"BEA01" | b"BOOT2" | b"CDW02") => {}
            _ => break,
        }
    }
    Ok(None)
}

/// Up to `bytes` bytes from an offset on; fewer at the end of the file.
fn read_at(file: &mut (impl Read + Seek), place: u64, bytes: u64) -> Result<Vec<u8>> {
    let limit =
        usize::try_from(bytes).map_err(|error| Error::new(ErrorKind::InvalidInput, error))?;
    let mut read = Vec::with_capacity(limit);
    file.seek(SeekFrom::Start(place))?;
    file.take(bytes).read_to_end(&mut read)?;
    Ok(read)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Cursor;
    use std::path::Path;
    use std::process::Command;

    fn name(bytes: Vec<u8>) -> Option<&'static str> {
        let found = detect(&mut Cursor::new(bytes)).expect("memory can be read");
        found.map(|container| container.name)
    }

    fn name_of(path: &Path) -> Option<&'static str> {
        name(std::fs::read(path).expect("the file was made"))
    }

    fn file_with(bytes: usize, magics: &[(usize, &[u8])]) -> Vec<u8> {
        let mut file = vec![0; bytes];
        for (place, magic) in magics {
            file[*place..*place + magic.len()].copy_from_slice(magic);
        }
        file
    }

    /// Runs a shell command in `folder`; false if its program is not installed.
    fn run(folder: &Path, command: &str) -> bool {
        let mut shell = Command::new("sh");
        let done = shell.args(["-ec", command]).current_dir(folder).output();
        let done = done.expect("there is a shell");
        let error = String::from_utf8_lossy(&done.stderr);
        assert!(
            matches!(done.status.code(), Some(0 | 127)),
            "{command}: {error}"
        );
        done.status.success()
    }

    #[test]
    fn images_of_qemu_img_are_detected() {
        let folder = tempfile::tempdir().expect("a directory");
        for (format, options, expected) in [
            ("raw", "", None),
            ("qcow", "", Some("a qcow image")),
            ("qcow2", "-o compat=0.10", Some("a qcow2 image")),
            ("qcow2", "-o compat=1.1", Some("a qcow2 image")),
            ("qed", "", Some("a QED image")),
            ("vdi", "", Some("a VDI image")),
            ("vhdx", "", Some("a VHDX image")),
            ("vpc", "-o subformat=dynamic", Some("a VHD image")),
            ("vpc", "-o subformat=fixed", Some("a VHD image")),
            ("parallels", "", Some("a Parallels image")),
            (
                "vmdk",
                "-o subformat=monolithicSparse",
                Some("a VMDK image"),
            ),
            ("vmdk", "-o subformat=streamOptimized", Some("a VMDK image")),
            (
                "vmdk",
                "-o subformat=monolithicFlat",
                Some("the descriptor of a VMDK image"),
            ),
        ] {
            let command = format!("rm -f disk*; qemu-img create -q -f {format} {options} disk 8M");
            if run(folder.path(), &command) {
                assert_eq!(name_of(&folder.path().join("disk")), expected, "{command}");
            }
        }
    }

    #[test]
    fn compressed_files_and_archives_are_detected() {
        let folder = tempfile::tempdir().expect("a directory");
        std::fs::write(folder.path().join("disk"), [7; 4096]).expect("room");
        for (command, expected) in [
            ("gzip -c disk", "compressed with gzip"),
            ("xz -c disk", "compressed with xz"),
            ("zstd -qc disk", "compressed with zstd"),
            ("bzip2 -c disk", "compressed with bzip2"),
            ("bzip2 -c /dev/null", "compressed with bzip2"),
            ("lz4 -qc disk", "compressed with lz4"),
            ("zip -q - disk", "a zip archive"),
            ("tar -c disk", "a tar archive"),
            ("tar -c --format=pax disk", "a tar archive"),
        ] {
            if run(folder.path(), &format!("{command} >out")) {
                assert_eq!(
                    name_of(&folder.path().join("out")),
                    Some(expected),
                    "{command}"
                );
            }
        }
    }

    #[test]
    fn discs_are_detected_even_with_a_partition_table() {
        let mbr: (usize, &[u8]) = (510, b"\x55\xaa");
        let iso: (usize, &[u8]) = (32_768, b"\x01CD001");
        let udf: [(usize, &[u8]); 2] = [(32_768, b"\0BEA01"), (34_816, b"\0NSR03")];
        assert_eq!(name(file_with(40_000, &[iso])), Some("an ISO 9660 image"));
        assert_eq!(
            name(file_with(40_000, &[mbr, iso])),
            Some("an ISO 9660 image")
        );
        assert_eq!(name(file_with(40_000, &udf)), Some("a UDF image"));
    }

    #[test]
    fn footers_count_whatever_the_file_begins_with() {
        let mbr: (usize, &[u8]) = (510, b"\x55\xaa");
        for place in [8192 - 512, 8192 - 511] {
            let file = file_with(8192, &[mbr, (place, b"conectix")]);
            assert_eq!(name(file), Some("a VHD image"), "{place}");
        }
        let dmg = file_with(8192, &[(8192 - 512, b"koly\0\0\0\x04")]);
        assert_eq!(name(dmg), Some("an Apple disk image (DMG)"));
    }

    #[test]
    fn magics_at_other_offsets_do_not_count() {
        assert_eq!(name(Vec::new()), None);
        assert_eq!(name(vec![0; 511]), None);
        for magic in MAGICS {
            let inside = file_with(1 << 20, &[(65_536 + magic.offset, magic.bytes)]);
            assert_eq!(name(inside), None, "{}", magic.container.name);
        }
        let boot_code = file_with(4096, &[(257, b"ustar"), (510, b"\x55\xaa")]);
        assert_eq!(name(boot_code), None);
        assert_eq!(name(file_with(4096, &[(0, b"BZh9 and more text")])), None);
    }
}
