//! The OVF environment: properties of a virtual appliance, in XML.
//!
//! Reading is lenient, since many programs write such documents. Deleting is strict: only properties that are certainly
//! ours are removed, and no other byte changes.

use anyhow::{Context, bail};
use quick_xml::escape::unescape;
use quick_xml::events::attributes::Attributes;
use quick_xml::events::{BytesStart, Event};
use quick_xml::name::ResolveResult;
use quick_xml::{NsReader, Reader};
use std::collections::BTreeMap;
use std::ops::Range;

const NAMESPACE: &str = "http://schemas.dmtf.org/ovf/environment/1";
const ROOT: &str = "Environment";
const SECTION: &str = "PropertySection";
const PROPERTY: &str = "Property";
const KEY: &str = "key";
const VALUE: &str = "value";

/// Reads keys and values. Namespaces are ignored, the last of several properties with the same key counts, and
/// anything after the root element is ignored.
///
/// # Errors
/// If it is not XML. The message quotes no values.
pub fn properties(document: &str) -> anyhow::Result<BTreeMap<String, String>> {
    let mut reader = Reader::from_str(document);
    let mut found = BTreeMap::new();
    let mut depth = 0_usize;
    let mut in_section = false;
    loop {
        let event = reader
            .read_event()
            .map_err(|error| parse_error(&error, reader.error_position()))?;
        match &event {
            Event::Start(element) | Event::Empty(element) => {
                let is_start = matches!(event, Event::Start(_));
                let name = element.local_name();
                match depth {
                    1 => in_section = is_start && name.as_ref() == SECTION,
                    2 if in_section && name.as_ref() == PROPERTY => {
                        found.extend(property(element)?);
                    }
                    _ => {}
                }
                depth += usize::from(is_start);
                if depth == 0 {
                    return Ok(found);
                }
            }
            Event::End(_) => {
                depth -= 1;
                if depth == 0 {
                    return Ok(found);
                }
            }
            Event::Eof => bail!("the document ends before its root element does"),
            _ => {}
        }
    }
}

/// Describes the error without quoting the document.
fn parse_error(error: &quick_xml::Error, position: u64) -> anyhow::Error {
    let what = match error {
        quick_xml::Error::Syntax(_) => "a syntax error",
        quick_xml::Error::IllFormed(_) => "an element that does not fit the others",
        quick_xml::Error::InvalidAttr(_) => "a malformed attribute",
        quick_xml::Error::Encoding(_) => "text that is not UTF-8",
        quick_xml::Error::Escape(_) => "an undefined entity reference",
        _ => "something that is not XML",
    };
    anyhow::anyhow!("the OVF environment has {what} at byte {position}")
}

/// The attributes of an element. Whether their names are unique is not checked: that takes time in proportion to the
/// square of their number.
fn attributes<'e>(element: &'e BytesStart<'_>) -> Attributes<'e> {
    let mut attributes = element.attributes();
    attributes.with_checks(false);
    attributes
}

fn property(element: &BytesStart<'_>) -> anyhow::Result<Option<(String, String)>> {
    let (mut key, mut value) = (None, None);
    for attribute in attributes(element) {
        let attribute = attribute.ok();
        let attribute = attribute.context("malformed attribute in the OVF environment")?;
        let slot = match attribute.key.local_name().as_ref() {
            KEY => &mut key,
            VALUE => &mut value,
            _ => continue,
        };
        // Without attribute normalization, which would change the line breaks in a config.
        let text = unescape(&attribute.value).ok();
        let text = text
            .context("the OVF environment has an attribute with an undefined entity reference")?;
        *slot = Some(text.into_owned());
    }
    Ok(key.map(|key| (key, value.unwrap_or_default())))
}

