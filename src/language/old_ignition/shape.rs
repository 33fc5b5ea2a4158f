//! The tables of the versions before 3: every object type, its members, and the versions that introduced them.

use super::version::OldVersion::{self, V1, V2_1, V2_2, V2_3, V2_4};

/// An object type.
#[derive(Debug)]
pub(super) struct OldObjectType {
    fields: &'static [OldField],
}

/// A member of an object type.
#[derive(Debug)]
pub(super) struct OldField {
    pub(super) name: &'static str,
    pub(super) kind: OldFieldKind,
    pub(super) since: OldVersion,
}

/// What a member holds.
#[derive(Debug, Clone, Copy)]
pub(super) enum OldFieldKind {
    Text,
    Int,
    /// A number that must not be negative in 1 and 2.0, but may be in later versions.
    Count,
    Flag,
    Texts,
    Object(&'static OldObjectType),
    Objects(&'static OldObjectType),
}

impl OldObjectType {
    /// The member called `name` in any version.
    pub(super) fn field(&self, name: &str) -> Option<&'static OldField> {
        self.fields.iter().find(|field| field.name == name)
    }

    /// The members that `version` has.
    pub(super) fn fields_in(&self, version: OldVersion) -> impl Iterator<Item = &'static OldField> {
        self.fields.iter().filter(move |f| f.since <= version)
    }

    /// The table of `version`.
    pub(super) fn of(version: OldVersion) -> &'static OldObjectType {
        match version {
            V1 => &ROOT_1,
            _ => &ROOT,
        }
    }
}

impl OldField {
    const fn new(name: &'static str, kind: OldFieldKind) -> Self {
        OldField {
            name,
            kind,
            since: V1,
        }
    }

    const fn from(mut self, version: OldVersion) -> Self {
        self.since = version;
        self
    }
}

const fn text(name: &'static str) -> OldField {
    OldField::new(name, OldFieldKind::Text)
}

const fn int(name: &'static str) -> OldField {
    OldField::new(name, OldFieldKind::Int)
}

const fn count(name: &'static str) -> OldField {
    OldField::new(name, OldFieldKind::Count)
}

const fn flag(name: &'static str) -> OldField {
    OldField::new(name, OldFieldKind::Flag)
}

const fn texts(name: &'static str) -> OldField {
    OldField::new(name, OldFieldKind::Texts)
}

const fn object(name: &'static str, shape: &'static OldObjectType) -> OldField {
    OldField::new(name, OldFieldKind::Object(shape))
}

const fn objects(name: &'static str, shape: &'static OldObjectType) -> OldField {
    OldField::new(name, OldFieldKind::Objects(shape))
}

static ROOT_1: OldObjectType = OldObjectType {
    fields: &[
        int("ignitionVersion"),
        object("storage", &STORAGE_1),
        object("systemd", &SYSTEMD),
        object("networkd", &NETWORKD),
        object("passwd", &PASSWD),
    ],
};

static STORAGE_1: OldObjectType = OldObjectType {
    fields: &[
        objects("disks", &DISK),
        objects("raid", &RAID),
        objects("filesystems", &FILESYSTEM_1),
    ],
};

static FILESYSTEM_1: OldObjectType = OldObjectType {
    fields: &[
        text("device"),
        text("format"),
        object("create", &CREATE),
        objects("files", &FILE_1),
    ],
};

static FILE_1: OldObjectType = OldObjectType {
    fields: &[
        text("path"),
        text("contents"),
        int("mode"),
        int("uid"),
        int("gid"),
    ],
};

static ROOT: OldObjectType = OldObjectType {
    fields: &[
        object("ignition", &IGNITION),
        object("storage", &STORAGE),
        object("systemd", &SYSTEMD),
        object("networkd", &NETWORKD),
        object("passwd", &PASSWD),
    ],
};

static IGNITION: OldObjectType = OldObjectType {
    fields: &[
        text("version"),
        object("config", &REFERENCES),
        object("timeouts", &TIMEOUTS).from(V2_1),
        object("security", &SECURITY).from(V2_2),
        object("proxy", &PROXY).from(V2_4),
    ],
};

static REFERENCES: OldObjectType = OldObjectType {
    fields: &[objects("append", &REFERENCE), object("replace", &REFERENCE)],
};

const VERIFICATION: OldField = object("verification", &VERIFICATION_SHAPE);
const HEADERS: OldField = objects("httpHeaders", &HEADER).from(V2_4);

static REFERENCE: OldObjectType = OldObjectType {
    fields: &[text("source"), VERIFICATION, HEADERS],
};

static VERIFICATION_SHAPE: OldObjectType = OldObjectType {
    fields: &[text("hash")],
};

static HEADER: OldObjectType = OldObjectType {
    fields: &[text("name"), text("value")],
};

static TIMEOUTS: OldObjectType = OldObjectType {
    fields: &[int("httpResponseHeaders"), int("httpTotal")],
};

static SECURITY: OldObjectType = OldObjectType {
    fields: &[object("tls", &TLS)],
};

static TLS: OldObjectType = OldObjectType {
    fields: &[objects("certificateAuthorities", &REFERENCE)],
};

static PROXY: OldObjectType = OldObjectType {
    fields: &[text("httpProxy"), text("httpsProxy"), texts("noProxy")],
};

