//! The schema of a Container Linux Config, with the names of its YAML.

use crate::language::typed::FieldKind::{Count, Flag, Int, Mapping, Object, Objects, Text, Texts};
use crate::language::typed::{FieldSchema, ObjectSchema};

pub(super) static ROOT: ObjectSchema = ObjectSchema(&[
    FieldSchema("version", Int),
    FieldSchema("ignition", Object(&IGNITION)),
    FieldSchema("storage", Object(&STORAGE)),
    FieldSchema("systemd", Object(&SYSTEMD)),
    FieldSchema("networkd", Object(&NETWORKD)),
    FieldSchema("passwd", Object(&PASSWD)),
    FieldSchema("etcd", Mapping),
    FieldSchema("flannel", Mapping),
    FieldSchema("update", Object(&UPDATE)),
    FieldSchema("docker", Object(&DOCKER)),
    FieldSchema("locksmith", Object(&LOCKSMITH)),
]);

static IGNITION: ObjectSchema = ObjectSchema(&[
    FieldSchema("config", Object(&REFERENCES)),
    FieldSchema("timeouts", Object(&TIMEOUTS)),
    FieldSchema("security", Object(&SECURITY)),
]);
static REFERENCES: ObjectSchema = ObjectSchema(&[
    FieldSchema("append", Objects(&REFERENCE)),
    FieldSchema("replace", Object(&REFERENCE)),
]);
static REFERENCE: ObjectSchema = ObjectSchema(&[
    FieldSchema("source", Text),
    FieldSchema("verification", Object(&VERIFICATION)),
]);
static VERIFICATION: ObjectSchema = ObjectSchema(&[FieldSchema("hash", Object(&HASH))]);
static HASH: ObjectSchema =
    ObjectSchema(&[FieldSchema("function", Text), FieldSchema("sum", Text)]);
static TIMEOUTS: ObjectSchema = ObjectSchema(&[
    FieldSchema("http_response_headers", Int),
    FieldSchema("http_total", Int),
]);
static SECURITY: ObjectSchema = ObjectSchema(&[FieldSchema("tls", Object(&TLS))]);
static TLS: ObjectSchema =
    ObjectSchema(&[FieldSchema("certificate_authorities", Objects(&REFERENCE))]);

static STORAGE: ObjectSchema = ObjectSchema(&[
    FieldSchema("disks", Objects(&DISK)),
    FieldSchema("raid", Objects(&RAID)),
    FieldSchema("filesystems", Objects(&FILESYSTEM)),
    FieldSchema("files", Objects(&FILE)),
    FieldSchema("directories", Objects(&DIRECTORY)),
    FieldSchema("links", Objects(&LINK)),
]);
static DISK: ObjectSchema = ObjectSchema(&[
    FieldSchema("device", Text),
    FieldSchema("wipe_table", Flag),
    FieldSchema("partitions", Objects(&PARTITION)),
]);
static PARTITION: ObjectSchema = ObjectSchema(&[
    FieldSchema("label", Text),
    FieldSchema("number", Int),
    FieldSchema("size", Text),
    FieldSchema("start", Text),
    FieldSchema("guid", Text),
    FieldSchema("type_guid", Text),
]);
static RAID: ObjectSchema = ObjectSchema(&[
    FieldSchema("name", Text),
    FieldSchema("level", Text),
    FieldSchema("devices", Texts),
    FieldSchema("spares", Int),
    FieldSchema("options", Texts),
]);
static FILESYSTEM: ObjectSchema = ObjectSchema(&[
    FieldSchema("name", Text),
    FieldSchema("mount", Object(&MOUNT)),
    FieldSchema("path", Text),
]);
static MOUNT: ObjectSchema = ObjectSchema(&[
    FieldSchema("device", Text),
    FieldSchema("format", Text),
    FieldSchema("wipe_filesystem", Flag),
    FieldSchema("label", Text),
    FieldSchema("uuid", Text),
    FieldSchema("options", Texts),
    FieldSchema("create", Object(&CREATE)),
]);
static CREATE: ObjectSchema =
    ObjectSchema(&[FieldSchema("force", Flag), FieldSchema("options", Texts)]);
