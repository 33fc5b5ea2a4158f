//! The tables of the versions before 3: every object type, its members, and since when they are there.

use super::version::OldVersion::{self, V1, V2_1, V2_2, V2_3, V2_4};

/// An object type.
#[derive(Debug)]
pub(super) struct Shape {
    fields: &'static [Field],
}

/// A member of an object type.
#[derive(Debug)]
pub(super) struct Field {
    pub(super) name: &'static str,
    pub(super) kind: Kind,
    pub(super) since: OldVersion,
}

/// What a member holds.
#[derive(Debug, Clone, Copy)]
pub(super) enum Kind {
    Text,
    Int,
    /// A number that cannot be negative in 1 and 2.0, and can in what came after.
    Count,
    Flag,
    Texts,
    Object(&'static Shape),
    Objects(&'static Shape),
}

impl Shape {
    /// The member called `name` in any version.
    pub(super) fn field(&self, name: &str) -> Option<&'static Field> {
        self.fields.iter().find(|field| field.name == name)
    }

    /// The members that `version` knows.
    pub(super) fn fields_in(&self, version: OldVersion) -> impl Iterator<Item = &'static Field> {
        self.fields.iter().filter(move |f| f.since <= version)
    }

    /// The table of `version`.
    pub(super) fn of(version: OldVersion) -> &'static Shape {
        match version {
            V1 => &ROOT_1,
            _ => &ROOT,
        }
    }
}

impl Field {
    const fn new(name: &'static str, kind: Kind) -> Self {
        Field {
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

const fn text(name: &'static str) -> Field {
    Field::new(name, Kind::Text)
}

const fn int(name: &'static str) -> Field {
    Field::new(name, Kind::Int)
}

const fn count(name: &'static str) -> Field {
    Field::new(name, Kind::Count)
}

const fn flag(name: &'static str) -> Field {
    Field::new(name, Kind::Flag)
}

const fn texts(name: &'static str) -> Field {
    Field::new(name, Kind::Texts)
}

const fn object(name: &'static str, shape: &'static Shape) -> Field {
    Field::new(name, Kind::Object(shape))
}

const fn objects(name: &'static str, shape: &'static Shape) -> Field {
    Field::new(name, Kind::Objects(shape))
}

static ROOT_1: Shape = Shape {
    fields: &[
        int("ignitionVersion"),
        object("storage", &STORAGE_1),
        object("systemd", &SYSTEMD),
        object("networkd", &NETWORKD),
        object("passwd", &PASSWD),
    ],
};

static STORAGE_1: Shape = Shape {
    fields: &[
        objects("disks", &DISK),
        objects("raid", &RAID),
        objects("filesystems", &FILESYSTEM_1),
    ],
};

static FILESYSTEM_1: Shape = Shape {
    fields: &[
        text("device"),
        text("format"),
        object("create", &CREATE),
        objects("files", &FILE_1),
    ],
};

static FILE_1: Shape = Shape {
    fields: &[
        text("path"),
        text("contents"),
        int("mode"),
        int("uid"),
        int("gid"),
    ],
};

static ROOT: Shape = Shape {
    fields: &[
        object("ignition", &IGNITION),
        object("storage", &STORAGE),
        object("systemd", &SYSTEMD),
        object("networkd", &NETWORKD),
        object("passwd", &PASSWD),
    ],
};

static IGNITION: Shape = Shape {
    fields: &[
        text("version"),
        object("config", &REFERENCES),
        object("timeouts", &TIMEOUTS).from(V2_1),
        object("security", &SECURITY).from(V2_2),
        object("proxy", &PROXY).from(V2_4),
    ],
};

static REFERENCES: Shape = Shape {
    fields: &[objects("append", &REFERENCE), object("replace", &REFERENCE)],
};

const VERIFICATION: Field = object("verification", &VERIFICATION_SHAPE);
const HEADERS: Field = objects("httpHeaders", &HEADER).from(V2_4);

static REFERENCE: Shape = Shape {
    fields: &[text("source"), VERIFICATION, HEADERS],
};

static VERIFICATION_SHAPE: Shape = Shape {
    fields: &[text("hash")],
};

static HEADER: Shape = Shape {
    fields: &[text("name"), text("value")],
};

static TIMEOUTS: Shape = Shape {
    fields: &[int("httpResponseHeaders"), int("httpTotal")],
};

static SECURITY: Shape = Shape {
    fields: &[object("tls", &TLS)],
};

static TLS: Shape = Shape {
    fields: &[objects("certificateAuthorities", &REFERENCE)],
};

static PROXY: Shape = Shape {
    fields: &[text("httpProxy"), text("httpsProxy"), texts("noProxy")],
};

static STORAGE: Shape = Shape {
    fields: &[
        objects("disks", &DISK),
        objects("raid", &RAID),
        objects("filesystems", &FILESYSTEM),
        objects("files", &FILE),
        objects("directories", &DIRECTORY).from(V2_1),
        objects("links", &LINK).from(V2_1),
    ],
};

static DISK: Shape = Shape {
    fields: &[
        text("device"),
        flag("wipeTable"),
        objects("partitions", &PARTITION),
    ],
};

static PARTITION: Shape = Shape {
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

static RAID: Shape = Shape {
    fields: &[
        text("name"),
        text("level"),
        texts("devices"),
        int("spares"),
        texts("options").from(V2_2),
    ],
};

static FILESYSTEM: Shape = Shape {
    fields: &[text("name"), object("mount", &MOUNT), text("path")],
};

static MOUNT: Shape = Shape {
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

static CREATE: Shape = Shape {
    fields: &[flag("force"), texts("options")],
};

const NODE_FILESYSTEM: Field = text("filesystem");
const NODE_PATH: Field = text("path");
const USER: Field = object("user", &OWNER);
const GROUP: Field = object("group", &OWNER);
const OVERWRITE: Field = flag("overwrite").from(V2_2);

static FILE: Shape = Shape {
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

static CONTENTS: Shape = Shape {
    fields: &[text("source"), text("compression"), VERIFICATION, HEADERS],
};

static OWNER: Shape = Shape {
    fields: &[int("id"), text("name").from(V2_1)],
};

static DIRECTORY: Shape = Shape {
    fields: &[
        NODE_FILESYSTEM,
        NODE_PATH,
        int("mode"),
        USER,
        GROUP,
        OVERWRITE,
    ],
};

static LINK: Shape = Shape {
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

static SYSTEMD: Shape = Shape {
    fields: &[objects("units", &UNIT)],
};

static UNIT: Shape = Shape {
    fields: &[
        text("name"),
        text("contents"),
        flag("mask"),
        flag("enable"),
        flag("enabled").from(V2_1),
        objects("dropins", &DROPIN),
    ],
};

static DROPIN: Shape = Shape {
    fields: &[text("name"), text("contents")],
};

static NETWORKD: Shape = Shape {
    fields: &[objects("units", &NETWORK_UNIT)],
};

static NETWORK_UNIT: Shape = Shape {
    fields: &[
        text("name"),
        text("contents"),
        objects("dropins", &DROPIN).from(V2_2),
    ],
};

static PASSWD: Shape = Shape {
    fields: &[
        objects("users", &PASSWD_USER),
        objects("groups", &PASSWD_GROUP),
    ],
};

static PASSWD_USER: Shape = Shape {
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
static ACCOUNT: Shape = Shape {
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

static PASSWD_GROUP: Shape = Shape {
    fields: &[
        text("name"),
        count("gid"),
        text("passwordHash"),
        flag("system"),
    ],
};
