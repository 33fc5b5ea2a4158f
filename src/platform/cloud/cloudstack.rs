//! Platform `cloudstack`: user data on a config drive or from the service at the DHCP server, whichever answers first.
//!
//! Attributes: from the config drive if the machine has one, otherwise from the service at the DHCP server.

use crate::fetch::{FetchError, Request};
use crate::platform::attributes::service::MetadataService;
use crate::platform::attributes::{DocumentTree, KeysAt};
use crate::platform::attributes::{decode, drives};
use crate::platform::contract::{
    About, Answer, AttributeSource, Attributes, FetchContext, KernelModule, Network, Platform,
    TestLevel,
};
use crate::platform::source::config_drive::{LABELS, with_either_label};
use crate::platform::source::dhcp_lease;
use crate::platform::source::drive::Drive;
use crate::platform::source::probes::{self, Probe, Race};
use anyhow::bail;
use std::path::Path;
use std::time::Instant;

const USER_DATA: &str = "/cloudstack/userdata/user_data.txt";
const DRIVES: [Drive; 2] = with_either_label(USER_DATA);

/// The platform.
pub(crate) struct CloudStack;

impl Platform for CloudStack {
    fn id(&self) -> &'static str {
        "cloudstack"
    }

    fn about(&self) -> About {
        About {
            source: "`/cloudstack/userdata/user_data.txt` on the drive labelled `config-2` or `CONFIG-2`, or user data of the service at the DHCP server: the first that has any",
            requests: &[],
            no_config: "the drive has no user data; the service says 404 or 204, or gives an empty body; or everything failed",
            waits: "without limit for drive and lease; 2 min for the service (`--fetch-timeout`)",
            network: Network::Needed,
            modules: &[
                KernelModule::Expected("isofs"),
                KernelModule::Expected("vfat"),
            ],
            tested: TestLevel::RealWire,
        }
    }

    fn requests(&self) -> Vec<String> {
        let mut requests: Vec<String> = DRIVES.iter().map(Drive::describe).collect();
        requests.push(format!(
            "read the DHCP server of a lease: {}",
            dhcp_lease::PLACES
        ));
        requests.push("GET http://DHCP-SERVER/latest/user-data".into());
        requests
    }

    fn fetch(&self, context: &mut FetchContext<'_>) -> anyhow::Result<Answer> {
        let service = Probe {
            name: "the service at the DHCP server".into(),
            run: Box::new(fetch_user_data),
        };
        let what = "the service of CloudStack".into();
        probes::drives_or_service(&DRIVES, service, what, context)
    }

    fn attribute_source(&self) -> Option<&'static dyn AttributeSource> {
        Some(&ATTRIBUTES)
    }
}

fn fetch_user_data(race: &Race<'_>) -> anyhow::Result<Vec<u8>> {
    let server = dhcp_lease::server(race.log, &|| race.is_over())?;
    let request = Request::get(format!("http://{server}/latest/user-data"));
    match race.fetcher.fetch_to_vec(&request, race) {
        Ok((text, _)) => Ok(text),
        Err(FetchError::NotFound { .. }) => Ok(Vec::new()),
        Err(error) => Err(error.into()),
    }
}

/// The attributes for `kindling metadata`.
static ATTRIBUTES: CloudStackAttributes = CloudStackAttributes;

/// Has no base, since the address of the service comes from the lease.
static TREE: DocumentTree = DocumentTree {
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
const DRIVE_VALUES: [(&str, &str); 6] = [
    ("CLOUDSTACK_AVAILABILITY_ZONE", "availability_zone"),
    ("CLOUDSTACK_CLOUD_IDENTIFIER", "cloud_identifier"),
    ("CLOUDSTACK_INSTANCE_ID", "instance_id"),
    ("CLOUDSTACK_LOCAL_HOSTNAME", "local_hostname"),
    ("CLOUDSTACK_SERVICE_OFFERING", "service_offering"),
    ("CLOUDSTACK_VM_ID", "vm_id"),
];

/// The drive or, if there is none, the tree.
#[derive(Debug)]
struct CloudStackAttributes;

impl AttributeSource for CloudStackAttributes {
    fn names(&self) -> Vec<&'static str> {
        TREE.names()
    }

    fn fetch(&self, context: &FetchContext<'_>) -> anyhow::Result<Attributes> {
        if let Some(label) = drives::present(&LABELS) {
            return drives::visit(&[label], context, &|_, mount_point| read_drive(mount_point));
        }
        let start = Instant::now();
        let limit = context.fetcher.settings().total;
        // The time limit for a document applies to the lease, too.
        let is_over = || limit.is_some_and(|limit| start.elapsed() >= limit);
        let server = dhcp_lease::server(context.log, &|| is_over() || context.events.cancelled());
        let server = match server {
            Err(_) if is_over() => bail!(
                "no lease of a DHCP server appeared in time; looked at {}",
                dhcp_lease::PLACES
            ),
            found => found?,
        };
        TREE.gather(&MetadataService::at(
            context,
            format!("http://{server}/latest/meta-data/"),
        ))
    }
}

fn read_drive(mount_point: &Path) -> anyhow::Result<Attributes> {
    let mut attributes = Attributes::default();
    for (name, file) in DRIVE_VALUES {
        attributes.set(name, read_text(mount_point, file)?);
    }
    attributes.set_hostname(attributes.values.get("CLOUDSTACK_LOCAL_HOSTNAME").cloned());
    attributes.add_keys(&read_text(mount_point, "public_keys")?.unwrap_or_default());
    Ok(attributes)
}

fn read_text(mount_point: &Path, file: &str) -> anyhow::Result<Option<String>> {
    let path = format!("/cloudstack/metadata/{file}.txt");
    let text = drives::read(mount_point, &path)?;
    let text = text.map(|text| decode::text(&drives::shown(&path), text));
    text.transpose()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::platform::attributes::drives::testing::drive;

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
        let attributes = read_drive(drive.path()).expect("good");
        assert_eq!(attributes.hostname.as_deref(), Some("web"));
        assert_eq!(attributes.ssh_keys, ["ssh-rsa A", "ssh-rsa B"]);
        let want = "AFTERBURN_CLOUDSTACK_AVAILABILITY_ZONE=\"zone 1\"\n\
            AFTERBURN_CLOUDSTACK_LOCAL_HOSTNAME=web\n\
            AFTERBURN_CLOUDSTACK_VM_ID=2fe5\n";
        assert_eq!(attributes.to_env(), want);
    }

    #[test]
    fn values_on_the_drive_are_listed() {
        let names = TREE.names();
        assert!(DRIVE_VALUES.iter().all(|(name, _)| names.contains(name)));
    }
}
