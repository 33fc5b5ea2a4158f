//! Layout, mirroring and encryption of the boot disk (`boot_device`) and users of the boot loader (`grub`).

use super::context::{ButaneContext, is_on, list};
use super::mounts::GENERATED;
use super::variants::Sugar;
use crate::config::Severity;
use crate::language::node::Node;
use std::fmt::Write as _;

/// GUIDs of partition types.
const BIOS_BOOT: &str = "21686148-6449-6E6F-744E-656564454649";
const EFI_SYSTEM: &str = "C12A7328-F81F-11D2-BA4B-00A0C93EC93B";
const RESERVED: &str = "8DA63339-0007-60C0-C436-083AC8230908";
const PREP: &str = "9E1A2D38-C612-4316-AA26-8B49521E5A8B";

/// The file in which the boot loader looks for its users.
const GRUB_USERS: &str = "/boot/grub2/user.cfg";

const BOOT_MIB: i64 = 384;

/// The layout of a boot disk.
struct BootDiskLayout {
    name: &'static str,
    /// Label, size in MiB and type of the partitions before boot and root, on each disk of a mirror.
    firmware: [(&'static str, i64, &'static str); 2],
    /// True if the disk can be mirrored.
    can_be_mirrored: bool,
    /// Suffix that turns the name of the disk into that of its root partition, if the layout requires `luks.device`.
    root_suffix: Option<&'static str>,
    since: Sugar,
}

const fn layout(
    name: &'static str,
    firmware: [(&'static str, i64, &'static str); 2],
) -> BootDiskLayout {
    BootDiskLayout {
        name,
        firmware,
        can_be_mirrored: true,
        root_suffix: None,
        since: Sugar::V1_3,
    }
}

const fn s390x(name: &'static str, root_suffix: Option<&'static str>) -> BootDiskLayout {
    BootDiskLayout {
        can_be_mirrored: false,
        root_suffix,
        since: Sugar::V1_6,
        ..layout(name, [("", 0, ""), ("", 0, "")])
    }
}

static LAYOUTS: [BootDiskLayout; 6] = [
    layout("x86_64", [("bios", 1, BIOS_BOOT), ("esp", 127, EFI_SYSTEM)]),
    layout(
        "aarch64",
        [("reserved", 1, RESERVED), ("esp", 127, EFI_SYSTEM)],
    ),
    layout("ppc64le", [("prep", 4, PREP), ("reserved", 1, RESERVED)]),
    s390x("s390x-eckd", Some("2")),
    s390x("s390x-zfcp", Some("4")),
    s390x("s390x-virt", None),
];

/// A `boot_device` and what follows from it.
struct BootDevice<'n, 't> {
    node: &'n Node<'t>,
    luks: Option<&'n Node<'t>>,
    mirrors: &'n [Node<'t>],
    has_clevis: bool,
    has_cex: bool,
}

impl<'n, 't> BootDevice<'n, 't> {
    fn of(node: &'n Node<'t>) -> Self {
        let luks = node.get("luks");
        let has_clevis =
            luks.is_some_and(|luks| is_on(luks, "tpm2") || !list(luks, "tang").is_empty());
        let cex = luks.and_then(|luks| luks.get("cex"));
        BootDevice {
            node,
            luks,
            mirrors: node
                .at_path(&["mirror", "devices"])
                .map_or(&[], Node::elements),
            has_clevis,
            has_cex: cex.is_some_and(|cex| is_on(cex, "enabled")),
        }
    }

    fn is_encrypted(&self) -> bool {
        self.has_clevis || self.has_cex
    }

    fn layout(&self) -> Option<&'static BootDiskLayout> {
        let name = self.node.get("layout").map_or("x86_64", Node::as_text);
        LAYOUTS.iter().find(|layout| layout.name == name)
    }

    /// Offset of the layout; if there is none, that of the boot device.
    fn layout_at(&self) -> u32 {
        self.node
            .get("layout")
            .map_or(self.node.at, |layout| layout.at)
    }
}

