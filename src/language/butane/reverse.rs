//! Translates Ignition to Butane, as a person would have written it.
//!
//! Each member has one spelling, so only the contents of resources need decisions: text becomes `inline` where
//! translating it gives the same bytes again. See [`Inlining`] for when it does not.

use super::fields::{ButaneField, ROOT, Type};
use super::inline::{Inline, Inlining};
use super::names;
use super::variants::{self, BaseVersion, DIALECTS, Dialect, Variant};
use super::yaml_text::{self, YamlEntry, YamlValue};
use crate::config::spec_table;
use crate::config::tree::{self, Tree};
use crate::config::{Document, Finding, Findings, JsonPath, Severity, Version};
use crate::language::{self, Language, Surroundings};

/// The member of Ignition that has no spelling: variant and version of Butane imply it.
const STATED_BY_VARIANT: &str = "$.ignition.version";

const METADATA_COMMENT: &str = "Ignition has neither a name nor a role: choose both";

/// `document` in Butane: in the `requested` variant and version, or in those whose output is `version`.
///
/// # Errors
/// If Butane, or that variant and version of it, cannot express the document.
pub fn from_ignition(
    document: &Document,
    version: Version,
    requested: Option<(&str, &str)>,
) -> Result<String, Findings> {
    let dialect = match requested {
        Some((variant, version)) => variants::find(variant, version)
            .map_err(|(message, help)| Findings(vec![error(message, None, Some(help))]))?,
        None => default_dialect(version)?,
    };
    // Older versions have their own rules.
    document.express(dialect.output, false)?;
    let tree = document.tree_in(dialect.output)?;
    let mut writer = ButaneWriter {
        inlining: Inlining {
            dialect,
            has_children: !document.config().ignition.config.merge.is_empty(),
        },
        findings: Vec::new(),
    };
    let mut entries = head(dialect);
    entries.extend(writer.object(&tree, &ROOT, &JsonPath::root()));
    let mut findings = writer.findings;
    if findings.is_empty() {
        let text = yaml_text::document(&entries);
        findings = forbidden(&text);
        if findings.is_empty() {
            return Ok(text);
        }
    }
    for finding in &mut findings {
        name_origin(document, finding);
    }
    Err(Findings(findings))
}

/// Errors of the config written here, with the paths of Ignition: what the variant forbids.
fn forbidden(text: &str) -> Vec<Finding> {
    let surroundings = Surroundings {
        is_raw: true,
        ..Surroundings::default()
    };
    let parsed = language::parse_as("", text.as_bytes(), Language::Butane, &surroundings);
    let is_error = |finding: &Finding| finding.severity == Severity::Error;
    let mut findings: Vec<Finding> = parsed.findings.0.into_iter().filter(is_error).collect();
    for finding in &mut findings {
        finding.path = finding.path.as_ref().map(path_in_ignition);
    }
    findings
}

fn path_in_ignition(path: &JsonPath) -> JsonPath {
    path.parts()
        .fold(JsonPath::root(), |path, part| match part {
            "inline" => path.join("source"),
            part => path.join(names::in_ignition(part)),
        })
}

/// The newest version of fcos that is translated to `version`.
fn default_dialect(version: Version) -> Result<&'static Dialect, Findings> {
    let fits = |d: &&Dialect| d.variant == Variant::Fcos && d.output == version;
    DIALECTS.iter().rev().find(fits).ok_or_else(|| {
        let message = format!("no version of variant fcos is translated to {version}");
        Findings(vec![error(message, None, None)])
    })
}

/// What a dialect requires and Ignition does not have.
fn head(dialect: &Dialect) -> Vec<YamlEntry> {
    let text = |text: &str| YamlValue::Text(text.into());
    let mut entries = vec![
        YamlEntry::new("variant", text(dialect.variant.name())),
        YamlEntry::new("version", text(dialect.version)),
    ];
    if dialect.variant == Variant::Openshift {
        let role = YamlEntry::new("machineconfiguration.openshift.io/role", text("worker"));
        let metadata = YamlValue::Mapping(vec![
            YamlEntry::new("name", text("99-worker-config")),
            YamlEntry::new("labels", YamlValue::Mapping(vec![role])),
        ]);
        entries.push(YamlEntry::new("metadata", metadata).with_comment(METADATA_COMMENT));
    }
    entries
}

