//! Automatic unlocking by Clevis: pins, their configuration, and the programs they need.

use super::{Objection, missing_program};
use crate::config::model;
use crate::facts::Observed;
use crate::plan::op::{ClevisBinding, KeySource};
use serde::Serialize;
use serde_json::Value;

/// True if the section is in effect.
pub fn is_bound(clevis: &model::Clevis) -> bool {
    custom(clevis).is_some()
        || !clevis.tang.is_empty()
        || clevis.tpm2 == Some(true)
        || clevis.threshold.is_some_and(|threshold| threshold != 0)
}

/// True if unlocking needs a network.
pub fn needs_network(clevis: &model::Clevis) -> bool {
    let custom_needs_network =
        custom(clevis).is_some() && clevis.custom.needs_network == Some(true);
    custom_needs_network || !clevis.tang.is_empty()
}

fn custom(clevis: &model::Clevis) -> Option<&str> {
    let pin = clevis.custom.pin.as_deref();
    pin.filter(|pin| !pin.is_empty())
}

/// The binding that a config requests.
pub(super) fn binding(clevis: &model::Clevis, key: &KeySource) -> Option<ClevisBinding> {
    if !is_bound(clevis) {
        return None;
    }
    let remove_key = matches!(key, KeySource::Generated);
    if let Some(pin) = custom(clevis) {
        return Some(ClevisBinding {
            pin: pin.into(),
            config: clevis.custom.config.clone().unwrap_or_default(),
            words: format!("custom pin {pin}"),
            servers: Vec::new(),
            prove: false,
            remove_key,
        });
    }
    let queried: Vec<&model::Tang> = clevis
        .tang
        .iter()
        .filter(|t| advertisement(t).is_none())
        .collect();
    let reachable = queried.len() as i64 + i64::from(clevis.tpm2 == Some(true));
    Some(ClevisBinding {
        pin: "sss".into(),
        config: sss_config(clevis),
        words: describe(clevis),
        servers: queried
            .iter()
            .map(|tang| advertisement_url(&tang.url))
            .collect(),
        prove: reachable >= threshold(clevis),
        remove_key,
    })
}

fn threshold(clevis: &model::Clevis) -> i64 {
    clevis.threshold.filter(|t| *t != 0).unwrap_or(1)
}

/// The configuration of the pin `sss`.
#[derive(Serialize)]
struct SssConfig {
    pins: Pins,
    t: i64,
}

#[derive(Serialize)]
struct Pins {
    #[serde(skip_serializing_if = "Option::is_none")]
    tang: Option<Vec<Server>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tpm2: Option<serde_json::Map<String, Value>>,
}

#[derive(Serialize)]
struct Server {
    url: String,
    thp: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    adv: Option<Value>,
}

fn sss_config(clevis: &model::Clevis) -> String {
    let servers = clevis.tang.iter().map(|tang| Server {
        url: tang.url.clone(),
        thp: tang.thumbprint.clone().unwrap_or_default(),
        adv: advertisement(tang),
    });
    let tpm2 = (clevis.tpm2 == Some(true)).then(serde_json::Map::new);
    let shared = SssConfig {
        pins: Pins {
            tang: Some(servers.collect())
                .filter(|list: &Vec<_>| tpm2.is_none() || !list.is_empty()),
            tpm2,
        },
        t: threshold(clevis),
    };
    serde_json::to_string(&shared).unwrap_or_default()
}

/// A stored advertisement; validation has checked that it is JSON.
fn advertisement(tang: &model::Tang) -> Option<Value> {
    let text = tang.advertisement.as_deref();
    serde_json::from_str(text.filter(|text| !text.is_empty())?).ok()
}

/// URL at which a server advertises its keys.
fn advertisement_url(url: &str) -> String {
    let end = url.find(['?', '#']).unwrap_or(url.len());
    let (path, rest) = url.split_at(end);
    format!("{}/adv{rest}", path.trim_end_matches('/'))
}

/// `tang x2, tpm2, threshold 2`.
fn describe(clevis: &model::Clevis) -> String {
    let mut words = Vec::new();
    match clevis.tang.len() {
        0 => {}
        1 => words.push("tang".to_owned()),
        several => words.push(format!("tang x{several}")),
    }
    if clevis.tpm2 == Some(true) {
        words.push("tpm2".to_owned());
    }
    words.push(format!("threshold {}", threshold(clevis)));
    words.join(", ")
}

