//! Facts of `openstack`, and what config drives in its form have: the drive if the machine has one, else the metadata
//! service, which speaks the language of EC2 beside its own.

use super::super::FetchContext;
use super::super::drive;
use super::documents::{self, Keys};
use super::drives;
use super::service::Service;
use super::tree::{KeysAt, Tree};
use super::{Facts, Source, identity};
use serde::Deserialize;
use serde_json::Value;
use std::collections::BTreeMap;
use std::path::Path;

/// The source.
pub static SOURCE: OpenStack = OpenStack;

/// Labels that the drive may have.
pub const LABELS: [&str; 2] = ["config-2", "CONFIG-2"];
/// Where a drive describes the machine.
const ON_DRIVE: &str = "/openstack/latest/meta_data.json";
/// The same as EC2 would say it; not every cloud writes it.
const ON_DRIVE_EC2: &str = "/ec2/latest/meta-data.json";
const AT_SERVICE: &str = "openstack/latest/meta_data.json";
const VENDOR_AT_SERVICE: &str = "openstack/latest/vendor_data.json";
const VENDOR_ON_DRIVE: &str = "/openstack/latest/vendor_data.json";
const UUID: &str = "OPENSTACK_INSTANCE_UUID";

static TREE: Tree = Tree {
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

/// A drive, or a tree and a document beside it.
#[derive(Debug)]
pub struct OpenStack;

/// How OpenStack describes a machine.
#[derive(Debug, Default, Deserialize)]
pub struct Machine {
    /// What it is called.
    pub hostname: Option<String>,
    /// What its owner calls it.
    pub name: Option<String>,
    /// Who it is.
    pub uuid: Option<String>,
    /// The same, elsewhere.
    #[serde(alias = "instance-id")]
    pub instance_id: Option<String>,
    /// What kind it is.
    #[serde(alias = "instance-type")]
    pub instance_type: Option<String>,
    /// Who may log in.
    #[serde(default, alias = "public-keys")]
    pub public_keys: Keys,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "kebab-case")]
struct Ec2 {
    instance_id: Option<String>,
    instance_type: Option<String>,
    local_ipv4: Option<String>,
    public_ipv4: Option<String>,
}

impl Source for OpenStack {
    fn names(&self) -> Vec<&'static str> {
        let mut names = TREE.names();
        names.push(UUID);
        names
    }

    fn ask(&self, context: &FetchContext<'_>) -> anyhow::Result<Facts> {
        match drives::present(&LABELS) {
            Some(label) => drives::visit(&[label], context, &|_, point| of_drive(point)),
            None => of_service(&TREE.service(context)),
        }
    }
}

fn of_service(service: &Service<'_>) -> anyhow::Result<Facts> {
    let mut facts = TREE.gather(service)?;
    let value: Value = service.json(AT_SERVICE)?.unwrap_or_default();
    facts.meta_data = identity::flattened(&value);
    let machine: Option<Machine> = documents::shaped(&service.url(AT_SERVICE), value)?;
    add(&machine.unwrap_or_default(), &mut facts);
    facts.vendor_data = service.json(VENDOR_AT_SERVICE)?.and_then(of_vendor);
    Ok(facts)
}

/// What the machine itself says counts where EC2's language has no word.
fn add(machine: &Machine, facts: &mut Facts) {
    facts.set(UUID, machine.uuid.as_ref());
    if facts.hostname.is_none() {
        facts.name(machine.hostname.as_ref());
        facts.set("OPENSTACK_HOSTNAME", machine.hostname.as_ref());
    }
    if facts.ssh_keys.is_empty() {
        machine.public_keys.add_to(facts);
    }
}

fn of_drive(point: &Path) -> anyhow::Result<Facts> {
    let (machine, meta_data) = machine_and_values(point)?;
    let ec2: Ec2 = match drive::read(point, ON_DRIVE_EC2)? {
        None => Ec2::default(),
        Some(text) => documents::json(&drives::shown(ON_DRIVE_EC2), &text)?,
    };
    let mut facts = Facts {
        meta_data,
        vendor_data: vendor_data(point)?,
        ..Facts::default()
    };
    facts.set("OPENSTACK_INSTANCE_ID", ec2.instance_id);
    facts.set("OPENSTACK_INSTANCE_TYPE", ec2.instance_type);
    facts.set("OPENSTACK_IPV4_LOCAL", ec2.local_ipv4);
    facts.set("OPENSTACK_IPV4_PUBLIC", ec2.public_ipv4);
    add(&machine, &mut facts);
    Ok(facts)
}

