//! Facts of `cloudstack`: the config drive if the machine has one, else the service at the DHCP server.

use super::super::drive;
use super::super::{FetchContext, leases};
use super::openstack::LABELS;
use super::service::Service;
use super::tree::{KeysAt, Tree};
use super::{Facts, Source, documents, drives};
use anyhow::bail;
use std::path::Path;
use std::time::Instant;

/// The source.
pub static SOURCE: CloudStack = CloudStack;

/// The base is missing: only the lease has the address.
static TREE: Tree = Tree {
    base: "",
    headers: &[],
    hostname: Some("local-hostname"),
    keys: KeysAt::Lines("public-keys"),
    values: &[
        ("CLOUDSTACK_AVAILABILITY_ZONE", "availability-zone"),
        ("CLOUDSTACK_CLOUD_IDENTIFIER", "cloud-identifier"),
        ("CLOUDSTACK_HOSTNAME", "hostname"),
        ("CLOUDSTACK_INSTANCE_ID", "instance-id"),
        ("CLOUDSTACK_IPV4_LOCAL", "local-ipv4"),
        ("CLOUDSTACK_IPV4_PUBLIC", "public-ipv4"),
        ("CLOUDSTACK_LOCAL_HOSTNAME", "local-hostname"),
        ("CLOUDSTACK_PUBLIC_HOSTNAME", "public-hostname"),
        ("CLOUDSTACK_SERVICE_OFFERING", "service-offering"),
        ("CLOUDSTACK_VM_ID", "vm-id"),
    ],
};
const ON_DRIVE: [(&str, &str); 6] = [
    ("CLOUDSTACK_AVAILABILITY_ZONE", "availability_zone"),
    ("CLOUDSTACK_CLOUD_IDENTIFIER", "cloud_identifier"),
    ("CLOUDSTACK_INSTANCE_ID", "instance_id"),
    ("CLOUDSTACK_LOCAL_HOSTNAME", "local_hostname"),
    ("CLOUDSTACK_SERVICE_OFFERING", "service_offering"),
    ("CLOUDSTACK_VM_ID", "vm_id"),
];

/// A drive, or a tree.
#[derive(Debug)]
pub struct CloudStack;

impl Source for CloudStack {
    fn names(&self) -> Vec<&'static str> {
        TREE.names()
    }

    fn ask(&self, context: &FetchContext<'_>) -> anyhow::Result<Facts> {
        if let Some(label) = drives::present(&LABELS) {
            return drives::visit(&[label], context, &|_, point| of_drive(point));
        }
        let start = Instant::now();
        let limit = context.fetcher.settings().total;
        // Nobody waits longer for a lease than for a document.
        let is_over = || limit.is_some_and(|limit| start.elapsed() >= limit);
        let server = leases::server(context.log, &|| is_over() || context.events.cancelled());
        let server = match server {
            Err(_) if is_over() => bail!(
                "no lease of a DHCP server appeared in time; looked at {}",
                leases::PLACES
            ),
            found => found?,
        };
        TREE.gather(&Service::at(
            context,
            format!("http://{server}/latest/meta-data/"),
        ))
    }
}

fn of_drive(point: &Path) -> anyhow::Result<Facts> {
    let mut facts = Facts::default();
    for (name, file) in ON_DRIVE {
        facts.set(name, text(point, file)?);
    }
    facts.name(facts.attributes.get("CLOUDSTACK_LOCAL_HOSTNAME").cloned());
    facts.add_keys(&text(point, "public_keys")?.unwrap_or_default());
    Ok(facts)
}

fn text(point: &Path, file: &str) -> anyhow::Result<Option<String>> {
    let path = format!("/cloudstack/metadata/{file}.txt");
    let text = drive::read(point, &path)?;
    let text = text.map(|text| documents::text(&drives::shown(&path), text));
    text.transpose()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::platform::facts::drives::testing::drive;

    #[test]
    fn a_drive() {
        let drive = drive(&[
            ("/cloudstack/metadata/availability_zone.txt", "zone 1\n"),
            ("/cloudstack/metadata/local_hostname.txt", "web"),
            (
                "/cloudstack/metadata/public_keys.txt",
                "ssh-rsa A\nssh-rsa B\n",
            ),
            ("/cloudstack/metadata/vm_id.txt", "2fe5"),
            ("/cloudstack/userdata/user_data.txt", "secret"),
        ]);
        let facts = of_drive(drive.path()).expect("good");
        assert_eq!(facts.hostname.as_deref(), Some("web"));
        assert_eq!(facts.ssh_keys, ["ssh-rsa A", "ssh-rsa B"]);
        let want = "AFTERBURN_CLOUDSTACK_AVAILABILITY_ZONE=\"zone 1\"\n\
            AFTERBURN_CLOUDSTACK_LOCAL_HOSTNAME=web\n\
            AFTERBURN_CLOUDSTACK_VM_ID=2fe5\n";
        assert_eq!(facts.to_env(), want);
    }

    #[test]
    fn what_is_on_the_drive_is_in_the_list() {
        let names = TREE.names();
        assert!(ON_DRIVE.iter().all(|(name, _)| names.contains(name)));
    }
}
