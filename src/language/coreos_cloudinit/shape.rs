//! The schema of a cloud-config of coreos-cloudinit.

use crate::language::typed::FieldKind::{Any, Bytes, Flag, Mapping, Object, Objects, Text, Texts};
use crate::language::typed::{FieldSchema, ObjectSchema};

pub(super) static ROOT: ObjectSchema = ObjectSchema(&[
    FieldSchema("hostname", Text),
    FieldSchema("ssh_authorized_keys", Texts),
    FieldSchema("users", Objects(&USER)),
    FieldSchema("write_files", Objects(&FILE)),
    FieldSchema("manage_etc_hosts", Text),
    FieldSchema("coreos", Object(&COREOS)),
]);

static USER: ObjectSchema = ObjectSchema(&[
    FieldSchema("name", Text),
    FieldSchema("passwd", Text),
    FieldSchema("ssh_authorized_keys", Texts),
    FieldSchema("gecos", Text),
    FieldSchema("homedir", Text),
    FieldSchema("no_create_home", Flag),
    FieldSchema("primary_group", Text),
    FieldSchema("groups", Any),
    FieldSchema("no_user_group", Flag),
    FieldSchema("system", Flag),
    FieldSchema("no_log_init", Flag),
    FieldSchema("shell", Text),
    FieldSchema("coreos_ssh_import_github", Text),
    FieldSchema("coreos_ssh_import_github_users", Texts),
    FieldSchema("coreos_ssh_import_url", Text),
    FieldSchema("inactive", Any),
    FieldSchema("lock_passwd", Any),
    FieldSchema("sudo", Any),
    FieldSchema("selinux_user", Any),
    FieldSchema("ssh_import_id", Any),
]);

static FILE: ObjectSchema = ObjectSchema(&[
    FieldSchema("path", Text),
    FieldSchema("content", Bytes),
    FieldSchema("encoding", Text),
    FieldSchema("permissions", Text),
    FieldSchema("owner", Text),
]);

static COREOS: ObjectSchema = ObjectSchema(&[
    FieldSchema("units", Objects(&UNIT)),
    FieldSchema("etcd", Mapping),
    FieldSchema("etcd2", Mapping),
    FieldSchema("fleet", Mapping),
    FieldSchema("flannel", Mapping),
    FieldSchema("locksmith", Mapping),
    FieldSchema("update", Object(&UPDATE)),
    FieldSchema("oem", Object(&OEM)),
    // Listed so that a specific warning is given for it.
    FieldSchema("write_files", Any),
]);

static UNIT: ObjectSchema = ObjectSchema(&[
    FieldSchema("name", Text),
    FieldSchema("content", Text),
    FieldSchema("drop_ins", Objects(&DROP_IN)),
    FieldSchema("runtime", Flag),
    FieldSchema("mask", Flag),
    FieldSchema("enable", Flag),
    FieldSchema("command", Text),
]);

static DROP_IN: ObjectSchema =
    ObjectSchema(&[FieldSchema("name", Text), FieldSchema("content", Text)]);

static UPDATE: ObjectSchema = ObjectSchema(&[
    FieldSchema("reboot_strategy", Text),
    FieldSchema("group", Text),
    FieldSchema("server", Text),
]);

static OEM: ObjectSchema = ObjectSchema(&[
    FieldSchema("id", Text),
    FieldSchema("version_id", Text),
    FieldSchema("name", Text),
    FieldSchema("home_url", Text),
    FieldSchema("bug_report_url", Text),
]);