fn error(message: String, path: Option<JsonPath>, help: Option<String>) -> Finding {
    Finding {
        severity: Severity::Error,
        path,
        position: None,
        message,
        help,
    }
}

/// Names the origin in the user's text in the help of a finding, whose own position is in a text that nobody sees.
fn name_origin(document: &Document, finding: &mut Finding) {
    let origin = finding.path.as_ref().and_then(|path| document.origin(path));
    finding.position = None;
    if let Some(origin) = origin {
        finding.help = Some(match finding.help.take() {
            Some(help) => format!("from {origin}; {help}"),
            None => format!("from {origin}"),
        });
    }
}

struct ButaneWriter {
    inlining: Inlining,
    findings: Vec<Finding>,
}

impl ButaneWriter {
    fn dialect(&self) -> &'static Dialect {
        self.inlining.dialect
    }

    /// The members of an object in the order of the table. Recurses as deep as the table.
    fn object(&mut self, tree: &Tree<'_>, of: &'static Type, path: &JsonPath) -> Vec<YamlEntry> {
        let tree::Value::Object(members) = &tree.value else {
            return Vec::new();
        };
        self.report_unknown(members, of, path);
        let inline = self.inline(tree, of, path);
        let mut entries = Vec::new();
        for field in of.fields_in(self.dialect()).filter(|f| f.is_ignition) {
            let name = names::in_ignition(field.name);
            let member = members.iter().find(|(f, _)| f.name == name);
            if let Some((_, tree)) = member.filter(|member| self.is_stated(member)) {
                entries.extend(self.entry(field, tree, &inline, &path.join(name)));
            }
        }
        entries
    }

    /// How the bytes in an object are written, if it has any.
    fn inline(&self, tree: &Tree<'_>, of: &'static Type, path: &JsonPath) -> Inline {
        let text = |name: &str| match tree.member(name).map(|tree| &tree.value) {
            Some(tree::Value::Text(text)) => Some(&**text),
            _ => None,
        };
        let mut fields = of.fields_in(self.dialect());
        match text("source") {
            Some(source) if fields.any(|field| field.name == "inline") => {
                self.inlining.text_of(source, text("compression"), path)
            }
            _ => Inline::Elsewhere,
        }
    }

    /// The entry of a member, unless it is empty.
    fn entry(
        &mut self,
        field: &ButaneField,
        tree: &Tree<'_>,
        inline: &Inline,
        path: &JsonPath,
    ) -> Option<YamlEntry> {
        let value = match (field.name, inline, &tree.value) {
            ("source", Inline::Text(text), _) => {
                return Some(YamlEntry::new("inline", YamlValue::Text(text.clone())));
            }
            ("source", Inline::Kept(reason), _) => {
                return Some(YamlEntry::new(field.name, leaf(tree)).with_comment(reason));
            }
            // Translating inline text states its compression, except in base 0.1.
            ("compression", Inline::Text(_), _) if self.dialect().base > BaseVersion::V0_1 => {
                return None;
            }
            (_, _, tree::Value::Object(_)) => {
                let inside = self.object(tree, field.object()?, path);
                YamlValue::Mapping((!inside.is_empty()).then_some(inside)?)
            }
            (_, _, tree::Value::List(elements)) => self.list(elements, field.object(), path),
            ("mode", _, tree::Value::Int(number)) => octal(*number),
            _ => leaf(tree),
        };
        Some(YamlEntry::new(field.name, value))
    }

    fn list(
        &mut self,
        elements: &[Tree<'_>],
        of: Option<&'static Type>,
        path: &JsonPath,
    ) -> YamlValue {
        let values = elements
            .iter()
            .enumerate()
            .map(|(index, element)| match of {
                Some(of) => YamlValue::Mapping(self.object(element, of, &path.join(index))),
                None => leaf(element),
            });
        YamlValue::List(values.collect())
    }

    /// False for members whose absence means the same.
    fn is_stated(&self, (field, tree): &(&'static spec_table::Field, Tree<'_>)) -> bool {
        match &tree.value {
            tree::Value::Null | tree::Value::MismatchedValue(_) => false,
            tree::Value::Int(0) => {
                field.class_in(self.dialect().output) != spec_table::Class::Plain
            }
            tree::Value::List(elements) => !elements.is_empty(),
            _ => true,
        }
    }

    /// Reports members that the table of the dialect does not have.
    fn report_unknown(
        &mut self,
        members: &[(&'static spec_table::Field, Tree<'_>)],
        of: &'static Type,
        path: &JsonPath,
    ) {
        let stated = members.iter().filter(|member| self.is_stated(member));
        let unknown: Vec<Finding> = stated
            .map(|(shape, _)| (path.join(shape.name), names::in_butane(shape.name)))
            .filter(|(path, _)| path.as_str() != STATED_BY_VARIANT)
            .filter(|(_, name)| of.fields_in(self.dialect()).all(|field| field.name != name))
            .map(|(path, name)| {
                let (variant, version) = (self.dialect().variant.name(), self.dialect().version);
                let message = format!("variant {variant} {version} has no `{name}` here");
                error(message, Some(path), None)
            })
            .collect();
        self.findings.extend(unknown);
    }
}

