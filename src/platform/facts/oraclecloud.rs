//! Facts of `oraclecloud`: one JSON document.

use super::super::FetchContext;
use super::service::Service;
use super::{AttributeSource, Facts};
use serde::Deserialize;

/// The source.
pub static SOURCE: AttributeSource = AttributeSource {
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
    ask: |context: &FetchContext<'_>| {
        let service = Service::at(context, "http://169.254.169.254/opc/v2/")
            .with("Authorization", "Bearer Oracle")
            .again(&[429]);
        Ok(facts(&service.needed("instance")?))
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

fn facts(instance: &Instance) -> Facts {
    let mut facts = Facts::default();
    facts.name(instance.hostname.as_ref());
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
        facts.set(format!("ORACLECLOUD_{name}"), value.as_ref());
    }
    let metadata = instance.metadata.as_ref();
    let keys = metadata.and_then(|metadata| metadata.ssh_authorized_keys.as_deref());
    facts.add_keys(keys.unwrap_or_default());
    facts
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::platform::facts::documents;

    #[test]
    fn an_instance() {
        let text = br#"{"availabilityDomain": "EMIr:PHX-AD-1", "faultDomain": "FAULT-DOMAIN-3",
            "compartmentId": "ocid1.tenancy.oc1..x", "displayName": "my web", "hostname": "web",
            "id": "ocid1.instance.oc1.phx.y", "shape": "VM.Standard.E3.Flex", "region": "phx",
            "canonicalRegionName": "us-phoenix-1", "timeCreated": 1600381928581,
            "metadata": {"ssh_authorized_keys": "ssh-rsa A me\nssh-rsa B you\n", "user_data": "c2VjcmV0"}}"#;
        let facts = facts(&documents::json("instance", text).expect("good"));
        assert_eq!(facts.hostname.as_deref(), Some("web"));
        assert_eq!(facts.ssh_keys, ["ssh-rsa A me", "ssh-rsa B you"]);
        assert_eq!(facts.attributes["ORACLECLOUD_REGION_ID"], "us-phoenix-1");
        assert_eq!(facts.attributes["ORACLECLOUD_DISPLAY_NAME"], "my web");
        assert_eq!(facts.attributes.len(), SOURCE.names.len());
        for form in [
            facts.to_env(),
            facts.to_text(),
            facts.to_json("x").to_string(),
        ] {
            assert!(!form.contains("c2VjcmV0"), "{form}");
        }
    }

    #[test]
    fn an_instance_without_keys() {
        let facts = facts(&documents::json("instance", b"{\"metadata\": {}}").expect("good"));
        assert_eq!(facts, Facts::default());
    }
}
