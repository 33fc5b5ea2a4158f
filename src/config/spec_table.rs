//! The table of the language: all object types, their members, since which version, and how list elements pair.
//!
//! Reading, unknown keys, the JSON Schemas, the check for duplicates and merging are all driven by
//! this one table. Members are in the order in which findings are reported.

use super::version::Version::{self, V3_0, V3_1, V3_2, V3_3, V3_4, V3_5};

/// An object type of the language.
#[derive(Debug)]
pub(crate) struct ObjectType {
    /// Name of its definition in the schemas.
    pub(crate) name: &'static str,
    pub(crate) about: &'static str,
    pub(crate) fields: &'static [Field],
}

/// A member of an object type.
#[derive(Debug)]
pub(crate) struct Field {
    pub(crate) name: &'static str,
    pub(crate) kind: Kind,
    pub(crate) class: Class,
    /// Class in versions before this one, where it differs.
    earlier: Option<(Version, Class)>,
    since: Version,
    /// Key space: lists with the same one in an object share their keys.
    pub(crate) space: Option<&'static str>,
    pub(crate) about: &'static str,
}

/// What a member holds.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Kind {
    Text,
    Int,
    Bool,
    Object(&'static ObjectType),
    Texts(ListKey),
    Objects(&'static ObjectType, ListKey),
}

/// What null and absence mean.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Class {
    /// Absent differs from empty, zero and false.
    Optional,
    /// Absent is the same as empty.
    Plain,
}

/// What makes two elements of a list the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ListKey {
    /// Nothing: elements may repeat and never pair.
    None,
    /// The string itself.
    Itself,
    /// A text member; absent counts as empty.
    Member(&'static str),
    /// Partitions: the number, or the label if the number is 0.
    Partition,
    /// The header name; when merging, a child without a value removes its partner.
    Header,
}

impl ObjectType {
    /// The members known in `version`, in report order.
    pub(crate) fn fields_in(&self, version: Version) -> impl Iterator<Item = &'static Field> {
        self.fields.iter().filter(move |f| f.since <= version)
    }

    /// The member called `name` in any version.
    pub(crate) fn field(&self, name: &str) -> Option<&'static Field> {
        self.fields.iter().find(|f| f.name == name)
    }
}

impl Field {
    pub(crate) fn since(&self) -> Version {
        self.since
    }

    pub(crate) fn class_in(&self, version: Version) -> Class {
        match self.earlier {
            Some((until, class)) if version < until => class,
            _ => self.class,
        }
    }

    /// How the elements pair, if this is a list.
    pub(crate) fn list_key(&self) -> Option<ListKey> {
        match self.kind {
            Kind::Texts(key) | Kind::Objects(_, key) => Some(key),
            _ => None,
        }
    }

    /// The object type of this member or of its elements.
    pub(crate) fn object_type(&self) -> Option<&'static ObjectType> {
        match self.kind {
            Kind::Object(t) | Kind::Objects(t, _) => Some(t),
            _ => None,
        }
    }

    const fn new(name: &'static str, kind: Kind, about: &'static str) -> Self {
        let class = match kind {
            Kind::Text | Kind::Int | Kind::Bool => Class::Optional,
            _ => Class::Plain,
        };
        Field {
            name,
            kind,
            class,
            earlier: None,
            since: V3_0,
            space: None,
            about,
        }
    }

    const fn from(mut self, version: Version) -> Self {
        self.since = version;
        self
    }

    const fn plain(mut self) -> Self {
        self.class = Class::Plain;
        self
    }

    const fn before(mut self, version: Version, class: Class) -> Self {
        self.earlier = Some((version, class));
        self
    }

    const fn shares(mut self, space: &'static str) -> Self {
        self.space = Some(space);
        self
    }
}

const fn text(name: &'static str, about: &'static str) -> Field {
    Field::new(name, Kind::Text, about)
}

const fn int(name: &'static str, about: &'static str) -> Field {
    Field::new(name, Kind::Int, about)
}

const fn flag(name: &'static str, about: &'static str) -> Field {
    Field::new(name, Kind::Bool, about)
}

