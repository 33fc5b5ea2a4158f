//! `mounts`, `mount_default_fields` and `swap`: `/etc/fstab` and what it needs.

use super::disks::{device_path, is_platform_name};
use super::values;
use crate::language::assembly::{AssembledFile, Assembly};
use crate::language::findings::Remarks;
use crate::language::node::{Node, NodeContent};
use crate::language::placed_text::PlacedText;
use crate::language::quoting::{shell, unit_path};

/// Default fields of a line. The device and the mount point have none.
const DEFAULT_FIELDS: [&str; 6] = ["", "", "auto", "defaults,nofail", "0", "2"];

/// Option that marks a line as generated from a cloud-config.
const MARK: &str = "comment=cloudconfig";

/// Adds the lines of `/etc/fstab`. `aliases` are names for devices, with the devices.
pub(super) fn convert<'t>(
    root: &Node<'t>,
    aliases: &[(String, PlacedText)],
    assembly: &mut Assembly<'t>,
    remarks: &mut Remarks,
) {
    let defaults = default_fields(root, remarks);
    let entries = root.get("mounts").filter(|value| !value.is_null());
    if let Some(value) = entries.filter(|value| !matches!(value.value, NodeContent::List(_))) {
        remarks.error(
            value.at,
            format!("mounts must be a list, not {}", value.kind()),
        );
    }
    let mut mounts: Vec<(u32, [String; 6])> = Vec::new();
    for entry in entries.map(Node::elements).unwrap_or_default() {
        let NodeContent::List(fields) = &entry.value else {
            let message = format!(
                "a mount must be a list of fields, not {}: left out",
                entry.kind()
            );
            remarks.warn(entry.at, message);
            continue;
        };
        if let [device, point, ..] = fields.as_slice()
            && point.is_null()
        {
            let count = mounts.len();
            remove_mounts(device, aliases, &mut mounts);
            if mounts.len() == count {
                let message = "a mount without a mount point removes nothing here";
                remarks.warn(point.at, message);
            }
            continue;
        }
        let fields = line(entry.at, fields, (&defaults, aliases), remarks);
        mounts.extend(fields.map(|fields| (entry.at, fields)));
    }
    let mut lines = String::new();
    let mut at = None;
    for (place, fields) in mounts {
        if fields[1].starts_with('/') && fields[1] != "/" {
            assembly.add_directory(place, &unescaped(&fields[1]), None, None);
        }
        lines.push_str(&format!("{}\n", fields.join("\t")));
        at = at.or(Some(place));
    }
    if let Some((place, file)) = add_swap(root, assembly, remarks) {
        lines.push_str(&format!("{file}\tnone\tswap\tsw,{MARK}\t0\t0\n"));
        at = at.or(Some(place));
    }
    if let Some(at) = at {
        assembly.add_file(AssembledFile::appended(at, "/etc/fstab", 0o644, lines));
    }
}

/// Removes the earlier mounts of `device`, as an entry whose mount point is null requests.
fn remove_mounts(
    device: &Node<'_>,
    aliases: &[(String, PlacedText)],
    mounts: &mut Vec<(u32, [String; 6])>,
) {
    let name = PlacedText::of(device);
    let path = name.and_then(|name| device_of(&name, aliases, &mut Remarks::default()));
    mounts.retain(|(_, fields)| path.as_ref() != Some(&fields[0]));
}

fn default_fields(root: &Node<'_>, remarks: &mut Remarks) -> [String; 6] {
    let mut defaults = DEFAULT_FIELDS.map(str::to_owned);
    let Some(value) = root
        .get("mount_default_fields")
        .filter(|value| !value.is_null())
    else {
        return defaults;
    };
    if !matches!(value.value, NodeContent::List(_)) || value.elements().len() > defaults.len() {
        remarks.error(
            value.at,
            "mount_default_fields must be a list of six fields",
        );
    }
    for (field, given) in defaults.iter_mut().zip(value.elements()) {
        if let Some(text) = PlacedText::of(given) {
            *field = text.text;
        }
    }
    defaults
}

