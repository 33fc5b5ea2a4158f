//! Compares what we compute in memory with what sgdisk does to an image file, for tables and requests from a fixed
//! seed.

use kindling::disk::extent::Extent;
use kindling::disk::gpt::{
    self, Entry, GptHealth, Guid, GuidChoice, LINUX_DATA, Table, TableFacts,
};
use kindling::disk::layout::{Layout, PartitionRequest, PlacementError};
use std::fs::File;
use std::io::{Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::process::Command;

/// A small random number generator; it gives the same numbers on every run and every machine.
struct Numbers(u64);

impl Numbers {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }
    fn below(&mut self, limit: u64) -> u64 {
        self.next() % limit
    }
    fn one_in(&mut self, n: u64) -> bool {
        self.below(n) == 0
    }
}

struct Image {
    _directory: tempfile::TempDir,
    path: PathBuf,
}

impl Image {
    fn blank(bytes: u64) -> Self {
        let directory = tempfile::tempdir().expect("temporary directory");
        let path = directory.path().join("disk");
        let file = File::create(&path).expect("image");
        file.set_len(bytes).expect("size");
        Self {
            _directory: directory,
            path,
        }
    }
    fn open(&self) -> File {
        File::options()
            .read(true)
            .write(true)
            .open(&self.path)
            .expect("image")
    }
    fn sectors(&self) -> u64 {
        self.open().metadata().expect("metadata").len() / 512
    }
    fn read(&self) -> TableFacts {
        gpt::read(&mut self.open(), 512, self.sectors()).expect("readable image")
    }
    fn table(&self) -> Table {
        self.read().gpt().expect("a GPT").clone()
    }
}

/// Runs sgdisk; `Err` holds its output.
fn sgdisk(path: &Path, arguments: &[String]) -> Result<String, String> {
    let output = Command::new("sgdisk")
        .args(arguments)
        .arg(path)
        .output()
        .expect("sgdisk is installed (package gdisk)");
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    match output.status.success() {
        true => Ok(text),
        false => Err(format!("{text}{}", String::from_utf8_lossy(&output.stderr))),
    }
}

fn new_argument(number: u32, request: PartitionRequest) -> String {
    let start = request.start.unwrap_or(0);
    let sectors = request.sectors.unwrap_or(0);
    format!("--new={number}:{start}:+{sectors}")
}

/// Writes a table with up to five partitions, some of them unaligned. We write it ourselves, since sgdisk takes a
/// second for each table it saves; other tests show that it reads our tables correctly.
fn random_table(numbers: &mut Numbers, image: &Image) {
    let mut table = Table::empty(512, image.sectors()).expect("large enough");
    let step = 1 << numbers.below(12);
    let mut start = 34 + numbers.below(5000);
    for number in 1..=numbers.below(6) {
        let sectors = 1 + numbers.below(40_000);
        start = u64::next_multiple_of(start, step);
        if start + sectors <= table.last_usable {
            table
                .entries
                .insert(number as u32, entry(start, sectors, "", 0));
        }
        start += sectors + numbers.below(20_000);
    }
    let table = with_guids(table);
    gpt::write(&mut image.open(), &table, &mut no_flush).expect("written");
}

fn random_request(numbers: &mut Numbers) -> PartitionRequest {
    let mib = |numbers: &mut Numbers| 2048 * (1 + numbers.below(100));
    PartitionRequest {
        start: (!numbers.one_in(2)).then(|| mib(numbers)),
        sectors: (!numbers.one_in(3)).then(|| mib(numbers) / (1 + numbers.below(3))),
        align: true,
    }
}

/// For "as large as possible", sgdisk uses the end of the largest free block, and so fails if the start is in another
/// one; we use the end of the block that the start is in.
fn is_better_than_sgdisk(request: PartitionRequest, layout: &Layout, extent: Extent) -> bool {
    let largest = layout.largest_block().expect("there was a free block");
    let in_largest = (largest.start..=largest.end()).contains(&extent.start);
    request.sectors.is_none() && request.start.is_some() && !in_largest
}

