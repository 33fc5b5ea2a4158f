//! Platforms `openstack` and `brightbox`: user data on a config drive or from the metadata service, whichever answers
//! first.
//!
//! Attributes: from the drive if the machine has one, otherwise from the metadata service, which has the tree of EC2 in
//! addition to its own documents.

use crate::fetch::{FetchError, Request, Route, Service};
use crate::platform::attributes::openstack::{self, Machine};
use crate::platform::attributes::service::MetadataService;
use crate::platform::attributes::{DocumentTree, KeysAt};
use crate::platform::attributes::{decode, drives};
use crate::platform::contract::{
    About, Answer, AttributeSource, Attributes, FetchContext, KernelModule, Network, Platform,
    TestLevel,
};
use crate::platform::source::config_drive::{DRIVES, LABELS};
use crate::platform::source::drive::Drive;
use crate::platform::source::probes::{self, Probe, Race};
use anyhow::anyhow;
use nix::ifaddrs::getifaddrs;
use nix::net::if_::InterfaceFlags;
use serde::Deserialize;
use serde_json::Value;
use std::collections::BTreeSet;
use std::path::Path;

const URL: &str = "http://169.254.169.254/openstack/latest/user_data";
const URL_IPV6: &str = "http://[fe80::a9fe:a9fe]/openstack/latest/user_data";

/// The platform, with its id.
pub(crate) struct OpenStack(pub &'static str);

impl Platform for OpenStack {
    fn id(&self) -> &'static str {
        self.0
    }

    fn alias_of(&self) -> Option<&'static str> {
        (self.0 != "openstack").then_some("openstack")
    }

    fn about(&self) -> About {
        About {
            source: "`/openstack/latest/user_data` on the drive labelled `config-2` or `CONFIG-2`, or of the metadata service (IPv4, and IPv6 link-local): the first that has one",
            requests: &[],
            no_config: "the drive has no user data; the service says 404 or 204, or gives an empty body; or everything failed",
            waits: "without limit for the drive; 2 min for the service (`--fetch-timeout`)",
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
        requests.push(format!("GET {URL}"));
        requests.push("GET http://[fe80::a9fe:a9fe%25INTERFACE]/openstack/latest/user_data by each interface with an IPv6 address".into());
        requests
    }

    fn fetch(&self, context: &mut FetchContext<'_>) -> anyhow::Result<Answer> {
        let service = Probe {
            name: "the metadata service".into(),
            run: Box::new(fetch_user_data),
        };
        let what = format!("the metadata service of {}", self.0);
        probes::drives_or_service(&DRIVES, service, what, context)
    }

    fn attribute_source(&self) -> Option<&'static dyn AttributeSource> {
        Some(&ATTRIBUTES)
    }
}

/// Requests the user data from every address that the service may have. The first one that has user data decides; in
/// most networks only one address is the service, and the others have none.
fn fetch_user_data(race: &Race<'_>) -> anyhow::Result<Vec<u8>> {
    let mut requests = vec![Request::get(URL)];
    let interfaces = interfaces_with_ipv6()?;
    requests.extend(interfaces.into_iter().map(by_interface));
    let probes: Vec<Probe<'_>> = requests
        .iter()
        .map(|request| Probe {
            name: request.shown_url(),
            run: Box::new(|race| fetch_at(request, race)),
        })
        .collect();
    probes::first(&probes, race)
        .map(|(_, text)| text)
        .map_err(|mut failed| failed.pop().unwrap_or_else(|| anyhow!("nothing was asked")))
}

fn fetch_at(request: &Request, race: &Race<'_>) -> anyhow::Result<Vec<u8>> {
    match race.fetcher.fetch_to_vec(request, race) {
        Ok((text, _)) => Ok(text),
        Err(FetchError::NotFound { .. }) => Ok(Vec::new()),
        Err(error) => Err(error.into()),
    }
}

fn by_interface(name: String) -> Request {
    Request {
        service: Service {
            route: Route::Interface(name),
            ..Service::DEFAULT
        },
        ..Request::get(URL_IPV6)
    }
}