const fn object(name: &'static str, ty: &'static ObjectType, about: &'static str) -> Field {
    Field::new(name, Kind::Object(ty), about)
}

const fn texts(name: &'static str, key: ListKey, about: &'static str) -> Field {
    Field::new(name, Kind::Texts(key), about)
}

const fn objects(
    name: &'static str,
    ty: &'static ObjectType,
    key: ListKey,
    about: &'static str,
) -> Field {
    Field::new(name, Kind::Objects(ty, key), about)
}

use ListKey::{Header, Itself, Member, Partition};

/// The part of a document that contains its version.
pub(crate) static PREAMBLE: ObjectType = ObjectType {
    name: "preamble",
    about: "",
    fields: &[object("ignition", &PREAMBLE_IGNITION, "")],
};

static PREAMBLE_IGNITION: ObjectType = ObjectType {
    name: "preambleIgnition",
    about: "",
    fields: &[text("version", "").plain()],
};

/// The document.
pub(crate) static ROOT: ObjectType = ObjectType {
    name: "config",
    about: "A machine config",
    fields: &[
        object(
            "ignition",
            &IGNITION,
            "Metadata: version, references, transport settings",
        ),
        object(
            "kernelArguments",
            &KERNEL_ARGUMENTS,
            "Changes to the kernel command line",
        )
        .from(V3_3),
        object("passwd", &PASSWD, "Users and groups"),
        object("storage", &STORAGE, "Disks and everything on them"),
        object("systemd", &SYSTEMD, "Units"),
    ],
};

static IGNITION: ObjectType = ObjectType {
    name: "ignition",
    about: "Metadata of the document",
    fields: &[
        object("config", &REFERENCES, "References to other configs"),
        object("proxy", &PROXY, "Proxies used for fetching").from(V3_1),
        object("security", &SECURITY, "Trust settings for fetching"),
        object("timeouts", &TIMEOUTS, "Time limits for fetching over HTTP"),
        text(
            "version",
            "Version of the config language this document is written in",
        )
        .plain(),
    ],
};

static REFERENCES: ObjectType = ObjectType {
    name: "references",
    about: "References to other configs",
    fields: &[
        objects(
            "merge",
            &REFERENCE,
            Member("source"),
            "Configs merged into this one, in order",
        ),
        object(
            "replace",
            &REFERENCE,
            "Config that takes the place of this one",
        ),
    ],
};

static PROXY: ObjectType = ObjectType {
    name: "proxy",
    about: "Proxies used for fetching",
    fields: &[
        text(
            "httpProxy",
            "Proxy URL for http, and for https if it has none of its own",
        ),
        text("httpsProxy", "Proxy URL for https"),
        texts(
            "noProxy",
            Itself,
            "Hosts, domains and networks reached directly",
        ),
    ],
};

static SECURITY: ObjectType = ObjectType {
    name: "security",
    about: "Trust settings for fetching",
    fields: &[object("tls", &TLS, "TLS settings")],
};

static TLS: ObjectType = ObjectType {
    name: "tls",
    about: "TLS settings",
    fields: &[objects(
        "certificateAuthorities",
        &AUTHORITY,
        Member("source"),
        "PEM bundles trusted in addition to those of the system",
    )],
};

static TIMEOUTS: ObjectType = ObjectType {
    name: "timeouts",
    about: "Time limits for fetching over HTTP",
    fields: &[
        int(
            "httpResponseHeaders",
            "Seconds to wait for response headers; 0 = no limit",
        ),
        int(
            "httpTotal",
            "Seconds for a fetch with all its retries; 0 = no limit",
        ),
    ],
};

const SOURCE_ABOUT: &str = "URL of the bytes";
const COMPRESSION: Field = text("compression", "gzip, or empty for none");
const HEADERS: Field = objects(
    "httpHeaders",
    &HEADER,
    Header,
    "Additional request headers (http and https)",
)
.from(V3_1);
const SOURCE: Field = text("source", SOURCE_ABOUT);
const VERIFICATION: Field = object("verification", &VERIFICATION_TYPE, "Expected digest");

