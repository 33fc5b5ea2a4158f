//! Finding the config among the values, and deleting it after it was read.

use super::backdoor::Hypervisor;
use super::{guestinfo, ovf};
use crate::log::Log;
use crate::platform::source::encoding;
use anyhow::{Context, bail};
use std::collections::BTreeMap;

/// Key of the OVF environment.
const OVF_ENVIRONMENT: &str = "guestinfo.ovfenv";
/// Prefixes of the keys: those of Ignition, and those of Container Linux.
const FAMILIES: [&str; 2] = ["guestinfo.ignition.config", "guestinfo.coreos.config"];
/// An empty config, `{}` and a newline, in base64. Values can be replaced, but not removed.
const DELETED: &str = "e30K";
const DELETED_ENCODING: &str = "base64";

/// The config, as it was found.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum GuestInfoConfig {
    /// A config, which may be empty.
    Config {
        /// Key of the value.
        name: String,
        /// Its bytes.
        text: Vec<u8>,
    },
    /// Where to fetch it from.
    Url {
        /// Key of the value.
        name: String,
        url: String,
    },
    /// There is none.
    Nothing,
}

/// A value and its key.
struct GuestInfoValue {
    name: String,
    bytes: Vec<u8>,
    is_property: bool,
}

/// Where values are looked for.
struct GuestInfoValues<'a, H> {
    hypervisor: &'a mut H,
    properties: BTreeMap<String, String>,
}

/// Looks for the config.
///
/// # Errors
/// The hypervisor does not follow the protocol, or the config does not have the encoding that is stated.
pub(super) fn find(hypervisor: &mut impl Hypervisor, log: &Log) -> anyhow::Result<GuestInfoConfig> {
    let properties = properties(hypervisor, log);
    let mut values = GuestInfoValues {
        hypervisor,
        properties,
    };
    // The others come before a value that is set but empty.
    let mut empty = None;
    for family in FAMILIES {
        match values.get(&format!("{family}.data"))? {
            Some(data) if data.bytes.is_empty() => empty = empty.or(Some((family, data))),
            Some(data) => return values.decoded(family, data),
            None => {}
        }
    }
    for family in FAMILIES {
        if let Some(url) = values.get(&format!("{family}.url"))? {
            let text = String::from_utf8(url.bytes).ok();
            let text = text.with_context(|| format!("{} is not a URL", url.name))?;
            return Ok(GuestInfoConfig::Url {
                name: url.name,
                url: text,
            });
        }
    }
    match empty {
        Some((family, data)) => values.decoded(family, data),
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
    /// The value in guestinfo, else in the OVF environment; one that is not empty is preferred.
    fn get(&mut self, key: &str) -> anyhow::Result<Option<GuestInfoValue>> {
        let of_guestinfo = self.of_guestinfo(key)?;
        let is_good = |value: &GuestInfoValue| !value.bytes.is_empty();
        if of_guestinfo.as_ref().is_some_and(is_good) {
            return Ok(of_guestinfo);
        }
        let property = self.of_properties(key);
        match property.as_ref().is_some_and(is_good) {
            true => Ok(property),
            false => Ok(of_guestinfo.or(property).filter(|_| key.ends_with(".data"))),
        }
    }

    fn of_guestinfo(&mut self, key: &str) -> anyhow::Result<Option<GuestInfoValue>> {
        let value = guestinfo::get(self.hypervisor, key)?;
        Ok(value.map(|bytes| GuestInfoValue {
            name: key.into(),
            bytes,
            is_property: false,
        }))
    }

    fn of_properties(&self, key: &str) -> Option<GuestInfoValue> {
        let value = self.properties.get(key)?;
        Some(GuestInfoValue {
            name: format!("OVF property {key}"),
            bytes: value.clone().into_bytes(),
            is_property: true,
        })
    }

    /// The decoded config; the encoding is taken from the same place as the config.
    fn decoded(&mut self, family: &str, data: GuestInfoValue) -> anyhow::Result<GuestInfoConfig> {
        let key = format!("{family}.data.encoding");
        let encoding = match data.is_property {
            true => self.of_properties(&key),
            false => self.of_guestinfo(&key)?,
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
/// The hypervisor refuses, or does not follow the protocol.
pub(super) fn delete(hypervisor: &mut impl Hypervisor, log: &Log) -> anyhow::Result<()> {
    let [ignition, others @ ..] = FAMILIES;
    replace(hypervisor, ignition, log)?;
    for family in others {
        // A value cannot be removed once it is set, so none is set without need.
        let data = guestinfo::get(hypervisor, &format!("{family}.data"))?;
        if data.is_some_and(|data| !data.is_empty()) {
            replace(hypervisor, family, log)?;
        }
    }
    let Some(document) = guestinfo::get(hypervisor, OVF_ENVIRONMENT)? else {
        return Ok(());
    };
    if document.is_empty() {
        return Ok(());
    }
    let keys = FAMILIES.map(|family| [format!("{family}.data"), format!("{family}.data.encoding")]);
    let keys: Vec<&str> = keys.iter().flatten().map(String::as_str).collect();
    let act = "cannot remove the config from the OVF environment";
    if let Some(kept) = ovf::without(&text(document)?, &keys).context(act)? {
        log.operation("removing the config from the OVF environment", || {
            guestinfo::set(hypervisor, OVF_ENVIRONMENT, &kept)
        })?;
    }
    Ok(())
}

fn replace(hypervisor: &mut impl Hypervisor, family: &str, log: &Log) -> anyhow::Result<()> {
    let data = format!("{family}.data");
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
    /// `{}` by gzip, then base64.
    const PACKED: &str = "H4sIAAAAAAAAA6uuBQBDv6ajAgAAAA==";

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

    /// Name and text of what is found.
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
            assert_found(&[(DATA, PACKED), (ENCODING, encoding)], DATA, "{}");
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
    fn an_empty_value_is_an_empty_config_unless_gzip_was_promised() {
        assert_found(&[(DATA, "")], DATA, "");
        assert_found(&[(DATA, ""), (ENCODING, "base64")], DATA, "");
        found(&[(DATA, ""), (ENCODING, "gzip")]).expect_err("no gzip");
        assert_found(&[(ENCODING, "gzip")], "nothing", "");
    }

    #[test]
    fn the_encoding_is_taken_from_where_the_config_was() {
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
    fn a_config_is_replaced_and_properties_go() {
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
        // Again is safe, even where nothing may be set.
        peer.refuses_to_set = true;
        delete(&mut peer, &log()).expect("nothing to do");
    }

    #[test]
    fn nothing_is_set_for_nothing() {
        let mut peer = FakeHypervisor::with(&[("guestinfo.ovfenv", "")]);
        peer.refuses_to_set = true;
        delete(&mut peer, &log()).expect("nothing to do");
        assert_eq!(peer.value(DATA), None);
    }

    #[test]
    fn a_refusal_is_told() {
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
