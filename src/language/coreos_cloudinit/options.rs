//! The options of services that a config can set, in the order in which they are written.

use crate::language::clc::ETCD_2;
use crate::language::typed::FieldKind;

/// A section and the service that it configures.
pub(super) struct Section {
    pub(super) name: &'static str,
    pub(super) unit: &'static str,
    pub(super) prefix: &'static str,
    /// True if no system has the service any more.
    pub(super) is_obsolete: bool,
    pub(super) options: Vec<CloudConfigOption>,
}

/// An option: its key, its variable if that is not prefix and key, what it holds, and whether it belongs to a later
/// version of the service.
pub(super) struct CloudConfigOption {
    pub(super) name: &'static str,
    pub(super) variable: Option<&'static str>,
    pub(super) kind: FieldKind,
    pub(super) is_later: bool,
}

/// Options of etcd 0.4. Those that end in `+` belong to etcd 2.
const ETCD: [&str; 42] = [
    "addr",
    "advertise_client_urls+",
    "bind_addr",
    "ca_file",
    "cert_file",
    "cluster_active_size",
    "cluster_remove_delay",
    "cluster_sync_interval",
    "cors",
    "data_dir",
    "discovery",
    "discovery_fallback+",
    "discovery_srv+",
    "discovery_proxy+",
    "election_timeout+",
    "force_new_cluster+",
    "graphite_host",
    "heartbeat_interval+",
    "http_read_timeout",
    "http_write_timeout",
    "initial_advertise_peer_urls+",
    "initial_cluster+",
    "initial_cluster_state+",
    "initial_cluster_token+",
    "key_file",
    "listen_client_urls+",
    "listen_peer_urls+",
    "max_result_buffer",
    "max_retry_attempts",
    "max_snapshots+",
    "max_wals+",
    "name",
    "peer_addr",
    "peer_bind_addr",
    "peer_ca_file",
    "peer_cert_file",
    "peer_election_timeout",
    "peer_heartbeat_interval",
    "peer_key_file",
    "peers",
    "peers_file",
    "proxy+",
];
const ETCD_REST: [&str; 7] = [
    "retry_interval",
    "snapshot",
    "snapshot_count",
    "trace",
    "verbose",
    "very_verbose",
    "very_very_verbose",
];

const FLEET: [&str; 17] = [
    "agent_ttl",
    "authorized_keys_file",
    "disable_engine",
    "engine_reconcile_interval",
    "etcd_cafile",
    "etcd_certfile",
    "etcd_keyfile",
    "etcd_key_prefix",
    "etcd_request_timeout",
    "etcd_servers",
    "etcd_username",
    "etcd_password",
    "metadata",
    "public_ip",
    "token_limit",
    "verbosity",
    "verify_units",
];

const FLANNEL: [&str; 11] = [
    "etcd_endpoints",
    "etcd_cafile",
    "etcd_certfile",
    "etcd_keyfile",
    "etcd_prefix",
    "etcd_username",
    "etcd_password",
    "ip_masq",
    "subnet_file",
    "interface",
    "public_ip",
];

const LOCKSMITH: [&str; 9] = [
    "endpoint",
    "etcd_cafile",
    "etcd_certfile",
    "etcd_keyfile",
    "etcd_username",
    "etcd_password",
    "group",
    "window_start",
    "window_length",
];

/// Options that are flags in the sections with a list of names.
const FLAGS: [&str; 8] = [
    "force_new_cluster",
    "snapshot",
    "trace",
    "verbose",
    "very_verbose",
    "very_very_verbose",
    "disable_engine",
    "verify_units",
];

/// Options that are numbers. A zero is not written, since it is the default.
const NUMBERS: [&str; 19] = [
    "cluster_active_size",
    "cluster_remove_delay",
    "cluster_sync_interval",
    "election_timeout",
    "heartbeat_interval",
    "http_read_timeout",
    "http_write_timeout",
    "max_result_buffer",
    "max_retry_attempts",
    "max_snapshots",
    "max_wals",
    "peer_election_timeout",
    "peer_heartbeat_interval",
    "retry_interval",
    "snapshot_count",
    "engine_reconcile_interval",
    "etcd_request_timeout",
    "token_limit",
    "verbosity",
];

/// Variables that are not prefix and key.
const VARIABLES: [(&str, &str, &str); 4] = [
    ("etcd", "snapshot_count", "ETCD_SNAPSHOTCOUNT"),
    ("flannel", "interface", "FLANNELD_IFACE"),
    ("locksmith", "window_start", "REBOOT_WINDOW_START"),
    ("locksmith", "window_length", "REBOOT_WINDOW_LENGTH"),
];

pub(super) fn sections() -> [Section; 5] {
    let etcd: Vec<&str> = ETCD.iter().chain(&ETCD_REST).copied().collect();
    let etcd2 = ETCD_2.iter().map(|option| CloudConfigOption {
        name: option.name,
        variable: None,
        kind: option.kind,
        is_later: false,
    });
    [
        section("etcd", "etcd.service", "ETCD_", true, &etcd),
        Section {
            options: etcd2.collect(),
            ..section("etcd2", "etcd2.service", "ETCD_", true, &[])
        },
        section("fleet", "fleet.service", "FLEET_", true, &FLEET),
        section("flannel", "flanneld.service", "FLANNELD_", false, &FLANNEL),
        section(
            "locksmith",
            "locksmithd.service",
            "LOCKSMITHD_",
            false,
            &LOCKSMITH,
        ),
    ]
}

fn section(
    name: &'static str,
    unit: &'static str,
    prefix: &'static str,
    is_obsolete: bool,
    options: &[&'static str],
) -> Section {
    let options = options.iter().map(|written| {
        let option = written.strip_suffix('+').unwrap_or(written);
        let variable = VARIABLES
            .iter()
            .find(|(section, key, _)| *section == name && *key == option);
        let kind = match option {
            _ if FLAGS.contains(&option) => FieldKind::Flag,
            _ if NUMBERS.contains(&option) => FieldKind::Any,
            _ => FieldKind::Text,
        };
        CloudConfigOption {
            name: option,
            variable: variable.map(|(_, _, variable)| *variable),
            kind,
            is_later: written.ends_with('+'),
        }
    });
    Section {
        name,
        unit,
        prefix,
        is_obsolete,
        options: options.collect(),
    }
}