/// Removes the properties with one of `keys` from the document; `None` if it has none of them.
///
/// # Errors
/// If it is not XML.
pub fn remove_properties(document: &str, keys: &[&str]) -> anyhow::Result<Option<String>> {
    let ranges = ranges(document, keys)?;
    if ranges.is_empty() {
        return Ok(None);
    }
    let mut kept = String::with_capacity(document.len());
    let mut start = 0;
    for range in ranges {
        kept.push_str(
            document
                .get(start..range.start)
                .context("a cut character")?,
        );
        start = range.end;
    }
    kept.push_str(document.get(start..).context("a cut character")?);
    Ok(Some(kept))
}

/// Positions of the properties with these keys, in order, not nested.
fn ranges(document: &str, keys: &[&str]) -> anyhow::Result<Vec<Range<usize>>> {
    let mut reader = NsReader::from_str(document);
    let mut found = Vec::new();
    let mut depth = 0_usize;
    // Depth and start of the open property.
    let mut open_property: Option<(usize, usize)> = None;
    let mut in_section = false;
    loop {
        let start = position(&reader)?;
        let event = reader
            .read_event()
            .map_err(|error| parse_error(&error, reader.error_position()))?;
        match &event {
            Event::Start(element) | Event::Empty(element) => {
                let is_start = matches!(event, Event::Start(_));
                match depth {
                    0 if !is_ours(&reader, element, ROOT) => return Ok(Vec::new()),
                    1 => in_section = is_start && is_ours(&reader, element, SECTION),
                    2.. if in_section
                        && open_property.is_none()
                        && has_key(&reader, element, keys)? =>
                    {
                        match is_start {
                            true => open_property = Some((depth, start)),
                            false => found.push(start..position(&reader)?),
                        }
                    }
                    _ => {}
                }
                depth += usize::from(is_start);
                if depth == 0 {
                    return Ok(found);
                }
            }
            Event::End(_) => {
                depth -= 1;
                if let Some((_, start)) = open_property.take_if(|(of, _)| *of == depth) {
                    found.push(start..position(&reader)?);
                }
                if depth == 0 {
                    return Ok(found);
                }
            }
            Event::Eof => bail!("the OVF environment ends before its root element does"),
            _ => {}
        }
    }
}

fn position(reader: &NsReader<&[u8]>) -> anyhow::Result<usize> {
    usize::try_from(reader.buffer_position()).context("the OVF environment is too long")
}

fn is_in_namespace(resolved: &ResolveResult<'_>) -> bool {
    matches!(resolved, ResolveResult::Bound(namespace) if namespace.as_ref() == NAMESPACE)
}

fn is_ours(reader: &NsReader<&[u8]>, element: &BytesStart<'_>, name: &str) -> bool {
    let (namespace, local) = reader.resolver().resolve_element(element.name());
    is_in_namespace(&namespace) && local.as_ref() == name
}

