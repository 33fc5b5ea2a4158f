//! Evidence for each platform. The strings are documented by vendors or used by other detectors.

use super::guess::{Certainty, Guess};
use super::traits::Traits;
use crate::platform;

/// An SMBIOS field.
struct SmbiosField {
    name: &'static str,
    get: fn(&Traits) -> &str,
}

/// How a field is matched.
enum Evidence {
    Equals(&'static str),
    StartsWith(&'static str),
    EndsWith(&'static str),
    Contains(&'static str),
}

const VENDOR: SmbiosField = SmbiosField {
    name: "sys_vendor",
    get: |traits| &traits.vendor,
};
const PRODUCT: SmbiosField = SmbiosField {
    name: "product_name",
    get: |traits| &traits.product,
};
const SERIAL: SmbiosField = SmbiosField {
    name: "product_serial",
    get: |traits| &traits.serial,
};
const UUID: SmbiosField = SmbiosField {
    name: "product_uuid",
    get: |traits| &traits.uuid,
};
const ASSET_TAG: SmbiosField = SmbiosField {
    name: "chassis_asset_tag",
    get: |traits| &traits.asset_tag,
};
const FIRMWARE: SmbiosField = SmbiosField {
    name: "bios_version",
    get: |traits| &traits.firmware,
};

/// Chassis asset tag of all virtual machines in Azure, and of no others.
const AZURE_TAG: &str = "7783-7084-3265-9085-8269-3286-77";

use Certainty::{Certain, Likely, Possible, Stated};
use Evidence::{Contains, EndsWith, Equals, StartsWith};

/// Platform, certainty, and evidence in an SMBIOS field.
const FIRMWARE_RULES: &[(&str, Certainty, SmbiosField, Evidence)] = &[
    ("akamai", Certain, VENDOR, Equals("Akamai")),
    ("akamai", Certain, VENDOR, Equals("Linode")),
    ("aliyun", Certain, PRODUCT, Equals("Alibaba Cloud ECS")),
    (
        "applehv",
        Certain,
        PRODUCT,
        StartsWith("Apple Virtualization"),
    ),
    ("aws", Certain, VENDOR, Equals("Amazon EC2")),
    ("aws", Certain, FIRMWARE, Contains("amazon")),
    ("aws", Likely, UUID, StartsWith("ec2")),
    ("azure", Certain, ASSET_TAG, Equals(AZURE_TAG)),
    ("azurestack", Possible, ASSET_TAG, Equals(AZURE_TAG)),
    ("brightbox", Certain, SERIAL, EndsWith(".brightbox.com")),
    ("cloudsigma", Certain, PRODUCT, Equals("CloudSigma")),
    ("cloudstack", Certain, PRODUCT, StartsWith("CloudStack")),
    ("digitalocean", Certain, VENDOR, Equals("DigitalOcean")),
    ("exoscale", Certain, PRODUCT, StartsWith("Exoscale")),
    ("gcp", Certain, PRODUCT, Equals("Google Compute Engine")),
    ("gcp", Certain, SERIAL, StartsWith("GoogleCloud-")),
    ("hetzner", Certain, VENDOR, Equals("Hetzner")),
    ("kubevirt", Certain, VENDOR, Equals("KubeVirt")),
    ("kubevirt", Certain, PRODUCT, Equals("KubeVirt")),
    ("nutanix", Certain, VENDOR, Equals("Nutanix")),
    ("openstack", Certain, PRODUCT, StartsWith("OpenStack")),
    ("openstack", Certain, ASSET_TAG, StartsWith("OpenStack")),
    ("openstack", Certain, ASSET_TAG, Equals("OpenTelekomCloud")),
    ("openstack", Certain, ASSET_TAG, Equals("SAP CCloud VM")),
    ("openstack", Certain, ASSET_TAG, Equals("HUAWEICLOUD")),
    ("oraclecloud", Certain, ASSET_TAG, Equals("OracleCloud.com")),
    ("qemu", Likely, VENDOR, Equals("QEMU")),
    ("scaleway", Certain, VENDOR, Equals("Scaleway")),
    ("upcloud", Certain, VENDOR, Equals("UpCloud")),
    ("virtualbox", Certain, PRODUCT, Equals("VirtualBox")),
    ("vmware", Certain, VENDOR, StartsWith("VMware")),
    ("vultr", Certain, VENDOR, Equals("Vultr")),
];

/// Labels of drives, and the platforms that attach such drives.
const LABEL_RULES: &[(&str, &[&str])] = &[
    (
        "config-2",
        &["openstack", "nutanix", "cloudstack", "kubevirt", "powervs"],
    ),
    ("CONFIG-2", &["openstack", "cloudstack"]),
    ("cidata", &["kubevirt", "proxmoxve", "ibmcloud"]),
];

/// Guesses at the platform of the machine, most certain first, without duplicates.
pub fn guesses(traits: &Traits) -> Vec<Guess> {
    let mut all = Vec::new();
    all.extend(by_command_line(traits));
    all.extend(by_firmware(traits));
    all.extend(by_devices(traits));
    all.extend(by_labels(traits));
    if !traits.is_virtual && all.is_empty() && !traits.vendor.is_empty() {
        all.push(Guess {
            id: "metal",
            certainty: Likely,
            reason: format!(
                "no hypervisor is under it; sys_vendor is {:?}",
                traits.vendor
            ),
        });
    }
    // Stable, so that the order within one certainty is kept.
    all.sort_by_key(|guess| guess.certainty);
    let mut each = Vec::<Guess>::new();
    for guess in all {
        if !each.iter().any(|other| other.id == guess.id) {
            each.push(guess);
        }
    }
    each
}

fn by_command_line(traits: &Traits) -> Option<Guess> {
    let stated = traits.stated.as_deref()?;
    Some(Guess {
        id: platform::find(stated)?.id(),
        certainty: Stated,
        reason: format!("ignition.platform.id={stated} on the kernel command line"),
    })
}

fn by_firmware(traits: &Traits) -> impl Iterator<Item = Guess> + '_ {
    let rules = FIRMWARE_RULES.iter();
    rules.filter_map(|(id, certainty, field, evidence)| {
        let value = (field.get)(traits);
        evidence.matches(value).then(|| Guess {
            id,
            certainty: *certainty,
            reason: format!("{} is {}", field.name, shown(field, value)),
        })
    })
}

/// Formats a value. Serial numbers and UUIDs are private, so they are not shown.
fn shown(field: &SmbiosField, value: &str) -> String {
    match field.name {
        "product_serial" | "product_uuid" => "typical of it".into(),
        _ => format!("{value:?}"),
    }
}

impl Evidence {
    fn matches(&self, value: &str) -> bool {
        match self {
            Equals(text) => value == *text,
            StartsWith(text) => value.starts_with(text),
            EndsWith(text) => value.ends_with(text),
            Contains(text) => value.contains(text),
        }
    }
}

fn by_devices(traits: &Traits) -> Vec<Guess> {
    let is_hyperv = traits.has_vmbus && traits.asset_tag != AZURE_TAG;
    let seen = [
        (
            traits.has_firmware_config,
            "qemu",
            Certain,
            "fw_cfg has a config",
        ),
        (
            is_hyperv,
            "hyperv",
            Certain,
            "the bus of Hyper-V is there, and the tag of Azure is not",
        ),
        (
            traits.has_boot_fifo,
            "nvidiabluefield",
            Certain,
            "the boot FIFO of BlueField is there",
        ),
        (traits.is_zvm, "zvm", Certain, "it runs under z/VM"),
        (
            traits.is_powervm,
            "powervs",
            Possible,
            "it runs under PowerVM",
        ),
    ];
    let guess = |(_, id, certainty, reason): (bool, &'static str, Certainty, &str)| Guess {
        id,
        certainty,
        reason: reason.into(),
    };
    seen.into_iter().filter(|(is, ..)| *is).map(guess).collect()
}

fn by_labels(traits: &Traits) -> Vec<Guess> {
    let present = LABEL_RULES
        .iter()
        .filter(|(label, _)| traits.labels.contains(*label));
    let guesses = present.flat_map(|(label, ids)| {
        ids.iter().map(move |id| Guess {
            id,
            certainty: Possible,
            reason: format!("a file system is labelled {label}"),
        })
    });
    guesses.collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    /// Id and certainty of each guess.
    fn ids_and_certainties(traits: &Traits) -> Vec<(&'static str, &'static str)> {
        let found = guesses(traits);
        found.iter().map(|g| (g.id, g.certainty.name())).collect()
    }

    #[test]
    fn every_rule_is_about_a_platform() {
        let by_firmware = FIRMWARE_RULES.iter().map(|(id, ..)| *id);
        let by_label = LABEL_RULES.iter().flat_map(|(_, ids)| ids.iter().copied());
        for id in by_firmware.chain(by_label) {
            assert!(platform::find(id).is_some(), "{id}");
        }
    }

    #[test]
    fn firmware_names_its_cloud() {
        let traits = Traits {
            vendor: "Amazon EC2".into(),
            uuid: "ec2abc".into(),
            is_virtual: true,
            ..Traits::default()
        };
        assert_eq!(ids_and_certainties(&traits), [("aws", "certain")]);
        let traits = Traits {
            vendor: "Microsoft Corporation".into(),
            has_vmbus: true,
            is_virtual: true,
            ..Traits::default()
        };
        assert_eq!(ids_and_certainties(&traits), [("hyperv", "certain")]);
        let traits = Traits {
            asset_tag: AZURE_TAG.into(),
            ..traits
        };
        assert_eq!(
            ids_and_certainties(&traits),
            [("azure", "certain"), ("azurestack", "possible")]
        );
    }

    #[test]
    fn weaker_evidence_comes_later_and_the_command_line_first() {
        let traits = Traits {
            stated: Some("proxmoxve".into()),
            vendor: "QEMU".into(),
            is_virtual: true,
            labels: BTreeSet::from(["cidata".into()]),
            ..Traits::default()
        };
        let want = [
            ("proxmoxve", "told"),
            ("qemu", "likely"),
            ("kubevirt", "possible"),
            ("ibmcloud", "possible"),
        ];
        assert_eq!(ids_and_certainties(&traits), want);
    }

    #[test]
    fn a_machine_without_hypervisor_is_metal() {
        let metal = Traits {
            vendor: "Dell Inc.".into(),
            ..Traits::default()
        };
        assert_eq!(ids_and_certainties(&metal), [("metal", "likely")]);
        let unknown = Traits {
            is_virtual: true,
            ..metal
        };
        assert_eq!(ids_and_certainties(&unknown), []);
        assert_eq!(ids_and_certainties(&Traits::default()), []);
    }

    #[test]
    fn serial_numbers_are_not_shown() {
        let traits = Traits {
            serial: "GoogleCloud-SECRET".into(),
            ..Traits::default()
        };
        let reason = guesses(&traits).remove(0).reason;
        assert_eq!(reason, "product_serial is typical of it");
    }
}