/// What a drive in the form of OpenStack says of the machine.
///
/// # Errors
/// It says nothing, or in another form.
pub fn machine(point: &Path) -> anyhow::Result<Machine> {
    machine_and_values(point).map(|(machine, _)| machine)
}

/// [`machine`], and every value of the document by its path.
///
/// # Errors
/// As [`machine`].
pub fn machine_and_values(point: &Path) -> anyhow::Result<(Machine, BTreeMap<String, String>)> {
    let text = drives::needed(point, ON_DRIVE)?;
    let machine = documents::json(&drives::shown(ON_DRIVE), &text)?;
    let value: Value = documents::json(&drives::shown(ON_DRIVE), &text)?;
    Ok((machine, identity::flattened(&value)))
}

/// What a drive has for cloud-init from whoever runs the platform.
///
/// # Errors
/// It cannot be read.
pub fn vendor_data(point: &Path) -> anyhow::Result<Option<Vec<u8>>> {
    let Some(text) = drive::read(point, VENDOR_ON_DRIVE)? else {
        return Ok(None);
    };
    let value = documents::json(&drives::shown(VENDOR_ON_DRIVE), &text)?;
    Ok(of_vendor(value))
}

/// A document for any agent has that for cloud-init at a key; a text is for nobody else.
fn of_vendor(value: Value) -> Option<Vec<u8>> {
    let own = match &value {
        Value::Object(entries) => entries.get("cloud-init")?,
        other => other,
    };
    let text = own.as_str()?;
    (!text.is_empty()).then(|| text.as_bytes().to_vec())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::platform::facts::drives::testing::drive;

    const MACHINE: &str = r#"{"uuid": "83679162-1378", "hostname": "web.novalocal", "name": "web", "launch_index": 0,
        "public_keys": {"mykey": "ssh-rsa A me\n"}, "admin_pass": "secret", "meta": {"role": "web"}}"#;

    #[test]
    fn a_drive_with_and_without_words_of_ec2() {
        let both = drive(&[
            (ON_DRIVE, MACHINE),
            (
                ON_DRIVE_EC2,
                r#"{"instance-id": "i-7", "instance-type": "m1.small", "local-ipv4": "10.0.0.3", "public-ipv4": "",
                    "block-device-mapping": {"root": "/dev/vda"}, "hostname": "web.novalocal"}"#,
            ),
        ]);
        let facts = of_drive(both.path()).expect("good");
        assert_eq!(facts.hostname.as_deref(), Some("web.novalocal"));
        assert_eq!(facts.ssh_keys, ["ssh-rsa A me"]);
        let want = "AFTERBURN_OPENSTACK_HOSTNAME=web.novalocal\n\
            AFTERBURN_OPENSTACK_INSTANCE_ID=i-7\n\
            AFTERBURN_OPENSTACK_INSTANCE_TYPE=m1.small\n\
            AFTERBURN_OPENSTACK_INSTANCE_UUID=83679162-1378\n\
            AFTERBURN_OPENSTACK_IPV4_LOCAL=10.0.0.3\n";
        assert_eq!(facts.to_env(), want);
        let facts = of_drive(drive(&[(ON_DRIVE, MACHINE)]).path()).expect("good");
        assert_eq!(facts.attributes.len(), 2, "{}", facts.to_env());
        assert_eq!(
            facts.meta_data.get("meta.role").map(String::as_str),
            Some("web")
        );
        assert_eq!(facts.vendor_data, None);
        let vendor = drive(&[
            (ON_DRIVE, MACHINE),
            (VENDOR_ON_DRIVE, r##"{"cloud-init": "#cloud-config\n"}"##),
        ]);
        let facts = of_drive(vendor.path()).expect("good");
        assert_eq!(facts.vendor_data.as_deref(), Some(&b"#cloud-config\n"[..]));
    }

    #[test]
    fn drives_that_say_nothing_or_nonsense() {
        for (files, want) in [
            (&[][..], "the drive has no /openstack/latest/meta_data.json"),
            (
                &[(ON_DRIVE, "{\"uuid\": secret}")],
                "/openstack/latest/meta_data.json of the drive is not valid JSON (line 1, column 10)",
            ),
            (
                &[(ON_DRIVE, MACHINE), (ON_DRIVE_EC2, "[\"secret\"]")],
                "/ec2/latest/meta-data.json of the drive has another shape",
            ),
        ] {
            let error = format!("{:#}", of_drive(drive(files).path()).expect_err(want));
            assert!(error.starts_with(want), "{error}");
            assert!(!error.contains("secret"), "{error}");
        }
    }
}
