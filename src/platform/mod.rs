//! Platforms: where each kind of machine has its config and its instance metadata.
//!
//! This file is the table of platforms. Their implementations are in these modules:
//!
//! | part | what it is | may import |
//! |---|---|---|
//! | `contract` | the interface of every platform: the trait, its results, sources of attributes | none of these |
//! | `source` | how a config is obtained: documents of services, drives, discs, DHCP leases | `contract` |
//! | `attributes` | how host names, keys and addresses are obtained, and the formats they are printed in | `contract`, `source` |
//! | `cloud` | platforms that provide the config through a service or on a drive, each with its attributes | `attributes`, `contract`, `source` |
//! | `hypervisor` | platforms that provide the config through a device or the firmware | `contract`, `source` |
//! | `alias` | another name of a platform | `contract` |
//! | `file` | the config is a local file | `contract` |
//! | `metal` | machines that have no config | `contract` |
//! | `detect` | guesses the platform of a machine, only for information; a boot never guesses | `hypervisor`, the table |
//!
//! To add a platform, write a file in `cloud` or `hypervisor`, and add a row to [`PLATFORMS`] in alphabetical order:
//! `docs/adding-a-platform.md` has an example. No file of a platform names another.
//!
//! A platform obtains bytes and names their origin. Parsing, merging and writing are done elsewhere.

mod alias;
mod attributes;
mod cloud;
mod contract;
pub mod detect;
mod file;
pub mod hypervisor;
mod metal;
mod source;

pub use attributes::Identity;
pub use contract::{
    About, Answer, AttributeSource, Attributes, FetchContext, KernelModule, Network, NoDescription,
    Platform, Readiness, TestLevel,
};
pub use source::mount::{MountSpec, with_mounted};

use alias::Alias;
use metal::Metal;

/// All platforms, sorted by id. Those without their own file have no source of configs.
pub static PLATFORMS: &[&dyn Platform] = &[
    &cloud::akamai::Akamai,
    &cloud::aliyun::PLATFORM,
    &hypervisor::applehv::AppleHv,
    &cloud::aws::Aws,
    &cloud::azure::Azure,
    &cloud::azurestack::AzureStack,
    &cloud::openstack::OpenStack("brightbox"),
    &Metal("cloudsigma"),
    &cloud::cloudstack::CloudStack,
    &cloud::digitalocean::PLATFORM,
    &Alias("ec2", &cloud::aws::Aws),
    &cloud::exoscale::PLATFORM,
    &file::FilePlatform,
    &Alias("gce", &cloud::gcp::PLATFORM),
    &cloud::gcp::PLATFORM,
    &cloud::hetzner::PLATFORM,
    &hypervisor::hyperv::HyperV,
    &cloud::ibmcloud::PLATFORM,
    &Metal("interoute"),
    &cloud::kubevirt::KubeVirt,
    &Metal("metal"),
    &Metal("niftycloud"),
    &Alias("nocloud", &cloud::kubevirt::KubeVirt),
    &cloud::nutanix::PLATFORM,
    &hypervisor::nvidiabluefield::NvidiaBlueField,
    &cloud::openstack::OpenStack("openstack"),
    &cloud::oraclecloud::PLATFORM,
    &cloud::packet::Packet,
    &cloud::powervs::PLATFORM,
    &cloud::proxmoxve::PLATFORM,
    &Metal("pxe"),
    &hypervisor::qemu::Qemu,
    &Metal("rackspace"),
    &Metal("rackspace-onmetal"),
    &cloud::scaleway::PLATFORM,
    &cloud::upcloud::PLATFORM,
    &Metal("vagrant"),
    &hypervisor::vagrant_virtualbox::VagrantVirtualBox,
    &hypervisor::virtualbox::VirtualBox,
    &hypervisor::vmware::VMware,
    &cloud::vultr::PLATFORM,
    &hypervisor::zvm::Zvm,
];

/// The platform with this id.
pub fn find(id: &str) -> Option<&'static dyn Platform> {
    PLATFORMS
        .iter()
        .copied()
        .find(|platform| platform.id() == id)
}

#[cfg(test)]
mod tests {
    use super::cloud::example;
    use super::contract::testing::in_context;
    use super::*;
    use std::path::Path;

    fn ids() -> Vec<&'static str> {
        PLATFORMS.iter().map(|platform| platform.id()).collect()
    }

    #[test]
    fn the_table_is_sorted_without_duplicates() {
        assert!(ids().is_sorted_by(|a, b| a < b), "{:?}", ids());
    }

    #[test]
    fn every_platform_of_ignition_exists() {
        let known = "akamai aliyun applehv aws azure azurestack brightbox cloudstack digitalocean exoscale file gcp \
            hetzner hyperv ibmcloud kubevirt metal nutanix nvidiabluefield openstack oraclecloud packet powervs \
            proxmoxve qemu scaleway upcloud virtualbox vmware vultr zvm";
        for id in known.split_whitespace() {
            assert!(find(id).is_some(), "{id}");
        }
    }

    /// The example in the documentation is complete, and has everything that a simple service needs.
    #[test]
    fn the_example_of_the_documentation_is_a_platform() {
        let text = include_str!("../../docs/adding-a-platform.md");
        let example = include_str!("cloud/example.rs");
        assert!(
            text.contains(&format!("```rust\n{example}```")),
            "docs/adding-a-platform.md and example.rs differ"
        );
        let (answer, _) = in_context(Path::new(""), |context| example::PLATFORM.fetch(context));
        assert!(
            matches!(answer, Ok(Answer::NeedsNetwork { .. })),
            "{answer:?}"
        );
        assert_eq!(
            example::PLATFORM.requests(),
            [
                "GET http://169.254.169.254/example/v1/user-data with Metadata-Flavor: Example; base64"
            ]
        );
        assert!(example::PLATFORM.attribute_source().is_some());
    }

    #[test]
    fn platforms_are_found_by_their_exact_id() {
        assert_eq!(find("qemu").map(Platform::id), Some("qemu"));
        for unknown in ["", "QEMU", "qemu ", "system", "cmdline"] {
            assert!(find(unknown).is_none(), "{unknown:?}");
        }
    }

    #[test]
    fn defaults_of_the_trait() {
        let metal = find("metal").expect("there");
        let (answers, log) = in_context(Path::new(""), |context| {
            let ready = metal.init(context).expect("ready");
            let reported = metal.status(context, "disks", Err("no disk"));
            (
                ready,
                reported.is_ok(),
                metal.delete_config(context).is_err(),
            )
        });
        assert_eq!(answers, (Readiness::Yes, true, true));
        assert_eq!(log, "");
    }

    #[test]
    fn attribute_names_are_valid_variables_and_unique() {
        for platform in PLATFORMS {
            let Some(source) = platform.attribute_source() else {
                continue;
            };
            let mut names = source.names();
            for name in &names {
                let is_plain = |c: char| c.is_ascii_uppercase() || c.is_ascii_digit() || c == '_';
                assert!(name.chars().all(is_plain), "{}: {name}", platform.id());
            }
            let all = names.len();
            names.sort_unstable();
            names.dedup();
            assert_eq!(names.len(), all, "{}", platform.id());
        }
    }
}
