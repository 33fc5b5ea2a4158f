//! Platform `packet` (Equinix Metal): user data of the metadata service. The results of stages are reported to it.
//!
//! Attributes: one JSON document.

use crate::fetch::Settings;
use crate::platform::attributes::FunctionSource;
use crate::platform::attributes::decode::Keys;
use crate::platform::attributes::network::canonical;
use crate::platform::attributes::service::MetadataService;
use crate::platform::contract::{
    About, Answer, AttributeSource, Attributes, FetchContext, Network, Platform, TestLevel,
};
use crate::platform::source::document::{self, Missing, ServiceDocument};
use anyhow::Context;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

const HEADERS: &[(&str, &str)] = &[("Accept", "*/*")];
static USER_DATA: ServiceDocument = ServiceDocument {
    headers: HEADERS,
    missing: Missing::Failure,
    ..ServiceDocument::at("https://metadata.packet.net/userdata")
};
/// Contains the URL that events are posted to.
static METADATA: ServiceDocument = ServiceDocument {
    headers: HEADERS,
    missing: Missing::Failure,
    ..ServiceDocument::at("https://metadata.packet.net/metadata")
};
/// Time limit for reporting a result, since a network that is down must not block a boot.
const REPORT_TIMEOUT: Duration = Duration::from_secs(30);

/// The platform.
pub(crate) struct Packet;

#[derive(Deserialize)]
struct Metadata {
    phone_home_url: String,
}

#[derive(Serialize)]
struct Event {
    state: &'static str,
    message: String,
}

impl Platform for Packet {
    fn id(&self) -> &'static str {
        "packet"
    }

    fn about(&self) -> About {
        About {
            source: "user data of the metadata service",
            requests: &[],
            no_config: USER_DATA.no_config(),
            waits: document::TIMEOUT_TEXT,
            network: Network::Needed,
            modules: &[],
            tested: TestLevel::RealWire,
        }
    }

    fn requests(&self) -> Vec<String> {
        vec![
            USER_DATA.describe(),
            format!("after each stage: {}", METADATA.describe()),
            "after each stage: POST to its phone_home_url, /events in the place of /phone-home: how the stage ended".into(),
        ]
    }

    fn fetch(&self, context: &mut FetchContext<'_>) -> anyhow::Result<Answer> {
        USER_DATA.answer(context)
    }

    fn status(
        &self,
        context: &mut FetchContext<'_>,
        stage: &str,
        result: Result<(), &str>,
    ) -> anyhow::Result<()> {
        let end = Instant::now() + REPORT_TIMEOUT;
        let bounded = Settings {
            total: Some(REPORT_TIMEOUT),
            ..context.fetcher.settings().clone()
        };
        let fetcher = context.fetcher.with_settings(bounded);
        let (text, _) = fetcher.fetch_to_vec(&METADATA.request(), context.events)?;
        let metadata: Metadata = serde_json::from_slice(&text)
            .context("the metadata of the machine has no phone_home_url")?;
        let event = serde_json::to_string(&event(stage, result))?;
        let left = end.saturating_duration_since(Instant::now());
        fetcher.post_json(&events_url(&metadata.phone_home_url), event, left)?;
        Ok(())
    }

    fn attribute_source(&self) -> Option<&'static dyn AttributeSource> {
        Some(&ATTRIBUTES)
    }
}

fn events_url(phone_home_url: &str) -> String {
    let base = phone_home_url.strip_suffix("/phone-home");
    format!("{}/events", base.unwrap_or(phone_home_url))
}

fn event(stage: &str, result: Result<(), &str>) -> Event {
    match result {
        Ok(()) => Event {
            state: "running",
            message: format!("[{stage}] Ignition status: finished successfully"),
        },
        Err(error) => Event {
            state: "failed",
            message: format!("[{stage}] Ignition error: {error}"),
        },
    }
}

/// The attributes for `kindling metadata`.
static ATTRIBUTES: FunctionSource = FunctionSource {
    names: &[
        "PACKET_HOSTNAME",
        "PACKET_IPV4_PRIVATE_0",
        "PACKET_IPV4_PRIVATE_GATEWAY_0",
        "PACKET_IPV4_PUBLIC_0",
        "PACKET_IPV4_PUBLIC_GATEWAY_0",
        "PACKET_IPV6_PRIVATE_0",
        "PACKET_IPV6_PRIVATE_GATEWAY_0",
        "PACKET_IPV6_PUBLIC_0",
        "PACKET_IPV6_PUBLIC_GATEWAY_0",
        "PACKET_PHONE_HOME_URL",
        "PACKET_PLAN",
    ],
    fetch: |context: &FetchContext<'_>| {
        let service = MetadataService::at(context, "https://metadata.packet.net/")
            .with_header("Accept", "*/*");
        Ok(attributes(&service.required_json("metadata")?))
    },
};

