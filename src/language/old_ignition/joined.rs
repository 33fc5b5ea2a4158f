//! Configs that append configs: all of one family are joined first, and then translated as one.
//!
//! Ignition 2 appended lists to lists and merged nothing by key, so repeated accounts, files and units are handled by
//! the rules for repeated entries of one config. Each part keeps the rules of its version.

use super::fields::Fields;
use super::step::OldTranslation;
use super::version::{self, DeclaredVersion, OldVersion};
use super::{OUTPUT_VERSION, decode, ignition, lift, names, translate_model, warn_of_version};
use crate::config::tree::Place;
use crate::config::{
    self, Document, Finding, Findings, LineStarts, ParseError, Severity, TranslatedConfig,
    TranslatedText, ValidationResult, WrittenPaths,
};
use crate::language::findings::{Remarks, TextPart};
use crate::language::languages::Language;
use crate::language::node::{Node, NodeContent};
use crate::language::surroundings::Surroundings;
use crate::language::{clc, document, json, paths, shaped};

/// A config of a family: Ignition 1 or 2, or a Container Linux Config, which is Ignition 2.3 in another spelling.
#[derive(Debug, Clone, Copy)]
pub struct Member<'m> {
    /// The name shown in origins.
    pub name: &'m str,
    /// Its text, unpacked.
    pub text: &'m [u8],
    /// Its language.
    pub language: Language,
    /// True if it may name local files.
    pub is_local: bool,
}

/// The result of joining a family.
#[derive(Debug)]
pub struct FamilyResult {
    /// The findings of each member.
    pub findings: Vec<Findings>,
    /// All members as one config, or why there is none.
    pub outcome: Result<Document, ParseError>,
    /// The file systems that the members name, with their paths in the final system.
    pub filesystems: Vec<(String, String)>,
}

/// True for languages whose configs are joined before they are translated.
pub fn appends(language: Language) -> bool {
    matches!(language, Language::OldIgnition | Language::ContainerLinux)
}

/// The section `ignition` of a member, for following its references. Other sections are only parsed.
pub fn references(member: Member<'_>, surroundings: &Surroundings<'_>) -> FamilyResult {
    join(&[member], surroundings, &|step, model, at| {
        let stated = Node::text(at, OUTPUT_VERSION.as_str());
        let mut out = Node::mapping(model.at_of("ignition")).with("version", stated);
        ignition::translate(step, model.inner("ignition"), &mut out);
        Some(Node::mapping(model.at).with("ignition", out))
    })
}

/// Appends each of `members` to those before it, and translates the result.
pub fn append(members: &[Member<'_>], surroundings: &Surroundings<'_>) -> FamilyResult {
    join(members, surroundings, &|step, model, at| {
        let mut model = model.clone();
        if let Some(references) = model.at_path_mut(&["ignition", "config"]) {
            // The appended configs are part of the model already.
            references.remove("append");
        }
        translate_model(step, &model, at)
    })
}

type Translate<'f> =
    &'f dyn for<'t> Fn(&mut OldTranslation<'_>, &Node<'t>, u32) -> Option<Node<'t>>;

fn join(
    members: &[Member<'_>],
    surroundings: &Surroundings<'_>,
    translate: Translate<'_>,
) -> FamilyResult {
    let mut family = JoinedFamily::default();
    for member in members {
        if let Err(finding) = family.read(member, surroundings) {
            return family.refused(members, *finding);
        }
    }
    let mut remarks = std::mem::take(&mut family.remarks);
    let mut config = None;
    let mut filesystems = Vec::new();
    if !remarks.is_fatal() {
        let mut step = OldTranslation {
            versions: &family.versions,
            surroundings,
            remarks: &mut remarks,
        };
        config = translate(&mut step, &family.model, family.version_at);
        let mut discarded = Remarks::default();
        step.remarks = &mut discarded;
        let storage = family.model.inner("storage");
        filesystems = names::FilesystemNames::of(&mut step, storage, false).paths();
    }
    let starts: Vec<u32> = family.texts.iter().map(|text| text.start).collect();
    let texts = family.into_texts(members, remarks);
    let is_fatal = texts.iter().any(|text| has_error(&text.findings));
    let Some(config) = config.filter(|_| !is_fatal) else {
        return failed(texts.into_iter().map(|text| Findings(text.findings)));
    };
    let mut root = shaped::config(config, OUTPUT_VERSION);
    root.relocate(&|offset| {
        let after = starts.partition_point(|start| *start <= offset);
        let index = after.saturating_sub(1);
        let start = starts.get(index).copied().unwrap_or_default();
        Place {
            source: u32::try_from(index).unwrap_or(u32::MAX),
            offset: offset - start,
        }
    });
    let ValidationResult { findings, outcome } = config::validate(TranslatedConfig {
        root,
        version: OUTPUT_VERSION,
        texts,
        encoded: Vec::new(),
    });
    FamilyResult {
        findings,
        outcome,
        filesystems,
    }
}

fn has_error(findings: &[Finding]) -> bool {
    findings.iter().any(|f| f.severity == Severity::Error)
}

fn failed(findings: impl Iterator<Item = Findings>) -> FamilyResult {
    FamilyResult {
        findings: findings.collect(),
        outcome: Err(ParseError::Invalid),
        filesystems: Vec::new(),
    }
}

/// The members read so far. Offsets count their texts as if they were one.
struct JoinedFamily<'t> {
    model: Node<'t>,
    /// Offset of the version that the first one states.
    version_at: u32,
    versions: Vec<(u32, OldVersion)>,
    texts: Vec<JoinedText>,
    remarks: Remarks,
    /// Offset of the next text.
    end: u32,
    /// True once a kept proxy has been reported.
    has_reported_proxy: bool,
}

struct JoinedText {
    start: u32,
    lines: LineStarts,
    paths: WrittenPaths,
}

impl Default for JoinedFamily<'_> {
    fn default() -> Self {
        JoinedFamily {
            model: Node::mapping(0),
            version_at: 0,
            versions: Vec::new(),
            texts: Vec::new(),
            remarks: Remarks::default(),
            end: 0,
            has_reported_proxy: false,
        }
    }
}

