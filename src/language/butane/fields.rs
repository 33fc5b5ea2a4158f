//! The table of the language: every object, its keys, since when, and what they hold.
//!
//! Reading, unknown keys, the translation of what has the same meaning in Ignition, and the JSON Schemas are driven by
//! it. A key without a description has that of the member of Ignition it becomes.

use super::variants::BaseVersion::{self, V0_1, V0_2, V0_3, V0_4, V0_5, V0_6, V0_7, V0_8};
use super::variants::{Dialect, Sugar, Variant};
use crate::text::is_same_name;

/// An object of the language.
#[derive(Debug)]
pub(crate) struct Type {
    /// Name of its definition in the schemas.
    pub(crate) name: &'static str,
    pub(crate) fields: &'static [ButaneField],
}

/// A key of an object.
#[derive(Debug)]
pub(crate) struct ButaneField {
    pub(crate) name: &'static str,
    pub(crate) kind: ButaneFieldKind,
    since: BaseVersion,
    scope: DialectScope,
    /// Empty if it is that of the member of Ignition with the same meaning.
    pub(crate) about: &'static str,
    /// False for what only exists in this language.
    pub(crate) is_ignition: bool,
}

/// What a key holds.
#[derive(Debug, Clone, Copy)]
pub(crate) enum ButaneFieldKind {
    Text,
    Int,
    Bool,
    Object(&'static Type),
    Texts,
    Objects(&'static Type),
    /// Any keys, each with a text.
    TextMap,
}

/// Which dialects have a key.
#[derive(Debug, Clone, Copy)]
enum DialectScope {
    All,
    /// Those with this sugar.
    Sugar(Sugar),
    Openshift,
}

impl Type {
    /// The keys of a dialect.
    pub(crate) fn fields_in(
        &self,
        dialect: &Dialect,
    ) -> impl Iterator<Item = &'static ButaneField> {
        self.fields.iter().filter(move |field| field.is_in(dialect))
    }

    /// The key called `name`, in any dialect.
    pub(crate) fn field(&self, name: &str) -> Option<&'static ButaneField> {
        let is_meant = |field: &&ButaneField| is_same_name(field.name, name);
        self.fields.iter().find(is_meant)
    }
}

impl ButaneField {
    const fn new(name: &'static str, kind: ButaneFieldKind) -> Self {
        ButaneField {
            name,
            kind,
            since: V0_1,
            scope: DialectScope::All,
            about: "",
            is_ignition: true,
        }
    }

    const fn from(mut self, base: BaseVersion) -> Self {
        self.since = base;
        self
    }

    const fn with(mut self, sugar: Sugar) -> Self {
        self.scope = DialectScope::Sugar(sugar);
        self
    }

    const fn openshift(mut self) -> Self {
        self.scope = DialectScope::Openshift;
        self
    }

    /// A key of this language alone.
    const fn own(mut self, about: &'static str) -> Self {
        self.about = about;
        self.is_ignition = false;
        self
    }

    /// True if `dialect` has the key.
    pub(crate) fn is_in(&self, dialect: &Dialect) -> bool {
        let is_in_scope = match self.scope {
            DialectScope::All => true,
            DialectScope::Sugar(sugar) => dialect.has(sugar),
            DialectScope::Openshift => dialect.variant == Variant::Openshift,
        };
        is_in_scope && dialect.base >= self.since
    }

    /// The object of this key or of its elements.
    pub(crate) fn object(&self) -> Option<&'static Type> {
        match self.kind {
            ButaneFieldKind::Object(of) | ButaneFieldKind::Objects(of) => Some(of),
            _ => None,
        }
    }
}

const fn text(name: &'static str) -> ButaneField {
    ButaneField::new(name, ButaneFieldKind::Text)
}

const fn int(name: &'static str) -> ButaneField {
    ButaneField::new(name, ButaneFieldKind::Int)
}

const fn flag(name: &'static str) -> ButaneField {
    ButaneField::new(name, ButaneFieldKind::Bool)
}

const fn texts(name: &'static str) -> ButaneField {
    ButaneField::new(name, ButaneFieldKind::Texts)
}