/// Checks a boot device.
pub(super) fn check(node: &Node<'_>, context: &mut ButaneContext<'_, '_>) {
    let boot_device = BootDevice::of(node);
    check_mirror_size(&boot_device, context);
    let known = boot_device
        .layout()
        .filter(|l| context.dialect.has(l.since));
    let Some(layout) = known else {
        let names = LAYOUTS.iter().filter(|l| context.dialect.has(l.since));
        let names: Vec<&str> = names.map(|layout| layout.name).collect();
        let help = format!("the layouts are {}", names.join(", "));
        context
            .remarks
            .error_with_help(boot_device.layout_at(), "unknown layout", help);
        return;
    };
    check_mirror(&boot_device, layout, context);
    if context.dialect.has(Sugar::V1_6) {
        check_s390x(&boot_device, layout, context);
    }
}

fn check_mirror_size(boot_device: &BootDevice<'_, '_>, context: &mut ButaneContext<'_, '_>) {
    if let (Some(mirror), [_]) = (boot_device.node.get("mirror"), boot_device.mirrors) {
        let at = mirror
            .get("devices")
            .map_or(mirror.at, |devices| devices.at);
        let message = "a mirror needs at least two devices";
        context.remarks.about_list(Severity::Error, at, message);
    }
}

fn check_mirror(
    boot_device: &BootDevice<'_, '_>,
    layout: &BootDiskLayout,
    context: &mut ButaneContext<'_, '_>,
) {
    let Some(mirror) = boot_device.node.get("mirror") else {
        return;
    };
    if boot_device.mirrors.is_empty() {
        return;
    }
    if !layout.can_be_mirrored {
        context.remarks.error(
            boot_device.layout_at(),
            "the boot disk of s390x cannot be mirrored",
        );
    } else if boot_device.node.get("layout").is_none() {
        let message = "a mirror needs a layout";
        let help = "set boot_device.layout to the architecture of the machine";
        match context.dialect.has(Sugar::V1_7) {
            true => context.remarks.error_with_help(mirror.at, message, help),
            false => context.remarks.warn_with_help(mirror.at, message, help),
        }
    }
}

fn check_s390x(
    boot_device: &BootDevice<'_, '_>,
    layout: &BootDiskLayout,
    context: &mut ButaneContext<'_, '_>,
) {
    check_device(boot_device, layout, context);
    let Some(luks) = boot_device.luks else {
        return;
    };
    let device = luks.get("device").filter(|d| !d.as_text().is_empty());
    if let Some(device) = device.filter(|_| !boot_device.is_encrypted()) {
        let message = "a device is given without a way to unlock it";
        match context.dialect.has(Sugar::V1_7) {
            true => context.remarks.error(device.at, message),
            false => context.remarks.warn(device.at, message),
        }
    }
    if let Some(cex) = luks.get("cex").filter(|_| boot_device.has_cex) {
        if !layout.name.starts_with("s390x") {
            let at = boot_device
                .node
                .get("layout")
                .map_or(cex.at, |layout| layout.at);
            context
                .remarks
                .error(at, "a Crypto Express card needs a layout of s390x");
        }
        if boot_device.has_clevis {
            context
                .remarks
                .error(luks.at, "a Crypto Express card excludes tang and tpm2");
        }
    }
}

/// Checks `luks.device`, by which layouts whose root partitions have no labels find them. As in the original, the
/// layout alone requires it, even if nothing is generated for the boot device.
fn check_device(
    boot_device: &BootDevice<'_, '_>,
    layout: &BootDiskLayout,
    context: &mut ButaneContext<'_, '_>,
) {
    if layout.root_suffix.is_none() {
        return;
    }
    let name = boot_device.luks.map_or("", |luks| luks.text_at("device"));
    if name.is_empty() {
        let message = format!("layout {} needs luks.device", layout.name);
        context.remarks.error(boot_device.layout_at(), message);
    } else if !is_whole_disk(name, layout) {
        let example = match layout.name {
            "s390x-eckd" => "/dev/dasda",
            _ => "/dev/sda",
        };
        let message = format!(
            "not a whole disk of layout {}, such as {example}",
            layout.name
        );
        let device = boot_device.luks.and_then(|luks| luks.get("device"));
        let at = device.map_or(boot_device.layout_at(), |device| device.at);
        context.remarks.error(at, message);
    }
}