#[derive(Deserialize)]
struct Machine {
    hostname: Option<String>,
    plan: Option<String>,
    phone_home_url: Option<String>,
    #[serde(default)]
    ssh_keys: Keys,
    network: Option<MachineNetwork>,
}

#[derive(Deserialize)]
struct MachineNetwork {
    addresses: Option<Vec<Address>>,
}

#[derive(Deserialize)]
struct Address {
    address_family: u8,
    public: bool,
    address: Option<String>,
    gateway: Option<String>,
}

fn attributes(machine: &Machine) -> Attributes {
    let mut attributes = Attributes::default();
    attributes.set_hostname(machine.hostname.as_ref());
    attributes.set("PACKET_HOSTNAME", machine.hostname.as_ref());
    attributes.set("PACKET_PHONE_HOME_URL", machine.phone_home_url.as_ref());
    attributes.set("PACKET_PLAN", machine.plan.as_ref());
    let network = machine.network.as_ref();
    let addresses = network.and_then(|network| network.addresses.as_deref());
    let mut seen: BTreeMap<String, usize> = BTreeMap::new();
    for address in addresses.unwrap_or_default() {
        let scope = if address.public { "PUBLIC" } else { "PRIVATE" };
        let kind = format!("PACKET_IPV{}_{scope}", address.address_family);
        // An address and its gateway get the same number.
        let number = seen.entry(kind.clone()).or_default();
        let of = |text: &Option<String>| text.as_deref().map(canonical);
        attributes.set(format!("{kind}_{number}"), of(&address.address));
        attributes.set(format!("{kind}_GATEWAY_{number}"), of(&address.gateway));
        *number += 1;
    }
    machine.ssh_keys.add_to(&mut attributes);
    attributes
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::platform::attributes::decode;

    #[test]
    fn events() {
        let url = "http://tinkerbell.ewr1.packet.net/phone-home";
        assert_eq!(events_url(url), "http://tinkerbell.ewr1.packet.net/events");
        assert_eq!(events_url("http://h/x"), "http://h/x/events");
        let text = serde_json::to_string(&event("disks", Err("no \"disk\""))).expect("JSON");
        assert_eq!(
            text,
            r#"{"state":"failed","message":"[disks] Ignition error: no \"disk\""}"#
        );
        let text = serde_json::to_string(&event("files", Ok(()))).expect("JSON");
        assert_eq!(
            text,
            r#"{"state":"running","message":"[files] Ignition status: finished successfully"}"#
        );
    }

    #[test]
    fn addresses_are_numbered_by_kind() {
        let text = br#"{"id": "2885032e", "hostname": "web", "plan": "c3.small.x86", "facility": "ewr1",
            "ssh_keys": ["ssh-rsa A", "ssh-rsa B"], "network": {"bonding": {"mode": 4}, "addresses": [
            {"address_family": 4, "public": true, "address": "192.0.2.33", "gateway": "192.0.2.32", "cidr": 31},
            {"address_family": 6, "public": true, "address": "2001:db8:0:0::3", "gateway": "2001:db8::2"},
            {"address_family": 4, "public": false, "address": "10.0.0.3", "gateway": "10.0.0.2"},
            {"address_family": 4, "public": true, "address": "192.0.2.35", "gateway": null}]},
            "phone_home_url": "http://192.0.2.1/phone-home"}"#;
        let attributes = attributes(&decode::json("metadata", text).expect("good"));
        assert_eq!(attributes.hostname.as_deref(), Some("web"));
        assert_eq!(attributes.ssh_keys, ["ssh-rsa A", "ssh-rsa B"]);
        let want = "AFTERBURN_PACKET_HOSTNAME=web\n\
            AFTERBURN_PACKET_IPV4_PRIVATE_0=10.0.0.3\n\
            AFTERBURN_PACKET_IPV4_PRIVATE_GATEWAY_0=10.0.0.2\n\
            AFTERBURN_PACKET_IPV4_PUBLIC_0=192.0.2.33\n\
            AFTERBURN_PACKET_IPV4_PUBLIC_1=192.0.2.35\n\
            AFTERBURN_PACKET_IPV4_PUBLIC_GATEWAY_0=192.0.2.32\n\
            AFTERBURN_PACKET_IPV6_PUBLIC_0=2001:db8::3\n\
            AFTERBURN_PACKET_IPV6_PUBLIC_GATEWAY_0=2001:db8::2\n\
            AFTERBURN_PACKET_PHONE_HOME_URL=http://192.0.2.1/phone-home\n\
            AFTERBURN_PACKET_PLAN=c3.small.x86\n";
        assert_eq!(attributes.to_env(), want);
    }
}