/// The six fields of an entry; `None` if it is left out.
fn line(
    at: u32,
    fields: &[Node<'_>],
    (defaults, aliases): (&[String; 6], &[(String, PlacedText)]),
    remarks: &mut Remarks,
) -> Option<[String; 6]> {
    let mut line = defaults.clone();
    if fields.len() > line.len() {
        remarks.error(at, "a mount has six fields at most");
        return None;
    }
    for (index, field) in fields.iter().enumerate() {
        match PlacedText::of(field) {
            Some(text) => line[index] = escaped(&text, remarks),
            None if field.is_null() => {}
            None => {
                remarks.error(
                    field.at,
                    format!("a field must be a text, not {}", field.kind()),
                );
                return None;
            }
        }
    }
    let Some(device) = fields.first().and_then(PlacedText::of) else {
        remarks.warn(at, "a mount without a device is left out");
        return None;
    };
    match device_of(&device, aliases, remarks) {
        Some(path) => line[0] = path,
        None => return None,
    }
    if line[1].is_empty() {
        remarks.warn(at, "a mount without a mount point is left out");
        return None;
    }
    if !line[3].split(',').any(|option| option == MARK) {
        line[3].push(',');
        line[3].push_str(MARK);
    }
    Some(line)
}

/// The device of a mount; `None` for names that only a platform could resolve.
fn device_of(
    device: &PlacedText,
    aliases: &[(String, PlacedText)],
    remarks: &mut Remarks,
) -> Option<String> {
    let name = device.text.as_str();
    let disk = name.rsplit_once('.').map_or(name, |(disk, _)| disk);
    if aliases
        .iter()
        .any(|(alias, _)| alias == name || alias == disk)
    {
        let path = PlacedText {
            at: device.at,
            text: device_path(name, aliases),
        };
        return Some(escaped(&path, remarks));
    }
    if is_platform_name(name) {
        let help = "name the device, for example by LABEL=";
        remarks.warn_with_help(
            device.at,
            "the platform's names of disks are not known: left out",
            help,
        );
        return None;
    }
    if !is_short_name(name) {
        return Some(escaped(device, remarks));
    }
    let message = format!("taken as /dev/{name}");
    remarks.warn_with_help(device.at, message, "write the whole path");
    Some(format!("/dev/{name}"))
}

/// `sda`, `xvdb1`, `vdz`, `nvme0n1p2`.
fn is_short_name(name: &str) -> bool {
    let kinds = ["xvd", "sd", "hd", "vd"];
    let rest = kinds.iter().find_map(|kind| name.strip_prefix(kind));
    if let Some(rest) = rest {
        let digits = rest.trim_start_matches(|c: char| c.is_ascii_lowercase());
        return digits.len() < rest.len() && digits.bytes().all(|b| b.is_ascii_digit());
    }
    name.strip_prefix("nvme").is_some_and(|rest| {
        rest.starts_with(|c: char| c.is_ascii_digit())
            && rest
                .bytes()
                .all(|b| b.is_ascii_digit() || matches!(b, b'n' | b'p'))
    })
}

/// A field with its blanks escaped as in `/etc/fstab`.
fn escaped(field: &PlacedText, remarks: &mut Remarks) -> String {
    if field.text.is_empty() || field.text.contains(['\n', '\r', '\0']) {
        remarks.error(field.at, "a field of a mount is empty or has a line end");
    }
    field.text.replace(' ', "\\040").replace('\t', "\\011")
}

fn unescaped(field: &str) -> String {
    field.replace("\\040", " ").replace("\\011", "\t")
}

const SWAP_UNIT: &str = "\
[Unit]
Description=Make the swap file
DefaultDependencies=no
After=local-fs.target
Before={unit} swap.target shutdown.target
Conflicts=shutdown.target
ConditionPathExists=!{file}

[Service]
Type=oneshot
RemainAfterExit=yes
ExecStart=/etc/cloud-init-compat/swap.sh

[Install]
WantedBy=swap.target
";

/// Makes the swap file. If `{size}`, in MiB, is empty, the size is chosen by the memory, as recommended for Linux.
const SWAP_SCRIPT: &str = "\
#!/bin/sh
set -e
file={file}
size={size}
if [ -z \"$size\" ]; then
    memory=$(awk '/^MemTotal:/ { print int($2 / 1024) }' /proc/meminfo)
    if [ \"$memory\" -le 1024 ]; then size=$memory
    elif [ \"$memory\" -le 2048 ]; then size=1024
    elif [ \"$memory\" -le 6144 ]; then size=2048
    elif [ \"$memory\" -le 12288 ]; then size=3072
    elif [ \"$memory\" -le 16384 ]; then size=4096
    elif [ \"$memory\" -le 24576 ]; then size=5120
    elif [ \"$memory\" -le 32768 ]; then size=6144
    elif [ \"$memory\" -le 65536 ]; then size=8192
    else size=11264
    fi
    most={most}
    if [ -n \"$most\" ] && [ \"$size\" -gt \"$most\" ]; then size=$most; fi
fi
umask 077
mkdir -p \"$(dirname \"$file\")\"
fallocate -l \"$size\"M \"$file\" || dd if=/dev/zero of=\"$file\" bs=1M count=\"$size\"
mkswap \"$file\"
";

/// Adds the unit that makes the swap file; returns the offset of its origin and its path.
fn add_swap<'t>(
    root: &Node<'t>,
    assembly: &mut Assembly<'t>,
    remarks: &mut Remarks,
) -> Option<(u32, String)> {
    let known = &["filename", "size", "maxsize"];
    let swap = values::mapping(root, "swap", known, remarks)?;
    let size = values::filled(&swap, "size", remarks);
    let max_mib =
        values::filled(&swap, "maxsize", remarks).and_then(|max| mebibytes(&max, remarks));
    let file = values::filled(&swap, "filename", remarks);
    let file = file.map_or("/swap.img".to_owned(), |file| {
        crate::language::assembly::clean_path(&file.text)
    });
    let Some(size) = size.filter(|size| size.text != "0") else {
        remarks.warn(swap.at, "a swap file without a size is not made");
        return None;
    };
    if file.contains(char::is_whitespace) {
        remarks.error(size.at, "the path of the swap file has a blank");
        return None;
    }
    let mib = match &*size.text {
        "auto" => None,
        _ => Some(mebibytes(&size, remarks)?),
    };
    let mib = match (mib, max_mib) {
        (Some(number), Some(max)) => Some(number.min(max)),
        (number, _) => number,
    };
    let shown = |number: Option<u64>| number.map(|n| n.to_string()).unwrap_or_default();
    let script = SWAP_SCRIPT
        .replace("{file}", &shell(&file))
        .replace("{size}", &shown(mib))
        .replace("{most}", &shown(max_mib));
    let path = "/etc/cloud-init-compat/swap.sh";
    assembly.add_file(AssembledFile::new(size.at, path, 0o700, script));
    let unit = SWAP_UNIT
        .replace("{file}", &file.replace('%', "%%"))
        .replace("{unit}", &swap_unit(&file));
    assembly.add_unit(size.at, "cloud-init-swap.service", unit);
    Some((size.at, file))
}

/// The unit that systemd generates for the swap file at `path`.
fn swap_unit(path: &str) -> String {
    unit_path(path) + ".swap"
}

/// A size in MiB, rounded up: a number of bytes, or with a unit that is a power of 1024.
fn mebibytes(size: &PlacedText, remarks: &mut Remarks) -> Option<u64> {
    let text = size.text.trim();
    let text = text.strip_suffix('B').unwrap_or(text);
    let (digits, shift) = match text.chars().last() {
        Some('K') => (text.get(..text.len() - 1)?, 10),
        Some('M') => (text.get(..text.len() - 1)?, 20),
        Some('G') => (text.get(..text.len() - 1)?, 30),
        Some('T') => (text.get(..text.len() - 1)?, 40),
        _ => (text, 0),
    };
    let bytes = scaled(digits, shift);
    if bytes.is_none() {
        let help = "write bytes, or a number with K, M, G or T";
        remarks.error_with_help(size.at, "not a size", help);
    }
    bytes.map(|bytes| bytes.div_ceil(1 << 20))
}

/// Multiplies `digits`, which may have a fraction, by 2 to the power of `shift`; `None` if it is not a number or too
/// large.
fn scaled(digits: &str, shift: u32) -> Option<u64> {
    /// Further digits after the decimal point make no difference.
    const MAX_FRACTION: usize = 12;
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, "0"));
    let is_plain = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    if !is_plain(whole) || !is_plain(fraction) {
        return None;
    }
    let fraction = fraction.get(..MAX_FRACTION).unwrap_or(fraction);
    let divisor = 10_u128.pow(u32::try_from(fraction.len()).ok()?);
    let part = fraction.parse::<u128>().ok()?.checked_shl(shift)? / divisor;
    let whole = whole.parse::<u64>().ok()?.checked_mul(1 << shift)?;
    whole.checked_add(u64::try_from(part).ok()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn short_names_of_devices() {
        for name in ["sda", "sdz1", "xvdb", "vda12", "nvme0n1", "nvme0n1p1"] {
            assert!(is_short_name(name), "{name}");
        }
        for name in [
            "tmpfs",
            "sd",
            "sd1",
            "LABEL=x",
            "/dev/sda",
            "nvme",
            "server:/x",
        ] {
            assert!(!is_short_name(name), "{name}");
        }
    }

    #[test]
    fn names_of_swap_units() {
        assert_eq!(swap_unit("/swap.img"), "swap.img.swap");
        assert_eq!(swap_unit("/var/my-swap"), "var-my\\x2dswap.swap");
    }

    #[test]
    fn sizes() {
        let cases = [
            ("1048576", Some(1)),
            ("1", Some(1)),
            ("2G", Some(2048)),
            ("512M", Some(512)),
            ("512MB", Some(512)),
            ("1.5G", Some(1536)),
            ("0.0005M", Some(1)),
            ("1.G", None),
            (".5G", None),
            ("1.5.5G", None),
            ("x", None),
            ("-1", None),
            ("99999999999999999999", None),
            ("é", None),
        ];
        for (text, want) in cases {
            let text = PlacedText {
                at: 0,
                text: text.to_owned(),
            };
            assert_eq!(
                mebibytes(&text, &mut Remarks::default()),
                want,
                "{}",
                text.text
            );
        }
    }
}