/// True for an element in the namespace whose attribute `key`, which must be in the namespace too, has one of these
/// values. An attribute without a prefix is in no namespace.
fn has_key(
    reader: &NsReader<&[u8]>,
    element: &BytesStart<'_>,
    keys: &[&str],
) -> anyhow::Result<bool> {
    let (namespace, _) = reader.resolver().resolve_element(element.name());
    if !is_in_namespace(&namespace) {
        return Ok(false);
    }
    for attribute in attributes(element) {
        let attribute = attribute.ok();
        let attribute = attribute.context("malformed attribute in the OVF environment")?;
        let (namespace, local) = reader.resolver().resolve_attribute(attribute.key);
        if is_in_namespace(&namespace) && local.as_ref() == KEY {
            let value = unescape(&attribute.value).unwrap_or_default();
            return Ok(keys.contains(&&*value));
        }
    }
    Ok(false)
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEAD: &str = r#"<?xml version="1.0" encoding="UTF-8"?>
<Environment xmlns="http://schemas.dmtf.org/ovf/environment/1"
     xmlns:oe="http://schemas.dmtf.org/ovf/environment/1" xmlns:x="urn:other" oe:id="">
"#;

    fn document(section: &str) -> String {
        format!("{HEAD}  <PropertySection>{section}</PropertySection>\n</Environment>\n")
    }

    fn read(document: &str) -> Vec<(String, String)> {
        properties(document).expect("read").into_iter().collect()
    }

    fn pair(key: &str, value: &str) -> (String, String) {
        (key.into(), value.into())
    }

    #[test]
    fn properties_are_read_leniently() {
        let section = "<!-- <Property oe:key='c' oe:value='3'/> -->
            <Property oe:key=\"a\" oe:value=\"1\"/><Property key='b' value='&lt;&quot;&#65;'></Property>
            <Property oe:key='a' oe:value='2'/><x:Property x:key='d' x:value='4'/><Property oe:key='e' oe:value='x\ny'/>
            <Other oe:key='f' oe:value='5'/><Property oe:value='6'/>";
        let want = [
            pair("a", "2"),
            pair("b", "<\"A"),
            pair("d", "4"),
            pair("e", "x\ny"),
        ];
        assert_eq!(read(&document(section)), want);
        let other = "<r><PropertySection><Property key='a' value='1'/></PropertySection></r> trailing & rubbish";
        assert_eq!(read(other), [pair("a", "1")]);
        let deeper =
            "<r><s><PropertySection><Property key='a' value='1'/></PropertySection></s></r>";
        assert_eq!(read(deeper), []);
        assert_eq!(read("<r/>"), []);
        let twice =
            "<r><PropertySection><Property key='a' value='1' value='2'/></PropertySection></r>";
        assert_eq!(read(twice), [pair("a", "2")]);
    }

    #[test]
    fn invalid_xml_is_an_error_that_quotes_nothing() {
        for text in [
            "",
            "secret",
            "<r>",
            "<r secret></x>",
            "<r><a secret='&nothing;' key=/></r",
        ] {
            let error = properties(text).expect_err(text).to_string();
            assert!(!error.contains("secret"), "{error}");
        }
        remove_properties(HEAD, &["a"]).expect_err("no end");
    }

    #[test]
    fn deleting_keeps_every_other_byte() {
        let keys = ["a", "b"];
        let cut = |section: &str| remove_properties(&document(section), &keys).expect("XML");
        let cases = [
            (" <Property oe:key='a' oe:value='1'/> \n", "  \n"),
            (
                "<Property oe:value='1' oe:key='b'>t<x:y/></Property><Property oe:key='c'/>",
                "<Property oe:key='c'/>",
            ),
            (
                "\u{e9}<Property oe:key='a'/>\u{e9}<oe:Property oe:key='b'/>\r\n",
                "\u{e9}\u{e9}\r\n",
            ),
            ("<Group><Property oe:key='a'/> </Group>", "<Group> </Group>"),
            ("<Any oe:key='a'><Any oe:key='b'/></Any>!", "!"),
        ];
        for (section, want) in cases {
            assert_eq!(cut(section), Some(document(want)), "{section}");
        }
        // Without a prefix, in another namespace, with another value.
        for section in [
            "<Property key='a'/>",
            "<Property x:key='a'/>",
            "<x:Property oe:key='a'/>",
            "<Property oe:key='A'/>",
            "",
        ] {
            assert_eq!(cut(section), None, "{section}");
        }
    }

    #[test]
    fn only_sections_below_the_right_root_are_touched() {
        let property =
            "<oe:Property xmlns:oe='http://schemas.dmtf.org/ovf/environment/1' oe:key='a'/>";
        for text in [
            format!("<Environment><PropertySection>{property}</PropertySection></Environment>"),
            format!("{HEAD}<x:PropertySection>{property}</x:PropertySection></Environment>"),
            format!("{HEAD}{property}</Environment>"),
        ] {
            assert_eq!(
                remove_properties(&text, &["a"]).expect("XML"),
                None,
                "{text}"
            );
        }
    }
}