#[test]
fn new_partitions_are_placed_as_by_sgdisk() {
    let mut numbers = Numbers(0x5EED_1234_0BAD_CAFE);
    let (mut placed, mut refused) = (0, 0);
    for case in 0..300 {
        let image = Image::blank(128 * 1024 * 1024);
        random_table(&mut numbers, &image);
        let table = image.table();
        let mut layout = Layout::of(&table);
        let mut accepted = vec!["--pretend".to_owned()];
        for number in [10, 11, 12] {
            let request = random_request(&mut numbers);
            let before = layout.clone();
            let ours = layout.create(number, request);
            let argument = new_argument(number, request);
            let mut arguments = accepted.clone();
            arguments.extend([argument.clone(), format!("--info={number}")]);
            let theirs = sgdisk(&image.path, &arguments);
            let context = format!("case {case}: {argument} on {table:#?}");
            match (ours, theirs) {
                (Ok(extent), Ok(info)) => {
                    let first = format!("First sector: {} ", extent.start);
                    let last = format!("Last sector: {} ", extent.end());
                    let same = info.contains(&first) && info.contains(&last);
                    assert!(same, "{context}: ours {extent:?}, sgdisk {info}");
                    accepted.push(argument);
                    placed += 1;
                }
                (Ok(extent), Err(_)) if is_better_than_sgdisk(request, &before, extent) => {
                    layout = before;
                }
                (Err(_), Err(_)) => {
                    layout = before;
                    refused += 1;
                }
                (ours, theirs) => panic!("{context}: ours {ours:?}, sgdisk {theirs:?}"),
            }
        }
    }
    assert!(placed > 200, "only {placed} partitions were compared");
    assert!(refused > 50, "only {refused} refusals were compared");
}

#[test]
fn alignment_follows_existing_partitions_as_in_sgdisk() {
    for (start, alignment) in [(2048, 2048), (4096, 2048), (34, 2), (3072, 1024), (63, 1)] {
        let image = Image::blank(64 * 1024 * 1024);
        let create = [
            "--set-alignment=1".to_owned(),
            format!("--new=1:{start}:+2048"),
        ];
        sgdisk(&image.path, &create).expect("sgdisk creates");
        let theirs = sgdisk(&image.path, &["--print".into()]).expect("sgdisk prints");
        let layout = Layout::of(&image.table());
        assert_eq!(layout.alignment, alignment, "start {start}");
        let line = format!("aligned on {alignment}-sector boundaries");
        assert!(theirs.contains(&line), "{theirs}");
    }
}

fn entry(start: u64, sectors: u64, label: &str, attributes: u64) -> Entry {
    Entry {
        start,
        sectors,
        type_guid: LINUX_DATA,
        guid: GuidChoice::Random,
        label: label.into(),
        attributes,
    }
}

fn with_guids(table: Table) -> Table {
    let mut next = 0;
    table.with_guids(&mut || {
        next += 1;
        Guid([next; 16])
    })
}

fn sample(sector_bytes: u32, sectors: u64) -> Table {
    let mut table = Table::empty(sector_bytes, sectors).expect("large enough");
    table.entries.insert(1, entry(2048, 2048, "EFI-SYSTEM", 0));
    table.entries.insert(3, entry(8192, 100, "grün", 1 << 2));
    table.entries.insert(128, entry(6144, 1, "", 1 << 60));
    with_guids(table)
}

fn no_flush(_: &mut File) -> std::io::Result<()> {
    Ok(())
}

#[test]
fn sgdisk_and_sfdisk_accept_what_we_write() {
    let image = Image::blank(64 * 1024 * 1024);
    let table = sample(512, image.sectors());
    gpt::write(&mut image.open(), &table, &mut no_flush).expect("written");
    let health = GptHealth::Sound;
    assert_eq!(image.read(), TableFacts::Gpt { table, health });
    let output = sgdisk(&image.path, &["--verify".into()]).expect("sgdisk verifies");
    assert!(output.contains("No problems found"), "{output}");
    let output = Command::new("sfdisk")
        .arg("--verify")
        .arg(&image.path)
        .output()
        .expect("sfdisk is installed (package fdisk)");
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(text.contains("No errors detected"), "{text}");
    let info = sgdisk(&image.path, &["--info=3".into()]).expect("sgdisk informs");
    for line in [
        "First sector: 8192 ",
        "Last sector: 8291 ",
        "Partition name: 'grün'",
        "Partition GUID code: 0FC63DAF-8483-4772-8E79-3D69D8477DE4",
        "Attribute flags: 0000000000000004",
    ] {
        assert!(info.contains(line), "{line:?} is missing in {info}");
    }
}

#[test]
fn the_guid_text_is_the_one_sgdisk_prints() {
    let image = Image::blank(16 * 1024 * 1024);
    let guid = "01234567-89AB-CDEF-0123-456789ABCDEF";
    let arguments = ["--new=1:0:0".into(), format!("--partition-guid=1:{guid}")];
    sgdisk(&image.path, &arguments).expect("sgdisk creates");
    let given = GuidChoice::Given(guid.parse().expect("a GUID"));
    assert_eq!(image.table().entries[&1].guid, given);
}

