//! Platform `azure`: user data of the Instance Metadata Service or, if there is none, custom data on the disc that
//! Azure inserts.
//!
//! Attributes: documents of the Instance Metadata Service. Addresses are those of the first interface. Their names
//! predate the service: "dynamic" is the address inside the virtual network, "virtual" the public one.

use crate::platform::attributes::FunctionSource;
use crate::platform::attributes::service::MetadataService;
use crate::platform::contract::{
    About, Answer, AttributeSource, Attributes, FetchContext, KernelModule, Network, Platform,
    TestLevel,
};
use crate::platform::source::document::{ConfigEncoding, Missing, ServiceDocument};
use crate::platform::source::ovf_disc::Disc;
use serde::Deserialize;

static USER_DATA: ServiceDocument = ServiceDocument {
    headers: &[("Metadata", "true")],
    // 404 occurs while the machine is being created.
    retry_statuses: &[404, 410, 429],
    missing: Missing::Failure,
    encoding: ConfigEncoding::Base64,
    ..ServiceDocument::at(
        "http://169.254.169.254/metadata/instance/compute/userData?api-version=2021-01-01&format=text",
    )
};
const DISC: Disc = Disc {
    file_systems: &["udf"],
};

/// The platform.
pub(crate) struct Azure;

impl Platform for Azure {
    fn id(&self) -> &'static str {
        "azure"
    }

    fn about(&self) -> About {
        About {
            source: "user data of the Instance Metadata Service, base64; if there is none, `CustomData.bin` on the disc with `ovf-env.xml` (UDF)",
            requests: &[],
            no_config: "the user data is empty, and the disc has no `CustomData.bin`, or an empty one; status 404 is asked again",
            waits: "2 min for the user data (`--fetch-timeout`); without limit for the disc",
            network: Network::Needed,
            modules: &[
                KernelModule::Expected("udf"),
                KernelModule::Expected("sr_mod"),
            ],
            tested: TestLevel::RealWire,
        }
    }

    fn requests(&self) -> Vec<String> {
        vec![USER_DATA.describe(), DISC.describe()]
    }

    fn fetch(&self, context: &mut FetchContext<'_>) -> anyhow::Result<Answer> {
        let request = USER_DATA.request();
        let fetched = context.fetcher.fetch_to_vec(&request, context.events);
        match Answer::fetched(USER_DATA.url, fetched.map(|(text, _)| text))? {
            Answer::Empty => {
                context
                    .log
                    .info("there is no user data; looking for custom data on a disc");
                DISC.answer(context)
            }
            Answer::Config { name, text } => USER_DATA.decode(name, text),
            other => Ok(other),
        }
    }

    fn attribute_source(&self) -> Option<&'static dyn AttributeSource> {
        Some(&ATTRIBUTES)
    }
}

/// The attributes for `kindling metadata`.
static ATTRIBUTES: FunctionSource = FunctionSource {
    names: &[
        "AZURE_ADMIN_USERNAME",
        "AZURE_IPV4_DYNAMIC",
        "AZURE_IPV4_VIRTUAL",
        "AZURE_VMSIZE",
    ],
    fetch: fetch_attributes,
};
/// Statuses while the machine is migrated (410), and when there are too many requests (429).
const RETRY_STATUSES: &[u16] = &[410, 429];
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
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct PublicKey {
    key_data: String,
}

fn fetch_attributes(context: &FetchContext<'_>) -> anyhow::Result<Attributes> {
    let service = MetadataService::at(context, INSTANCE)
        .with_header("Metadata", "true")
        .retry_on(RETRY_STATUSES);
    let mut attributes = Attributes::default();
    attributes.set_hostname(service.text(NAME)?);
    attributes.set("AZURE_ADMIN_USERNAME", service.text(ADMIN)?);
    for (name, path) in VALUES {
        attributes.set(name, service.text(path)?);
    }
    let keys: Vec<PublicKey> = service.json(KEYS)?.unwrap_or_default();
    add_keys(&keys, &mut attributes);
    Ok(attributes)
}

/// Adds keys, which may be wrapped at any column.
fn add_keys(keys: &[PublicKey], attributes: &mut Attributes) {
    let keys = keys
        .iter()
        .map(|key| key.key_data.replace(['\r', '\n'], ""));
    let keys: Vec<String> = keys.collect();
    attributes.add_all_keys(keys.iter().map(String::as_str));
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::platform::attributes::decode;

    #[test]
    fn wrapped_keys_are_joined() {
        let text = br#"[{"keyData": "ssh-rsa AAAA\r\nBBBB\r\nCCCC me\r\n", "path": "/home/core/.ssh/authorized_keys"},
            {"keyData": "ssh-rsa DDDD", "path": "/home/core/.ssh/authorized_keys"}]"#;
        let keys: Vec<PublicKey> = decode::json("keys", text).expect("good");
        let mut attributes = Attributes::default();
        add_keys(&keys, &mut attributes);
        assert_eq!(
            attributes.ssh_keys,
            ["ssh-rsa AAAABBBBCCCC me", "ssh-rsa DDDD"]
        );
    }
}
