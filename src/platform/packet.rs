//! Platform `packet` (Equinix Metal): user data of the metadata service. It wants to hear how each stage ended.

use super::metadata::{self, Document, Missing};
use super::{About, Answer, FetchContext, Network, Platform, Tested, facts};
use crate::fetch::Settings;
use anyhow::Context;
use serde::{Deserialize, Serialize};
use std::time::{Duration, Instant};

const HEADERS: &[(&str, &str)] = &[("Accept", "*/*")];
static USER_DATA: Document = Document {
    headers: HEADERS,
    missing: Missing::Failure,
    ..Document::at("https://metadata.packet.net/userdata")
};
/// Says where events go.
static METADATA: Document = Document {
    headers: HEADERS,
    missing: Missing::Failure,
    ..Document::at("https://metadata.packet.net/metadata")
};
/// For telling how a stage ended, all in all: a network that has gone must not hold up a boot.
const TIMEOUT: Duration = Duration::from_secs(30);

/// The platform.
pub struct Packet;

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
            asks: &[],
            no_config: USER_DATA.no_config(),
            patience: metadata::TIMEOUT,
            network: Network::Needed,
            modules: &[],
            tested: Tested::RealWire,
        }
    }

    fn asks(&self) -> Vec<String> {
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
        let end = Instant::now() + TIMEOUT;
        let bounded = Settings {
            total: Some(TIMEOUT),
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

    fn facts_source(&self) -> Option<&'static dyn facts::Source> {
        Some(&facts::packet::SOURCE)
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

#[cfg(test)]
mod tests {
    use super::*;

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
}
