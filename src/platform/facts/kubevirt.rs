//! Facts of `kubevirt`: what describes the machine on its disk, in the form of NoCloud or of OpenStack.

use super::super::FetchContext;
use super::super::drive;
use super::network::Network;
use super::openstack::{self, Machine};
use super::{AttributeSource, Facts, documents, drives, identity, yaml};
use anyhow::Context;
use serde::Deserialize;
use serde_json::Value;
use std::path::Path;

/// The source.
pub static SOURCE: AttributeSource = AttributeSource {
    names: &[
        "KUBEVIRT_HOSTNAME",
        "KUBEVIRT_INSTANCE_ID",
        "KUBEVIRT_INSTANCE_TYPE",
        "KUBEVIRT_IPV4",
        "KUBEVIRT_IPV6",
    ],
    ask: |context: &FetchContext<'_>| {
        drives::visit(
            &[NO_CLOUD, "config-2"],
            context,
            &|label, point| match label {
                NO_CLOUD => of_no_cloud(point),
                _ => of_openstack(point),
            },
        )
    },
};

const NO_CLOUD: &str = "cidata";
const META_DATA: &str = "/meta-data";
const NETWORK_CONFIG: &str = "/network-config";
/// The same in the form of OpenStack.
const NETWORK_DATA: &str = "/openstack/latest/network_data.json";
const VENDOR_DATA: &str = "/vendor-data";

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
struct Names {
    local_hostname: Option<String>,
    #[serde(flatten)]
    machine: Machine,
}

fn of_no_cloud(point: &Path) -> anyhow::Result<Facts> {
    let what = drives::shown(META_DATA);
    let text = drive::read(point, META_DATA)?.unwrap_or_default();
    let text = documents::text(&what, text)?;
    let value = yaml::value(&text).with_context(|| what.clone())?;
    let vendor_data = drive::read(point, VENDOR_DATA)?;
    let network = network(point, NETWORK_CONFIG)?;
    Ok(Facts {
        vendor_data: vendor_data.filter(|data| !data.is_empty()),
        ..of_values(&what, value, &network)?
    })
}

/// What a document in the form of NoCloud or OpenStack says; `what` names it.
///
/// # Errors
/// It is of another shape.
pub fn of_meta_data(what: &str, value: Value) -> anyhow::Result<Facts> {
    of_values(what, value, &Network::default())
}

fn of_values(what: &str, value: Value, network: &Network) -> anyhow::Result<Facts> {
    let meta_data = identity::flattened(&value);
    let names: Option<Names> = documents::shaped(what, value)?;
    let Some(names) = names else {
        return Ok(Facts::default());
    };
    let machine = Machine {
        hostname: names.machine.hostname.or(names.local_hostname),
        ..names.machine
    };
    Ok(Facts {
        meta_data,
        ..facts(&machine, network)
    })
}

fn of_openstack(point: &Path) -> anyhow::Result<Facts> {
    let (machine, meta_data) = openstack::machine_and_values(point)?;
    let network = network(point, NETWORK_DATA)?;
    Ok(Facts {
        meta_data,
        vendor_data: openstack::vendor_data(point)?,
        ..facts(&machine, &network)
    })
}

/// What a file says of the network; JSON is YAML, too.
fn network(point: &Path, path: &str) -> anyhow::Result<Network> {
    let Some(text) = drive::read(point, path)? else {
        return Ok(Network::default());
    };
    let what = drives::shown(path);
    let text = documents::text(&what, text)?;
    let value = yaml::value(&text).with_context(|| what.clone())?;
    let network: Option<Network> = documents::shaped(&what, value)?;
    Ok(network.unwrap_or_default())
}

fn facts(machine: &Machine, network: &Network) -> Facts {
    let mut facts = Facts::default();
    facts.name(machine.hostname.as_ref());
    facts.set("KUBEVIRT_HOSTNAME", machine.hostname.as_ref());
    let id = machine.instance_id.as_ref().or(machine.uuid.as_ref());
    facts.set("KUBEVIRT_INSTANCE_ID", id);
    facts.set("KUBEVIRT_INSTANCE_TYPE", machine.instance_type.as_ref());
    let mut devices = network.devices().into_iter();
    if let Some(first) = devices.find(|device| !device.is_empty()) {
        facts.set("KUBEVIRT_IPV4", first.ipv4());
        facts.set("KUBEVIRT_IPV6", first.ipv6());
    }
    machine.public_keys.add_to(&mut facts);
    facts
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::platform::facts::drives::testing::drive;

    const WANT: &str = "AFTERBURN_KUBEVIRT_HOSTNAME=web\n\
        AFTERBURN_KUBEVIRT_INSTANCE_ID=web.default\n\
        AFTERBURN_KUBEVIRT_INSTANCE_TYPE=u1.small\n";

    #[test]
    fn a_disk_in_the_form_of_no_cloud() {
        for text in [
            r#"{"instance-type": "u1.small", "instance-id": "web.default", "local-hostname": "web",
                "public-keys": {"0": "ssh-rsa A"}}"#,
            "instance-id: web.default\nlocal-hostname: web\ninstance-type: u1.small\npublic-keys:\n  - ssh-rsa A\n",
        ] {
            let drive = drive(&[(META_DATA, text)]);
            let facts = of_no_cloud(drive.path()).expect("good");
            assert_eq!(facts.hostname.as_deref(), Some("web"));
            assert_eq!(facts.ssh_keys, ["ssh-rsa A"]);
            assert_eq!(facts.to_env(), WANT);
        }
    }

    #[test]
    fn a_disk_in_the_form_of_openstack() {
        let text = r#"{"instance_id": "web.default", "instance_type": "u1.small", "hostname": "web",
            "local_hostname": "web", "uuid": "web.default", "public_keys": {"0": "ssh-rsa A"},
            "devices": [{"type": "nic"}]}"#;
        let drive = drive(&[("/openstack/latest/meta_data.json", text)]);
        let facts = of_openstack(drive.path()).expect("good");
        assert_eq!(facts.to_env(), WANT);
        assert_eq!(facts.ssh_keys, ["ssh-rsa A"]);
    }

    #[test]
    fn addresses_are_those_of_the_first_device_that_has_some() {
        let config = "version: 2\nethernets:\n  eth0:\n    dhcp4: true\n  eth1:\n    addresses: [192.0.2.7/24, 2001:db8:0::7/64]\n";
        let drive = drive(&[(META_DATA, "instance-id: x"), (NETWORK_CONFIG, config)]);
        let facts = of_no_cloud(drive.path()).expect("good");
        assert_eq!(facts.attributes["KUBEVIRT_IPV4"], "192.0.2.7");
        assert_eq!(facts.attributes["KUBEVIRT_IPV6"], "2001:db8::7");
    }

    #[test]
    fn disks_with_nonsense() {
        for (text, want) in [
            ("- secret", "/meta-data of the drive has another shape"),
            ("a: !secret", "/meta-data of the drive: line 1: "),
        ] {
            let drive = drive(&[(META_DATA, text)]);
            let error = format!("{:#}", of_no_cloud(drive.path()).expect_err(text));
            assert!(error.starts_with(want), "{error}");
            assert!(!error.contains("secret"), "{error}");
        }
        let drive = drive(&[(META_DATA, "")]);
        assert_eq!(of_no_cloud(drive.path()).expect("good"), Facts::default());
    }
}
