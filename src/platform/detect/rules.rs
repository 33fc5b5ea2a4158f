//! Evidence for each platform. The strings are those that vendors document and that other detectors use.

use super::guess::{Certainty, Guess};
use super::traits::Traits;
use crate::platform;

/// A field of SMBIOS.
struct SmbiosField {
    name: &'static str,
    of: fn(&Traits) -> &str,
}

/// How a field is compared.
enum Evidence {
    Exactly(&'static str),
    Begins(&'static str),
    Ends(&'static str),
    Has(&'static str),
}

const VENDOR: SmbiosField = SmbiosField {
    name: "sys_vendor",
    of: |traits| &traits.vendor,
};
const PRODUCT: SmbiosField = SmbiosField {
    name: "product_name",
    of: |traits| &traits.product,
};
const SERIAL: SmbiosField = SmbiosField {
    name: "product_serial",
    of: |traits| &traits.serial,
};
const UUID: SmbiosField = SmbiosField {
    name: "product_uuid",
    of: |traits| &traits.uuid,
};
const ASSET_TAG: SmbiosField = SmbiosField {
    name: "chassis_asset_tag",
    of: |traits| &traits.asset_tag,
};
const FIRMWARE: SmbiosField = SmbiosField {
    name: "bios_version",
    of: |traits| &traits.firmware,
};

/// Chassis asset tag of every virtual machine of Azure, and of no other.
const AZURE_TAG: &str = "7783-7084-3265-9085-8269-3286-77";

use Certainty::{Certain, Likely, Possible, Told};
use Evidence::{Begins, Ends, Exactly, Has};

/// Platform, certainty, and the evidence in a field of SMBIOS.
const FIRMWARE_RULES: &[(&str, Certainty, SmbiosField, Evidence)] = &[
    ("akamai", Certain, VENDOR, Exactly("Akamai")),
    ("akamai", Certain, VENDOR, Exactly("Linode")),
    ("aliyun", Certain, PRODUCT, Exactly("Alibaba Cloud ECS")),
    ("applehv", Certain, PRODUCT, Begins("Apple Virtualization")),
    ("aws", Certain, VENDOR, Exactly("Amazon EC2")),
    ("aws", Certain, FIRMWARE, Has("amazon")),
    ("aws", Likely, UUID, Begins("ec2")),
    ("azure", Certain, ASSET_TAG, Exactly(AZURE_TAG)),
    ("azurestack", Possible, ASSET_TAG, Exactly(AZURE_TAG)),
    ("brightbox", Certain, SERIAL, Ends(".brightbox.com")),
    ("cloudsigma", Certain, PRODUCT, Exactly("CloudSigma")),
    ("cloudstack", Certain, PRODUCT, Begins("CloudStack")),
    ("digitalocean", Certain, VENDOR, Exactly("DigitalOcean")),
    ("exoscale", Certain, PRODUCT, Begins("Exoscale")),
    ("gcp", Certain, PRODUCT, Exactly("Google Compute Engine")),
    ("gcp", Certain, SERIAL, Begins("GoogleCloud-")),
    ("hetzner", Certain, VENDOR, Exactly("Hetzner")),
    ("kubevirt", Certain, VENDOR, Exactly("KubeVirt")),
    ("kubevirt", Certain, PRODUCT, Exactly("KubeVirt")),
    ("nutanix", Certain, VENDOR, Exactly("Nutanix")),
    ("openstack", Certain, PRODUCT, Begins("OpenStack")),
    ("openstack", Certain, ASSET_TAG, Begins("OpenStack")),
    ("openstack", Certain, ASSET_TAG, Exactly("OpenTelekomCloud")),
    ("openstack", Certain, ASSET_TAG, Exactly("SAP CCloud VM")),
    ("openstack", Certain, ASSET_TAG, Exactly("HUAWEICLOUD")),
    (
        "oraclecloud",
        Certain,
        ASSET_TAG,
        Exactly("OracleCloud.com"),
    ),
    ("qemu", Likely, VENDOR, Exactly("QEMU")),
    ("scaleway", Certain, VENDOR, Exactly("Scaleway")),
    ("upcloud", Certain, VENDOR, Exactly("UpCloud")),
    ("virtualbox", Certain, PRODUCT, Exactly("VirtualBox")),
    ("vmware", Certain, VENDOR, Begins("VMware")),
    ("vultr", Certain, VENDOR, Exactly("Vultr")),
];

/// Labels of drives, and the platforms that attach them.
const LABEL_RULES: &[(&str, &[&str])] = &[
    (
        "config-2",
        &["openstack", "nutanix", "cloudstack", "kubevirt", "powervs"],
    ),
    ("CONFIG-2", &["openstack", "cloudstack"]),
    ("cidata", &["kubevirt", "proxmoxve", "ibmcloud"]),
];

/// Platforms that the machine may be, the most certain first, each once.
pub fn guesses(traits: &Traits) -> Vec<Guess> {
    let mut all = Vec::new();
    all.extend(told(traits));
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

fn told(traits: &Traits) -> Option<Guess> {
    let told = traits.told.as_deref()?;
    Some(Guess {
        id: platform::find(told)?.id(),
        certainty: Told,
        reason: format!("ignition.platform.id={told} on the kernel command line"),
    })
}

fn by_firmware(traits: &Traits) -> impl Iterator<Item = Guess> + '_ {
    let rules = FIRMWARE_RULES.iter();
    rules.filter_map(|(id, certainty, field, says)| {
        let value = (field.of)(traits);
        says.fits(value).then(|| Guess {
            id,
            certainty: *certainty,
            reason: format!("{} is {}", field.name, shown(field, value)),
        })
    })
}

/// Serial numbers and UUIDs are private, so they are not shown.
fn shown(field: &SmbiosField, value: &str) -> String {
    match field.name {
        "product_serial" | "product_uuid" => "of its kind".into(),
        _ => format!("{value:?}"),
    }
}

impl Evidence {
    fn fits(&self, value: &str) -> bool {
        match self {
            Exactly(word) => value == *word,
            Begins(word) => value.starts_with(word),
            Ends(word) => value.ends_with(word),
            Has(word) => value.contains(word),
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
    fn told_of(traits: &Traits) -> Vec<(&'static str, &'static str)> {
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
        assert_eq!(told_of(&traits), [("aws", "certain")]);
        let traits = Traits {
            vendor: "Microsoft Corporation".into(),
            has_vmbus: true,
            is_virtual: true,
            ..Traits::default()
        };
        assert_eq!(told_of(&traits), [("hyperv", "certain")]);
        let traits = Traits {
            asset_tag: AZURE_TAG.into(),
            ..traits
        };
        assert_eq!(
            told_of(&traits),
            [("azure", "certain"), ("azurestack", "possible")]
        );
    }

    #[test]
    fn weaker_signs_come_later_and_what_was_told_first() {
        let traits = Traits {
            told: Some("proxmoxve".into()),
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
        assert_eq!(told_of(&traits), want);
    }

    #[test]
    fn a_machine_without_hypervisor_is_metal() {
        let metal = Traits {
            vendor: "Dell Inc.".into(),
            ..Traits::default()
        };
        assert_eq!(told_of(&metal), [("metal", "likely")]);
        let unknown = Traits {
            is_virtual: true,
            ..metal
        };
        assert_eq!(told_of(&unknown), []);
        assert_eq!(told_of(&Traits::default()), []);
    }

    #[test]
    fn serial_numbers_are_not_shown() {
        let traits = Traits {
            serial: "GoogleCloud-SECRET".into(),
            ..Traits::default()
        };
        let reason = guesses(&traits).remove(0).reason;
        assert_eq!(reason, "product_serial is of its kind");
    }
}
