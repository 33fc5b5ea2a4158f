//! Finds the config among the values, and deletes it after it was read.

use super::backdoor::Hypervisor;
use super::{guestinfo, ovf};
use crate::log::Log;
use crate::platform::source::encoding;
use anyhow::{Context, bail};
use std::collections::BTreeMap;

/// Key of the OVF environment.
const OVF_ENVIRONMENT: &str = "guestinfo.ovfenv";
/// Prefixes of the keys: that of Ignition, and that of Container Linux.
const KEY_PREFIXES: [&str; 2] = ["guestinfo.ignition.config", "guestinfo.coreos.config"];
/// An empty config, `{}` and a newline, in base64. Values can be replaced, but not removed.
const DELETED: &str = "e30K";
const DELETED_ENCODING: &str = "base64";

/// The config, or where it is.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum GuestInfoConfig {
    /// A config, which may be empty.
    Config {
        /// Key of the value.
        name: String,
        /// Its bytes.
        text: Vec<u8>,
    },
    /// The URL to fetch it from.
    Url {
        /// Key of the value.
        name: String,
        url: String,
    },
    /// There is no config.
    Nothing,
}

/// A value, and where it was found.
struct GuestInfoValue {
    name: String,
    bytes: Vec<u8>,
    is_property: bool,
}

/// The places that values are looked up in.
struct GuestInfoValues<'a, H> {
    hypervisor: &'a mut H,
    properties: BTreeMap<String, String>,
}

/// Looks for the config.
///
/// # Errors
/// If the hypervisor does not follow the protocol, or the config does not have the stated encoding.
pub(super) fn find(hypervisor: &mut impl Hypervisor, log: &Log) -> anyhow::Result<GuestInfoConfig> {
    let properties = properties(hypervisor, log);
    let mut values = GuestInfoValues {
        hypervisor,
        properties,
    };
    // All other values take precedence over one that is set but empty.
    let mut empty = None;
    for prefix in KEY_PREFIXES {
        match values.get(&format!("{prefix}.data"))? {
            Some(data) if data.bytes.is_empty() => empty = empty.or(Some((prefix, data))),
            Some(data) => return values.decode_config(prefix, data),
            None => {}
        }
    }
    for prefix in KEY_PREFIXES {
        if let Some(url) = values.get(&format!("{prefix}.url"))? {
            let text = String::from_utf8(url.bytes).ok();
            let text = text.with_context(|| format!("{} is not a URL", url.name))?;
            return Ok(GuestInfoConfig::Url {
                name: url.name,
                url: text,
            });
        }
    }
    match empty {
        Some((prefix, data)) => values.decode_config(prefix, data),
        None => Ok(GuestInfoConfig::Nothing),
    }
}

/// Properties of the OVF environment; none if it is missing or invalid.
fn properties(hypervisor: &mut impl Hypervisor, log: &Log) -> BTreeMap<String, String> {
    let read = guestinfo::get(hypervisor, OVF_ENVIRONMENT).and_then(|document| {
        let document = document.filter(|document| !document.is_empty());
        let document = document.map(text).transpose()?;
        document.as_deref().map(ovf::properties).transpose()
    });
    match read {
        Ok(properties) => properties.unwrap_or_default(),
        Err(error) => {
            log.warning(format_args!(
                "no properties of an OVF environment: {error:#}"
            ));
            BTreeMap::new()
        }
    }
}

fn text(document: Vec<u8>) -> anyhow::Result<String> {
    let text = String::from_utf8(document).ok();
    text.context("the OVF environment is not UTF-8")
}

