//! Random disk images, and configs for them.

use crate::chance::Chance;
use crate::judge::{Case, Target};
use crate::scene::Step;
use crate::stock;
use crate::wishes::{Wishes, valid};
use serde_json::{Map, Value, json};

const MIB: u64 = 1 << 20;
const LABELS: &[&str] = &[
    "root",
    "data",
    "ESP",
    "var",
    "a b",
    "grün",
    "twelve-chars",
    "longer-than-sixteen-bytes",
    "x",
];
const UUIDS: &[&str] = &[
    "11111111-2222-4333-8444-555555555555",
    "99999999-2222-4333-8444-555555555555",
    "1234-ABCD",
    "1234ABCD",
    "not-a-uuid",
];

/// What is on one image before the run.
struct Disk {
    device: &'static str,
    mib: u64,
    /// Numbers and labels of partitions.
    partitions: Vec<(u32, String)>,
}

/// A case on one or two images.
pub fn random(chance: &mut Chance) -> Case {
    let mut steps = Vec::new();
    let mut images = Vec::new();
    let mut disks = Vec::new();
    let names = [
        ("/dev/vda", "a.img"),
        ("/dev/disk/by-id/virtio-one", "b.img"),
    ];
    let count = if chance.percent(75) { 1 } else { 2 };
    for (device, file) in &names[..count] {
        let (disk, size) = image(chance, &mut steps, device, file);
        images.push(((*device).to_owned(), (*file).to_owned(), size));
        disks.push(disk);
    }
    let config = valid(chance, |chance| config(chance, &disks));
    Case {
        target: Target::Images(images),
        steps,
        config,
    }
}

/// Makes an image, blank or with something on it; its size if kindling is to make it.
fn image(
    chance: &mut Chance,
    steps: &mut Vec<Step>,
    device: &'static str,
    file: &str,
) -> (Disk, Option<String>) {
    let mib = chance.pick(&[8, 20, 64, 100, 200, 400, 500, 700]);
    let mut disk = Disk {
        device,
        mib,
        partitions: Vec::new(),
    };
    match chance.below(10) {
        0..=2 => return (disk, Some(format!("{mib}M"))),
        3 => steps.push(Step::Image(
            file.into(),
            mib * MIB + chance.pick(&[0, 512, 700, 4096]),
        )),
        4 => {
            steps.push(Step::Image(file.into(), mib * MIB));
            let stock = chance.pick(stock::KINDS).0;
            if stock::mib(stock) <= mib {
                steps.push(Step::FileSystem(file.into(), 0, stock));
            }
        }
        _ => {
            steps.push(Step::Image(file.into(), mib * MIB));
            table(chance, steps, file, &mut disk);
        }
    }
    let grown = chance.percent(10).then(|| format!("{}M", mib + 100));
    (disk, grown)
}

/// Partitions, most of them with a file system.
fn table(chance: &mut Chance, steps: &mut Vec<Step>, file: &str, disk: &mut Disk) {
    let mut arguments = vec!["-o".to_owned()];
    let mut contents = Vec::new();
    let mut start = 1;
    for number in 1..=chance.below(4) as u32 {
        let stock = chance.pick(stock::KINDS).0;
        let size = stock::mib(stock);
        if start + size + 1 >= disk.mib {
            break;
        }
        let label = chance.pick(LABELS);
        arguments.push(format!("--new={number}:{start}M:+{size}M"));
        arguments.push(format!("--change-name={number}:{label}"));
        if chance.percent(80) {
            contents.push(Step::FileSystem(file.into(), start * MIB, stock));
        }
        disk.partitions.push((number, label.to_owned()));
        start += size + chance.pick(&[0, 0, 1, 5]);
    }
    steps.push(Step::Sgdisk(file.into(), arguments));
    steps.extend(contents);
}