/// Interfaces that are up and have an IPv6 address, except the loopback.
fn interfaces_with_ipv6() -> anyhow::Result<BTreeSet<String>> {
    let addresses = getifaddrs()?;
    let usable = addresses.filter(|address| {
        let flags = address.flags;
        flags.contains(InterfaceFlags::IFF_UP)
            && !flags.contains(InterfaceFlags::IFF_LOOPBACK)
            && address
                .address
                .is_some_and(|a| a.as_sockaddr_in6().is_some())
    });
    Ok(usable.map(|address| address.interface_name).collect())
}

/// The attributes for `kindling metadata`.
static ATTRIBUTES: OpenStackAttributes = OpenStackAttributes;

/// Metadata in the format of EC2, which not every cloud provides.
const EC2_META_DATA: &str = "/ec2/latest/meta-data.json";
const META_DATA: &str = "openstack/latest/meta_data.json";
const VENDOR_DATA: &str = "openstack/latest/vendor_data.json";
const UUID: &str = "OPENSTACK_INSTANCE_UUID";

static TREE: DocumentTree = DocumentTree {
    base: "http://169.254.169.254/",
    headers: &[],
    hostname: Some("latest/meta-data/hostname"),
    keys: KeysAt::Listed("latest/meta-data/public-keys"),
    values: &[
        ("OPENSTACK_HOSTNAME", "latest/meta-data/hostname"),
        ("OPENSTACK_INSTANCE_ID", "latest/meta-data/instance-id"),
        ("OPENSTACK_INSTANCE_TYPE", "latest/meta-data/instance-type"),
        ("OPENSTACK_IPV4_LOCAL", "latest/meta-data/local-ipv4"),
        ("OPENSTACK_IPV4_PUBLIC", "latest/meta-data/public-ipv4"),
    ],
};

/// The drive or, if there is none, the tree and the documents of OpenStack.
#[derive(Debug)]
struct OpenStackAttributes;

#[derive(Default, Deserialize)]
#[serde(rename_all = "kebab-case")]
struct Ec2Machine {
    instance_id: Option<String>,
    instance_type: Option<String>,
    local_ipv4: Option<String>,
    public_ipv4: Option<String>,
}

impl AttributeSource for OpenStackAttributes {
    fn names(&self) -> Vec<&'static str> {
        let mut names = TREE.names();
        names.push(UUID);
        names
    }

    fn fetch(&self, context: &FetchContext<'_>) -> anyhow::Result<Attributes> {
        match drives::present(&LABELS) {
            Some(label) => {
                drives::visit(&[label], context, &|_, mount_point| read_drive(mount_point))
            }
            None => fetch_from_service(&TREE.service(context)),
        }
    }
}

fn fetch_from_service(service: &MetadataService<'_>) -> anyhow::Result<Attributes> {
    let mut attributes = TREE.gather(service)?;
    let value: Value = service.json(META_DATA)?.unwrap_or_default();
    attributes.meta_data = decode::flattened(&value);
    let machine: Option<Machine> = decode::from_value(&service.url(META_DATA), value)?;
    add_machine(&machine.unwrap_or_default(), &mut attributes);
    attributes.vendor_data = service
        .json(VENDOR_DATA)?
        .and_then(openstack::cloud_init_vendor_data);
    Ok(attributes)
}

/// Adds what only OpenStack's metadata has.
fn add_machine(machine: &Machine, attributes: &mut Attributes) {
    attributes.set(UUID, machine.uuid.as_ref());
    if attributes.hostname.is_none() {
        attributes.set_hostname(machine.hostname.as_ref());
        attributes.set("OPENSTACK_HOSTNAME", machine.hostname.as_ref());
    }
    if attributes.ssh_keys.is_empty() {
        machine.public_keys.add_to(attributes);
    }
}