/// True if `name` ends in that of a whole disk, e.g. `/dev/sda`.
fn is_whole_disk(name: &str, layout: &BootDiskLayout) -> bool {
    let prefix = match layout.name {
        "s390x-eckd" => "/dev/dasd",
        _ => "/dev/sd",
    };
    let mut letters = name.chars();
    let last = letters.next_back();
    last.is_some_and(|c| c.is_ascii_lowercase()) && letters.as_str().ends_with(prefix)
}

/// Disks, arrays, volumes and file systems of a boot device, as a config over which the user's own is merged.
pub(super) fn storage<'t>(node: &Node<'t>) -> Option<Node<'t>> {
    let boot_device = BootDevice::of(node);
    let is_mirrored = !boot_device.mirrors.is_empty();
    if !is_mirrored && !boot_device.is_encrypted() {
        return None;
    }
    let layout = boot_device.layout()?;
    let at = node.at;
    let mut storage = Node::mapping(at);
    let mut filesystems = Vec::new();
    if is_mirrored {
        add_mirror(&boot_device, layout, &mut storage, &mut filesystems);
    }
    let root = match (&boot_device.luks, boot_device.is_encrypted()) {
        (Some(luks), true) => {
            let volume = volume(&boot_device, luks, layout, is_mirrored);
            storage.set("luks", Node::list(luks.at, vec![volume]));
            "/dev/mapper/root"
        }
        _ => "/dev/md/md-root",
    };
    filesystems.push(filesystem(at, root, "xfs", "root"));
    storage.set("filesystems", Node::list(at, filesystems));
    Some(Node::mapping(at).with("storage", storage))
}

fn add_mirror<'t>(
    boot_device: &BootDevice<'_, 't>,
    layout: &BootDiskLayout,
    storage: &mut Node<'t>,
    filesystems: &mut Vec<Node<'t>>,
) {
    let mut disks = Vec::new();
    for (index, device) in boot_device.mirrors.iter().enumerate() {
        let at = device.at;
        let number = index + 1;
        let mut partitions: Vec<Node<'t>> = layout
            .firmware
            .iter()
            .map(|(label, mib, kind)| {
                partition(at, &format!("{label}-{number}"), Some(*mib))
                    .with("typeGuid", Node::text(at, *kind))
            })
            .collect();
        partitions.push(partition(at, &format!("boot-{number}"), Some(BOOT_MIB)));
        partitions.push(partition(at, &format!("root-{number}"), None));
        disks.push(
            Node::mapping(at)
                .with("device", device.clone())
                .with("partitions", Node::list(at, partitions))
                .with("wipeTable", Node::flag(at, true)),
        );
        if layout.firmware.iter().any(|(label, ..)| *label == "esp") {
            let label = format!("esp-{number}");
            let device = format!("/dev/disk/by-partlabel/{label}");
            filesystems.push(filesystem(at, &device, "vfat", &label));
        }
    }
    let at = boot_device.node.at;
    filesystems.push(filesystem(at, "/dev/md/md-boot", "ext4", "boot"));
    let boot = array(boot_device, "boot").with(
        "options",
        Node::list(at, vec![Node::text(at, "--metadata=1.0")]),
    );
    storage.set("disks", Node::list(at, disks));
    storage.set(
        "raid",
        Node::list(at, vec![boot, array(boot_device, "root")]),
    );
}

fn partition<'t>(at: u32, label: &str, mib: Option<i64>) -> Node<'t> {
    let mut partition = Node::mapping(at).with("label", Node::text(at, label.to_owned()));
    if let Some(mib) = mib {
        partition.set("sizeMiB", Node::int(at, mib));
    }
    partition
}

/// The array over the partitions `label`-1, `label`-2, ...
fn array<'t>(boot_device: &BootDevice<'_, 't>, label: &str) -> Node<'t> {
    let at = boot_device.node.at;
    let devices = boot_device
        .mirrors
        .iter()
        .enumerate()
        .map(|(index, device)| {
            let name = format!("/dev/disk/by-partlabel/{label}-{}", index + 1);
            Node::text(device.at, name)
        });
    Node::mapping(at)
        .with("name", Node::text(at, format!("md-{label}")))
        .with("level", Node::text(at, "raid1"))
        .with("devices", Node::list(at, devices.collect()))
}

