//! Random disk images, and configs for them.

use crate::configs::{ConfigBuilder, valid};
use crate::rng::Rng;
use crate::round::{Case, Target};
use crate::scene::Step;
use crate::stock;
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

/// The content of one image before the run.
struct Disk {
    device: &'static str,
    mib: u64,
    /// Numbers and labels of partitions.
    partitions: Vec<(u32, String)>,
}

/// A case on one or two images.
pub fn random(rng: &mut Rng) -> Case {
    let mut steps = Vec::new();
    let mut images = Vec::new();
    let mut disks = Vec::new();
    let names = [
        ("/dev/vda", "a.img"),
        ("/dev/disk/by-id/virtio-one", "b.img"),
    ];
    let count = if rng.percent(75) { 1 } else { 2 };
    for (device, file) in &names[..count] {
        let (disk, size) = image(rng, &mut steps, device, file);
        images.push(((*device).to_owned(), (*file).to_owned(), size));
        disks.push(disk);
    }
    let config = valid(rng, |rng| config(rng, &disks));
    Case {
        target: Target::Images(images),
        steps,
        config,
    }
}

/// Creates an image, blank or with something on it. Returns its size if kindling has to create it.
fn image(
    rng: &mut Rng,
    steps: &mut Vec<Step>,
    device: &'static str,
    file: &str,
) -> (Disk, Option<String>) {
    let mib = rng.pick(&[8, 20, 64, 100, 200, 400, 500, 700]);
    let mut disk = Disk {
        device,
        mib,
        partitions: Vec::new(),
    };
    match rng.below(10) {
        0..=2 => return (disk, Some(format!("{mib}M"))),
        3 => steps.push(Step::Image(
            file.into(),
            mib * MIB + rng.pick(&[0, 512, 700, 4096]),
        )),
        4 => {
            steps.push(Step::Image(file.into(), mib * MIB));
            let stock = rng.pick(stock::KINDS).0;
            if stock::mib(stock) <= mib {
                steps.push(Step::FileSystem(file.into(), 0, stock));
            }
        }
        _ => {
            steps.push(Step::Image(file.into(), mib * MIB));
            table(rng, steps, file, &mut disk);
        }
    }
    let grown = rng.percent(10).then(|| format!("{}M", mib + 100));
    (disk, grown)
}

/// Creates partitions, most of them with a file system.
fn table(rng: &mut Rng, steps: &mut Vec<Step>, file: &str, disk: &mut Disk) {
    let mut arguments = vec!["-o".to_owned()];
    let mut contents = Vec::new();
    let mut start = 1;
    for number in 1..=rng.below(4) as u32 {
        let stock = rng.pick(stock::KINDS).0;
        let size = stock::mib(stock);
        if start + size + 1 >= disk.mib {
            break;
        }
        let label = rng.pick(LABELS);
        arguments.push(format!("--new={number}:{start}M:+{size}M"));
        arguments.push(format!("--change-name={number}:{label}"));
        if rng.percent(80) {
            contents.push(Step::FileSystem(file.into(), start * MIB, stock));
        }
        disk.partitions.push((number, label.to_owned()));
        start += size + rng.pick(&[0, 0, 1, 5]);
    }
    steps.push(Step::Sgdisk(file.into(), arguments));
    steps.extend(contents);
}

