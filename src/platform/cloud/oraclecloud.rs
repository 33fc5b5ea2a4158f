//! Platform `oraclecloud`: user data of Oracle Cloud, from version 2 of its metadata service, which requires a header.
//!
//! Attributes: one JSON document.

use crate::platform::attributes::FunctionSource;
use crate::platform::attributes::service::MetadataService;
use crate::platform::contract::{Attributes, FetchContext};
use crate::platform::source::document::{ConfigEncoding, DocumentPlatform, ServiceDocument};
use serde::Deserialize;

pub(crate) static PLATFORM: DocumentPlatform = DocumentPlatform {
    id: "oraclecloud",
    source: "user data of the metadata service, base64",
    document: ServiceDocument {
        headers: &[("Authorization", "Bearer Oracle")],
        retry_statuses: &[429],
        encoding: ConfigEncoding::Base64,
        ..ServiceDocument::at("http://169.254.169.254/opc/v2/instance/metadata/user_data")
    },
    attributes: &ATTRIBUTES,
};

/// The attributes for `kindling metadata`.
static ATTRIBUTES: FunctionSource = FunctionSource {
    names: &[
        "ORACLECLOUD_AVAILABILITY_DOMAIN",
        "ORACLECLOUD_COMPARTMENT_ID",
        "ORACLECLOUD_DISPLAY_NAME",
        "ORACLECLOUD_FAULT_DOMAIN",
        "ORACLECLOUD_HOSTNAME",
        "ORACLECLOUD_INSTANCE_ID",
        "ORACLECLOUD_INSTANCE_SHAPE",
        "ORACLECLOUD_REGION_ID",
    ],
    fetch: |context: &FetchContext<'_>| {
        let service = MetadataService::at(context, "http://169.254.169.254/opc/v2/")
            .with_header("Authorization", "Bearer Oracle")
            .retry_on(&[429]);
        Ok(attributes(&service.required_json("instance")?))
    },
};

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Instance {
    hostname: Option<String>,
    id: Option<String>,
    display_name: Option<String>,
    shape: Option<String>,
    availability_domain: Option<String>,
    fault_domain: Option<String>,
    compartment_id: Option<String>,
    canonical_region_name: Option<String>,
    metadata: Option<Metadata>,
}

#[derive(Deserialize)]
struct Metadata {
    ssh_authorized_keys: Option<String>,
}

fn attributes(instance: &Instance) -> Attributes {
    let mut attributes = Attributes::default();
    attributes.set_hostname(instance.hostname.as_ref());
    for (name, value) in [
        ("AVAILABILITY_DOMAIN", &instance.availability_domain),
        ("COMPARTMENT_ID", &instance.compartment_id),
        ("DISPLAY_NAME", &instance.display_name),
        ("FAULT_DOMAIN", &instance.fault_domain),
        ("HOSTNAME", &instance.hostname),
        ("INSTANCE_ID", &instance.id),
        ("INSTANCE_SHAPE", &instance.shape),
        ("REGION_ID", &instance.canonical_region_name),
    ] {
        attributes.set(format!("ORACLECLOUD_{name}"), value.as_ref());
    }
    let metadata = instance.metadata.as_ref();
    let keys = metadata.and_then(|metadata| metadata.ssh_authorized_keys.as_deref());
    attributes.add_keys(keys.unwrap_or_default());
    attributes
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::platform::attributes::decode;

    #[test]
    fn an_instance() {
        let text = br#"{"availabilityDomain": "EMIr:PHX-AD-1", "faultDomain": "FAULT-DOMAIN-3",
            "compartmentId": "ocid1.tenancy.oc1..x", "displayName": "my web", "hostname": "web",
            "id": "ocid1.instance.oc1.phx.y", "shape": "VM.Standard.E3.Flex", "region": "phx",
            "canonicalRegionName": "us-phoenix-1", "timeCreated": 1600381928581,
            "metadata": {"ssh_authorized_keys": "ssh-rsa A me\nssh-rsa B you\n", "user_data": "c2VjcmV0"}}"#;
        let attributes = attributes(&decode::json("instance", text).expect("good"));
        assert_eq!(attributes.hostname.as_deref(), Some("web"));
        assert_eq!(attributes.ssh_keys, ["ssh-rsa A me", "ssh-rsa B you"]);
        assert_eq!(attributes.values["ORACLECLOUD_REGION_ID"], "us-phoenix-1");
        assert_eq!(attributes.values["ORACLECLOUD_DISPLAY_NAME"], "my web");
        assert_eq!(attributes.values.len(), ATTRIBUTES.names.len());
        for form in [
            attributes.to_env(),
            attributes.to_text(),
            attributes.to_json("x").to_string(),
        ] {
            assert!(!form.contains("c2VjcmV0"), "{form}");
        }
    }

    #[test]
    fn an_instance_without_keys() {
        let attributes =
            attributes(&decode::json("instance", b"{\"metadata\": {}}").expect("good"));
        assert_eq!(attributes, Attributes::default());
    }
}