impl<H: Hypervisor> GuestInfoValues<'_, H> {
    /// The value from guestinfo or, if that is empty, from the OVF environment.
    fn get(&mut self, key: &str) -> anyhow::Result<Option<GuestInfoValue>> {
        let guestinfo_value = self.guestinfo_value(key)?;
        let is_good = |value: &GuestInfoValue| !value.bytes.is_empty();
        if guestinfo_value.as_ref().is_some_and(is_good) {
            return Ok(guestinfo_value);
        }
        let property = self.property_value(key);
        match property.as_ref().is_some_and(is_good) {
            true => Ok(property),
            false => Ok(guestinfo_value
                .or(property)
                .filter(|_| key.ends_with(".data"))),
        }
    }

    fn guestinfo_value(&mut self, key: &str) -> anyhow::Result<Option<GuestInfoValue>> {
        let value = guestinfo::get(self.hypervisor, key)?;
        Ok(value.map(|bytes| GuestInfoValue {
            name: key.into(),
            bytes,
            is_property: false,
        }))
    }

    fn property_value(&self, key: &str) -> Option<GuestInfoValue> {
        let value = self.properties.get(key)?;
        Some(GuestInfoValue {
            name: format!("OVF property {key}"),
            bytes: value.clone().into_bytes(),
            is_property: true,
        })
    }

    /// Decodes the config; the encoding is taken from the same place as the config.
    fn decode_config(
        &mut self,
        prefix: &str,
        data: GuestInfoValue,
    ) -> anyhow::Result<GuestInfoConfig> {
        let key = format!("{prefix}.data.encoding");
        let encoding = match data.is_property {
            true => self.property_value(&key),
            false => self.guestinfo_value(&key)?,
        };
        let encoding = encoding.map(|value| value.bytes).unwrap_or_default();
        let name = data.name;
        let text = decode(data.bytes, &encoding).with_context(|| name.clone())?;
        Ok(GuestInfoConfig::Config { name, text })
    }
}

fn decode(data: Vec<u8>, encoding: &[u8]) -> anyhow::Result<Vec<u8>> {
    match encoding {
        b"" => Ok(data),
        b"b64" | b"base64" => encoding::base64(&data),
        b"gz" | b"gzip" => encoding::gunzip(&data),
        b"gz+base64" | b"gzip+base64" | b"gz+b64" | b"gzip+b64" => {
            encoding::gunzip(&encoding::base64(&data)?)
        }
        other => bail!(
            "unsupported encoding {:?}; it may be empty, base64, gzip or gzip+base64",
            String::from_utf8_lossy(other)
        ),
    }
}

/// Replaces each config by an empty one, and removes the properties of the OVF environment.
///
/// # Errors
/// If the hypervisor refuses, or does not follow the protocol.
pub(super) fn delete(hypervisor: &mut impl Hypervisor, log: &Log) -> anyhow::Result<()> {
    let [ignition, others @ ..] = KEY_PREFIXES;
    replace(hypervisor, ignition, log)?;
    for prefix in others {
        // A value cannot be removed once it is set, so none is set unnecessarily.
        let data = guestinfo::get(hypervisor, &format!("{prefix}.data"))?;
        if data.is_some_and(|data| !data.is_empty()) {
            replace(hypervisor, prefix, log)?;
        }
    }
    let Some(document) = guestinfo::get(hypervisor, OVF_ENVIRONMENT)? else {
        return Ok(());
    };
    if document.is_empty() {
        return Ok(());
    }
    let keys =
        KEY_PREFIXES.map(|prefix| [format!("{prefix}.data"), format!("{prefix}.data.encoding")]);
    let keys: Vec<&str> = keys.iter().flatten().map(String::as_str).collect();
    let context = "cannot remove the config from the OVF environment";
    if let Some(kept) = ovf::remove_properties(&text(document)?, &keys).context(context)? {
        log.operation("removing the config from the OVF environment", || {
            guestinfo::set(hypervisor, OVF_ENVIRONMENT, &kept)
        })?;
    }
    Ok(())
}