/// Contents of files and key files.
static RESOURCE: ObjectType = ObjectType {
    name: "resource",
    about: "Bytes to fetch",
    fields: &[COMPRESSION, HEADERS, SOURCE, VERIFICATION],
};

/// Other configs. In 3.0 these had neither compression nor headers.
static REFERENCE: ObjectType = ObjectType {
    name: "reference",
    about: "A config to fetch",
    fields: &[COMPRESSION.from(V3_1), HEADERS, SOURCE, VERIFICATION],
};

/// Certificate authorities. Like references, but in 3.0 an absent source was the same as an empty one.
static AUTHORITY: ObjectType = ObjectType {
    name: "authority",
    about: "Certificates to fetch",
    fields: &[
        COMPRESSION.from(V3_1),
        HEADERS,
        SOURCE.before(V3_1, Class::Plain),
        VERIFICATION,
    ],
};

static HEADER: ObjectType = ObjectType {
    name: "httpHeader",
    about: "An HTTP request header",
    fields: &[
        text("name", "Header name").plain(),
        text(
            "value",
            "Header value; without one, the header of a parent config is removed",
        ),
    ],
};

static VERIFICATION_TYPE: ObjectType = ObjectType {
    name: "verification",
    about: "How to verify the bytes",
    fields: &[text(
        "hash",
        "sha512- or sha256- followed by the digest in hexadecimal digits",
    )],
};

static KERNEL_ARGUMENTS: ObjectType = ObjectType {
    name: "kernelArguments",
    about: "Changes to the kernel command line",
    fields: &[
        texts(
            "shouldExist",
            Itself,
            "Arguments the command line must have",
        )
        .shares("arguments"),
        texts(
            "shouldNotExist",
            Itself,
            "Arguments the command line must not have",
        )
        .shares("arguments"),
    ],
};

static PASSWD: ObjectType = ObjectType {
    name: "passwd",
    about: "Users and groups",
    fields: &[
        objects(
            "groups",
            &GROUP,
            Member("name"),
            "Groups to create, change or delete",
        ),
        objects(
            "users",
            &USER,
            Member("name"),
            "Users to create, change or delete",
        ),
    ],
};

static GROUP: ObjectType = ObjectType {
    name: "group",
    about: "A group",
    fields: &[
        int("gid", "Numeric id"),
        text("name", "Group name").plain(),
        text("passwordHash", "Encrypted group password"),
        flag("shouldExist", "false = delete the group").from(V3_2),
        flag("system", "Create as a system group"),
    ],
};

static USER: ObjectType = ObjectType {
    name: "user",
    about: "A user",
    fields: &[
        text("gecos", "Comment field of the account"),
        texts("groups", Itself, "Supplementary groups"),
        text("homeDir", "Home directory"),
        text("name", "Login name").plain(),
        flag("noCreateHome", "true = do not create the home directory"),
        flag("noLogInit", "true = leave lastlog and faillog alone"),
        flag(
            "noUserGroup",
            "true = do not create a group named like the user",
        ),
        text("passwordHash", "Encrypted password"),
        text("primaryGroup", "Name or id of the primary group"),
        text("shell", "Login shell"),
        flag("shouldExist", "false = delete the account").from(V3_2),
        texts(
            "sshAuthorizedKeys",
            Itself,
            "SSH public keys allowed to log in",
        ),
        flag("system", "Create as a system account"),
        int("uid", "Numeric id"),
    ],
};

static STORAGE: ObjectType = ObjectType {
    name: "storage",
    about: "Disks and everything on them",
    fields: &[
        objects("directories", &DIRECTORY, Member("path"), "Directories").shares("nodes"),
        objects("disks", &DISK, Member("device"), "Disks to partition"),
        objects("files", &FILE, Member("path"), "Files").shares("nodes"),
        objects("filesystems", &FILESYSTEM, Member("device"), "File systems"),
        objects("links", &LINK, Member("path"), "Symbolic and hard links").shares("nodes"),
        objects("luks", &LUKS, Member("name"), "Encrypted volumes").from(V3_2),
        objects("raid", &RAID, Member("name"), "Software RAID arrays"),
    ],
};