fn config(chance: &mut Chance, disks: &[Disk]) -> Value {
    let mut devices = Vec::new();
    let mut entries = Vec::new();
    for disk in disks {
        let mut known = disk.partitions.clone();
        if chance.percent(75) {
            entries.push(table_wish(chance, disk, &mut known));
        } else if chance.percent(50) {
            devices.push(disk.device.to_owned());
        }
        for (number, label) in known {
            devices.push(match chance.below(8) {
                0 => disk.device.to_owned(),
                1..=4 => format!(
                    "{}{}{number}",
                    disk.device,
                    if disk.device.contains("by-id") {
                        "-part"
                    } else {
                        ""
                    }
                ),
                _ => format!("/dev/disk/by-partlabel/{label}"),
            });
        }
    }
    if chance.percent(4) {
        devices.push(
            chance
                .pick(&[
                    "/dev/sdz",
                    "/dev/disk/by-label/nothing",
                    "/dev/disk/by-partuuid/11111111-2222-4333-8444-555555555555",
                ])
                .into(),
        );
    }
    chance.shuffle(&mut devices);
    devices.dedup();
    devices.truncate(chance.pick(&[1, 1, 2, 3]));
    let mut paths = vec![
        "/",
        "/",
        "/var",
        "/srv/d",
        "/home",
        "/boot",
        "/link/m",
        "/var/lib",
        "/home/alice",
        "/var/lib/d/e",
        "/srv",
        "/etc",
        "/link",
        "/etc/a",
    ];
    let mut filesystems = Vec::new();
    for device in &devices {
        let filesystem = filesystem(chance, device, &mut paths);
        filesystems.push(filesystem);
    }
    let mut config = json!({"ignition": {"version": "3.4.0"}});
    let has_root = filesystems
        .iter()
        .any(|filesystem| filesystem["path"] == "/");
    let share = if has_root { 60 } else { 4 };
    if chance.percent(share) {
        let mut wishes = Wishes::default();
        for _ in 0..1 + chance.below(3) {
            wishes.add(chance);
        }
        config = wishes.config();
    }
    if !entries.is_empty() {
        config["storage"]["disks"] = json!(entries);
    }
    if !filesystems.is_empty() {
        config["storage"]["filesystems"] = json!(filesystems);
    }
    refused_sections(chance, &mut config, &devices);
    config
}

/// What is rarely possible in an image.
fn refused_sections(chance: &mut Chance, config: &mut Value, devices: &[String]) {
    match chance.below(40) {
        3 if !devices.is_empty() => {
            config["storage"]["luks"] = json!([{"name": "l", "device": devices[0]}]);
            config["storage"]["filesystems"] =
                json!([{"device": "/dev/mapper/l", "format": "ext4", "path": "/srv"}]);
        }
        4 if devices.len() > 1 => {
            config["storage"]["raid"] =
                json!([{"name": "md", "level": "raid0", "devices": devices}]);
            config["storage"]["filesystems"] =
                json!([{"device": "/dev/md/md", "format": "xfs", "path": "/srv"}]);
        }
        0 => config["kernelArguments"] = json!({"shouldExist": ["quiet"]}),
        1 if devices.len() > 1 => {
            config["storage"]["raid"] =
                json!([{"name": "md", "level": "raid1", "devices": devices}]);
        }
        2 if !devices.is_empty() => {
            config["storage"]["luks"] =
                json!([{"name": "l", "device": devices[0], "keyFile": {"source": "data:,secret"}}]);
        }
        _ => {}
    }
}

fn table_wish(chance: &mut Chance, disk: &Disk, known: &mut Vec<(u32, String)>) -> Value {
    let mut wish = json!({"device": disk.device});
    if chance.percent(25) {
        wish["wipeTable"] = json!(true);
        known.clear();
    }
    let mut partitions = Vec::new();
    let mut left = disk.mib;
    for _ in 0..chance.below(4) {
        partitions.push(partition(chance, disk, known, &mut left));
    }
    if !partitions.is_empty() {
        wish["partitions"] = json!(partitions);
    }
    wish
}