const fn object(name: &'static str, of: &'static Type) -> ButaneField {
    ButaneField::new(name, ButaneFieldKind::Object(of))
}

const fn objects(name: &'static str, of: &'static Type) -> ButaneField {
    ButaneField::new(name, ButaneFieldKind::Objects(of))
}

/// The document.
pub(crate) static ROOT: Type = Type {
    name: "config",
    fields: &[
        text("variant").own("The flavour of the language: fcos, flatcar, r4e, fiot or openshift"),
        text("version").own("The version of the variant, e.g. 1.6.0"),
        object("metadata", &METADATA)
            .openshift()
            .own("Metadata of the MachineConfig"),
        object("openshift", &OPENSHIFT)
            .openshift()
            .own("Settings of the MachineConfig"),
        object("ignition", &IGNITION),
        object("kernel_arguments", &KERNEL_ARGUMENTS).from(V0_4),
        object("boot_device", &BOOT_DEVICE)
            .with(Sugar::V1_3)
            .own("Layout, encryption and mirroring of the boot disk"),
        object("storage", &STORAGE),
        object("systemd", &SYSTEMD),
        object("passwd", &PASSWD),
        object("grub", &GRUB)
            .with(Sugar::V1_5)
            .own("Settings of the boot loader"),
    ],
};

static METADATA: Type = Type {
    name: "metadata",
    fields: &[
        text("name").own("Name of the MachineConfig; required"),
        ButaneField::new("labels", ButaneFieldKind::TextMap)
            .own("Labels of the MachineConfig; machineconfiguration.openshift.io/role is required"),
    ],
};

static OPENSHIFT: Type = Type {
    name: "openshift",
    fields: &[
        text("kernel_type").own("default or realtime"),
        texts("kernel_arguments").own("Arguments of the kernel"),
        texts("extensions").own("Extensions of the operating system"),
        flag("fips").own("Turn on FIPS mode"),
    ],
};

static IGNITION: Type = Type {
    name: "ignition",
    fields: &[
        object("config", &CONFIG),
        object("timeouts", &TIMEOUTS),
        object("security", &SECURITY),
        object("proxy", &PROXY).from(V0_2),
    ],
};

static CONFIG: Type = Type {
    name: "ignitionConfig",
    fields: &[objects("merge", &REFERENCE), object("replace", &REFERENCE)],
};

static TIMEOUTS: Type = Type {
    name: "timeouts",
    fields: &[int("http_response_headers"), int("http_total")],
};

static SECURITY: Type = Type {
    name: "security",
    fields: &[object("tls", &TLS)],
};

static TLS: Type = Type {
    name: "tls",
    fields: &[objects("certificate_authorities", &AUTHORITY)],
};

static PROXY: Type = Type {
    name: "proxy",
    fields: &[text("http_proxy"), text("https_proxy"), texts("no_proxy")],
};

const INLINE: ButaneField = text("inline").own("The bytes, as text");
const LOCAL: ButaneField = text("local").own("The bytes, as a path in the files directory");

/// In base 0.1, other configs and certificates had only a source and its hash.
const REFERENCE_FIELDS: &[ButaneField] = &[
    text("source"),
    INLINE.from(V0_2),
    LOCAL.from(V0_2),
    text("compression").from(V0_2),
    objects("http_headers", &HTTP_HEADER).from(V0_2),
    object("verification", &VERIFICATION),
];

/// Other configs.
pub(crate) static REFERENCE: Type = Type {
    name: "reference",
    fields: REFERENCE_FIELDS,
};

/// Certificates.
pub(crate) static AUTHORITY: Type = Type {
    name: "authority",
    fields: REFERENCE_FIELDS,
};

/// Contents of files and key files. In base 0.1 `local` and headers did not exist.
pub(crate) static RESOURCE: Type = Type {
    name: "resource",
    fields: &[
        text("source"),
        INLINE,
        LOCAL.from(V0_2),
        text("compression"),
        objects("http_headers", &HTTP_HEADER).from(V0_2),
        object("verification", &VERIFICATION),
    ],
};

static HTTP_HEADER: Type = Type {
    name: "httpHeader",
    fields: &[text("name"), text("value")],
};

