//! The table of the language: every object with its keys, the versions that have them, and what they hold.
//!
//! It drives reading, the report of unknown keys, the translation of what has the same meaning in Ignition, and the
//! JSON Schemas. A key without a description takes that of the Ignition member it becomes.

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
    /// The description; empty to take that of the Ignition member with the same meaning.
    pub(crate) about: &'static str,
    /// False for keys that Ignition does not have.
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
    /// A mapping from any keys to texts.
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
        let is_match = |field: &&ButaneField| is_same_name(field.name, name);
        self.fields.iter().find(is_match)
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

    /// Marks a key that Ignition does not have.
    const fn butane_only(mut self, about: &'static str) -> Self {
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
        text("variant")
            .butane_only("The flavour of the language: fcos, flatcar, r4e, fiot or openshift"),
        text("version").butane_only("The version of the variant, e.g. 1.6.0"),
        object("metadata", &METADATA)
            .openshift()
            .butane_only("Metadata of the MachineConfig"),
        object("openshift", &OPENSHIFT)
            .openshift()
            .butane_only("Settings of the MachineConfig"),
        object("ignition", &IGNITION),
        object("kernel_arguments", &KERNEL_ARGUMENTS).from(V0_4),
        object("boot_device", &BOOT_DEVICE)
            .with(Sugar::V1_3)
            .butane_only("Layout, encryption and mirroring of the boot disk"),
        object("storage", &STORAGE),
        object("systemd", &SYSTEMD),
        object("passwd", &PASSWD),
        object("grub", &GRUB)
            .with(Sugar::V1_5)
            .butane_only("Settings of the boot loader"),
    ],
};

static METADATA: Type = Type {
    name: "metadata",
    fields: &[
        text("name").butane_only("Name of the MachineConfig; required"),
        ButaneField::new("labels", ButaneFieldKind::TextMap).butane_only(
            "Labels of the MachineConfig; machineconfiguration.openshift.io/role is required",
        ),
    ],
};

static OPENSHIFT: Type = Type {
    name: "openshift",
    fields: &[
        text("kernel_type").butane_only("default or realtime"),
        texts("kernel_arguments").butane_only("Arguments of the kernel"),
        texts("extensions").butane_only("Extensions of the operating system"),
        flag("fips").butane_only("Turn on FIPS mode"),
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

const INLINE: ButaneField = text("inline").butane_only("The bytes, as text");
const LOCAL: ButaneField = text("local").butane_only("The bytes, as a path in the files directory");

/// References to other configs, and certificates. In base 0.1 they had only a source and its hash.
const REFERENCE_FIELDS: &[ButaneField] = &[
    text("source"),
    INLINE.from(V0_2),
    LOCAL.from(V0_2),
    text("compression").from(V0_2),
    objects("http_headers", &HTTP_HEADER).from(V0_2),
    object("verification", &VERIFICATION),
];

/// A reference to another config.
pub(crate) static REFERENCE: Type = Type {
    name: "reference",
    fields: REFERENCE_FIELDS,
};

/// A reference to certificates.
pub(crate) static AUTHORITY: Type = Type {
    name: "authority",
    fields: REFERENCE_FIELDS,
};

/// Contents of files and key files. Base 0.1 had neither `local` nor headers.
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
        text("layout").butane_only(
            "Architecture of the disk: x86_64, aarch64, ppc64le, s390x-eckd, s390x-zfcp or s390x-virt",
        ),
        object("luks", &BOOT_LUKS).butane_only("Encryption of the root file system"),
        object("mirror", &MIRROR).butane_only("Mirroring of the boot disk"),
    ],
};

static BOOT_LUKS: Type = Type {
    name: "bootLuks",
    fields: &[
        text("device")
            .with(Sugar::V1_6)
            .butane_only("Whole disk of the root file system, on s390x"),
        objects("tang", &TANG).butane_only("Tang servers"),
        int("threshold").butane_only("How many pieces unlock the volume"),
        flag("tpm2").butane_only("Bind to the TPM"),
        flag("discard")
            .with(Sugar::V1_5)
            .butane_only("Pass discards through to the device"),
        object("cex", &CEX)
            .with(Sugar::V1_6)
            .butane_only("IBM Crypto Express card"),
    ],
};

static MIRROR: Type = Type {
    name: "bootMirror",
    fields: &[texts("devices").butane_only("Disks to mirror the boot disk on; at least two")],
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
            .butane_only("Local directories to be put into the file system"),
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
        flag("with_mount_unit").from(V0_2).butane_only(
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
        text("local").butane_only("The directory, as a path in the files directory"),
        text("path").butane_only("Where its contents go; / by default"),
        object("user", &NODE_OWNER)
            .from(V0_7)
            .butane_only("Owner of everything in the tree"),
        object("group", &NODE_OWNER)
            .from(V0_7)
            .butane_only("Owning group of everything in the tree"),
        int("file_mode")
            .from(V0_7)
            .butane_only("Permission bits of the files, e.g. 0644"),
        int("dir_mode")
            .from(V0_7)
            .butane_only("Permission bits of the directories, e.g. 0755"),
    ],
};

static SYSTEMD: Type = Type {
    name: "systemd",
    fields: &[
        objects("units", &UNIT),
        objects("quadlets", &QUADLET)
            .from(V0_8)
            .butane_only("Units of Podman"),
    ],
};

const CONTENTS_LOCAL: ButaneField =
    text("contents_local").butane_only("The text, as a path in the files directory");

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
        text("name").butane_only("File name of the unit, e.g. web.container"),
        flag("rootful").butane_only("true = a unit of the system, not of its users"),
        text("contents").butane_only("Text of the unit"),
        CONTENTS_LOCAL,
        objects("dropins", &QUADLET_DROPIN).butane_only("Drop-in files"),
    ],
};

static QUADLET_DROPIN: Type = Type {
    name: "quadletDropin",
    fields: &[
        text("name").butane_only("File name of the drop-in"),
        text("contents").butane_only("Text of the drop-in"),
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
            .butane_only("Files with SSH public keys, as paths in the files directory"),
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
    fields: &[objects("users", &GRUB_USER).butane_only("Users of the boot loader")],
};

static GRUB_USER: Type = Type {
    name: "grubUser",
    fields: &[
        text("name").butane_only("Name of the user"),
        text("password_hash")
            .butane_only("Hash of the password, as grub2-mkpasswd-pbkdf2 makes it"),
    ],
};
