//! File systems: reuses existing ones, creates missing ones, refuses to destroy others.

use super::formats::{self, Objection};
use super::op::{
    AlreadyRight, Effect, Expected, MakeFilesystem, OpId, OpKind, Phase, Subject, WipeDevice,
};
use super::{Access, Claim, ClaimedResource, Draft, ErrorCode, Failure, devices};
use crate::config::Origin;
use crate::config::model::Filesystem;
use crate::disk::DeviceRef;
use crate::facts::SuperblockFacts;
use crate::facts::rehearsal::MkfsRequest;
use crate::text::human_size;

/// A program that creates file systems.
struct Maker {
    format: &'static str,
    program: &'static str,
    /// Names of its packages in Debian and Fedora.
    packages: (&'static str, &'static str),
    /// Minimum size: below it the program refuses or the result is useless.
    min_bytes: u64,
    /// Arguments after the options of the config.
    fixed: &'static [&'static str],
    uuid: MkfsFlag,
    label: &'static str,
}

enum MkfsFlag {
    Separate(&'static str),
    Joined(&'static str, &'static str),
}

const KIB: u64 = 1024;
const MIB: u64 = 1024 * KIB;

const MAKERS: &[Maker] = &[
    Maker {
        format: "btrfs",
        program: "mkfs.btrfs",
        packages: ("btrfs-progs", "btrfs-progs"),
        min_bytes: 16 * MIB,
        fixed: &["--force"],
        uuid: MkfsFlag::Separate("-U"),
        label: "-L",
    },
    Maker {
        format: "ext4",
        program: "mkfs.ext4",
        packages: ("e2fsprogs", "e2fsprogs"),
        min_bytes: 64 * KIB,
        fixed: &["-F"],
        uuid: MkfsFlag::Separate("-U"),
        label: "-L",
    },
    Maker {
        format: "xfs",
        program: "mkfs.xfs",
        packages: ("xfsprogs", "xfsprogs"),
        min_bytes: 16 * MIB,
        fixed: &["-f"],
        uuid: MkfsFlag::Joined("-m", "uuid="),
        label: "-L",
    },
    Maker {
        format: "swap",
        program: "mkswap",
        packages: ("util-linux", "util-linux"),
        min_bytes: 40 * KIB,
        fixed: &["-f"],
        uuid: MkfsFlag::Separate("-U"),
        label: "-L",
    },
    Maker {
        format: "vfat",
        program: "mkfs.fat",
        packages: ("dosfstools", "dosfstools"),
        min_bytes: 32 * KIB,
        // It refuses a whole disk otherwise, even a blank one.
        fixed: &["-I"],
        uuid: MkfsFlag::Separate("-i"),
        label: "-n",
    },
];

/// The programs that create file systems, for observation.
pub fn programs() -> impl Iterator<Item = &'static str> {
    MAKERS.iter().map(|maker| maker.program)
}

/// Requests that observation has to rehearse, from a draft of the disks part.
pub(super) fn mkfs_requests(draft: &Draft<'_>) -> Vec<MkfsRequest> {
    let mut requests: Vec<MkfsRequest> = Vec::new();
    for operation in draft.operations() {
        if let OpKind::MakeFilesystem(act) = &operation.kind
            && let Some(request) = request(draft, act)
            && !requests.contains(&request)
        {
            requests.push(request);
        }
    }
    requests
}

/// The request to rehearse before a file system is created on a device whose size is known.
fn request(draft: &Draft, act: &MakeFilesystem) -> Option<MkfsRequest> {
    let bytes = devices::bytes(draft, &act.device)?;
    let disk = act
        .device
        .disk()
        .and_then(|disk| draft.observed.disks.get(disk));
    formats::request(act, bytes, disk.map_or(512, |disk| disk.sector_bytes))
}

/// Plans all file systems of the config.
pub fn plan(draft: &mut Draft) {
    let document = draft.document;
    for (index, filesystem) in document.config().storage.filesystems.iter().enumerate() {
        if let Some(format) = block_format(filesystem)
            && let Err(refusal) = plan_one(draft, index, filesystem, format)
        {
            draft.refuse(*refusal);
        }
    }
}

/// The format, if the entry is about a block device at all.
fn block_format(filesystem: &Filesystem) -> Option<&str> {
    match filesystem.format.as_deref() {
        None | Some("" | "virtiofs") => None,
        format => format,
    }
}