#[test]
fn changing_a_table_of_sgdisk_keeps_the_rest_bit_for_bit() {
    let image = Image::blank(64 * 1024 * 1024);
    let arguments = [
        "--new=1:2048:+2048",
        "--attributes=1:set:2",
        "--change-name=1:boot",
        "--new=5:8192:+2048",
    ];
    sgdisk(&image.path, &arguments.map(String::from)).expect("sgdisk creates");
    let before = image.table();
    let mut after = before.clone();
    after.entries.remove(&5);
    gpt::write(&mut image.open(), &after, &mut no_flush).expect("written");
    assert_eq!(image.table(), after);
    assert_eq!(image.table().entries[&1], before.entries[&1]);
    assert_eq!(image.table().disk_guid, before.disk_guid);
}

#[test]
fn health_shows_which_copy_is_damaged() {
    let damage = |at: SeekFrom| {
        let image = Image::blank(16 * 1024 * 1024);
        sgdisk(&image.path, &["--new=1:0:0".into()]).expect("sgdisk creates");
        let mut file = image.open();
        file.seek(at).expect("seek");
        file.write_all(b"damage").expect("write");
        image.read()
    };
    let health = |facts: TableFacts| match facts {
        TableFacts::Gpt { table, health } => (table.entries.len(), health),
        other => panic!("{other:?}"),
    };
    assert_eq!(
        health(damage(SeekFrom::Start(512 + 60))),
        (1, GptHealth::PrimaryDamaged)
    );
    assert_eq!(
        health(damage(SeekFrom::Start(1024 + 40))),
        (1, GptHealth::PrimaryDamaged)
    );
    assert_eq!(
        health(damage(SeekFrom::End(-512))),
        (1, GptHealth::BackupDamaged)
    );
}

/// Each case damages parts of a disk with a table: what sgdisk keeps is kept, and what it rejects is not treated as
/// blank if the primary copy is left.
#[test]
fn a_table_without_protective_mbr_is_kept_where_sgdisk_keeps_it() {
    let damaged = |places: &[(SeekFrom, usize, u8)]| {
        let image = Image::blank(16 * 1024 * 1024);
        let made = ["--new=1:2048:+2048".into(), "--new=2:0:0".into()];
        sgdisk(&image.path, &made).expect("sgdisk creates");
        let mut file = image.open();
        for (at, bytes, with) in places {
            file.seek(*at).expect("seek");
            file.write_all(&vec![*with; *bytes]).expect("write");
        }
        image
    };
    let mbr = (SeekFrom::Start(0), 512, 0);
    let kept = [
        (SeekFrom::Start(510), 2, 0),
        mbr,
        (SeekFrom::Start(0), 512, 0xff),
    ];
    for damage in kept {
        let image = damaged(&[damage]);
        let printed = sgdisk(&image.path, &["--print".into()]).expect("sgdisk takes it");
        assert!(printed.contains("using GPT"), "{printed}");
        let TableFacts::Gpt { table, health } = image.read() else {
            panic!("{damage:?}: {:?}", image.read());
        };
        assert_eq!((table.entries.len(), health), (2, GptHealth::MbrDamaged));
        gpt::write(&mut image.open(), &table, &mut no_flush).expect("written");
        let output = sgdisk(&image.path, &["--verify".into()]).expect("sgdisk verifies");
        assert!(output.contains("No problems found"), "{output}");
        assert!(!output.contains("corrupt MBR"), "{output}");
    }
    let primary = (SeekFrom::Start(512), 512, 0);
    let backup = (SeekFrom::End(-512), 512, 0);
    for (other, is_blank) in [(primary, true), (backup, false)] {
        let image = damaged(&[mbr, other]);
        sgdisk(&image.path, &["--print".into()]).expect_err("sgdisk refuses");
        assert_eq!(image.read() == TableFacts::None, is_blank, "{other:?}");
        assert_eq!(image.read().gpt(), None, "{other:?}");
    }
}

#[test]
fn a_grown_disk_is_used_to_its_new_end() {
    let image = Image::blank(16 * 1024 * 1024);
    sgdisk(&image.path, &["--new=1:2048:+2048".into()]).expect("sgdisk creates");
    image.open().set_len(32 * 1024 * 1024).expect("grown");
    let TableFacts::Gpt { table, health } = image.read() else {
        panic!("{:?}", image.read());
    };
    assert_eq!(health, GptHealth::BackupNotAtEnd);
    assert_eq!(table.last_usable, 32_768 - 34);
    let table = table.extended_to_end();
    assert_eq!(table.last_usable, 65_536 - 34);
    gpt::write(&mut image.open(), &table, &mut no_flush).expect("written");
    let output = sgdisk(&image.path, &["--verify".into()]).expect("sgdisk verifies");
    assert!(output.contains("No problems found"), "{output}");
}

