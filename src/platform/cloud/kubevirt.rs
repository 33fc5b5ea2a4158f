//! Platform `kubevirt`: user data on a disk of the virtual machine, in the format of NoCloud or OpenStack.
//!
//! Attributes: metadata on the same disk.

use crate::platform::attributes::network::NetworkConfig;
use crate::platform::attributes::openstack::{self, Machine};
use crate::platform::attributes::{FunctionSource, decode, drives, nocloud, yaml};
use crate::platform::contract::{
    About, Answer, AttributeSource, Attributes, FetchContext, KernelModule, Network, Platform,
    TestLevel,
};
use crate::platform::source::drive::Drive;
use crate::platform::source::probes::{self, Probe, drive_probe};
use crate::platform::source::{cidata, config_drive};
use anyhow::Context;
use std::path::Path;

const DRIVES: [Drive; 2] = [
    Drive {
        label: cidata::LABEL,
        path: "/user-data",
    },
    Drive {
        label: config_drive::LABEL,
        path: config_drive::USER_DATA,
    },
];

/// The platform.
pub(crate) struct KubeVirt;

impl Platform for KubeVirt {
    fn id(&self) -> &'static str {
        "kubevirt"
    }

    fn about(&self) -> About {
        About {
            source: "`/user-data` on the drive labelled `cidata`, or `/openstack/latest/user_data` on the drive labelled `config-2`: the first that appears",
            requests: &[],
            no_config: "the drive has no such file, or an empty one; or both drives failed",
            waits: "without limit",
            network: Network::NotNeeded,
            modules: &[
                KernelModule::Expected("isofs"),
                KernelModule::Expected("vfat"),
            ],
            tested: TestLevel::RealMedium,
        }
    }

    fn requests(&self) -> Vec<String> {
        DRIVES.iter().map(Drive::describe).collect()
    }

    fn fetch(&self, context: &mut FetchContext<'_>) -> anyhow::Result<Answer> {
        let probes: Vec<Probe<'_>> = DRIVES.iter().map(drive_probe).collect();
        probes::answer(&probes, context)
    }

    fn attribute_source(&self) -> Option<&'static dyn AttributeSource> {
        Some(&ATTRIBUTES)
    }
}

/// The attributes for `kindling metadata`.
static ATTRIBUTES: FunctionSource = FunctionSource {
    names: &[
        "KUBEVIRT_HOSTNAME",
        "KUBEVIRT_INSTANCE_ID",
        "KUBEVIRT_INSTANCE_TYPE",
        "KUBEVIRT_IPV4",
        "KUBEVIRT_IPV6",
    ],
    fetch: |context: &FetchContext<'_>| {
        drives::visit(
            &[cidata::LABEL, config_drive::LABEL],
            context,
            &|label, mount_point| match label {
                cidata::LABEL => read_nocloud_drive(mount_point),
                _ => read_openstack_drive(mount_point),
            },
        )
    },
};

const META_DATA: &str = "/meta-data";
const NETWORK_CONFIG: &str = "/network-config";
/// The network config in the format of OpenStack.
const NETWORK_DATA: &str = "/openstack/latest/network_data.json";
const VENDOR_DATA: &str = "/vendor-data";

fn read_nocloud_drive(mount_point: &Path) -> anyhow::Result<Attributes> {
    let what = drives::shown(META_DATA);
    let text = drives::read(mount_point, META_DATA)?.unwrap_or_default();
    let text = decode::text(&what, text)?;
    let value = yaml::value(&text).with_context(|| what.clone())?;
    let vendor_data = drives::read(mount_point, VENDOR_DATA)?;
    let network = network(mount_point, NETWORK_CONFIG)?;
    let mut result = Attributes::default();
    if let Some((machine, meta_data)) = nocloud::machine_and_values(&what, value)? {
        result = attributes(&machine, &network);
        result.meta_data = meta_data;
    }
    result.vendor_data = vendor_data.filter(|data| !data.is_empty());
    Ok(result)
}

fn read_openstack_drive(mount_point: &Path) -> anyhow::Result<Attributes> {
    let (machine, meta_data) = openstack::machine_and_values(mount_point)?;
    let network = network(mount_point, NETWORK_DATA)?;
    Ok(Attributes {
        meta_data,
        vendor_data: openstack::vendor_data(mount_point)?,
        ..attributes(&machine, &network)
    })
}

