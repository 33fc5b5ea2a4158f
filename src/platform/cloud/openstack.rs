//! Platforms `openstack` and `brightbox`: user data on a config drive, or of the metadata service, whichever answers
//! first.
//!
//! Attributes: the drive if the machine has one, else the metadata service, which has the tree of EC2 beside its own
//! documents.

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
use crate::platform::source::drive::{self, Drive};
use crate::platform::source::probes::{self, Probe, Race};
use anyhow::anyhow;
use nix::ifaddrs::getifaddrs;
use nix::net::if_::InterfaceFlags;
use serde::Deserialize;
use serde_json::Value;
use std::collections::BTreeSet;
use std::path::Path;

const URL: &str = "http://169.254.169.254/openstack/latest/user_data";
const URL_6: &str = "http://[fe80::a9fe:a9fe]/openstack/latest/user_data";

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
            asks: &[],
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

    fn asks(&self) -> Vec<String> {
        let mut asks: Vec<String> = DRIVES.iter().map(Drive::describe).collect();
        asks.push(format!("GET {URL}"));
        asks.push("GET http://[fe80::a9fe:a9fe%25INTERFACE]/openstack/latest/user_data by each interface with an IPv6 address".into());
        asks
    }

    fn fetch(&self, context: &mut FetchContext<'_>) -> anyhow::Result<Answer> {
        let service = Probe {
            name: "the metadata service".into(),
            ask: Box::new(ask_service),
        };
        let what = format!("the metadata service of {}", self.0);
        probes::drives_or_service(&DRIVES, service, what, context)
    }

    fn attribute_source(&self) -> Option<&'static dyn AttributeSource> {
        Some(&ATTRIBUTES)
    }
}

/// Asks the service at every address it may have. The first that has user data decides; most networks have the service at
/// one address, so that others say there is none.
fn ask_service(race: &Race<'_>) -> anyhow::Result<Vec<u8>> {
    let mut requests = vec![Request::get(URL)];
    let interfaces = interfaces_with_ipv6()?;
    requests.extend(interfaces.into_iter().map(by_interface));
    let asked: Vec<Probe<'_>> = requests
        .iter()
        .map(|request| Probe {
            name: request.shown_url(),
            ask: Box::new(|race| ask_at(request, race)),
        })
        .collect();
    probes::first(&asked, race)
        .map(|(_, text)| text)
        .map_err(|mut failed| failed.pop().unwrap_or_else(|| anyhow!("nothing was asked")))
}

fn ask_at(request: &Request, race: &Race<'_>) -> anyhow::Result<Vec<u8>> {
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
            ..Service::USUAL
        },
        ..Request::get(URL_6)
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

/// What `kindling metadata` asks for.
static ATTRIBUTES: OpenStackAttributes = OpenStackAttributes;

/// Meta-data in the form of EC2, which not every cloud writes.
const ON_DRIVE_EC2: &str = "/ec2/latest/meta-data.json";
const AT_SERVICE: &str = "openstack/latest/meta_data.json";
const VENDOR_AT_SERVICE: &str = "openstack/latest/vendor_data.json";
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

/// The drive, else the tree and documents beside it.
#[derive(Debug)]
struct OpenStackAttributes;

#[derive(Default, Deserialize)]
#[serde(rename_all = "kebab-case")]
struct Ec2 {
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

    fn ask(&self, context: &FetchContext<'_>) -> anyhow::Result<Attributes> {
        match drives::present(&LABELS) {
            Some(label) => drives::visit(&[label], context, &|_, point| of_drive(point)),
            None => of_service(&TREE.service(context)),
        }
    }
}

fn of_service(service: &MetadataService<'_>) -> anyhow::Result<Attributes> {
    let mut attributes = TREE.gather(service)?;
    let value: Value = service.json(AT_SERVICE)?.unwrap_or_default();
    attributes.meta_data = decode::flattened(&value);
    let machine: Option<Machine> = decode::shaped(&service.url(AT_SERVICE), value)?;
    add(&machine.unwrap_or_default(), &mut attributes);
    attributes.vendor_data = service
        .json(VENDOR_AT_SERVICE)?
        .and_then(openstack::of_vendor);
    Ok(attributes)
}