/// Checks in advance what would otherwise fail after the volume is created.
pub(super) fn check(clevis: &model::Clevis, observed: &Observed) -> Result<(), Objection> {
    if !is_bound(clevis) {
        return Ok(());
    }
    for (program, package) in programs(clevis) {
        if !observed.tools.contains(&program) {
            return Err(missing_program(&program, package));
        }
    }
    let pins = clevis.tang.len() as i64 + i64::from(clevis.tpm2 == Some(true));
    if custom(clevis).is_none() && !(1..=pins).contains(&threshold(clevis)) {
        let cause = format!(
            "threshold {} cannot be met with {pins} pins",
            threshold(clevis)
        );
        return Err((
            cause,
            "lower the threshold, or add a server or the TPM".into(),
        ));
    }
    let needs_tpm = clevis.tpm2 == Some(true) || custom(clevis) == Some("tpm2");
    if needs_tpm && !observed.has_tpm {
        let remedy = "switch it on in the firmware, or leave tpm2 out";
        return Err(("this machine has no TPM 2".into(), remedy.into()));
    }
    Ok(())
}

/// Programs and the packages that have them.
fn programs(clevis: &model::Clevis) -> Vec<(String, &'static str)> {
    let mut wanted = vec![
        ("clevis", "clevis"),
        ("clevis-luks-bind", "clevis-luks"),
        ("clevis-luks-unlock", "clevis-luks"),
        ("jose", "jose"),
    ];
    let tang = ["clevis-encrypt-tang", "curl"];
    let tpm2 = [
        ("clevis-encrypt-tpm2", "clevis-tpm2"),
        ("tpm2_create", "tpm2-tools"),
    ];
    match custom(clevis) {
        Some("tang") => wanted.extend([(tang[0], "clevis"), (tang[1], "curl")]),
        Some("tpm2") => wanted.extend(tpm2),
        Some("sss") => wanted.push(("clevis-encrypt-sss", "clevis")),
        Some(pin) => {
            let mut wanted = owned(wanted);
            wanted.push((format!("clevis-encrypt-{pin}"), "that has this pin"));
            return wanted;
        }
        None => {
            wanted.push(("clevis-encrypt-sss", "clevis"));
            if !clevis.tang.is_empty() {
                wanted.extend([(tang[0], "clevis"), (tang[1], "curl")]);
            }
            if clevis.tpm2 == Some(true) {
                wanted.extend(tpm2);
            }
        }
    }
    owned(wanted)
}