/// Reads a network config. JSON is YAML, too.
fn network(mount_point: &Path, path: &str) -> anyhow::Result<NetworkConfig> {
    let Some(text) = drives::read(mount_point, path)? else {
        return Ok(NetworkConfig::default());
    };
    let what = drives::shown(path);
    let text = decode::text(&what, text)?;
    let value = yaml::value(&text).with_context(|| what.clone())?;
    let network: Option<NetworkConfig> = decode::from_value(&what, value)?;
    Ok(network.unwrap_or_default())
}

fn attributes(machine: &Machine, network: &NetworkConfig) -> Attributes {
    let mut attributes = Attributes::default();
    attributes.set_hostname(machine.hostname.as_ref());
    attributes.set("KUBEVIRT_HOSTNAME", machine.hostname.as_ref());
    attributes.set("KUBEVIRT_INSTANCE_ID", machine.id());
    attributes.set("KUBEVIRT_INSTANCE_TYPE", machine.instance_type.as_ref());
    let mut devices = network.devices().into_iter();
    if let Some(first) = devices.find(|device| !device.is_empty()) {
        attributes.set("KUBEVIRT_IPV4", first.ipv4());
        attributes.set("KUBEVIRT_IPV6", first.ipv6());
    }
    machine.public_keys.add_to(&mut attributes);
    attributes
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::platform::attributes::drives::testing::drive;

    const WANT: &str = "AFTERBURN_KUBEVIRT_HOSTNAME=web\n\
        AFTERBURN_KUBEVIRT_INSTANCE_ID=web.default\n\
        AFTERBURN_KUBEVIRT_INSTANCE_TYPE=u1.small\n";

    #[test]
    fn a_disk_in_nocloud_format() {
        for text in [
            r#"{"instance-type": "u1.small", "instance-id": "web.default", "local-hostname": "web",
                "public-keys": {"0": "ssh-rsa A"}}"#,
            "instance-id: web.default\nlocal-hostname: web\ninstance-type: u1.small\npublic-keys:\n  - ssh-rsa A\n",
        ] {
            let drive = drive(&[(META_DATA, text)]);
            let attributes = read_nocloud_drive(drive.path()).expect("good");
            assert_eq!(attributes.hostname.as_deref(), Some("web"));
            assert_eq!(attributes.ssh_keys, ["ssh-rsa A"]);
            assert_eq!(attributes.to_env(), WANT);
        }
    }

    #[test]
    fn a_disk_in_openstack_format() {
        let text = r#"{"instance_id": "web.default", "instance_type": "u1.small", "hostname": "web",
            "local_hostname": "web", "uuid": "web.default", "public_keys": {"0": "ssh-rsa A"},
            "devices": [{"type": "nic"}]}"#;
        let drive = drive(&[("/openstack/latest/meta_data.json", text)]);
        let attributes = read_openstack_drive(drive.path()).expect("good");
        assert_eq!(attributes.to_env(), WANT);
        assert_eq!(attributes.ssh_keys, ["ssh-rsa A"]);
    }

    #[test]
    fn addresses_are_those_of_the_first_device_with_any() {
        let config = "version: 2\nethernets:\n  eth0:\n    dhcp4: true\n  eth1:\n    addresses: [192.0.2.7/24, 2001:db8:0::7/64]\n";
        let drive = drive(&[(META_DATA, "instance-id: x"), (NETWORK_CONFIG, config)]);
        let attributes = read_nocloud_drive(drive.path()).expect("good");
        assert_eq!(attributes.values["KUBEVIRT_IPV4"], "192.0.2.7");
        assert_eq!(attributes.values["KUBEVIRT_IPV6"], "2001:db8::7");
    }

    #[test]
    fn disks_with_invalid_data() {
        for (text, want) in [
            (
                "- secret",
                "/meta-data of the drive has an unexpected structure",
            ),
            ("a: !secret", "/meta-data of the drive: line 1: "),
        ] {
            let drive = drive(&[(META_DATA, text)]);
            let error = format!("{:#}", read_nocloud_drive(drive.path()).expect_err(text));
            assert!(error.starts_with(want), "{error}");
            assert!(!error.contains("secret"), "{error}");
        }
        let drive = drive(&[(META_DATA, "")]);
        assert_eq!(
            read_nocloud_drive(drive.path()).expect("good"),
            Attributes::default()
        );
    }
}
