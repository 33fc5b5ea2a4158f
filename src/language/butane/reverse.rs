//! From Ignition to Butane, as a person would have written it.
//!
//! Each member has one spelling, so only the contents of resources need decisions: text becomes `inline` where
//! translating it gives the same bytes again. See `Writer::inline_text` for when it does not.

use super::encoding::{self, Forms};
use super::fields::{ROOT, Type};
use super::names;
use super::variants::{self, Base, DIALECTS, Dialect, Variant};
use super::yaml_text::{self, Entry, Value};
use crate::config::shape;
use crate::config::tree::{self, Tree};
use crate::config::{Document, Finding, Findings, JsonPath, Severity, Version, data_url, parse};
use crate::language::{self, Language, Surroundings, packed};

/// Members of Ignition that have no spelling, since other members say the same.
const STATED_BY_VARIANT: &str = "$.ignition.version";

/// Where other configs are referred to.
const REFERENCES: &str = "$.ignition.config.";

const CHOOSE_METADATA: &str = "Ignition has neither a name nor a role: choose both";

/// `document` in Butane: of the variant and version `wanted`, or of those that belong to version `natural`.
///
/// # Errors
/// What Butane, or that variant and version of it, cannot say.
pub fn from_ignition(
    document: &Document,
    natural: Version,
    wanted: Option<(&str, &str)>,
) -> Result<String, Findings> {
    let dialect = match wanted {
        Some((variant, version)) => variants::find(variant, version)
            .map_err(|(message, help)| Findings(vec![error(message, None, Some(help))]))?,
        None => natural_dialect(natural)?,
    };
    // Older versions have rules of their own.
    document.express(dialect.output, false)?;
    let tree = document.tree_in(dialect.output)?;
    let mut writer = Writer {
        dialect,
        has_children: !document.config().ignition.config.merge.is_empty(),
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

/// Errors of a config that was made here, with paths of Ignition: what the variant forbids.
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
fn natural_dialect(version: Version) -> Result<&'static Dialect, Findings> {
    let fits = |d: &&Dialect| d.variant == Variant::Fcos && d.output == version;
    DIALECTS.iter().rev().find(fits).ok_or_else(|| {
        let message = format!("no version of variant fcos is translated to {version}");
        Findings(vec![error(message, None, None)])
    })
}

/// What a dialect demands and Ignition does not have.
fn head(dialect: &Dialect) -> Vec<Entry> {
    let text = |text: &str| Value::Text(text.into());
    let mut entries = vec![
        Entry::new("variant", text(dialect.variant.name())),
        Entry::new("version", text(dialect.version)),
    ];
    if dialect.variant == Variant::Openshift {
        let role = Entry::new("machineconfiguration.openshift.io/role", text("worker"));
        let metadata = Value::Mapping(vec![
            Entry::new("name", text("99-worker-config")),
            Entry::new("labels", Value::Mapping(vec![role])),
        ]);
        entries.push(Entry::new("metadata", metadata).explained(CHOOSE_METADATA));
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

/// Puts the place that a person wrote into a finding: there is no other text that it could name.
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

struct Writer {
    dialect: &'static Dialect,
    /// Other configs are merged into this one.
    has_children: bool,
    findings: Vec<Finding>,
}

impl Writer {
    /// The members of an object in the order of the table; as deep as the table is.
    fn object(&mut self, tree: &Tree<'_>, of: &'static Type, path: &JsonPath) -> Vec<Entry> {
        let tree::Value::Object(members) = &tree.value else {
            return Vec::new();
        };
        self.find_unknown(members, of, path);
        if of.field("inline").is_some() {
            return self.resource(tree, of, path);
        }
        let mut entries = Vec::new();
        for field in of.fields_in(self.dialect).filter(|f| f.is_ignition) {
            let name = names::in_ignition(field.name);
            let member = members.iter().find(|(f, _)| f.name == name);
            let Some((shape, tree)) = member.filter(|m| self.is_said(m)) else {
                continue;
            };
            let value = match (&tree.value, field.object()) {
                (tree::Value::Object(_), Some(of)) => {
                    let inside = self.object(tree, of, &path.join(shape.name));
                    if inside.is_empty() {
                        continue;
                    }
                    Value::Mapping(inside)
                }
                (tree::Value::List(elements), of) => {
                    self.list(elements, of, &path.join(shape.name))
                }
                (tree::Value::Int(number), _) if field.name == "mode" => octal(*number),
                _ => leaf(tree),
            };
            entries.push(Entry::new(field.name, value));
        }
        entries
    }

    fn list(&mut self, elements: &[Tree<'_>], of: Option<&'static Type>, path: &JsonPath) -> Value {
        let values = elements
            .iter()
            .enumerate()
            .map(|(index, element)| match of {
                Some(of) => Value::Mapping(self.object(element, of, &path.join(index))),
                None => leaf(element),
            });
        Value::List(values.collect())
    }

    /// False for members whose absence means the same.
    fn is_said(&self, (field, tree): &(&'static shape::Field, Tree<'_>)) -> bool {
        match &tree.value {
            tree::Value::Null | tree::Value::Alien(_) => false,
            tree::Value::Int(0) => field.class_in(self.dialect.output) != shape::Class::Plain,
            tree::Value::List(elements) => !elements.is_empty(),
            _ => true,
        }
    }

    /// Members that the table of the dialect does not have.
    fn find_unknown(
        &mut self,
        members: &[(&'static shape::Field, Tree<'_>)],
        of: &'static Type,
        path: &JsonPath,
    ) {
        let said = members.iter().filter(|member| self.is_said(member));
        let unknown: Vec<Finding> = said
            .map(|(shape, _)| (path.join(shape.name), names::in_butane(shape.name)))
            .filter(|(path, _)| path.as_str() != STATED_BY_VARIANT)
            .filter(|(_, name)| of.fields_in(self.dialect).all(|field| field.name != name))
            .map(|(path, name)| {
                let (variant, version) = (self.dialect.variant.name(), self.dialect.version);
                let message = format!("variant {variant} {version} has no `{name}` here");
                error(message, Some(path), None)
            })
            .collect();
        self.findings.extend(unknown);
    }

    /// Bytes: as text where that is what they are.
    fn resource(&mut self, tree: &Tree<'_>, of: &'static Type, path: &JsonPath) -> Vec<Entry> {
        let text = |name: &str| match tree.member(name).map(|tree| &tree.value) {
            Some(tree::Value::Text(text)) => Some(&**text),
            _ => None,
        };
        let compression = text("compression");
        let has_inline = of
            .fields_in(self.dialect)
            .any(|field| field.name == "inline");
        let inline = text("source")
            .filter(|_| has_inline)
            .map(|source| self.inline_text(source, compression, path));
        let mut entries = Vec::new();
        for field in of.fields_in(self.dialect).filter(|f| f.is_ignition) {
            let name = names::in_ignition(field.name);
            let Some(member) = tree.member(&name) else {
                continue;
            };
            let path = path.join(&name);
            match (field.name, &inline, &member.value) {
                (_, _, tree::Value::Null | tree::Value::Alien(_)) => {}
                ("source", Some(Inline::Text(text)), _) => {
                    entries.push(Entry::new("inline", Value::Text(text.clone())));
                }
                ("source", Some(Inline::Kept(reason)), _) => {
                    entries.push(Entry::new(field.name, leaf(member)).explained(reason));
                }
                // Text that is inline is given its compression when it is translated, except in base 0.1.
                ("compression", Some(Inline::Text(_)), _) if self.dialect.base > Base::V0_1 => {}
                (_, _, tree::Value::Object(_)) => {
                    if let Some(of) = field.object() {
                        let value = Value::Mapping(self.object(member, of, &path));
                        entries.push(Entry::new(field.name, value));
                    }
                }
                (_, _, tree::Value::List(elements)) => {
                    let value = self.list(elements, field.object(), &path);
                    entries.push(Entry::new(field.name, value));
                }
                _ => entries.push(Entry::new(field.name, leaf(member))),
            }
        }
        entries
    }

    /// The text that `source`, part of the resource at `path`, stands for, if `inline` with this text means the same.
    ///
    /// The bytes are always those of `source`, but `inline` also states a compression: `gzip` if that is shorter, else
    /// none (`""`). Stating none where nothing was stated changes nothing that works: it matters only when this config is
    /// merged over one that compresses the same file, and then text would not have been gzip. Another compression changes
    /// nothing in this config either, but one that is merged into it may give a new source and rely on the compression
    /// it finds. So a config that merges others keeps the compressions that they can see.
    fn inline_text(&self, source: &str, compression: Option<&str>, path: &JsonPath) -> Inline {
        if !source.starts_with("data:") {
            return Inline::Elsewhere;
        }
        let is_packed = compression == Some("gzip");
        let bytes = data_url::decode(source).ok();
        let bytes = match is_packed {
            true => bytes.and_then(|bytes| packed::gunzip(&bytes).ok()),
            false => bytes,
        };
        let text = bytes.and_then(|bytes| String::from_utf8(bytes).ok());
        let is_control = |c: char| c.is_control() && !matches!(c, '\n' | '\t');
        let Some(text) = text.filter(|text| !text.contains(is_control)) else {
            return Inline::Kept("no text, so it stays a URL");
        };
        if self.dialect.base == Base::V0_1 {
            return match is_packed {
                true => Inline::Kept("compressed, which inline text is not in this version"),
                false => Inline::Text(text),
            };
        }
        // Inline configs are judged, and those in Butane are translated.
        if path.as_str().starts_with(REFERENCES) && parse("", text.as_bytes()).outcome.is_err() {
            return Inline::Kept("no config of Ignition 3, so it stays a URL");
        }
        // Other resources are equal by their source, so that none gets another one.
        let is_merged_by_member =
            path.as_str().ends_with(".contents") || path.as_str().ends_with(".keyFile");
        if self.has_children && is_merged_by_member && self.would_compress(&text) != is_packed {
            return Inline::Kept(
                "inline text would have another compression, which merged configs may rely on",
            );
        }
        Inline::Text(text)
    }

    fn would_compress(&self, text: &str) -> bool {
        let is_allowed =
            self.dialect.variant != Variant::Openshift || self.dialect.is_openshift_since(10);
        is_allowed && encoding::encode(text.as_bytes(), Forms::Compressed).is_compressed
    }
}

/// What becomes of a source.
enum Inline {
    /// It stands for this text.
    Text(String),
    /// It is a URL of bytes elsewhere.
    Elsewhere,
    /// It stays, and why.
    Kept(&'static str),
}

/// Permission bits as they are read everywhere else.
fn octal(mode: i64) -> Value {
    Value::Plain(match mode {
        1.. => format!("0{mode:o}"),
        _ => mode.to_string(),
    })
}

fn leaf(tree: &Tree<'_>) -> Value {
    match &tree.value {
        tree::Value::Bool(value) => Value::Plain(value.to_string()),
        tree::Value::Int(number) => Value::Plain(number.to_string()),
        tree::Value::Text(text) => Value::Text(text.to_string()),
        _ => Value::Text(String::new()),
    }
}