static OWNER: ObjectSchema = ObjectSchema(&[FieldSchema("id", Count), FieldSchema("name", Text)]);
static FILE: ObjectSchema = ObjectSchema(&[
    FieldSchema("filesystem", Text),
    FieldSchema("path", Text),
    FieldSchema("contents", Object(&CONTENTS)),
    FieldSchema("mode", Int),
    FieldSchema("user", Object(&OWNER)),
    FieldSchema("group", Object(&OWNER)),
    FieldSchema("overwrite", Flag),
    FieldSchema("append", Flag),
]);
static CONTENTS: ObjectSchema = ObjectSchema(&[
    FieldSchema("inline", Text),
    FieldSchema("local", Text),
    FieldSchema("remote", Object(&REMOTE)),
]);
static REMOTE: ObjectSchema = ObjectSchema(&[
    FieldSchema("url", Text),
    FieldSchema("compression", Text),
    FieldSchema("verification", Object(&VERIFICATION)),
]);
static DIRECTORY: ObjectSchema = ObjectSchema(&[
    FieldSchema("filesystem", Text),
    FieldSchema("path", Text),
    FieldSchema("mode", Int),
    FieldSchema("user", Object(&OWNER)),
    FieldSchema("group", Object(&OWNER)),
    FieldSchema("overwrite", Flag),
]);
static LINK: ObjectSchema = ObjectSchema(&[
    FieldSchema("filesystem", Text),
    FieldSchema("path", Text),
    FieldSchema("target", Text),
    FieldSchema("hard", Flag),
    FieldSchema("user", Object(&OWNER)),
    FieldSchema("group", Object(&OWNER)),
    FieldSchema("overwrite", Flag),
]);

static SYSTEMD: ObjectSchema = ObjectSchema(&[FieldSchema("units", Objects(&UNIT))]);
static UNIT: ObjectSchema = ObjectSchema(&[
    FieldSchema("name", Text),
    FieldSchema("enable", Flag),
    FieldSchema("enabled", Flag),
    FieldSchema("mask", Flag),
    FieldSchema("contents", Text),
    FieldSchema("dropins", Objects(&DROPIN)),
]);
static DROPIN: ObjectSchema =
    ObjectSchema(&[FieldSchema("name", Text), FieldSchema("contents", Text)]);
static NETWORKD: ObjectSchema = ObjectSchema(&[FieldSchema("units", Objects(&NETWORK_UNIT))]);
static NETWORK_UNIT: ObjectSchema = ObjectSchema(&[
    FieldSchema("name", Text),
    FieldSchema("contents", Text),
    FieldSchema("dropins", Objects(&DROPIN)),
]);

static PASSWD: ObjectSchema = ObjectSchema(&[
    FieldSchema("users", Objects(&USER)),
    FieldSchema("groups", Objects(&GROUP)),
]);
static USER: ObjectSchema = ObjectSchema(&[
    FieldSchema("name", Text),
    FieldSchema("password_hash", Text),
    FieldSchema("ssh_authorized_keys", Texts),
    FieldSchema("create", Object(&ACCOUNT)),
    FieldSchema("uid", Count),
    FieldSchema("gecos", Text),
    FieldSchema("home_dir", Text),
    FieldSchema("no_create_home", Flag),
    FieldSchema("primary_group", Text),
    FieldSchema("groups", Texts),
    FieldSchema("no_user_group", Flag),
    FieldSchema("no_log_init", Flag),
    FieldSchema("shell", Text),
    FieldSchema("system", Flag),
]);
static ACCOUNT: ObjectSchema = ObjectSchema(&[
    FieldSchema("uid", Count),
    FieldSchema("gecos", Text),
    FieldSchema("home_dir", Text),
    FieldSchema("no_create_home", Flag),
    FieldSchema("primary_group", Text),
    FieldSchema("groups", Texts),
    FieldSchema("no_user_group", Flag),
    FieldSchema("no_log_init", Flag),
    FieldSchema("shell", Text),
    FieldSchema("system", Flag),
]);
static GROUP: ObjectSchema = ObjectSchema(&[
    FieldSchema("name", Text),
    FieldSchema("gid", Count),
    FieldSchema("password_hash", Text),
    FieldSchema("system", Flag),
]);

static UPDATE: ObjectSchema = ObjectSchema(&[
    FieldSchema("group", Text),
    FieldSchema("server", Text),
    FieldSchema("pcr_policy_server", Text),
    FieldSchema("download_user", Text),
    FieldSchema("download_password", Text),
    FieldSchema("machine_alias", Text),
]);
static DOCKER: ObjectSchema = ObjectSchema(&[FieldSchema("flags", Texts)]);
static LOCKSMITH: ObjectSchema = ObjectSchema(&[
    FieldSchema("reboot_strategy", Text),
    FieldSchema("window_start", Text),
    FieldSchema("window_length", Text),
    FieldSchema("group", Text),
    FieldSchema("etcd_endpoints", Text),
    FieldSchema("etcd_cafile", Text),
    FieldSchema("etcd_certfile", Text),
    FieldSchema("etcd_keyfile", Text),
]);
