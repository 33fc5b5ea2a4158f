//! What a Container Linux Config may have, in the names of its YAML.

use crate::language::typed::Kind::{Count, Flag, Int, Mapping, Object, Objects, Text, Texts};
use crate::language::typed::{Field, Shape};

pub(super) static ROOT: Shape = Shape(&[
    Field("version", Int),
    Field("ignition", Object(&IGNITION)),
    Field("storage", Object(&STORAGE)),
    Field("systemd", Object(&SYSTEMD)),
    Field("networkd", Object(&NETWORKD)),
    Field("passwd", Object(&PASSWD)),
    Field("etcd", Mapping),
    Field("flannel", Mapping),
    Field("update", Object(&UPDATE)),
    Field("docker", Object(&DOCKER)),
    Field("locksmith", Object(&LOCKSMITH)),
]);

static IGNITION: Shape = Shape(&[
    Field("config", Object(&REFERENCES)),
    Field("timeouts", Object(&TIMEOUTS)),
    Field("security", Object(&SECURITY)),
]);
static REFERENCES: Shape = Shape(&[
    Field("append", Objects(&REFERENCE)),
    Field("replace", Object(&REFERENCE)),
]);
static REFERENCE: Shape = Shape(&[
    Field("source", Text),
    Field("verification", Object(&VERIFICATION)),
]);
static VERIFICATION: Shape = Shape(&[Field("hash", Object(&HASH))]);
static HASH: Shape = Shape(&[Field("function", Text), Field("sum", Text)]);
static TIMEOUTS: Shape = Shape(&[
    Field("http_response_headers", Int),
    Field("http_total", Int),
]);
static SECURITY: Shape = Shape(&[Field("tls", Object(&TLS))]);
static TLS: Shape = Shape(&[Field("certificate_authorities", Objects(&REFERENCE))]);

static STORAGE: Shape = Shape(&[
    Field("disks", Objects(&DISK)),
    Field("raid", Objects(&RAID)),
    Field("filesystems", Objects(&FILESYSTEM)),
    Field("files", Objects(&FILE)),
    Field("directories", Objects(&DIRECTORY)),
    Field("links", Objects(&LINK)),
]);
static DISK: Shape = Shape(&[
    Field("device", Text),
    Field("wipe_table", Flag),
    Field("partitions", Objects(&PARTITION)),
]);
static PARTITION: Shape = Shape(&[
    Field("label", Text),
    Field("number", Int),
    Field("size", Text),
    Field("start", Text),
    Field("guid", Text),
    Field("type_guid", Text),
]);
static RAID: Shape = Shape(&[
    Field("name", Text),
    Field("level", Text),
    Field("devices", Texts),
    Field("spares", Int),
    Field("options", Texts),
]);
static FILESYSTEM: Shape = Shape(&[
    Field("name", Text),
    Field("mount", Object(&MOUNT)),
    Field("path", Text),
]);
static MOUNT: Shape = Shape(&[
    Field("device", Text),
    Field("format", Text),
    Field("wipe_filesystem", Flag),
    Field("label", Text),
    Field("uuid", Text),
    Field("options", Texts),
    Field("create", Object(&CREATE)),
]);
static CREATE: Shape = Shape(&[Field("force", Flag), Field("options", Texts)]);
static OWNER: Shape = Shape(&[Field("id", Count), Field("name", Text)]);
static FILE: Shape = Shape(&[
    Field("filesystem", Text),
    Field("path", Text),
    Field("contents", Object(&CONTENTS)),
    Field("mode", Int),
    Field("user", Object(&OWNER)),
    Field("group", Object(&OWNER)),
    Field("overwrite", Flag),
    Field("append", Flag),
]);
static CONTENTS: Shape = Shape(&[
    Field("inline", Text),
    Field("local", Text),
    Field("remote", Object(&REMOTE)),
]);
static REMOTE: Shape = Shape(&[
    Field("url", Text),
    Field("compression", Text),
    Field("verification", Object(&VERIFICATION)),
]);
static DIRECTORY: Shape = Shape(&[
    Field("filesystem", Text),
    Field("path", Text),
    Field("mode", Int),
    Field("user", Object(&OWNER)),
    Field("group", Object(&OWNER)),
    Field("overwrite", Flag),
]);
static LINK: Shape = Shape(&[
    Field("filesystem", Text),
    Field("path", Text),
    Field("target", Text),
    Field("hard", Flag),
    Field("user", Object(&OWNER)),
    Field("group", Object(&OWNER)),
    Field("overwrite", Flag),
]);

static SYSTEMD: Shape = Shape(&[Field("units", Objects(&UNIT))]);
static UNIT: Shape = Shape(&[
    Field("name", Text),
    Field("enable", Flag),
    Field("enabled", Flag),
    Field("mask", Flag),
    Field("contents", Text),
    Field("dropins", Objects(&DROPIN)),
]);
static DROPIN: Shape = Shape(&[Field("name", Text), Field("contents", Text)]);
static NETWORKD: Shape = Shape(&[Field("units", Objects(&NETWORK_UNIT))]);
static NETWORK_UNIT: Shape = Shape(&[
    Field("name", Text),
    Field("contents", Text),
    Field("dropins", Objects(&DROPIN)),
]);

static PASSWD: Shape = Shape(&[
    Field("users", Objects(&USER)),
    Field("groups", Objects(&GROUP)),
]);
static USER: Shape = Shape(&[
    Field("name", Text),
    Field("password_hash", Text),
    Field("ssh_authorized_keys", Texts),
    Field("create", Object(&ACCOUNT)),
    Field("uid", Count),
    Field("gecos", Text),
    Field("home_dir", Text),
    Field("no_create_home", Flag),
    Field("primary_group", Text),
    Field("groups", Texts),
    Field("no_user_group", Flag),
    Field("no_log_init", Flag),
    Field("shell", Text),
    Field("system", Flag),
]);
static ACCOUNT: Shape = Shape(&[
    Field("uid", Count),
    Field("gecos", Text),
    Field("home_dir", Text),
    Field("no_create_home", Flag),
    Field("primary_group", Text),
    Field("groups", Texts),
    Field("no_user_group", Flag),
    Field("no_log_init", Flag),
    Field("shell", Text),
    Field("system", Flag),
]);
static GROUP: Shape = Shape(&[
    Field("name", Text),
    Field("gid", Count),
    Field("password_hash", Text),
    Field("system", Flag),
]);

static UPDATE: Shape = Shape(&[
    Field("group", Text),
    Field("server", Text),
    Field("pcr_policy_server", Text),
    Field("download_user", Text),
    Field("download_password", Text),
    Field("machine_alias", Text),
]);
static DOCKER: Shape = Shape(&[Field("flags", Texts)]);
static LOCKSMITH: Shape = Shape(&[
    Field("reboot_strategy", Text),
    Field("window_start", Text),
    Field("window_length", Text),
    Field("group", Text),
    Field("etcd_endpoints", Text),
    Field("etcd_cafile", Text),
    Field("etcd_certfile", Text),
    Field("etcd_keyfile", Text),
]);