static STORAGE: OldObjectType = OldObjectType {
    fields: &[
        objects("disks", &DISK),
        objects("raid", &RAID),
        objects("filesystems", &FILESYSTEM),
        objects("files", &FILE),
        objects("directories", &DIRECTORY).from(V2_1),
        objects("links", &LINK).from(V2_1),
    ],
};

static DISK: OldObjectType = OldObjectType {
    fields: &[
        text("device"),
        flag("wipeTable"),
        objects("partitions", &PARTITION),
    ],
};

static PARTITION: OldObjectType = OldObjectType {
    fields: &[
        text("label"),
        int("number"),
        count("size"),
        count("start"),
        int("sizeMiB").from(V2_3),
        int("startMiB").from(V2_3),
        text("typeGuid"),
        text("guid").from(V2_1),
        flag("shouldExist").from(V2_3),
        flag("wipePartitionEntry").from(V2_3),
    ],
};

static RAID: OldObjectType = OldObjectType {
    fields: &[
        text("name"),
        text("level"),
        texts("devices"),
        int("spares"),
        texts("options").from(V2_2),
    ],
};

static FILESYSTEM: OldObjectType = OldObjectType {
    fields: &[text("name"), object("mount", &MOUNT), text("path")],
};

static MOUNT: OldObjectType = OldObjectType {
    fields: &[
        text("device"),
        text("format"),
        object("create", &CREATE),
        flag("wipeFilesystem").from(V2_1),
        text("label").from(V2_1),
        text("uuid").from(V2_1),
        texts("options").from(V2_1),
    ],
};

static CREATE: OldObjectType = OldObjectType {
    fields: &[flag("force"), texts("options")],
};

const NODE_FILESYSTEM: OldField = text("filesystem");
const NODE_PATH: OldField = text("path");
const USER: OldField = object("user", &OWNER);
const GROUP: OldField = object("group", &OWNER);
const OVERWRITE: OldField = flag("overwrite").from(V2_2);

static FILE: OldObjectType = OldObjectType {
    fields: &[
        NODE_FILESYSTEM,
        NODE_PATH,
        object("contents", &CONTENTS),
        int("mode"),
        USER,
        GROUP,
        OVERWRITE,
        flag("append").from(V2_2),
    ],
};

static CONTENTS: OldObjectType = OldObjectType {
    fields: &[text("source"), text("compression"), VERIFICATION, HEADERS],
};

static OWNER: OldObjectType = OldObjectType {
    fields: &[int("id"), text("name").from(V2_1)],
};

static DIRECTORY: OldObjectType = OldObjectType {
    fields: &[
        NODE_FILESYSTEM,
        NODE_PATH,
        int("mode"),
        USER,
        GROUP,
        OVERWRITE,
    ],
};

static LINK: OldObjectType = OldObjectType {
    fields: &[
        NODE_FILESYSTEM,
        NODE_PATH,
        text("target"),
        flag("hard"),
        USER,
        GROUP,
        OVERWRITE,
    ],
};

static SYSTEMD: OldObjectType = OldObjectType {
    fields: &[objects("units", &UNIT)],
};

static UNIT: OldObjectType = OldObjectType {
    fields: &[
        text("name"),
        text("contents"),
        flag("mask"),
        flag("enable"),
        flag("enabled").from(V2_1),
        objects("dropins", &DROPIN),
    ],
};

static DROPIN: OldObjectType = OldObjectType {
    fields: &[text("name"), text("contents")],
};

static NETWORKD: OldObjectType = OldObjectType {
    fields: &[objects("units", &NETWORK_UNIT)],
};

static NETWORK_UNIT: OldObjectType = OldObjectType {
    fields: &[
        text("name"),
        text("contents"),
        objects("dropins", &DROPIN).from(V2_2),
    ],
};

static PASSWD: OldObjectType = OldObjectType {
    fields: &[
        objects("users", &PASSWD_USER),
        objects("groups", &PASSWD_GROUP),
    ],
};

static PASSWD_USER: OldObjectType = OldObjectType {
    fields: &[
        text("name"),
        text("passwordHash"),
        texts("sshAuthorizedKeys"),
        object("create", &ACCOUNT),
        count("uid").from(V2_1),
        text("gecos").from(V2_1),
        text("homeDir").from(V2_1),
        flag("noCreateHome").from(V2_1),
        text("primaryGroup").from(V2_1),
        texts("groups").from(V2_1),
        flag("noUserGroup").from(V2_1),
        flag("noLogInit").from(V2_1),
        text("shell").from(V2_1),
        flag("system").from(V2_1),
    ],
};

/// `create` of a user: what later versions have in the user itself.
static ACCOUNT: OldObjectType = OldObjectType {
    fields: &[
        count("uid"),
        text("gecos"),
        text("homeDir"),
        flag("noCreateHome"),
        text("primaryGroup"),
        texts("groups"),
        flag("noUserGroup"),
        flag("noLogInit"),
        text("shell"),
        flag("system"),
    ],
};

static PASSWD_GROUP: OldObjectType = OldObjectType {
    fields: &[
        text("name"),
        count("gid"),
        text("passwordHash"),
        flag("system"),
    ],
};