fn read_drive(mount_point: &Path) -> anyhow::Result<Attributes> {
    let (machine, meta_data) = openstack::machine_and_values(mount_point)?;
    let ec2: Ec2Machine = match drives::read(mount_point, EC2_META_DATA)? {
        None => Ec2Machine::default(),
        Some(text) => decode::json(&drives::shown(EC2_META_DATA), &text)?,
    };
    let mut attributes = Attributes {
        meta_data,
        vendor_data: openstack::vendor_data(mount_point)?,
        ..Attributes::default()
    };
    attributes.set("OPENSTACK_INSTANCE_ID", ec2.instance_id);
    attributes.set("OPENSTACK_INSTANCE_TYPE", ec2.instance_type);
    attributes.set("OPENSTACK_IPV4_LOCAL", ec2.local_ipv4);
    attributes.set("OPENSTACK_IPV4_PUBLIC", ec2.public_ipv4);
    add_machine(&machine, &mut attributes);
    Ok(attributes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::platform::attributes::drives::testing::drive;

    const MACHINE: &str = r#"{"uuid": "83679162-1378", "hostname": "web.novalocal", "name": "web", "launch_index": 0,
        "public_keys": {"mykey": "ssh-rsa A me\n"}, "admin_pass": "secret", "meta": {"role": "web"}}"#;

    #[test]
    fn a_drive_with_and_without_ec2_metadata() {
        let both = drive(&[
            (openstack::META_DATA, MACHINE),
            (
                EC2_META_DATA,
                r#"{"instance-id": "i-7", "instance-type": "m1.small", "local-ipv4": "10.0.0.3", "public-ipv4": "",
                    "block-device-mapping": {"root": "/dev/vda"}, "hostname": "web.novalocal"}"#,
            ),
        ]);
        let attributes = read_drive(both.path()).expect("good");
        assert_eq!(attributes.hostname.as_deref(), Some("web.novalocal"));
        assert_eq!(attributes.ssh_keys, ["ssh-rsa A me"]);
        let want = "AFTERBURN_OPENSTACK_HOSTNAME=web.novalocal\n\
            AFTERBURN_OPENSTACK_INSTANCE_ID=i-7\n\
            AFTERBURN_OPENSTACK_INSTANCE_TYPE=m1.small\n\
            AFTERBURN_OPENSTACK_INSTANCE_UUID=83679162-1378\n\
            AFTERBURN_OPENSTACK_IPV4_LOCAL=10.0.0.3\n";
        assert_eq!(attributes.to_env(), want);
        let attributes =
            read_drive(drive(&[(openstack::META_DATA, MACHINE)]).path()).expect("good");
        assert_eq!(attributes.values.len(), 2, "{}", attributes.to_env());
        assert_eq!(
            attributes.meta_data.get("meta.role").map(String::as_str),
            Some("web")
        );
        assert_eq!(attributes.vendor_data, None);
        let vendor = drive(&[
            (openstack::META_DATA, MACHINE),
            (
                openstack::VENDOR_DATA,
                r##"{"cloud-init": "#cloud-config\n"}"##,
            ),
        ]);
        let attributes = read_drive(vendor.path()).expect("good");
        assert_eq!(
            attributes.vendor_data.as_deref(),
            Some(&b"#cloud-config\n"[..])
        );
    }

    #[test]
    fn drives_with_missing_or_invalid_data() {
        for (files, want) in [
            (&[][..], "the drive has no /openstack/latest/meta_data.json"),
            (
                &[(openstack::META_DATA, "{\"uuid\": secret}")],
                "/openstack/latest/meta_data.json of the drive is not valid JSON (line 1, column 10)",
            ),
            (
                &[
                    (openstack::META_DATA, MACHINE),
                    (EC2_META_DATA, "[\"secret\"]"),
                ],
                "/ec2/latest/meta-data.json of the drive has an unexpected structure",
            ),
        ] {
            let error = format!("{:#}", read_drive(drive(files).path()).expect_err(want));
            assert!(error.starts_with(want), "{error}");
            assert!(!error.contains("secret"), "{error}");
        }
    }
}
