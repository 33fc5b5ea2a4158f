//! Platform `proxmoxve` (Proxmox VE): user data or vendor data on the drive `cidata`. Proxmox writes its own
//! cloud-config as user data, so the config usually is vendor data (`cicustom vendor=`).
//!
//! Attributes: the cloud-config, metadata and network config of Proxmox on the same drive. User data in any other
//! format has none.

use crate::platform::attributes::decode::{self, Keys};
use crate::platform::attributes::network::NetworkConfig;
use crate::platform::attributes::{FunctionSource, drives, yaml};
use crate::platform::contract::{Attributes, FetchContext};
use crate::platform::source::cidata::{Cidata, CidataPlatform, LABEL};
use anyhow::Context;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use std::path::Path;

pub(crate) static PLATFORM: CidataPlatform = CidataPlatform {
    id: "proxmoxve",
    source: "`/user-data`, else `/vendor-data`, on the drive labelled `cidata`: the first that is not a cloud-config",
    no_config: "the drive does not appear, cannot be mounted, or has nothing but cloud-configs",
    drive: Cidata {
        files: &["/user-data", "/vendor-data"],
        skips_cloud_config: true,
    },
    attributes: &ATTRIBUTES,
};

/// The attributes for `kindling metadata`.
static ATTRIBUTES: FunctionSource = FunctionSource {
    names: &[
        "PROXMOXVE_HOSTNAME",
        "PROXMOXVE_INSTANCE_ID",
        "PROXMOXVE_IPV4",
        "PROXMOXVE_IPV6",
    ],
    fetch: |context: &FetchContext<'_>| {
        drives::visit(&[LABEL], context, &|_, mount_point| read_drive(mount_point))
    },
};

const USER_DATA: &str = "/user-data";
const META_DATA: &str = "/meta-data";
const NETWORK_CONFIG: &str = "/network-config";

#[derive(Default, Deserialize)]
struct CloudConfig {
    hostname: Option<String>,
    #[serde(default)]
    ssh_authorized_keys: Keys,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "kebab-case")]
struct MetaData {
    instance_id: Option<String>,
}

fn read_drive(mount_point: &Path) -> anyhow::Result<Attributes> {
    let user = read(mount_point, USER_DATA)?.filter(|text| text.starts_with("#cloud-config"));
    let user: CloudConfig = parse(USER_DATA, user, &|text| {
        yaml::entries(text, &["hostname", "ssh_authorized_keys"])
    })?;
    let meta: MetaData = parse(META_DATA, read(mount_point, META_DATA)?, &|text| {
        yaml::entries(text, &["instance-id"])
    })?;
    let network: NetworkConfig = parse(
        NETWORK_CONFIG,
        read(mount_point, NETWORK_CONFIG)?,
        &yaml::value,
    )?;
    let first = network.devices().into_iter().next().unwrap_or_default();
    let mut attributes = Attributes::default();
    attributes.set_hostname(user.hostname.as_ref());
    attributes.set("PROXMOXVE_HOSTNAME", user.hostname);
    attributes.set("PROXMOXVE_INSTANCE_ID", meta.instance_id);
    attributes.set("PROXMOXVE_IPV4", first.ipv4());
    attributes.set("PROXMOXVE_IPV6", first.ipv6());
    user.ssh_authorized_keys.add_to(&mut attributes);
    Ok(attributes)
}

fn read(mount_point: &Path, path: &str) -> anyhow::Result<Option<String>> {
    let text = drives::read(mount_point, path)?;
    let text = text.map(|text| decode::text(&drives::shown(path), text));
    text.transpose()
}

/// Decodes the text of a file; the default if the file does not exist.
fn parse<T: DeserializeOwned + Default>(
    path: &str,
    text: Option<String>,
    to_value: &dyn Fn(&str) -> anyhow::Result<serde_json::Value>,
) -> anyhow::Result<T> {
    let Some(text) = text else {
        return Ok(T::default());
    };
    let what = drives::shown(path);
    let value = to_value(&text).with_context(|| what.clone())?;
    let decoded: Option<T> = decode::from_value(&what, value)?;
    Ok(decoded.unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::platform::attributes::drives::testing::drive;

    const CLOUD: &str = "#cloud-config\nhostname: web\nmanage_etc_hosts: true\nfqdn: web.lan\nuser: core\n\
        password: $5$secret\nssh_authorized_keys:\n  - ssh-rsa A me\n  - ssh-rsa B\nchpasswd:\n  expire: False\n\
        users:\n  - default\npackage_upgrade: true\n";
    const DEVICES: &str = "version: 1\nconfig:\n    - type: physical\n      name: eth0\n      \
        mac_address: '01:23:45:67:89:00'\n      subnets:\n      - type: static\n        address: '192.0.2.1'\n        \
        netmask: '255.255.255.0'\n        gateway: '192.0.2.254'\n      - type: static6\n        \
        address: '2001:db8::1/64'\n    - type: nameserver\n      address:\n      - '192.0.2.53'\n      search:\n      - 'lan'\n";

    #[test]
    fn a_drive() {
        let drive = drive(&[
            (USER_DATA, CLOUD),
            (META_DATA, "instance-id: 15a9919c\n"),
            (NETWORK_CONFIG, DEVICES),
            ("/vendor-data", ""),
        ]);
        let attributes = read_drive(drive.path()).expect("good");
        assert_eq!(attributes.hostname.as_deref(), Some("web"));
        assert_eq!(attributes.ssh_keys, ["ssh-rsa A me", "ssh-rsa B"]);
        let want = "AFTERBURN_PROXMOXVE_HOSTNAME=web\n\
            AFTERBURN_PROXMOXVE_INSTANCE_ID=15a9919c\n\
            AFTERBURN_PROXMOXVE_IPV4=192.0.2.1\n\
            AFTERBURN_PROXMOXVE_IPV6=2001:db8::1\n";
        assert_eq!(attributes.to_env(), want);
    }

    #[test]
    fn other_user_data_has_no_attributes() {
        let dhcp = "version: 1\nconfig:\n    - type: physical\n      name: eth0\n      subnets:\n      - type: dhcp4\n";
        let ignition = "{\"ignition\": {\"version\": \"3.4.0\"}, \"hostname\": \"no\"}";
        let drive = drive(&[
            (USER_DATA, ignition),
            (META_DATA, "instance-id: 1"),
            (NETWORK_CONFIG, dhcp),
        ]);
        let attributes = read_drive(drive.path()).expect("good");
        assert_eq!(attributes.to_env(), "AFTERBURN_PROXMOXVE_INSTANCE_ID=1\n");
        assert_eq!(attributes.hostname, None);
    }

    #[test]
    fn drives_with_invalid_data() {
        for (files, want) in [
            (
                (NETWORK_CONFIG, "version: 1\nconfig: secret\n"),
                "/network-config of the drive has an unexpected structure",
            ),
            (
                (USER_DATA, "#cloud-config\nhostname: !secret x\n"),
                "/user-data of the drive: line 2: ",
            ),
        ] {
            let error = read_drive(drive(&[files]).path()).expect_err(want);
            let error = format!("{error:#}");
            assert!(error.starts_with(want), "{error}");
            assert!(!error.contains("secret"), "{error}");
        }
    }
}