fn replace(hypervisor: &mut impl Hypervisor, prefix: &str, log: &Log) -> anyhow::Result<()> {
    let data = format!("{prefix}.data");
    let encoding = format!("{data}.encoding");
    let present = guestinfo::get(hypervisor, &data)?;
    if present.is_none_or(|present| present == DELETED.as_bytes()) {
        return Ok(());
    }
    log.operation(format_args!("replacing {data} by an empty config"), || {
        guestinfo::set(hypervisor, &data, DELETED)
    })?;
    let present = guestinfo::get(hypervisor, &encoding)?.unwrap_or_default();
    if present != DELETED_ENCODING.as_bytes() {
        log.operation(format_args!("setting {encoding}"), || {
            guestinfo::set(hypervisor, &encoding, DELETED_ENCODING)
        })?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::super::fake_hypervisor::FakeHypervisor;
    use super::*;
    use crate::log::Sink;

    const DATA: &str = "guestinfo.ignition.config.data";
    const ENCODING: &str = "guestinfo.ignition.config.data.encoding";
    /// `{}` in gzip, then base64.
    const GZIP_BASE64: &str = "H4sIAAAAAAAAA6uuBQBDv6ajAgAAAA==";

    fn log() -> Log {
        Log::new(Sink::memory().0)
    }

    fn environment(properties: &[(&str, &str)]) -> String {
        let property = |(key, value): &(&str, &str)| {
            format!("<Property oe:key=\"{key}\" oe:value=\"{value}\"/>")
        };
        let properties: String = properties.iter().map(property).collect();
        format!(
            "<Environment xmlns=\"http://schemas.dmtf.org/ovf/environment/1\" xmlns:oe=\"http://schemas.dmtf.org/ovf/environment/1\"><PropertySection>{properties}</PropertySection></Environment>"
        )
    }

    /// Name and text of the config that is found.
    fn found(values: &[(&str, &str)]) -> Result<(String, String), String> {
        match find(&mut FakeHypervisor::with(values), &log()) {
            Ok(GuestInfoConfig::Config { name, text }) => {
                Ok((name, String::from_utf8(text).expect("text")))
            }
            Ok(GuestInfoConfig::Url { name, url }) => Ok((name, url)),
            Ok(GuestInfoConfig::Nothing) => Ok(("nothing".into(), String::new())),
            Err(error) => Err(format!("{error:#}")),
        }
    }

    #[track_caller]
    fn assert_found(values: &[(&str, &str)], name: &str, text: &str) {
        assert_eq!(found(values), Ok((name.into(), text.into())));
    }

    #[test]
    fn encodings() {
        for encoding in ["b64", "base64"] {
            assert_found(&[(DATA, "e30="), (ENCODING, encoding)], DATA, "{}");
        }
        for encoding in ["gz+base64", "gzip+base64", "gz+b64", "gzip+b64"] {
            assert_found(&[(DATA, GZIP_BASE64), (ENCODING, encoding)], DATA, "{}");
        }
        assert_found(&[(DATA, "{}"), (ENCODING, "")], DATA, "{}");
        for (encoding, want) in [
            ("BASE64", "unsupported encoding \"BASE64\""),
            ("gzip", "not valid gzip data"),
            ("base64", "not valid base64"),
        ] {
            let error = found(&[(DATA, "{x}"), (ENCODING, encoding)]).expect_err(encoding);
            assert!(error.starts_with(DATA) && error.contains(want), "{error}");
        }
    }

    #[test]
    fn an_empty_value_is_an_empty_config_unless_the_encoding_is_gzip() {
        assert_found(&[(DATA, "")], DATA, "");
        assert_found(&[(DATA, ""), (ENCODING, "base64")], DATA, "");
        found(&[(DATA, ""), (ENCODING, "gzip")]).expect_err("no gzip");
        assert_found(&[(ENCODING, "gzip")], "nothing", "");
    }

    #[test]
    fn the_encoding_is_taken_from_the_same_place_as_the_config() {
        let ovf = environment(&[(DATA, "e30="), (ENCODING, "base64")]);
        let name = format!("OVF property {DATA}");
        assert_found(&[("guestinfo.ovfenv", &ovf)], &name, "{}");
        assert_found(
            &[("guestinfo.ovfenv", &ovf), (ENCODING, "gzip")],
            &name,
            "{}",
        );
        assert_found(&[("guestinfo.ovfenv", &ovf), (DATA, "{}")], DATA, "{}");
        assert_found(&[("guestinfo.ovfenv", &ovf), (DATA, "")], &name, "{}");
    }

    #[test]
    fn a_broken_environment_has_no_properties() {
        assert_found(
            &[("guestinfo.ovfenv", "<Environment"), (DATA, "{}")],
            DATA,
            "{}",
        );
    }

    #[test]
    fn values_of_container_linux_come_later_and_urls_last() {
        let coreos = ("guestinfo.coreos.config.data", "c");
        let url = ("guestinfo.ignition.config.url", "http://a/");
        let coreos_url = ("guestinfo.coreos.config.url", "http://b/");
        assert_found(&[(DATA, "i"), coreos, url], DATA, "i");
        assert_found(
            &[coreos, url, coreos_url],
            "guestinfo.coreos.config.data",
            "c",
        );
        assert_found(
            &[url, coreos_url],
            "guestinfo.ignition.config.url",
            "http://a/",
        );
        assert_found(&[coreos_url], "guestinfo.coreos.config.url", "http://b/");
        let empty = [(DATA, ""), (ENCODING, "gzip")];
        assert_found(&[empty[0], empty[1], coreos], coreos.0, coreos.1);
        assert_found(&[empty[0], url], url.0, url.1);
        let ovf = environment(&[("guestinfo.coreos.config.url", "http://c/")]);
        let name = "OVF property guestinfo.coreos.config.url";
        assert_found(&[("guestinfo.ovfenv", &ovf)], name, "http://c/");
    }

    #[test]
    fn a_config_is_replaced_and_properties_are_removed() {
        let ovf = environment(&[(DATA, "secret"), ("hostname", "h"), (ENCODING, "")]);
        let mut peer = FakeHypervisor::with(&[
            (DATA, "secret"),
            ("guestinfo.ovfenv", &ovf),
            ("guestinfo.coreos.config.data", "secret"),
        ]);
        delete(&mut peer, &log()).expect("deleted");
        assert_eq!(peer.value(DATA), Some("e30K"));
        assert_eq!(peer.value(ENCODING), Some("base64"));
        assert_eq!(peer.value("guestinfo.coreos.config.data"), Some("e30K"));
        let kept = environment(&[("hostname", "h")]);
        assert_eq!(peer.value("guestinfo.ovfenv"), Some(&*kept));
        match find(&mut peer, &log()).expect("found") {
            GuestInfoConfig::Config { text, .. } => assert_eq!(text, b"{}\n"),
            other => panic!("{other:?}"),
        }
        // Deleting again is safe, even if nothing may be set.
        peer.refuses_to_set = true;
        delete(&mut peer, &log()).expect("nothing to do");
    }

    #[test]
    fn nothing_is_set_unnecessarily() {
        let mut peer = FakeHypervisor::with(&[("guestinfo.ovfenv", "")]);
        peer.refuses_to_set = true;
        delete(&mut peer, &log()).expect("nothing to do");
        assert_eq!(peer.value(DATA), None);
    }

    #[test]
    fn a_refusal_is_reported() {
        for values in [
            vec![(DATA, "secret".to_owned())],
            vec![("guestinfo.ovfenv", environment(&[(DATA, "secret")]))],
        ] {
            let values: Vec<(&str, &str)> = values.iter().map(|(k, v)| (*k, &**v)).collect();
            let mut peer = FakeHypervisor::with(&values);
            peer.refuses_to_set = true;
            let error = format!("{:#}", delete(&mut peer, &log()).expect_err("refused"));
            assert!(error.contains("refuses to set guestinfo."), "{error}");
            assert!(!error.contains("secret"), "{error}");
        }
    }
}