const OWNING_GROUP: Field = object("group", &NODE_OWNER, "Owning group");
const OVERWRITE: Field = flag("overwrite", "Remove whatever is at the path first");
const NODE_PATH: Field = text("path", "Absolute path").plain();
const OWNER: Field = object("user", &NODE_OWNER, "Owning user");

static NODE_OWNER: ObjectType = ObjectType {
    name: "nodeOwner",
    about: "An owner, by id or by name",
    fields: &[
        int("id", "Numeric id"),
        text("name", "Name, as the target system knows it"),
    ],
};

static DIRECTORY: ObjectType = ObjectType {
    name: "directory",
    about: "A directory",
    fields: &[
        OWNING_GROUP,
        OVERWRITE,
        NODE_PATH,
        OWNER,
        int("mode", "Permission bits as a decimal number; 493 is 0755"),
    ],
};

pub(crate) static FILE: ObjectType = ObjectType {
    name: "file",
    about: "A file",
    fields: &[
        OWNING_GROUP,
        OVERWRITE,
        NODE_PATH,
        OWNER,
        objects(
            "append",
            &RESOURCE,
            ListKey::None,
            "Fragments appended in order",
        ),
        object("contents", &RESOURCE, "What the file holds"),
        int("mode", "Permission bits as a decimal number; 420 is 0644"),
    ],
};

static LINK: ObjectType = ObjectType {
    name: "link",
    about: "A symbolic or hard link",
    fields: &[
        OWNING_GROUP,
        OVERWRITE,
        NODE_PATH,
        OWNER,
        flag("hard", "true = hard link"),
        text("target", "What the link points to").before(V3_3, Class::Plain),
    ],
};

static DISK: ObjectType = ObjectType {
    name: "disk",
    about: "A disk and its partition table",
    fields: &[
        text("device", "Absolute path of the block device").plain(),
        objects("partitions", &PARTITION, Partition, "Partitions"),
        flag("wipeTable", "Erase the partition table first"),
    ],
};

static PARTITION: ObjectType = ObjectType {
    name: "partition",
    about: "A partition",
    fields: &[
        text("guid", "GPT unique id"),
        text("label", "GPT name"),
        int("number", "Slot in the table; 0 = next free one").plain(),
        flag("resize", "May be resized when only the size differs").from(V3_2),
        flag("shouldExist", "false = must not exist"),
        int("sizeMiB", "Size in MiB; 0 = as large as possible"),
        int(
            "startMiB",
            "Start in MiB; 0 = start of the largest free block",
        ),
        text("typeGuid", "GPT partition type"),
        flag(
            "wipePartitionEntry",
            "May be deleted or recreated when it differs",
        ),
    ],
};

static FILESYSTEM: ObjectType = ObjectType {
    name: "filesystem",
    about: "A file system",
    fields: &[
        text("device", "Absolute path of the block device").plain(),
        text("format", "Kind of file system, e.g. ext4"),
        text("label", "Volume label"),
        texts("mountOptions", ListKey::None, "Options for mounting").from(V3_1),
        texts("options", ListKey::None, "Options for the mkfs tool"),
        text("path", "Mount point while provisioning"),
        text("uuid", "Volume UUID"),
        flag("wipeFilesystem", "Erase what is on the device first"),
    ],
};

static LUKS: ObjectType = ObjectType {
    name: "luks",
    about: "An encrypted volume",
    fields: &[
        object("cex", &CEX, "IBM Crypto Express card").from(V3_5),
        object("clevis", &CLEVIS, "Automatic unlocking").before(V3_3, Class::Optional),
        text("device", "Absolute path of the block device"),
        flag("discard", "Pass discards through to the device").from(V3_4),
        object("keyFile", &RESOURCE, "Key material; generated when absent"),
        text("label", "Volume label"),
        text("name", "Name of the unlocked volume").plain(),
        texts("openOptions", Itself, "Options for opening the volume").from(V3_4),
        texts(
            "options",
            ListKey::None,
            "Options for formatting the volume",
        ),
        text("uuid", "Volume UUID"),
        flag("wipeVolume", "Erase what is on the device first"),
    ],
};