impl<'t> JoinedFamily<'t> {
    fn read(
        &mut self,
        member: &Member<'t>,
        surroundings: &Surroundings<'_>,
    ) -> Result<(), Box<Finding>> {
        let start = self.end;
        let length = u32::try_from(member.text.len()).unwrap_or(u32::MAX);
        self.end = start.saturating_add(length).saturating_add(1);
        if self.end == u32::MAX {
            return Err(Box::new(too_long()));
        }
        let surroundings = Surroundings {
            files: surroundings.files.filter(|_| member.is_local),
            ..*surroundings
        };
        let mut remarks = Remarks::default();
        let lines = LineStarts::of(member.text);
        let parsed = match member.language {
            Language::ContainerLinux => {
                self.container_linux(member, &lines, &surroundings, &mut remarks)
            }
            _ => self.ignition(member, &lines, &surroundings, &mut remarks),
        };
        let ParsedText {
            mut model,
            version,
            at,
            paths,
        } = parsed?;
        model.relocate(&|at| at.saturating_add(start));
        self.remarks.extend_from(start, remarks);
        self.versions.push((start, version));
        self.texts.push(JoinedText {
            start,
            lines,
            paths,
        });
        match start {
            0 => {
                self.version_at = at;
                self.model = model;
            }
            _ => self.add(model),
        }
        Ok(())
    }

