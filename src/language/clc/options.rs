//! The options of etcd and flannel that a config can set, in the order in which they are written, by version.

use crate::language::typed::FieldKind;

/// An option.
#[derive(Debug)]
pub(in crate::language) struct ClcOption {
    /// The key in the config.
    pub(in crate::language) name: &'static str,
    pub(in crate::language) kind: FieldKind,
    /// The first minor version that has it.
    since: u64,
    /// The last one.
    until: u64,
}

impl ClcOption {
    const fn new(name: &'static str, kind: FieldKind) -> Self {
        ClcOption {
            name,
            kind,
            since: 0,
            until: u64::MAX,
        }
    }

    const fn since(mut self, minor: u64) -> Self {
        self.since = minor;
        self
    }

    const fn until(mut self, minor: u64) -> Self {
        self.until = minor;
        self
    }

    /// True if version `minor` of the table's major version has it.
    pub(super) fn is_in(&self, minor: u64) -> bool {
        (self.since..=self.until).contains(&minor)
    }
}

const fn text(name: &'static str) -> ClcOption {
    ClcOption::new(name, FieldKind::Text)
}

const fn int(name: &'static str) -> ClcOption {
    ClcOption::new(name, FieldKind::Int)
}

const fn flag(name: &'static str) -> ClcOption {
    ClcOption::new(name, FieldKind::Flag)
}

/// etcd 2.3.
pub(in crate::language) static ETCD_2: &[ClcOption] = &[
    text("advertise_client_urls"),
    text("ca_file"),
    text("cert_file"),
    flag("client_cert_auth"),
    text("cors"),
    text("data_dir"),
    flag("debug"),
    text("discovery"),
    text("discovery_fallback"),
    text("discovery_srv"),
    text("discovery_proxy"),
    int("election_timeout"),
    flag("enable_pprof"),
    flag("force_new_cluster"),
    int("heartbeat_interval"),
    text("initial_advertise_peer_urls"),
    text("initial_cluster"),
    text("initial_cluster_state"),
    text("initial_cluster_token"),
    text("key_file"),
    text("listen_client_urls"),
    text("listen_peer_urls"),
    text("log_package_levels"),
    int("max_snapshots"),
    int("max_wals"),
    text("name"),
    text("peer_ca_file"),
    text("peer_cert_file"),
    text("peer_key_file"),
    flag("peer_client_cert_auth"),
    text("peer_trusted_ca_file"),
    text("proxy"),
    int("proxy_dial_timeout"),
    int("proxy_failure_wait"),
    int("proxy_read_timeout"),
    int("proxy_refresh_interval"),
    int("proxy_write_timeout"),
    int("snapshot_count"),
    flag("strict_reconfig_check"),
    text("trusted_ca_file"),
    text("wal_dir"),
];

/// etcd 3.0 to 3.3.
pub(super) static ETCD_3: &[ClcOption] = &[
    text("name"),
    text("data_dir"),
    text("wal_dir"),
    int("snapshot_count"),
    int("heartbeat_interval"),
    int("election_timeout"),
    flag("enable_pprof"),
    flag("enable_v2").since(2),
    text("listen_peer_urls"),
    text("listen_client_urls"),
    int("max_snapshots"),
    int("max_wals"),
    text("cors"),
    int("quota_backend_bytes").since(3),
    int("max_txn_ops").since(3),
    int("max_request_bytes").since(3),
    text("grpc_keepalive_min_time").since(3),
    text("grpc_keepalive_interval").since(3),
    text("grpc_keepalive_timeout").since(3),
    text("initial_advertise_peer_urls"),
    text("initial_cluster"),
    text("initial_cluster_state"),
    text("initial_cluster_token"),
    text("advertise_client_urls"),
    text("discovery"),
    text("discovery_srv"),
    text("discovery_fallback"),
    text("discovery_proxy"),
    flag("strict_reconfig_check"),
    int("auto_compaction_retention").until(2),
    text("auto_compaction_retention").since(3),
    text("auto_compaction_mode").since(3),
    text("proxy"),
    int("proxy_failure_wait"),
    int("proxy_refresh_interval"),
    int("proxy_dial_timeout"),
    int("proxy_write_timeout"),
    int("proxy_read_timeout"),
    text("ca_file"),
    text("cert_file"),
    text("key_file"),
    flag("client_cert_auth"),
    text("client_crl_file").since(3),
    text("trusted_ca_file"),
    flag("auto_tls"),
    text("peer_ca_file"),
    text("peer_cert_file"),
    text("peer_key_file"),
    flag("peer_client_cert_auth"),
    text("peer_crl_file").since(3),
    text("peer_trusted_ca_file"),
    flag("peer_auto_tls"),
    text("peer_cert_allowed_cn").since(3),
    text("auth_token").since(2),
    flag("debug"),
    text("log_package_levels"),
    flag("force_new_cluster"),
    text("metrics").since(1),
    text("log_output").since(1),
    text("listen_metrics_urls").since(3),
    flag("experimental_initial_corrupt_check").since(3),
    text("experimental_corrupt_check_time").since(3),
    text("experimental_enable_v2v3").since(3),
];