static VERIFICATION: Type = Type {
    name: "verification",
    fields: &[text("hash")],
};

static KERNEL_ARGUMENTS: Type = Type {
    name: "kernelArguments",
    fields: &[texts("should_exist"), texts("should_not_exist")],
};

static BOOT_DEVICE: Type = Type {
    name: "bootDevice",
    fields: &[
        text("layout").own(
            "Architecture of the disk: x86_64, aarch64, ppc64le, s390x-eckd, s390x-zfcp or s390x-virt",
        ),
        object("luks", &BOOT_LUKS).own("Encryption of the root file system"),
        object("mirror", &MIRROR).own("Mirroring of the boot disk"),
    ],
};

static BOOT_LUKS: Type = Type {
    name: "bootLuks",
    fields: &[
        text("device")
            .with(Sugar::V1_6)
            .own("Whole disk of the root file system, on s390x"),
        objects("tang", &TANG).own("Tang servers"),
        int("threshold").own("How many pieces unlock the volume"),
        flag("tpm2").own("Bind to the TPM"),
        flag("discard")
            .with(Sugar::V1_5)
            .own("Pass discards through to the device"),
        object("cex", &CEX)
            .with(Sugar::V1_6)
            .own("IBM Crypto Express card"),
    ],
};

static MIRROR: Type = Type {
    name: "bootMirror",
    fields: &[texts("devices").own("Disks to mirror the boot disk on; at least two")],
};

static STORAGE: Type = Type {
    name: "storage",
    fields: &[
        objects("disks", &DISK),
        objects("raid", &RAID),
        objects("filesystems", &FILESYSTEM),
        objects("files", &FILE),
        objects("directories", &DIRECTORY),
        objects("links", &LINK),
        objects("luks", &LUKS).from(V0_3),
        objects("trees", &TREE)
            .from(V0_2)
            .own("Local directories to be put into the file system"),
    ],
};

static DISK: Type = Type {
    name: "disk",
    fields: &[
        text("device"),
        flag("wipe_table"),
        objects("partitions", &PARTITION),
    ],
};

static PARTITION: Type = Type {
    name: "partition",
    fields: &[
        text("label"),
        int("number"),
        int("size_mib"),
        int("start_mib"),
        text("type_guid"),
        text("guid"),
        flag("wipe_partition_entry"),
        flag("should_exist"),
        flag("resize").from(V0_3),
    ],
};

static RAID: Type = Type {
    name: "raid",
    fields: &[
        text("name"),
        text("level"),
        texts("devices"),
        int("spares"),
        texts("options"),
    ],
};

static FILESYSTEM: Type = Type {
    name: "filesystem",
    fields: &[
        text("path"),
        text("device"),
        text("format"),
        flag("wipe_filesystem"),
        text("label"),
        text("uuid"),
        texts("options"),
        texts("mount_options").from(V0_2),
        flag("with_mount_unit").from(V0_2).own(
            "Make a unit that mounts the file system, or turns on the swap area, on every boot",
        ),
    ],
};

const OWNER: ButaneField = object("user", &NODE_OWNER);
const OWNING_GROUP: ButaneField = object("group", &NODE_OWNER);

static NODE_OWNER: Type = Type {
    name: "nodeOwner",
    fields: &[int("id"), text("name")],
};

pub(super) static FILE: Type = Type {
    name: "file",
    fields: &[
        text("path"),
        OWNER,
        OWNING_GROUP,
        flag("overwrite"),
        int("mode"),
        object("contents", &RESOURCE),
        objects("append", &RESOURCE),
    ],
};

static DIRECTORY: Type = Type {
    name: "directory",
    fields: &[
        text("path"),
        OWNER,
        OWNING_GROUP,
        flag("overwrite"),
        int("mode"),
    ],
};

static LINK: Type = Type {
    name: "link",
    fields: &[
        text("path"),
        OWNER,
        OWNING_GROUP,
        flag("overwrite"),
        text("target"),
        flag("hard"),
    ],
};

static LUKS: Type = Type {
    name: "luks",
    fields: &[
        text("name"),
        text("label"),
        text("uuid"),
        text("device"),
        object("key_file", &RESOURCE),
        flag("wipe_volume"),
        texts("options"),
        flag("discard").from(V0_5),
        texts("open_options").from(V0_5),
        object("clevis", &CLEVIS),
        object("cex", &CEX).from(V0_6),
    ],
};