fn plan_one(
    draft: &mut Draft,
    index: usize,
    filesystem: &Filesystem,
    format: &str,
) -> Result<(), Box<Failure>> {
    let origin = draft.origin(&format!("$.storage.filesystems.{index}"));
    let act = match format {
        "none" => "erase".to_owned(),
        _ => format!("create {format} file system on"),
    };
    let device = devices::resolve(draft, &filesystem.device, &act, origin.clone())?;
    if let Some(cause) = draft.observed.option_faults.get(&index) {
        let path = filesystem.path.as_deref().unwrap_or_default();
        return Err(Box::new(Failure {
            act: "mount".into(),
            object: format!("{device} ({format}) at {path}"),
            cause: cause.clone(),
            origin,
            remedy: "correct mountOptions".into(),
            code: Some(ErrorCode::MOUNT),
        }));
    }
    let found = devices::content(draft, &device);
    let case = FilesystemCase {
        filesystem,
        format,
        device,
        found,
        origin,
        act,
    };
    case.plan(draft)
}

/// One entry with what is known about its device.
struct FilesystemCase<'a> {
    filesystem: &'a Filesystem,
    format: &'a str,
    device: DeviceRef,
    found: SuperblockFacts,
    origin: Option<Origin>,
    act: String,
}

impl FilesystemCase<'_> {
    fn plan(self, draft: &mut Draft) -> Result<(), Box<Failure>> {
        let is_recreated = devices::is_recreated(draft, &self.device);
        let wipe = self.filesystem.wipe_filesystem == Some(true);
        if !wipe && !is_recreated {
            if let Some(because) = self.reusable() {
                self.push_already_right(draft, because);
                return Ok(());
            }
            self.refuse_to_destroy(draft)?;
        }
        self.refuse_if_held(draft)?;
        let expected = match is_recreated {
            true => Expected::Anything,
            false => devices::expected(draft, &self.device),
        };
        let id = match self.format {
            "none" => self.push_wipe(draft, expected),
            _ => self.push_make(draft, expected)?,
        };
        let lost = self
            .found
            .describe()
            .or_else(|| devices::table_on(draft, &self.device));
        if !is_recreated && let Some(what) = lost {
            draft.record_loss(id, format!("{}: {what}{}", self.device, self.size(draft)));
        }
        Ok(())
    }

    /// Why nothing has to be done, if that is the case.
    fn reusable(&self) -> Option<String> {
        let wanted_kind = Some(self.format).filter(|format| *format != "none");
        if self.found.kind.as_deref() != wanted_kind || self.found.incomplete {
            return None;
        }
        let label = self.filesystem.label.as_deref();
        let uuid = self.filesystem.uuid.as_deref();
        let label_fits = label.is_none_or(|l| l == self.found.label.as_deref().unwrap_or(""));
        let present = self.found.uuid.as_deref().unwrap_or("");
        let uuid_fits = uuid
            .is_none_or(|u| canonical_uuid(self.format, u) == canonical_uuid(self.format, present));
        if wanted_kind.is_none() {
            return Some("already blank".into());
        }
        (label_fits && uuid_fits).then(|| {
            let compared: Vec<&str> =
                [Some("format"), label.map(|_| "label"), uuid.map(|_| "UUID")]
                    .into_iter()
                    .flatten()
                    .collect();
            format!("{} match", compared.join(", "))
        })
    }

    fn refuse_to_destroy(&self, draft: &Draft) -> Result<(), Box<Failure>> {
        let what = self.found.describe().filter(|_| !self.found.incomplete);
        let Some(what) = what.or_else(|| devices::table_on(draft, &self.device)) else {
            return Ok(());
        };
        Err(self.refusal(
            format!(
                "it holds {what}, which must not be erased{}",
                self.mismatch()
            ),
            "set wipeFilesystem to erase it, or make the config match".into(),
        ))
    }

    /// What keeps a file system of the right format from being reused.
    fn mismatch(&self) -> String {
        if self.found.kind.as_deref() != Some(self.format) {
            return String::new();
        }
        let differs = |name: &str, present: &Option<String>, wanted: &Option<String>| {
            let present = present.as_deref().unwrap_or("");
            let wanted = wanted.as_deref()?;
            (present != wanted).then(|| format!("; its {name} is {present:?}, not {wanted:?}"))
        };
        let wanted = self.filesystem;
        differs("label", &self.found.label, &wanted.label)
            .or_else(|| differs("UUID", &self.found.uuid, &wanted.uuid))
            .unwrap_or_default()
    }

    fn refuse_if_held(&self, draft: &Draft) -> Result<(), Box<Failure>> {
        match devices::held_by(draft, &self.device) {
            [] => Ok(()),
            holders => {
                let cause = format!("it is in use: {}", holders.join(", "));
                let refusal = self.refusal(cause, "unmount or detach it first".into());
                Err(Box::new(Failure {
                    code: Some(ErrorCode::DEVICE_IN_USE),
                    ..*refusal
                }))
            }
        }
    }

    fn refusal(&self, cause: String, remedy: String) -> Box<Failure> {
        Box::new(Failure {
            act: self.act.clone(),
            object: self.device.to_string(),
            cause,
            origin: self.origin.clone(),
            remedy,
            code: Some(ErrorCode::FILESYSTEM),
        })
    }

    fn size(&self, draft: &Draft) -> String {
        devices::bytes(draft, &self.device)
            .map_or_else(String::new, |bytes| format!(", {}", human_size(bytes)))
    }

    fn push_already_right(&self, draft: &mut Draft, because: String) {
        let kind = OpKind::AlreadyRight(AlreadyRight {
            subject: Subject::Device(self.device.clone()),
            because,
        });
        let origin = self.origin.clone();
        draft.push(Phase::Filesystems, Effect::Keep, kind, origin, Vec::new());
    }

    fn push_wipe(&self, draft: &mut Draft, expected: Expected) -> OpId {
        let kind = OpKind::WipeDevice(WipeDevice {
            device: self.device.clone(),
            expected,
        });
        let claims = content_claims(&self.device);
        let origin = self.origin.clone();
        draft.push(Phase::Filesystems, Effect::Destroy, kind, origin, claims)
    }

    fn push_make(&self, draft: &mut Draft, expected: Expected) -> Result<OpId, Box<Failure>> {
        let Some(maker) = MAKERS.iter().find(|maker| maker.format == self.format) else {
            return Err(self.refusal(
                format!("format {:?} is unknown", self.format),
                "use ext4, xfs, btrfs, vfat, swap or none".into(),
            ));
        };
        // If the file system turns out to exist, no program is needed.
        if expected != Expected::Unseen {
            self.check_tool(draft, maker)?;
        }
        self.check_size(draft, maker)?;
        self.check_names(draft)?;
        self.check_subvolume()?;
        let uuid = self.filesystem.uuid.as_deref();
        let effect = match &expected {
            Expected::Kind(_) => Effect::Change,
            Expected::Blank | Expected::Anything | Expected::Unseen => Effect::Create,
        };
        let act = MakeFilesystem {
            device: self.device.clone(),
            format: self.format.into(),
            label: self.filesystem.label.clone(),
            uuid: uuid.map(|uuid| canonical_uuid(self.format, uuid)),
            program: maker.program.into(),
            options: self.filesystem.options.clone(),
            arguments: maker.arguments(self.filesystem),
            expected,
        };
        if let Some(request) = request(draft, &act) {
            formats::check_rehearsal(draft.observed, &request)
                .map_err(|why| self.objection(why))?;
        }
        let kind = OpKind::MakeFilesystem(Box::new(act));
        let claims = content_claims(&self.device);
        let origin = self.origin.clone();
        Ok(draft.push(Phase::Filesystems, effect, kind, origin, claims))
    }

    fn check_tool(&self, draft: &Draft, maker: &Maker) -> Result<(), Box<Failure>> {
        match draft.observed.tools.contains(maker.program) {
            true => Ok(()),
            false => Err(self.refusal(
                format!("the program {} is not installed", maker.program),
                match maker.packages {
                    (debian, fedora) if debian == fedora => format!("install package {debian}"),
                    (debian, fedora) => {
                        format!("install package {debian} (Debian) or {fedora} (Fedora)")
                    }
                },
            )),
        }
    }

    /// A new file system has no subvolumes to mount.
    fn check_subvolume(&self) -> Result<(), Box<Failure>> {
        let is_mounted = self.filesystem.path.is_some();
        if self.format != "btrfs" || !is_mounted {
            return Ok(());
        }
        let options = self.filesystem.mount_options.iter();
        let mut options = options.flat_map(|option| option.split(','));
        let names_missing = |option: &&str| match option.split_once('=') {
            Some(("subvol", name)) => !matches!(name, "" | "/"),
            Some(("subvolid", id)) => !matches!(id, "0" | "5"),
            _ => false,
        };
        match options.find(names_missing) {
            None => Ok(()),
            Some(option) => Err(self.refusal(
                format!("mountOptions name a subvolume ({option}), and a new file system has none"),
                "remove the option, or create the file system with its subvolumes first".into(),
            )),
        }
    }

    /// Checks label and UUID.
    fn check_names(&self, draft: &Draft) -> Result<(), Box<Failure>> {
        let objection = |why| self.objection(why);
        if let Some(label) = &self.filesystem.label {
            formats::check_label(self.format, label).map_err(objection)?;
        }
        let Some(uuid) = &self.filesystem.uuid else {
            return Ok(());
        };
        let uuid = canonical_uuid(self.format, uuid);
        formats::check_uuid(self.format, &uuid).map_err(objection)?;
        let mut operations = draft.operations().iter();
        let twin = operations.find_map(|operation| match &operation.kind {
            OpKind::MakeFilesystem(act) if act.uuid.as_ref() == Some(&uuid) => Some(act),
            _ => None,
        });
        match twin {
            Some(twin) if formats::has_unique_uuids(self.format) && twin.format == self.format => {
                Err(self.refusal(
                    format!("{} gets the same UUID {uuid}", twin.device),
                    "give each file system a UUID of its own".into(),
                ))
            }
            _ => Ok(()),
        }
    }

    fn objection(&self, (cause, remedy): Objection) -> Box<Failure> {
        self.refusal(cause, remedy)
    }

    fn check_size(&self, draft: &Draft, maker: &Maker) -> Result<(), Box<Failure>> {
        match devices::bytes(draft, &self.device) {
            Some(bytes) if bytes < maker.min_bytes => Err(self.refusal(
                format!(
                    "it has {}, {} needs at least {}",
                    human_size(bytes),
                    maker.format,
                    human_size(maker.min_bytes)
                ),
                "make the device larger or choose another format".into(),
            )),
            _ => Ok(()),
        }
    }
}

