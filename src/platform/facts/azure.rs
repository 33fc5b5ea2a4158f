//! Facts of `azure` and `azurestack`: documents of the Instance Metadata Service.
//!
//! Addresses are those of the first interface. The names are older than the service: "dynamic" is the address inside the
//! virtual network, "virtual" the public one.

use super::super::FetchContext;
use super::service::Service;
use super::{AttributeSource, Facts};
use serde::Deserialize;

/// The source of `azure`.
pub static AZURE: AttributeSource = AttributeSource {
    names: &[
        "AZURE_ADMIN_USERNAME",
        "AZURE_IPV4_DYNAMIC",
        "AZURE_IPV4_VIRTUAL",
        "AZURE_VMSIZE",
    ],
    ask,
};
/// The source of `azurestack`.
pub static AZURE_STACK: AttributeSource = AttributeSource {
    names: &[],
    ask: ask_stack,
};

const INSTANCE: &str = "http://169.254.169.254/metadata/instance/";
const NAME: &str = "compute/name?api-version=2017-08-01&format=text";
const ADMIN: &str = "compute/osProfile/adminUsername?api-version=2021-02-01&format=text";
const KEYS: &str = "compute/publicKeys?api-version=2021-02-01";
const VALUES: [(&str, &str); 3] = [
    (
        "AZURE_IPV4_DYNAMIC",
        "network/interface/0/ipv4/ipAddress/0/privateIpAddress?api-version=2017-08-01&format=text",
    ),
    (
        "AZURE_IPV4_VIRTUAL",
        "network/interface/0/ipv4/ipAddress/0/publicIpAddress?api-version=2017-08-01&format=text",
    ),
    (
        "AZURE_VMSIZE",
        "compute/vmSize?api-version=2017-08-01&format=text",
    ),
];
const STACK: &str = "http://169.254.169.254/Microsoft.Compute/";
const IDENTITY: &str = "identity?api-version=2019-03-11";

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct PublicKey {
    key_data: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Identity {
    vm_name: Option<String>,
}

fn service<'a>(context: &'a FetchContext<'a>, base: &str) -> Service<'a> {
    // It is being moved, or asked too often.
    Service::at(context, base)
        .with("Metadata", "true")
        .again(&[410, 429])
}

fn ask(context: &FetchContext<'_>) -> anyhow::Result<Facts> {
    let service = service(context, INSTANCE);
    let mut facts = Facts::default();
    facts.name(service.text(NAME)?);
    facts.set("AZURE_ADMIN_USERNAME", service.text(ADMIN)?);
    for (name, path) in VALUES {
        facts.set(name, service.text(path)?);
    }
    let keys: Vec<PublicKey> = service.json(KEYS)?.unwrap_or_default();
    add_keys(&keys, &mut facts);
    Ok(facts)
}

/// Keys are wrapped at any length.
fn add_keys(keys: &[PublicKey], facts: &mut Facts) {
    for key in keys {
        facts.add_keys(&key.key_data.replace(['\r', '\n'], ""));
    }
}

fn ask_stack(context: &FetchContext<'_>) -> anyhow::Result<Facts> {
    let identity: Identity = service(context, STACK).needed(IDENTITY)?;
    let mut facts = Facts::default();
    facts.name(identity.vm_name);
    Ok(facts)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::platform::facts::documents;

    #[test]
    fn wrapped_keys_are_put_together() {
        let text = br#"[{"keyData": "ssh-rsa AAAA\r\nBBBB\r\nCCCC me\r\n", "path": "/home/core/.ssh/authorized_keys"},
            {"keyData": "ssh-rsa DDDD", "path": "/home/core/.ssh/authorized_keys"}]"#;
        let keys: Vec<PublicKey> = documents::json("keys", text).expect("good");
        let mut facts = Facts::default();
        add_keys(&keys, &mut facts);
        assert_eq!(facts.ssh_keys, ["ssh-rsa AAAABBBBCCCC me", "ssh-rsa DDDD"]);
    }
}
