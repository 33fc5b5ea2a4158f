//! What formats of file systems can store: labels and UUIDs that are read back unchanged. What depends on the version
//! of a program or on options is rehearsed instead.

use crate::facts::rehearsal::MkfsRequest;
use crate::facts::{KernelFacts, Observed};
use crate::plan::op::MakeFilesystem;

/// Cause of a refusal, and what to do about it.
pub type Objection = (String, String);

/// Characters that mkfs.fat accepts in no label.
const FORBIDDEN_IN_VFAT: &str = "*?.,;:/\\|+=<>[]\"";
/// What a FAT without a label has in its place.
const NO_LABEL: &str = "NO NAME";

/// Maximum length of a label.
fn max_label_bytes(format: &str) -> usize {
    match format {
        "ext4" => 16,
        "xfs" => 12,
        "swap" => 15,
        "vfat" => 11,
        // mkfs.btrfs accepts one more byte, and cuts it off.
        _ => 254,
    }
}

/// Checks that a format can store a label.
///
/// # Errors
/// If it would be refused, or read back differently.
pub fn check_label(format: &str, label: &str) -> Result<(), Objection> {
    let longest = max_label_bytes(format);
    let shorten = format!("give a label of at most {longest} bytes");
    let cause = if label.len() > longest {
        return Err((
            format!("the label {label:?} has {} bytes", label.len()),
            shorten,
        ));
    } else if label.contains('\0') {
        "a NUL character"
    } else if label.trim_end() != label {
        // Neither kindling nor udev reads it back.
        "a blank at its end"
    } else if format != "vfat" {
        return Ok(());
    } else if label.starts_with(' ') {
        "a blank at its beginning"
    } else if label.chars().any(|c| !c.is_ascii() || c < ' ') {
        "a character that is not printable ASCII"
    } else if let Some(c) = label.chars().find(|c| FORBIDDEN_IN_VFAT.contains(*c)) {
        return Err((
            format!("the label {label:?} has a {c:?}, which {format} cannot store"),
            format!("give a label without any of {FORBIDDEN_IN_VFAT}"),
        ));
    } else if label == NO_LABEL {
        return Err((
            format!("the label {label:?} means \"no label\""),
            "leave the label out, or give another one".into(),
        ));
    } else {
        return Ok(());
    };
    Err((
        format!("the label {label:?} has {cause}, which {format} does not keep"),
        "give another label".into(),
    ))
}

/// Checks that a format can store a UUID, given in its canonical form.
///
/// # Errors
/// If it is malformed, or the one that means that there is none.
pub fn check_uuid(format: &str, uuid: &str) -> Result<(), Objection> {
    let (fits, form) = match format {
        "vfat" => (
            uuid.len() == 8 && uuid.chars().all(|c| c.is_ascii_hexdigit()),
            "a volume id of 8 hex digits, as in 1234-ABCD",
        ),
        _ => (is_uuid(uuid), "a UUID of 8-4-4-4-12 hex digits"),
    };
    if !fits {
        return Err((
            format!("{uuid:?} is not {form}"),
            format!("give {form}, or leave it out to have one chosen"),
        ));
    }
    if uuid.chars().all(|c| matches!(c, '0' | '-')) {
        return Err((
            "an all-zero UUID means \"no UUID\"".into(),
            "give another UUID, or leave it out to have one chosen".into(),
        ));
    }
    Ok(())
}

fn is_uuid(text: &str) -> bool {
    let groups: Vec<&str> = text.split('-').collect();
    let lengths: Vec<usize> = groups.iter().map(|group| group.len()).collect();
    let is_hex = |group: &&str| group.chars().all(|c| c.is_ascii_hexdigit());
    lengths == [8, 4, 4, 4, 12] && groups.iter().all(is_hex)
}

/// True if the kernel refuses to mount two file systems of a format with the same UUID.
pub fn has_unique_uuids(format: &str) -> bool {
    matches!(format, "btrfs" | "xfs")
}

const MIB: u64 = 1024 * 1024;

/// Up to this size, a device may be smaller than the minimum size of a format: mkfs.xfs requires 300 MiB, mkfs.btrfs
/// 109 MiB, mkfs.ext4 less than one.
fn small_bytes(format: &str) -> u64 {
    match format {
        "ext4" => 64 * MIB,
        _ => 1024 * MIB,
    }
}

/// The request to rehearse before a file system is created, if there is anything to find out.
pub fn request(act: &MakeFilesystem, bytes: u64, sector_bytes: u32) -> Option<MkfsRequest> {
    let is_simple = act.options.is_empty() && bytes > small_bytes(&act.format);
    (!is_simple).then(|| MkfsRequest {
        program: act.program.clone(),
        arguments: act.arguments.clone(),
        options: act.options.clone(),
        bytes,
        sector_bytes,
        format: act.format.clone(),
        label: act.label.clone(),
        uuid: act.uuid.clone(),
    })
}

/// Checks the result of a rehearsal.
///
/// # Errors
/// If the program refused, or created something else.
pub fn check_rehearsal(observed: &Observed, request: &MkfsRequest) -> Result<(), Objection> {
    let mut rehearsals = observed.rehearsals.iter();
    let objection = rehearsals
        .find(|rehearsal| rehearsal.request == *request)
        .and_then(|rehearsal| rehearsal.objection.as_ref());
    let Some(objection) = objection else {
        return Ok(());
    };
    let remedy = match request.arguments.is_empty() {
        true => "make the device larger, or choose another format",
        false => "make the device larger, change label, UUID or options, or choose another format",
    };
    Err((
        format!(
            "{} would fail on {}: {objection}",
            request.program,
            crate::text::human_size(request.bytes)
        ),
        remedy.into(),
    ))
}

/// Checks that a file system can be mounted on this machine.
///
/// # Errors
/// If the kernel does not support the format.
pub fn check_mountable(kernel: Option<&KernelFacts>, format: &str) -> Result<(), Objection> {
    match kernel {
        Some(kernel) if !kernel.filesystems.contains(format) => Err((
            format!("the kernel of this machine cannot mount {format}"),
            format!(
                "load or build in its support for {format}, put the files on another file system, or \
                 run this on a machine that can mount it"
            ),
        )),
        _ => Ok(()),
    }
}