/// etcd 3.4 and 3.5.
pub(super) static ETCD_3_4: &[ClcOption] = &[
    text("name"),
    text("data_dir"),
    text("wal_dir"),
    int("snapshot_count"),
    int("heartbeat_interval"),
    int("election_timeout"),
    flag("initial_election_tick_advance"),
    text("listen_peer_urls"),
    text("listen_client_urls"),
    int("max_snapshots"),
    int("max_wals"),
    int("quota_backend_bytes"),
    text("backend_bbolt_freelist_type").since(5),
    text("backend_batch_interval"),
    int("backend_batch_limit"),
    int("max_txn_ops"),
    int("max_request_bytes"),
    text("grpc_keepalive_min_time"),
    text("grpc_keepalive_interval"),
    text("grpc_keepalive_timeout"),
    flag("socket_reuse_port").since(5),
    flag("socket_reuse_address").since(5),
    text("initial_advertise_peer_urls"),
    text("initial_cluster"),
    text("initial_cluster_state"),
    text("initial_cluster_token"),
    text("advertise_client_urls"),
    text("discovery"),
    text("discovery_fallback"),
    text("discovery_proxy"),
    text("discovery_srv"),
    text("discovery_srv_name"),
    flag("strict_reconfig_check"),
    flag("pre_vote"),
    text("auto_compaction_retention"),
    text("auto_compaction_mode"),
    flag("enable_v2"),
    text("v2_deprecation").since(5),
    text("cert_file"),
    text("key_file"),
    flag("client_cert_auth"),
    text("client_crl_file"),
    text("client_cert_allowed_hostname"),
    text("trusted_ca_file"),
    flag("auto_tls"),
    text("peer_cert_file"),
    text("peer_key_file"),
    flag("peer_client_cert_auth"),
    text("peer_trusted_ca_file"),
    text("peer_cert_allowed_cn"),
    text("peer_cert_allowed_hostname"),
    flag("peer_auto_tls"),
    int("self_signed_cert_validity").since(5),
    text("peer_crl_file"),
    text("cipher_suites"),
    text("cors"),
    text("host_whitelist"),
    text("auth_token"),
    int("bcrypt_cost"),
    int("auth_token_ttl"),
    flag("enable_pprof"),
    text("metrics"),
    text("listen_metrics_urls"),
    text("logger"),
    text("log_outputs"),
    text("log_level"),
    flag("enable_log_rotation").since(5),
    text("log_rotation_config_json").since(5),
    flag("experimental_enable_distributed_tracing").since(5),
    text("experimental_distributed_tracing_address").since(5),
    text("experimental_distributed_tracing_service_name").since(5),
    text("experimental_distributed_tracing_instance_id").since(5),
    text("proxy"),
    int("proxy_failure_wait"),
    int("proxy_refresh_interval"),
    int("proxy_dial_timeout"),
    int("proxy_write_timeout"),
    int("proxy_read_timeout"),
    flag("experimental_initial_corrupt_check"),
    text("experimental_corrupt_check_time"),
    text("experimental_enable_v2v3"),
    text("experimental_backend_bbolt_freelist_type").until(4),
    flag("experimental_enable_lease_checkpoint"),
    int("experimental_compaction_batch_limit"),
    text("experimental_watch_progress_notify_interval"),
    text("experimental_warning_apply_duration"),
    flag("experimental_txn_mode_write_with_shared_buffer").since(5),
    flag("force_new_cluster"),
    flag("unsafe_no_fsync").since(5),
    flag("debug").until(4),
    text("log_package_levels").until(4),
];

/// flannel 0.5 to 0.7.
pub(super) static FLANNEL: &[ClcOption] = &[
    text("etcd_username").since(6),
    text("etcd_password").since(6),
    text("etcd_endpoints"),
    text("etcd_cafile"),
    text("etcd_certfile"),
    text("etcd_keyfile"),
    text("etcd_prefix"),
    text("ip_masq"),
    text("subnet_file"),
    text("interface"),
    text("public_ip"),
    flag("kube_subnet_mgr").since(7),
];
