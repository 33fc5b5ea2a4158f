//! What a cloud-config of coreos-cloudinit may have.

use crate::language::typed::Kind::{Any, Bytes, Flag, Mapping, Object, Objects, Text, Texts};
use crate::language::typed::{Field, Shape};

pub(super) static ROOT: Shape = Shape(&[
    Field("hostname", Text),
    Field("ssh_authorized_keys", Texts),
    Field("users", Objects(&USER)),
    Field("write_files", Objects(&FILE)),
    Field("manage_etc_hosts", Text),
    Field("coreos", Object(&COREOS)),
]);

static USER: Shape = Shape(&[
    Field("name", Text),
    Field("passwd", Text),
    Field("ssh_authorized_keys", Texts),
    Field("gecos", Text),
    Field("homedir", Text),
    Field("no_create_home", Flag),
    Field("primary_group", Text),
    Field("groups", Any),
    Field("no_user_group", Flag),
    Field("system", Flag),
    Field("no_log_init", Flag),
    Field("shell", Text),
    Field("coreos_ssh_import_github", Text),
    Field("coreos_ssh_import_github_users", Texts),
    Field("coreos_ssh_import_url", Text),
    Field("inactive", Any),
    Field("lock_passwd", Any),
    Field("sudo", Any),
    Field("selinux_user", Any),
    Field("ssh_import_id", Any),
]);

static FILE: Shape = Shape(&[
    Field("path", Text),
    Field("content", Bytes),
    Field("encoding", Text),
    Field("permissions", Text),
    Field("owner", Text),
]);

static COREOS: Shape = Shape(&[
    Field("units", Objects(&UNIT)),
    Field("etcd", Mapping),
    Field("etcd2", Mapping),
    Field("fleet", Mapping),
    Field("flannel", Mapping),
    Field("locksmith", Mapping),
    Field("update", Object(&UPDATE)),
    Field("oem", Object(&OEM)),
    // Known so that what is said of it is where it belongs.
    Field("write_files", Any),
]);

static UNIT: Shape = Shape(&[
    Field("name", Text),
    Field("content", Text),
    Field("drop_ins", Objects(&DROP_IN)),
    Field("runtime", Flag),
    Field("mask", Flag),
    Field("enable", Flag),
    Field("command", Text),
]);

static DROP_IN: Shape = Shape(&[Field("name", Text), Field("content", Text)]);

static UPDATE: Shape = Shape(&[
    Field("reboot_strategy", Text),
    Field("group", Text),
    Field("server", Text),
]);

static OEM: Shape = Shape(&[
    Field("id", Text),
    Field("version_id", Text),
    Field("name", Text),
    Field("home_url", Text),
    Field("bug_report_url", Text),
]);