impl Maker {
    /// Options of the config come first, so that the fixed ones win; the device is appended when it is known.
    fn arguments(&self, filesystem: &Filesystem) -> Vec<String> {
        let mut arguments = filesystem.options.clone();
        arguments.extend(self.fixed.iter().map(|flag| (*flag).to_owned()));
        if let Some(uuid) = &filesystem.uuid {
            let uuid = canonical_uuid(self.format, uuid);
            match self.uuid {
                MkfsFlag::Separate(flag) => arguments.extend([flag.to_owned(), uuid]),
                MkfsFlag::Joined(flag, prefix) => {
                    arguments.extend([flag.to_owned(), format!("{prefix}{uuid}")]);
                }
            }
        }
        if let Some(label) = &filesystem.label {
            arguments.extend([self.label.to_owned(), label.clone()]);
        }
        arguments
    }
}

/// A UUID in lower case; the serial number of FAT also without its dash.
pub fn canonical_uuid(format: &str, uuid: &str) -> String {
    let mut uuid = uuid.to_lowercase();
    if format == "vfat" && uuid.as_bytes().get(4) == Some(&b'-') {
        uuid.remove(4);
    }
    uuid
}

/// Claims of an operation that changes the content of a device: on the device itself, and on the table that says where
/// a partition is.
pub(super) fn content_claims(device: &DeviceRef) -> Vec<Claim> {
    let mut claims = vec![Claim::new(
        Access::Change,
        ClaimedResource::Device(device.clone().into()),
    )];
    claims.extend(table_claim(device));
    claims
}

/// The claim on the table that a device is in, if there is one.
pub(super) fn table_claim(device: &DeviceRef) -> Option<Claim> {
    let disk = device.disk()?;
    Some(Claim::new(Access::Use, ClaimedResource::Table(disk.into())))
}