#[test]
fn tables_other_than_gpt_are_distinguished() {
    let label = |kind: &str| {
        let image = Image::blank(16 * 1024 * 1024);
        let done = Command::new("sh")
            .arg("-c")
            .arg(format!("echo label:{kind} | sfdisk -q \"$0\""))
            .arg(&image.path)
            .status()
            .expect("sfdisk is installed (package fdisk)");
        assert!(done.success(), "sfdisk makes {kind}");
        image.read()
    };
    for kind in ["dos", "sun", "sgi"] {
        assert_eq!(label(kind), TableFacts::Foreign(kind.into()));
    }
    assert!(matches!(label("gpt"), TableFacts::Gpt { .. }));
    assert_eq!(Image::blank(16 * 1024 * 1024).read(), TableFacts::None);
}

#[test]
fn a_file_system_with_a_boot_sector_is_no_partition_table() {
    let image = Image::blank(16 * 1024 * 1024);
    let made = Command::new("mkfs.fat").arg(&image.path).output();
    assert!(
        made.expect("mkfs.fat is installed (package dosfstools)")
            .status
            .success()
    );
    assert_eq!(image.read(), TableFacts::None);
}

#[test]
fn erasing_leaves_nothing_that_sgdisk_finds() {
    let image = Image::blank(16 * 1024 * 1024);
    sgdisk(&image.path, &["--new=1:0:0".into()]).expect("sgdisk creates");
    gpt::erase(&mut image.open(), 512, image.sectors()).expect("erased");
    assert_eq!(image.read(), TableFacts::None);
    let text = sgdisk(&image.path, &["--print".into()]).expect("sgdisk prints");
    assert!(
        text.contains("Creating new GPT entries in memory"),
        "{text}"
    );
}

#[test]
fn sectors_of_4096_bytes_are_written_and_read() {
    let image = Image::blank(64 * 1024 * 1024);
    let sectors = 64 * 1024 * 1024 / 4096;
    let mut table = Table::empty(4096, sectors).expect("large enough");
    assert_eq!((table.first_usable, table.last_usable), (6, sectors - 6));
    let extent = Layout::of(&table).create(
        1,
        PartitionRequest {
            start: None,
            sectors: None,
            align: true,
        },
    );
    assert_eq!(
        extent,
        Ok(Extent {
            start: 256,
            sectors: sectors - 6 - 256 + 1
        })
    );
    table.disk_guid = GuidChoice::Given(Guid([7; 16]));
    gpt::write(&mut image.open(), &table, &mut no_flush).expect("written");
    let facts = gpt::read(&mut image.open(), 4096, sectors).expect("readable");
    let health = GptHealth::Sound;
    assert_eq!(facts, TableFacts::Gpt { table, health });
}

#[test]
fn an_interrupted_write_leaves_a_readable_table_or_none() {
    // A disk that fails after a number of writes simulates a process that is killed there.
    struct Failing<'a>(&'a mut File, u32);
    impl std::io::Read for Failing<'_> {
        fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
            self.0.read(buffer)
        }
    }
    impl Seek for Failing<'_> {
        fn seek(&mut self, to: SeekFrom) -> std::io::Result<u64> {
            self.0.seek(to)
        }
    }
    impl Write for Failing<'_> {
        fn write(&mut self, buffer: &[u8]) -> std::io::Result<usize> {
            self.1 = self
                .1
                .checked_sub(1)
                .ok_or_else(|| std::io::Error::other("killed"))?;
            self.0.write(buffer)
        }
        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }
    for present in [false, true] {
        for writes in 0..270 {
            let image = Image::blank(8 * 1024 * 1024);
            let mut old = Table::empty(512, image.sectors()).expect("large enough");
            old.entries.insert(7, entry(2048, 64, "old", 0));
            let old = with_guids(old);
            if present {
                gpt::write(&mut image.open(), &old, &mut no_flush).expect("written");
            }
            let mut table = sample(512, image.sectors());
            table.entries.remove(&3);
            let mut file = image.open();
            let mut failing = Failing(&mut file, writes);
            let _ = gpt::write(&mut failing, &table, &mut |_| Ok(()));
            match image.read() {
                TableFacts::None => assert!(!present, "after {writes} writes"),
                TableFacts::Gpt { table: found, .. } => {
                    let is_old = present && found.entries == old.entries;
                    let is_new = found.entries == table.entries;
                    assert!(is_old || is_new, "after {writes} writes");
                }
                other => panic!("after {writes} writes: {other:?}"),
            }
        }
    }
}

#[test]
fn a_full_disk_is_reported_as_full() {
    let image = Image::blank(16 * 1024 * 1024);
    sgdisk(
        &image.path,
        &["--set-alignment=1".into(), "--new=1:34:0".into()],
    )
    .expect("sgdisk creates");
    let request = PartitionRequest {
        start: None,
        sectors: None,
        align: true,
    };
    let ours = Layout::of(&image.table()).create(2, request);
    assert_eq!(ours, Err(PlacementError::Full));
}