/// Adds what OpenStack's meta-data has and EC2's does not.
fn add(machine: &Machine, attributes: &mut Attributes) {
    attributes.set(UUID, machine.uuid.as_ref());
    if attributes.hostname.is_none() {
        attributes.set_hostname(machine.hostname.as_ref());
        attributes.set("OPENSTACK_HOSTNAME", machine.hostname.as_ref());
    }
    if attributes.ssh_keys.is_empty() {
        machine.public_keys.add_to(attributes);
    }
}

fn of_drive(point: &Path) -> anyhow::Result<Attributes> {
    let (machine, meta_data) = openstack::machine_and_values(point)?;
    let ec2: Ec2 = match drive::read(point, ON_DRIVE_EC2)? {
        None => Ec2::default(),
        Some(text) => decode::json(&drives::shown(ON_DRIVE_EC2), &text)?,
    };
    let mut attributes = Attributes {
        meta_data,
        vendor_data: openstack::vendor_data(point)?,
        ..Attributes::default()
    };
    attributes.set("OPENSTACK_INSTANCE_ID", ec2.instance_id);
    attributes.set("OPENSTACK_INSTANCE_TYPE", ec2.instance_type);
    attributes.set("OPENSTACK_IPV4_LOCAL", ec2.local_ipv4);
    attributes.set("OPENSTACK_IPV4_PUBLIC", ec2.public_ipv4);
    add(&machine, &mut attributes);
    Ok(attributes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::platform::attributes::drives::testing::drive;

    const MACHINE: &str = r#"{"uuid": "83679162-1378", "hostname": "web.novalocal", "name": "web", "launch_index": 0,
        "public_keys": {"mykey": "ssh-rsa A me\n"}, "admin_pass": "secret", "meta": {"role": "web"}}"#;

    #[test]
    fn a_drive_with_and_without_words_of_ec2() {
        let both = drive(&[
            (openstack::META_DATA, MACHINE),
            (
                ON_DRIVE_EC2,
                r#"{"instance-id": "i-7", "instance-type": "m1.small", "local-ipv4": "10.0.0.3", "public-ipv4": "",
                    "block-device-mapping": {"root": "/dev/vda"}, "hostname": "web.novalocal"}"#,
            ),
        ]);
        let attributes = of_drive(both.path()).expect("good");
        assert_eq!(attributes.hostname.as_deref(), Some("web.novalocal"));
        assert_eq!(attributes.ssh_keys, ["ssh-rsa A me"]);
        let want = "AFTERBURN_OPENSTACK_HOSTNAME=web.novalocal\n\
            AFTERBURN_OPENSTACK_INSTANCE_ID=i-7\n\
            AFTERBURN_OPENSTACK_INSTANCE_TYPE=m1.small\n\
            AFTERBURN_OPENSTACK_INSTANCE_UUID=83679162-1378\n\
            AFTERBURN_OPENSTACK_IPV4_LOCAL=10.0.0.3\n";
        assert_eq!(attributes.to_env(), want);
        let attributes = of_drive(drive(&[(openstack::META_DATA, MACHINE)]).path()).expect("good");
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
        let attributes = of_drive(vendor.path()).expect("good");
        assert_eq!(
            attributes.vendor_data.as_deref(),
            Some(&b"#cloud-config\n"[..])
        );
    }

    #[test]
    fn drives_that_say_nothing_or_nonsense() {
        for (files, want) in [
            (&[][..], "the drive has no /openstack/latest/meta_data.json"),
            (
                &[(openstack::META_DATA, "{\"uuid\": secret}")],
                "/openstack/latest/meta_data.json of the drive is not valid JSON (line 1, column 10)",
            ),
            (
                &[
                    (openstack::META_DATA, MACHINE),
                    (ON_DRIVE_EC2, "[\"secret\"]"),
                ],
                "/ec2/latest/meta-data.json of the drive has another shape",
            ),
        ] {
            let error = format!("{:#}", of_drive(drive(files).path()).expect_err(want));
            assert!(error.starts_with(want), "{error}");
            assert!(!error.contains("secret"), "{error}");
        }
    }
}