fn partition(
    chance: &mut Chance,
    disk: &Disk,
    known: &mut Vec<(u32, String)>,
    left: &mut u64,
) -> Value {
    let mut wish = Map::new();
    let is_old = !disk.partitions.is_empty() && chance.percent(30);
    let (number, label) = match is_old {
        true => chance.pick(&disk.partitions),
        false => {
            let next = known.iter().map(|known| known.0).max().unwrap_or(0) + 1;
            let number = if chance.percent(90) {
                next
            } else {
                chance.pick(&[0, 4, 5, 127, 128, 129])
            };
            (number, chance.pick(LABELS).to_owned())
        }
    };
    wish.insert("number".into(), json!(number));
    if is_old && chance.percent(20) {
        wish.insert("shouldExist".into(), json!(false));
        if chance.percent(70) {
            wish.insert("wipePartitionEntry".into(), json!(true));
        }
        return Value::Object(wish);
    }
    if chance.percent(85) {
        wish.insert("label".into(), json!(label));
    }
    if chance.percent(80) {
        let size = chance.pick(&[1, 8, 16, 33, 40, 64, 120, 300, 310]);
        let size = if chance.percent(80) {
            size.min((*left).saturating_sub(3)).max(1)
        } else {
            size
        };
        *left = left.saturating_sub(size);
        wish.insert("sizeMiB".into(), json!(size));
    }
    if chance.percent(10) {
        wish.insert("startMiB".into(), json!(chance.below(disk.mib + 2)));
    }
    if chance.percent(25) {
        wish.insert("wipePartitionEntry".into(), json!(true));
    }
    if chance.percent(15) {
        wish.insert("resize".into(), json!(true));
    }
    if chance.percent(10) {
        wish.insert("guid".into(), json!(chance.pick(&UUIDS[..2])));
    }
    if chance.percent(10) {
        wish.insert(
            "typeGuid".into(),
            json!(chance.pick(&[
                "C12A7328-F81F-11D2-BA4B-00A0C93EC93B",
                "4f68bce3-e8cd-4db1-96e7-fbcaf984b709"
            ])),
        );
    }
    if known.iter().all(|known| known.0 != number) {
        known.push((number, label));
    }
    Value::Object(wish)
}

fn filesystem(chance: &mut Chance, device: &str, paths: &mut Vec<&'static str>) -> Value {
    let mut wish = Map::new();
    wish.insert("device".into(), json!(device));
    let format = chance.pick(&[
        "ext4", "ext4", "ext4", "xfs", "btrfs", "vfat", "swap", "none",
    ]);
    wish.insert("format".into(), json!(format));
    if !matches!(format, "swap" | "none") && chance.percent(if format == "vfat" { 10 } else { 75 })
    {
        let index = chance.below(paths.len() as u64) as usize;
        let path = paths.remove(index);
        paths.retain(|other| *other != path);
        wish.insert("path".into(), json!(path));
    }
    if format != "none" && chance.percent(35) {
        wish.insert("label".into(), json!(chance.pick(LABELS)));
    }
    if format != "none" && chance.percent(20) {
        let uuid = if format == "vfat" {
            chance.pick(&UUIDS[2..])
        } else {
            chance.pick(UUIDS)
        };
        wish.insert("uuid".into(), json!(uuid));
    }
    if chance.percent(35) {
        wish.insert("wipeFilesystem".into(), json!(true));
    }
    if format == "ext4" && chance.percent(8) {
        wish.insert(
            "options".into(),
            json!(chance.pick(&[
                vec!["-m", "0"],
                vec!["-O", "^has_journal"],
                vec!["-N", "1"],
                vec!["--frobnicate"]
            ])),
        );
    }
    if chance.percent(8) {
        wish.insert(
            "mountOptions".into(),
            json!(
                chance
                    .pick(&["noatime", "ro", "subvol=none", "frobnicate"])
                    .split(',')
                    .collect::<Vec<_>>()
            ),
        );
    }
    Value::Object(wish)
}