fn config(rng: &mut Rng, disks: &[Disk]) -> Value {
    let mut devices = Vec::new();
    let mut entries = Vec::new();
    for disk in disks {
        let mut known = disk.partitions.clone();
        if rng.percent(75) {
            entries.push(disk_entry(rng, disk, &mut known));
        } else if rng.percent(50) {
            devices.push(disk.device.to_owned());
        }
        for (number, label) in known {
            devices.push(match rng.below(8) {
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
    if rng.percent(4) {
        devices.push(
            rng.pick(&[
                "/dev/sdz",
                "/dev/disk/by-label/nothing",
                "/dev/disk/by-partuuid/11111111-2222-4333-8444-555555555555",
            ])
            .into(),
        );
    }
    rng.shuffle(&mut devices);
    devices.dedup();
    devices.truncate(rng.pick(&[1, 1, 2, 3]));
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
        let filesystem = filesystem(rng, device, &mut paths);
        filesystems.push(filesystem);
    }
    let mut config = json!({"ignition": {"version": "3.4.0"}});
    let has_root = filesystems
        .iter()
        .any(|filesystem| filesystem["path"] == "/");
    let share = if has_root { 60 } else { 4 };
    if rng.percent(share) {
        let mut builder = ConfigBuilder::default();
        for _ in 0..1 + rng.below(3) {
            builder.add(rng);
        }
        config = builder.config();
    }
    if !entries.is_empty() {
        config["storage"]["disks"] = json!(entries);
    }
    if !filesystems.is_empty() {
        config["storage"]["filesystems"] = json!(filesystems);
    }
    refused_sections(rng, &mut config, &devices);
    config
}

/// Adds sections that are rarely possible in an image.
fn refused_sections(rng: &mut Rng, config: &mut Value, devices: &[String]) {
    match rng.below(40) {
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

fn disk_entry(rng: &mut Rng, disk: &Disk, known: &mut Vec<(u32, String)>) -> Value {
    let mut entry = json!({"device": disk.device});
    if rng.percent(25) {
        entry["wipeTable"] = json!(true);
        known.clear();
    }
    let mut partitions = Vec::new();
    let mut remaining_mib = disk.mib;
    for _ in 0..rng.below(4) {
        partitions.push(partition(rng, disk, known, &mut remaining_mib));
    }
    if !partitions.is_empty() {
        entry["partitions"] = json!(partitions);
    }
    entry
}

fn partition(
    rng: &mut Rng,
    disk: &Disk,
    known: &mut Vec<(u32, String)>,
    remaining_mib: &mut u64,
) -> Value {
    let mut entry = Map::new();
    let is_old = !disk.partitions.is_empty() && rng.percent(30);
    let (number, label) = match is_old {
        true => rng.pick(&disk.partitions),
        false => {
            let next = known.iter().map(|known| known.0).max().unwrap_or(0) + 1;
            let number = if rng.percent(90) {
                next
            } else {
                rng.pick(&[0, 4, 5, 127, 128, 129])
            };
            (number, rng.pick(LABELS).to_owned())
        }
    };
    entry.insert("number".into(), json!(number));
    if is_old && rng.percent(20) {
        entry.insert("shouldExist".into(), json!(false));
        if rng.percent(70) {
            entry.insert("wipePartitionEntry".into(), json!(true));
        }
        return Value::Object(entry);
    }
    if rng.percent(85) {
        entry.insert("label".into(), json!(label));
    }
    if rng.percent(80) {
        let size = rng.pick(&[1, 8, 16, 33, 40, 64, 120, 300, 310]);
        let size = if rng.percent(80) {
            size.min((*remaining_mib).saturating_sub(3)).max(1)
        } else {
            size
        };
        *remaining_mib = remaining_mib.saturating_sub(size);
        entry.insert("sizeMiB".into(), json!(size));
    }
    if rng.percent(10) {
        entry.insert("startMiB".into(), json!(rng.below(disk.mib + 2)));
    }
    if rng.percent(25) {
        entry.insert("wipePartitionEntry".into(), json!(true));
    }
    if rng.percent(15) {
        entry.insert("resize".into(), json!(true));
    }
    if rng.percent(10) {
        entry.insert("guid".into(), json!(rng.pick(&UUIDS[..2])));
    }
    if rng.percent(10) {
        entry.insert(
            "typeGuid".into(),
            json!(rng.pick(&[
                "C12A7328-F81F-11D2-BA4B-00A0C93EC93B",
                "4f68bce3-e8cd-4db1-96e7-fbcaf984b709"
            ])),
        );
    }
    if known.iter().all(|known| known.0 != number) {
        known.push((number, label));
    }
    Value::Object(entry)
}

fn filesystem(rng: &mut Rng, device: &str, paths: &mut Vec<&'static str>) -> Value {
    let mut entry = Map::new();
    entry.insert("device".into(), json!(device));
    let format = rng.pick(&[
        "ext4", "ext4", "ext4", "xfs", "btrfs", "vfat", "swap", "none",
    ]);
    entry.insert("format".into(), json!(format));
    if !matches!(format, "swap" | "none") && rng.percent(if format == "vfat" { 10 } else { 75 }) {
        let index = rng.below(paths.len() as u64) as usize;
        let path = paths.remove(index);
        paths.retain(|other| *other != path);
        entry.insert("path".into(), json!(path));
    }
    if format != "none" && rng.percent(35) {
        entry.insert("label".into(), json!(rng.pick(LABELS)));
    }
    if format != "none" && rng.percent(20) {
        let uuid = if format == "vfat" {
            rng.pick(&UUIDS[2..])
        } else {
            rng.pick(UUIDS)
        };
        entry.insert("uuid".into(), json!(uuid));
    }
    if rng.percent(35) {
        entry.insert("wipeFilesystem".into(), json!(true));
    }
    if format == "ext4" && rng.percent(8) {
        entry.insert(
            "options".into(),
            json!(rng.pick(&[
                vec!["-m", "0"],
                vec!["-O", "^has_journal"],
                vec!["-N", "1"],
                vec!["--frobnicate"]
            ])),
        );
    }
    if rng.percent(8) {
        entry.insert(
            "mountOptions".into(),
            json!(
                rng.pick(&["noatime", "ro", "subvol=none", "frobnicate"])
                    .split(',')
                    .collect::<Vec<_>>()
            ),
        );
    }
    Value::Object(entry)
}