fn volume<'t>(
    boot_device: &BootDevice<'_, 't>,
    luks: &Node<'t>,
    layout: &BootDiskLayout,
    is_mirrored: bool,
) -> Node<'t> {
    let at = luks.at;
    let device = match layout.root_suffix {
        Some(suffix) => format!("{}{suffix}", luks.text_at("device")),
        None if is_mirrored => "/dev/md/md-root".into(),
        None => "/dev/disk/by-partlabel/root".into(),
    };
    let mut volume = Node::mapping(at)
        .with("name", Node::text(at, "root"))
        .with("label", Node::text(at, "luks-root"))
        .with("device", Node::text(at, device))
        .with("wipeVolume", Node::flag(at, true));
    if let Some(discard) = luks.get("discard") {
        volume.set("discard", discard.clone());
    }
    if boot_device.has_cex {
        let cex = Node::mapping(at).with("enabled", Node::flag(at, true));
        volume.set("cex", cex);
    } else {
        let mut clevis = Node::mapping(at);
        for key in ["tang", "threshold", "tpm2"] {
            if let Some(value) = luks.get(key) {
                clevis.set(key, value.clone());
            }
        }
        volume.set("clevis", clevis);
    }
    volume
}

fn filesystem<'t>(at: u32, device: &str, format: &'static str, label: &str) -> Node<'t> {
    Node::mapping(at)
        .with("device", Node::text(at, device.to_owned()))
        .with("format", Node::text(at, format))
        .with("label", Node::text(at, label.to_owned()))
        .with("wipeFilesystem", Node::flag(at, true))
}

/// Checks the users of the boot loader.
pub(super) fn check_grub(grub: &Node<'_>, context: &mut ButaneContext<'_, '_>) {
    for user in list(grub, "users") {
        for key in ["name", "password_hash"] {
            if user.text_at(key).is_empty() {
                let message = format!("a user of the boot loader needs `{key}`");
                context.remarks.missing(user.at, key, message);
            }
        }
    }
}

/// The file with the users of the boot loader and the file system that it is on.
pub(super) fn grub<'t>(grub: &Node<'t>, context: &mut ButaneContext<'_, '_>) -> Option<Node<'t>> {
    let given = grub.get("users")?;
    let users = given.elements();
    if users.is_empty() {
        return None;
    }
    let at = given.at;
    let names: Vec<&str> = users.iter().map(|user| user.text_at("name")).collect();
    let mut text = format!("# {GENERATED}\n\nset superusers=\"{}\"\n", names.join(" "));
    for user in users {
        let (name, hash) = (user.text_at("name"), user.text_at("password_hash"));
        let _ = writeln!(text, "password_pbkdf2 {name} {hash}");
    }
    let mut addition = Node::mapping(at);
    for (name, value) in context.encoded(at, text.as_bytes().into(), None) {
        addition.set(name, value);
    }
    let file = Node::mapping(at)
        .with("path", Node::text(at, GRUB_USERS))
        .with("append", Node::list(at, vec![addition]));
    let filesystem = Node::mapping(at)
        .with("device", Node::text(at, "/dev/disk/by-label/boot"))
        .with("format", Node::text(at, "ext4"))
        .with("path", Node::text(at, "/boot"));
    let storage = Node::mapping(at)
        .with("filesystems", Node::list(at, vec![filesystem]))
        .with("files", Node::list(at, vec![file]));
    Some(Node::mapping(at).with("storage", storage))
}

/// OpenShift does not allow `append`: if the file with the users has just one addition, it becomes its contents.
pub(super) fn turn_grub_append_into_contents(config: &mut Node<'_>) {
    let files = config.at_path_mut(&["storage", "files"]);
    for file in files.map_or(&mut [][..], Node::elements_mut) {
        if file.text_at("path") != GRUB_USERS || list(file, "append").len() != 1 {
            continue;
        }
        let addition = list(file, "append").first().cloned();
        if let Some(addition) = addition {
            file.remove("append");
            file.set("contents", addition);
        }
    }
}