static CEX: Type = Type {
    name: "cex",
    fields: &[flag("enabled")],
};

static CLEVIS: Type = Type {
    name: "clevis",
    fields: &[
        flag("tpm2"),
        int("threshold"),
        objects("tang", &TANG),
        object("custom", &CLEVIS_CUSTOM),
    ],
};

static CLEVIS_CUSTOM: Type = Type {
    name: "clevisCustom",
    fields: &[text("pin"), text("config"), flag("needs_network")],
};

static TANG: Type = Type {
    name: "tang",
    fields: &[
        text("url"),
        text("thumbprint"),
        text("advertisement").from(V0_5),
    ],
};

static TREE: Type = Type {
    name: "tree",
    fields: &[
        text("local").own("The directory, as a path in the files directory"),
        text("path").own("Where its contents go; / by default"),
        object("user", &NODE_OWNER)
            .from(V0_7)
            .own("Owner of everything in the tree"),
        object("group", &NODE_OWNER)
            .from(V0_7)
            .own("Owning group of everything in the tree"),
        int("file_mode")
            .from(V0_7)
            .own("Permission bits of the files, e.g. 0644"),
        int("dir_mode")
            .from(V0_7)
            .own("Permission bits of the directories, e.g. 0755"),
    ],
};

static SYSTEMD: Type = Type {
    name: "systemd",
    fields: &[
        objects("units", &UNIT),
        objects("quadlets", &QUADLET)
            .from(V0_8)
            .own("Units of Podman"),
    ],
};

const CONTENTS_LOCAL: ButaneField =
    text("contents_local").own("The text, as a path in the files directory");

static UNIT: Type = Type {
    name: "unit",
    fields: &[
        text("name"),
        flag("enabled"),
        flag("mask"),
        text("contents"),
        CONTENTS_LOCAL.from(V0_5),
        objects("dropins", &DROPIN),
    ],
};

static DROPIN: Type = Type {
    name: "dropin",
    fields: &[text("name"), text("contents"), CONTENTS_LOCAL.from(V0_5)],
};

static QUADLET: Type = Type {
    name: "quadlet",
    fields: &[
        text("name").own("File name of the unit, e.g. web.container"),
        flag("rootful").own("true = a unit of the system, not of its users"),
        text("contents").own("Text of the unit"),
        CONTENTS_LOCAL,
        objects("dropins", &QUADLET_DROPIN).own("Drop-in files"),
    ],
};

static QUADLET_DROPIN: Type = Type {
    name: "quadletDropin",
    fields: &[
        text("name").own("File name of the drop-in"),
        text("contents").own("Text of the drop-in"),
        CONTENTS_LOCAL,
    ],
};

static PASSWD: Type = Type {
    name: "passwd",
    fields: &[objects("users", &USER), objects("groups", &GROUP)],
};

static USER: Type = Type {
    name: "user",
    fields: &[
        text("name"),
        text("password_hash"),
        texts("ssh_authorized_keys"),
        texts("ssh_authorized_keys_local")
            .from(V0_5)
            .own("Files with SSH public keys, as paths in the files directory"),
        int("uid"),
        text("gecos"),
        text("home_dir"),
        flag("no_create_home"),
        text("primary_group"),
        texts("groups"),
        flag("no_user_group"),
        flag("no_log_init"),
        text("shell"),
        flag("should_exist").from(V0_3),
        flag("system"),
    ],
};

static GROUP: Type = Type {
    name: "group",
    fields: &[
        text("name"),
        int("gid"),
        text("password_hash"),
        flag("should_exist").from(V0_3),
        flag("system"),
    ],
};

static GRUB: Type = Type {
    name: "grub",
    fields: &[objects("users", &GRUB_USER).own("Users of the boot loader")],
};

static GRUB_USER: Type = Type {
    name: "grubUser",
    fields: &[
        text("name").own("Name of the user"),
        text("password_hash").own("Hash of the password, as grub2-mkpasswd-pbkdf2 makes it"),
    ],
};