static CEX: ObjectType = ObjectType {
    name: "cex",
    about: "IBM Crypto Express card",
    fields: &[flag("enabled", "Keep the volume key in the card")],
};

static CLEVIS: ObjectType = ObjectType {
    name: "clevis",
    about: "Automatic unlocking",
    fields: &[
        object(
            "custom",
            &CLEVIS_CUSTOM,
            "A pin in its own words; excludes the other members",
        )
        .before(V3_3, Class::Optional),
        objects("tang", &TANG, Member("url"), "Tang servers"),
        int("threshold", "How many pieces unlock the volume"),
        flag("tpm2", "Bind to the TPM"),
    ],
};

static CLEVIS_CUSTOM: ObjectType = ObjectType {
    name: "clevisCustom",
    about: "A clevis pin in its own words",
    fields: &[
        text("config", "Pin configuration, JSON as text").before(V3_3, Class::Plain),
        flag("needsNetwork", "Unlocking needs the network"),
        text("pin", "Pin name").before(V3_3, Class::Plain),
    ],
};

static TANG: ObjectType = ObjectType {
    name: "tang",
    about: "A tang server",
    fields: &[
        text("advertisement", "Advertisement of the server, JSON as text").from(V3_4),
        text("thumbprint", "Thumbprint of a trusted signing key"),
        text("url", "URL of the server").plain(),
    ],
};

static RAID: ObjectType = ObjectType {
    name: "raid",
    about: "A software RAID array",
    fields: &[
        texts("devices", Itself, "Absolute paths of the member devices"),
        text("level", "Redundancy level, e.g. raid1").before(V3_3, Class::Plain),
        text("name", "Name of the array").plain(),
        texts("options", ListKey::None, "Additional mdadm arguments"),
        int("spares", "Number of spare devices"),
    ],
};

static SYSTEMD: ObjectType = ObjectType {
    name: "systemd",
    about: "Units",
    fields: &[objects(
        "units",
        &UNIT,
        Member("name"),
        "Units to write, enable or mask",
    )],
};

static UNIT: ObjectType = ObjectType {
    name: "unit",
    about: "A unit",
    fields: &[
        text("contents", "Unit text"),
        objects("dropins", &DROPIN, Member("name"), "Drop-in files"),
        flag(
            "enabled",
            "true = enable, false = disable, absent = leave alone",
        ),
        flag("mask", "true = mask, false = unmask, absent = leave alone"),
        text("name", "File name of the unit, e.g. web.service").plain(),
    ],
};

static DROPIN: ObjectType = ObjectType {
    name: "dropin",
    about: "A drop-in file of a unit",
    fields: &[
        text("contents", "Drop-in text"),
        text("name", "File name ending in .conf").plain(),
    ],
};

#[cfg(test)]
mod tests {
    use super::*;

    fn walk(ty: &'static ObjectType, seen: &mut Vec<&'static str>) {
        if seen.contains(&ty.name) {
            return;
        }
        seen.push(ty.name);
        for field in ty.fields {
            let same = ty.fields.iter().filter(|f| f.name == field.name);
            assert_eq!(same.count(), 1, "{}.{}", ty.name, field.name);
            if let Some(ListKey::Member(key)) = field.list_key() {
                let element = field.object_type().and_then(|t| t.field(key));
                let is_text = element.is_some_and(|f| matches!(f.kind, Kind::Text));
                assert!(is_text, "{}.{}: no text member {key}", ty.name, field.name);
            }
            if let Some(inner) = field.object_type() {
                walk(inner, seen);
            }
        }
    }

    #[test]
    fn table_is_consistent() {
        let mut seen = Vec::new();
        walk(&ROOT, &mut seen);
        assert_eq!(seen.len(), 33, "{seen:?}");
    }
}