/// Permission bits in octal, as everywhere else.
fn octal(mode: i64) -> YamlValue {
    YamlValue::Plain(match mode {
        1.. => format!("0{mode:o}"),
        _ => mode.to_string(),
    })
}

fn leaf(tree: &Tree<'_>) -> YamlValue {
    match &tree.value {
        tree::Value::Bool(value) => YamlValue::Plain(value.to_string()),
        tree::Value::Int(number) => YamlValue::Plain(number.to_string()),
        tree::Value::Text(text) => YamlValue::Text(text.to_string()),
        _ => YamlValue::Text(String::new()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::parse;
    use crate::language::butane::encoding::{self, Forms};
    use base64::Engine;
    use base64::engine::general_purpose::STANDARD;

    fn reverse(
        version: &str,
        rest: &str,
        requested: Option<(&str, &str)>,
    ) -> Result<String, Findings> {
        let text = format!(r#"{{"ignition": {{"version": "{version}"}}{rest}}}"#);
        let parsed = parse("config.ign", text.as_bytes());
        let document = parsed.outcome.expect(&text);
        from_ignition(&document, parsed.version.expect(&text), requested)
    }

    /// The Butane text of a file with these contents, after the line `contents:`.
    fn contents(version: &str, resource: &str) -> String {
        let rest =
            format!(r#", "storage": {{"files": [{{"path": "/a", "contents": {resource}}}]}}"#);
        let text = reverse(version, &rest, None).expect(resource);
        let (_, contents) = text.split_once("contents:\n").expect(resource);
        contents.to_owned()
    }

    fn packed(text: &str) -> String {
        let encoded = encoding::encode(text.repeat(100).as_bytes().into(), Forms::Compressed);
        assert!(encoded.is_compressed);
        encoded.url
    }

    #[test]
    fn text_is_inline() {
        let long = "text ".repeat(100);
        let cases = [
            (r#"{"source": "data:,a%0Ab%0A"}"#.to_owned(), "        inline: |\n          a\n          b\n".to_owned()),
            (r#"{"source": "data:text/plain;base64,YQ==", "compression": ""}"#.into(), "        inline: a\n".into()),
            (r#"{"source": "data:,"}"#.into(), "        inline: \"\"\n".into()),
            (
                format!(r#"{{"source": "{}", "compression": "gzip"}}"#, packed("text ")),
                format!("        inline: \"{long}\"\n"),
            ),
            (r#"{"source": "https://a/b"}"#.into(), "        source: https://a/b\n".into()),
            (
                r#"{"source": "data:,%00"}"#.into(),
                "        # not text, so it stays a URL\n        source: data:,%00\n".into(),
            ),
            (
                r#"{"source": "data:,a", "compression": "gzip"}"#.into(),
                "        # not text, so it stays a URL\n        source: data:,a\n        compression: gzip\n".into(),
            ),
        ];
        for (resource, want) in cases {
            assert_eq!(contents("3.4.0", &resource), want);
        }
    }

    #[test]
    fn the_first_version_has_no_compression() {
        let url = packed("a");
        assert_eq!(
            contents("3.0.0", r#"{"source": "data:,a"}"#),
            "        inline: a\n"
        );
        let kept = contents(
            "3.0.0",
            &format!(r#"{{"source": "{url}", "compression": "gzip"}}"#),
        );
        assert!(kept.contains("source: data:;base64"), "{kept}");
        let rest = r#", "security": {"tls": {"certificateAuthorities": [{"source": "data:,a"}]}}"#;
        let text = format!(r#"{{"ignition": {{"version": "3.0.0"{rest}}}}}"#);
        let document = parse("a", text.as_bytes()).outcome.expect("a config");
        let text = from_ignition(&document, Version::V3_0, None).expect("Butane");
        assert!(text.contains("- source: data:,a\n"), "{text}");
    }

    #[test]
    fn configs_that_merge_others_keep_compressions() {
        let child = STANDARD.encode(r#"{"ignition": {"version": "3.4.0"}}"#);
        let file = |path: &str, text: &str| {
            format!(
                r#"{{"path": "{path}", "contents": {{"source": "data:,{}"}}}}"#,
                text.repeat(200)
            )
        };
        let text = format!(
            r#"{{"ignition": {{"version": "3.4.0", "config": {{"merge": [{{"source": "data:;base64,{child}"}},
            {{"source": "data:,variant:%20fcos"}}]}}}}, "storage": {{"files": [{}, {}]}}}}"#,
            file("/a", "b"),
            file("/b", "")
        );
        let document = parse("a", text.as_bytes()).outcome.expect("a config");
        let text = from_ignition(&document, Version::V3_4, None).expect("Butane");
        assert!(
            text.contains("source: data:,bbbb") && text.contains("inline: \"\""),
            "{text}"
        );
        assert!(text.contains(r#"- inline: '{"ignition""#), "{text}");
        assert!(text.contains("- source: data:,variant"), "{text}");
    }

    #[test]
    fn values_are_written_as_people_do() {
        let rest = r#", "storage": {"directories": [{"path": "/a", "mode": 493, "user": {"id": 0}}, {"path": "/b", "mode": 0}],
            "disks": [{"device": "/dev/a", "partitions": [{"number": 0, "label": "b", "sizeMiB": 0}]}]}"#;
        let want = "variant: fcos\nversion: 1.3.0\nstorage:\n  disks:\n    - device: /dev/a\n      partitions:\n        \
                    - label: b\n          size_mib: 0\n  directories:\n    - path: /a\n      user:\n        id: 0\n      \
                    mode: 0755\n    - path: /b\n      mode: 0\n";
        assert_eq!(reverse("3.2.0", rest, None).expect("Butane"), want);
    }

    #[test]
    fn what_cannot_be_expressed_is_reported_with_its_origin() {
        let luks = r#", "storage": {"luks": [{"name": "a", "device": "/dev/a", "clevis": {"tpm2": true}}]}"#;
        let cases = [
            (("fcos", "1.1.0"), "`luks` exists since", "$.storage.luks"),
            (("flatcar", "1.0.0"), "Clevis", "$.storage.luks.0.clevis"),
            (("r4e", "1.1.0"), "encrypted volumes", "$.storage.luks"),
        ];
        for (pair, message, path) in cases {
            let Findings(findings) = reverse("3.2.0", luks, Some(pair)).expect_err(path);
            let [finding] = &findings[..] else {
                panic!("{findings:#?}");
            };
            assert!(finding.message.contains(message), "{finding:?}");
            assert_eq!(finding.path.as_ref().map(JsonPath::as_str), Some(path));
            let help = finding.help.as_deref().unwrap_or_default();
            assert!(help.starts_with("from config.ign:1:"), "{help}");
        }
        let Findings(findings) =
            reverse("3.2.0", "", Some(("fcos", "9.0.0"))).expect_err("unknown");
        assert!(
            findings[0]
                .help
                .as_deref()
                .is_some_and(|help| help.contains("1.5.0"))
        );
    }

    #[test]
    fn metadata_is_made_up_where_it_is_required() {
        let text = reverse("3.4.0", "", Some(("openshift", "4.14.0"))).expect("Butane");
        assert!(
            text.contains("# Ignition has neither") && text.contains("role: worker\n"),
            "{text}"
        );
    }
}
