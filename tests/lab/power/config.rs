//! The config of the machine whose power is cut, and what must be true afterwards.

use serde_json::json;

/// Backing files of the disks; their device nodes are `/dev/ubda` and `/dev/ubdb`.
pub const DISKS: [&str; 2] = ["a.img", "b.img"];
pub const DISK_MIB: u64 = 512;

/// The partition whose content must be kept, number 9 of the first disk.
pub const KEPT_AT_MIB: u64 = 448;
pub const KEPT_MIB: u64 = 48;
pub const KEPT_FILES: usize = 8;

/// The content of a kept file, which cannot occur by chance.
pub fn kept_bytes(file: usize) -> Vec<u8> {
    let line = format!("kept line of file {file}\n");
    line.repeat(150_000 / line.len()).into_bytes()
}

/// An array on both disks with an encrypted volume, three new file systems and a kept one, and files on them.
pub fn text() -> String {
    let file = |path: &str, text: &str| json!({"path": path, "contents": {"source": format!("data:,{text}")}});
    let large = "0123456789".repeat(20_000);
    let partition = |number: u32, label: &str, mib: u32| json!({"number": number, "label": label, "sizeMiB": mib});
    let named = |label: &str| format!("/dev/disk/by-partlabel/{label}");
    let filesystem = |device: &str, format: &str, path: &str, label: &str| json!({"device": device, "format": format, "path": path, "label": label});
    json!({
        "ignition": {"version": "3.4.0"},
        "storage": {
            "disks": [
                {"device": "/dev/ubda", "partitions": [
                    partition(1, "root", 128), partition(2, "mirror-a", 96),
                    {"number": 9, "label": "keep"}]},
                {"device": "/dev/ubdb", "partitions": [
                    partition(1, "var", 160), partition(2, "mirror-b", 96)]}],
            "raid": [{"name": "data", "level": "raid1", "devices": [named("mirror-a"), named("mirror-b")]}],
            "luks": [{"name": "secret", "device": "/dev/md/data", "label": "secret",
                "options": ["--pbkdf", "pbkdf2", "--pbkdf-force-iterations", "1000"]}],
            "filesystems": [
                filesystem(&named("root"), "ext4", "/", "root"),
                filesystem(&named("var"), "btrfs", "/var", "var"),
                filesystem("/dev/mapper/secret", "ext4", "/srv/secret", "inner"),
                filesystem(&named("keep"), "ext4", "/srv/keep", "keep")],
            "files": [
                file("/etc/motd", "hello"), file("/etc/large", &large), file("/var/x", "x"),
                file("/var/large", &large), file("/srv/secret/x", "secret"), file("/srv/secret/large", &large)],
        },
        "systemd": {"units": [{"name": "a.service", "enabled": true,
            "contents": "[Install]\nWantedBy=multi-user.target\n"}]},
    })
    .to_string()
}

/// Shell lines that must succeed while everything is mounted. `T` is the target root.
pub const MOUNTED: &[&str] = &[
    "test \"$(cat $T/etc/motd)\" = hello",
    "test $(stat -c %s $T/etc/large) = 200000; cmp $T/etc/large $T/var/large; cmp $T/etc/large $T/srv/secret/large",
    "test \"$(cat $T/var/x)\" = x; test \"$(cat $T/srv/secret/x)\" = secret",
    "test -e $T/etc/systemd/system/a.service; grep -qx 'enable a.service' $T/etc/systemd/system-preset/20-ignition.preset",
    "test -s $T/etc/.ignition-result.json; test $(stat -c %a $T/etc/luks/secret) = 600; grep -q '^secret ' $T/etc/crypttab",
    "cryptsetup open --test-passphrase --key-file $T/etc/luks/secret /dev/md/data",
    "test \"$(readlink -f \"$(findmnt -n -o SOURCE $T/srv/secret)\")\" = \"$(readlink -f /dev/mapper/secret)\"",
    "for n in $(seq 0 7); do test $(stat -c %s $T/srv/keep/file$n) = $(($(printf 'kept line of file %s\\n' $n | wc -c) * (150000 / $(printf 'kept line of file %s\\n' $n | wc -c)))); \
     test \"$(sort -u $T/srv/keep/file$n)\" = \"kept line of file $n\"; done",
    "mdadm --wait /dev/md/data || true; mdadm --detail /dev/md/data | grep -Eq 'State : (clean|active) *$'",
    "test $(mdadm --detail /dev/md/data | grep -c 'active sync') = 2",
];

/// Shell lines that must succeed after everything is unmounted.
pub const UNMOUNTED: &[&str] = &[
    "! grep -q \" $T\" /proc/mounts",
    "for disk in ubda ubdb; do sgdisk --verify /dev/$disk | grep -q 'No problems found'; done",
    "test \"$(sfdisk -q -o Start,Sectors,Name -l /dev/ubda | tail -n +2 | tr -s ' ' | sed 's/^ //')\" = \"$(printf '2048 262144 root\\n264192 196608 mirror-a\\n917504 98304 keep')\"",
    "test \"$(sfdisk -q -o Start,Sectors,Name -l /dev/ubdb | tail -n +2 | tr -s ' ' | sed 's/^ //')\" = \"$(printf '2048 327680 var\\n329728 196608 mirror-b')\"",
    "e2fsck -fn /dev/disk/by-partlabel/root; e2fsck -fn /dev/disk/by-partlabel/keep; e2fsck -fn /dev/mapper/secret",
    "btrfs check --readonly /dev/disk/by-partlabel/var",
    "test \"$(blkid -p -o value -s TYPE /dev/md/data)\" = crypto_LUKS",
];