fn owned(list: Vec<(&str, &'static str)>) -> Vec<(String, &'static str)> {
    list.into_iter()
        .map(|(program, package)| (program.to_owned(), package))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn section(json: &str) -> model::Clevis {
        serde_json::from_str(json).expect("a section")
    }

    fn bound(json: &str) -> ClevisBinding {
        binding(&section(json), &KeySource::Generated).expect("in effect")
    }

    const T: &str = r#"{"url": "http://t/", "thumbprint": "x"}"#;
    const A: &str =
        r#"{"url": "http://a", "thumbprint": "y", "advertisement": "{\"payload\": 1}"}"#;

    #[test]
    fn configurations_of_every_combination() {
        let cases = [
            (
                format!(r#"{{"tang": [{T}]}}"#),
                r#"{"pins":{"tang":[{"url":"http://t/","thp":"x"}]},"t":1}"#,
                "tang, threshold 1",
                true,
            ),
            (
                format!(r#"{{"tang": [{A}]}}"#),
                r#"{"pins":{"tang":[{"url":"http://a","thp":"y","adv":{"payload":1}}]},"t":1}"#,
                "tang, threshold 1",
                false,
            ),
            (
                r#"{"tpm2": true}"#.into(),
                r#"{"pins":{"tpm2":{}},"t":1}"#,
                "tpm2, threshold 1",
                true,
            ),
            (
                r#"{"tpm2": false, "threshold": 1}"#.into(),
                r#"{"pins":{"tang":[]},"t":1}"#,
                "threshold 1",
                false,
            ),
            (
                format!(r#"{{"tang": [{T}, {A}], "tpm2": true, "threshold": 2}}"#),
                r#"{"pins":{"tang":[{"url":"http://t/","thp":"x"},{"url":"http://a","thp":"y","adv":{"payload":1}}],"tpm2":{}},"t":2}"#,
                "tang x2, tpm2, threshold 2",
                true,
            ),
            (
                format!(r#"{{"tang": [{T}, {A}], "threshold": 2}}"#),
                r#"{"pins":{"tang":[{"url":"http://t/","thp":"x"},{"url":"http://a","thp":"y","adv":{"payload":1}}]},"t":2}"#,
                "tang x2, threshold 2",
                false,
            ),
            (
                r#"{"tang": [{"url": "http://t", "thumbprint": "x", "advertisement": ""}]}"#.into(),
                r#"{"pins":{"tang":[{"url":"http://t","thp":"x"}]},"t":1}"#,
                "tang, threshold 1",
                true,
            ),
        ];
        for (json, config, words, prove) in cases {
            let bound = bound(&json);
            assert_eq!(
                (bound.config.as_str(), bound.words.as_str()),
                (config, words),
                "{json}"
            );
            assert_eq!((bound.pin.as_str(), bound.prove), ("sss", prove), "{json}");
        }
    }

    #[test]
    fn a_custom_pin_is_used_unchanged_and_never_proved() {
        let bound = bound(
            r#"{"custom": {"pin": "tang", "config": "{\"url\": \"u\"}", "needsNetwork": true}}"#,
        );
        assert_eq!(
            (bound.pin.as_str(), bound.config.as_str()),
            ("tang", "{\"url\": \"u\"}")
        );
        assert!(!bound.prove && bound.servers.is_empty() && bound.remove_key);
    }

    #[test]
    fn only_generated_keys_are_removed() {
        let given = KeySource::Given(Box::default());
        let bound = binding(&section(r#"{"tpm2": true}"#), &given).expect("in effect");
        assert!(!bound.remove_key);
        assert!(binding(&section(r#"{"threshold": 0}"#), &given).is_none());
    }

    #[test]
    fn advertisements_are_below_the_path_of_their_server() {
        for (url, want) in [
            ("http://t", "http://t/adv"),
            ("http://t:80/", "http://t:80/adv"),
            ("https://t/a/b", "https://t/a/b/adv"),
            ("http://t/?q=1", "http://t/adv?q=1"),
        ] {
            assert_eq!(advertisement_url(url), want);
        }
    }

    #[test]
    fn requests_that_would_fail_later_are_refused() {
        let mut observed = Observed::default();
        let cause = |json: &str, observed: &Observed| {
            check(&section(json), observed).expect_err("refused").0
        };
        assert_eq!(
            cause(r#"{"tpm2": true}"#, &observed),
            "the program clevis is not installed"
        );
        let all = programs(&section(&format!(r#"{{"tang": [{T}], "tpm2": true}}"#)));
        observed.tools = all.into_iter().map(|(program, _)| program).collect();
        assert_eq!(
            cause(r#"{"tpm2": true}"#, &observed),
            "this machine has no TPM 2"
        );
        observed.has_tpm = true;
        check(&section(r#"{"tpm2": true}"#), &observed).expect("all is there");
        for (json, pins) in [
            (r#"{"threshold": 1}"#, 0),
            (r#"{"tpm2": true, "threshold": 2}"#, 1),
        ] {
            assert!(
                cause(json, &observed).contains(&format!("with {pins} pins")),
                "{json}"
            );
        }
        let custom = r#"{"custom": {"pin": "yubikey", "config": "{}"}}"#;
        assert_eq!(
            cause(custom, &observed),
            "the program clevis-encrypt-yubikey is not installed"
        );
    }

    #[test]
    fn unlocking_needs_a_network_for_tang() {
        for (json, needs) in [
            (r#"{"tpm2": true}"#, false),
            (
                r#"{"tang": [{"url": "http://t", "thumbprint": "x", "advertisement": "{}"}]}"#,
                true,
            ),
            (
                r#"{"custom": {"pin": "p", "config": "{}", "needsNetwork": true}}"#,
                true,
            ),
            (r#"{"custom": {"needsNetwork": true}}"#, false),
        ] {
            assert_eq!(needs_network(&section(json)), needs, "{json}");
        }
    }
}