    fn ignition(
        &self,
        member: &Member<'t>,
        lines: &LineStarts,
        surroundings: &Surroundings<'_>,
        remarks: &mut Remarks,
    ) -> Result<ParsedText<'t>, Box<Finding>> {
        let root = json::read(member.text).map_err(|error| {
            let at = u32::try_from(error.offset).unwrap_or(u32::MAX);
            Box::new(Finding {
                severity: Severity::Error,
                path: None,
                position: Some(lines.position(at)),
                message: error.message,
                help: error.help,
            })
        })?;
        let paths = paths::of(&root);
        let (version, at) = match version::declared(&root) {
            DeclaredVersion::Old(version, at) => (version, at),
            DeclaredVersion::Other { at, message, help } => {
                remarks.error_with_help(at, message, help);
                (OldVersion::V2_4, at)
            }
        };
        warn_of_version(version, at, surroundings.is_strict, remarks);
        let decoded = decode::decode(root, version, Some(&paths), surroundings.is_strict, remarks);
        let before = self.model.inner("storage").items("filesystems").len();
        let model = match version {
            OldVersion::V1 => lift::to_version_2(&decoded, before),
            _ => decoded,
        };
        Ok(ParsedText {
            model,
            version,
            at,
            paths,
        })
    }

    fn container_linux(
        &self,
        member: &Member<'t>,
        lines: &LineStarts,
        surroundings: &Surroundings<'_>,
        remarks: &mut Remarks,
    ) -> Result<ParsedText<'t>, Box<Finding>> {
        let yaml = document::read(member.text, lines).map_err(|outcome| {
            let found = outcome.findings.into_iter().next();
            Box::new(found.unwrap_or_else(too_long))
        })?;
        document::check(&yaml, remarks);
        let paths = paths::of(&yaml.root);
        let at = yaml.root.at;
        let model = clc::model(yaml.root, &paths, surroundings, remarks);
        let version = OldVersion::V2_3;
        let model = decode::decode(model, version, None, false, remarks);
        Ok(ParsedText {
            model,
            version,
            at,
            paths,
        })
    }

    /// Appends a model: lists are appended, objects are merged, of anything else the later one counts.
    fn add(&mut self, mut later: Node<'t>) {
        if let Some(section) = later.get_mut("ignition") {
            // The version and the references belong to the text; the references are followed separately.
            section.remove("version");
            section.remove("config");
        }
        self.report_kept_proxy(&later);
        merge(&mut self.model, later);
    }

    /// Warns of a proxy that is kept: Ignition 2 dropped it as soon as a config without one was appended.
    fn report_kept_proxy(&mut self, later: &Node<'t>) {
        let proxy = |model: &Node<'_>, key| {
            let proxy = model.at_path(&["ignition", "proxy", key])?;
            Some(proxy.at).filter(|_| !proxy.as_text().is_empty())
        };
        let kept = ["httpProxy", "httpsProxy"].iter().find_map(|key| {
            let earlier = proxy(&self.model, *key)?;
            proxy(later, *key).is_none().then_some(earlier)
        });
        let Some(at) = kept.filter(|_| !self.has_reported_proxy) else {
            return;
        };
        self.has_reported_proxy = true;
        let message =
            "this proxy is kept, although what is appended has none; Ignition 2 forgot it then";
        self.remarks.warn(at, message);
    }

    fn into_texts(self, members: &[Member<'_>], remarks: Remarks) -> Vec<TranslatedText> {
        let parts: Vec<TextPart<'_>> = self
            .texts
            .iter()
            .zip(members)
            .map(|(text, member)| TextPart {
                start: text.start,
                name: config::shown_source(member.name),
                lines: &text.lines,
                paths: &text.paths,
            })
            .collect();
        let findings = remarks.into_findings_by_text(&parts);
        let texts = self.texts.into_iter().zip(members).zip(findings);
        texts
            .map(|((text, member), findings)| TranslatedText {
                name: member.name.into(),
                lines: text.lines,
                paths: text.paths,
                findings,
                new_parents: Vec::new(),
            })
            .collect()
    }

    /// The result if the member read last has this error: there is no config.
    fn refused(self, members: &[Member<'_>], finding: Finding) -> FamilyResult {
        let failed_index = self.texts.len();
        let mut findings = vec![Findings::default(); members.len()];
        if let Some(found) = findings.get_mut(failed_index) {
            found.0.push(finding);
        }
        failed(findings.into_iter())
    }
}

struct ParsedText<'t> {
    model: Node<'t>,
    version: OldVersion,
    at: u32,
    paths: WrittenPaths,
}

fn merge<'t>(earlier: &mut Node<'t>, later: Node<'t>) {
    match (&mut earlier.value, later.value) {
        (NodeContent::Mapping(entries), NodeContent::Mapping(more)) => {
            for entry in more {
                match entries.iter_mut().rev().find(|e| e.key == entry.key) {
                    Some(same) => merge(&mut same.value, entry.value),
                    None => entries.push(entry),
                }
            }
        }
        (NodeContent::List(elements), NodeContent::List(more)) => elements.extend(more),
        // An empty text has no effect in Ignition 2.
        (NodeContent::Scalar(_), NodeContent::Scalar(text)) if text.text.is_empty() => {}
        (value, other) => {
            *value = other;
            earlier.at = later.at;
        }
    }
}

fn too_long() -> Finding {
    Finding {
        severity: Severity::Error,
        path: None,
        position: None,
        message: "the config and what it appends have more than 4 GiB".into(),
        help: None,
    }
}
