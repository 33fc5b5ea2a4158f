//! Configs of Ignition 1 and 2 that append each other.
//!
//! Configs of version 3 that they append are merged by the rules of version 3, after the whole family and in the order
//! in which they were encountered: by then the family is one config, and nothing can be inserted into its middle.

use super::{
    ConfigReference, MergeFrame, Next, ReadConfig, Reference, RenderReason, Session, SourceInfo,
    merges,
};
use crate::config::{Document, Finding, Findings, Position, Severity};
use crate::language::{self, Language, Member, Surroundings};

/// A config of a family.
pub(super) struct FamilyMember {
    pub(super) name: String,
    /// The unpacked text.
    pub(super) text: Vec<u8>,
    pub(super) language: Language,
    /// True for the first config of the run.
    pub(super) is_first: bool,
}

impl FamilyMember {
    fn as_member(&self) -> Member<'_> {
        Member {
            name: &self.name,
            text: &self.text,
            language: self.language,
            is_local: self.is_first,
        }
    }
}

impl Session<'_> {
    /// Collects a family, starting with its root, whose section `ignition` is `document`.
    pub(super) fn collect_family(
        &mut self,
        root: FamilyMember,
        document: &Document,
        depth: usize,
    ) -> Result<MergeFrame, RenderReason> {
        let mut family = vec![root];
        let mut others: Vec<Next> = Vec::new();
        let mut settings = document.clone();
        let mut stack = vec![(depth, config_references(document))];
        while let Some((depth, config_references)) = stack.last_mut() {
            let depth = *depth;
            let Some(config_reference) = config_references.next() else {
                stack.pop();
                continue;
            };
            let reference = config_reference.reference.clone();
            let read = self.read_member(config_reference, depth)?;
            let (read, depth) = self.follow_replacements(read, depth, true)?;
            let Some(member) = read.member else {
                others.push(Next::Fetched(Box::new(read.document)));
                continue;
            };
            if !others.is_empty() {
                self.warn_about_order(&reference);
            }
            settings = Document::merge(&settings, &read.document);
            self.configure(&settings)?;
            stack.push((
                depth.saturating_add(1),
                self::config_references(&read.document),
            ));
            family.push(member);
        }
        Ok(MergeFrame {
            depth,
            result: self.join(family)?,
            pending: others.into_iter(),
        })
    }

    /// Fetches a config that may belong to the current family.
    pub(super) fn read_member(
        &mut self,
        config_reference: ConfigReference,
        depth: usize,
    ) -> Result<ReadConfig, RenderReason> {
        let reference = config_reference.reference.clone();
        let (source, text) = self.fetch(config_reference, depth)?;
        match self.parse_head(&source, &text, &reference)? {
            Some(read) => Ok(read),
            None => self.parse(source, text, reference),
        }
    }

    /// Parses the section `ignition` of a config that appends by the rules of Ignition 2. None for any other config.
    pub(super) fn parse_head(
        &mut self,
        source: &SourceInfo,
        text: &[u8],
        reference: &Reference,
    ) -> Result<Option<ReadConfig>, RenderReason> {
        let surroundings = self.surroundings();
        let language = language::detect_for(text, &surroundings.target).ok();
        let Some(language) = language.filter(|language| language::appends(*language)) else {
            return Ok(None);
        };
        let member = FamilyMember {
            name: source.name.clone(),
            text: text.to_vec(),
            language,
            is_first: false,
        };
        let head = language::references(member.as_member(), &surroundings);
        match head.outcome {
            // Its other findings are reported when the family is translated.
            Ok(document) => Ok(Some(ReadConfig {
                document,
                member: Some(member),
            })),
            Err(error) => {
                let findings = head.findings.into_iter().next().unwrap_or_default();
                self.report_findings(&source.name, member.text, findings);
                Err(RenderReason::Invalid {
                    reference: Box::new(reference.clone()),
                    error,
                })
            }
        }
    }

    fn join(&mut self, family: Vec<FamilyMember>) -> Result<Document, RenderReason> {
        let members: Vec<Member<'_>> = family.iter().map(FamilyMember::as_member).collect();
        let surroundings = Surroundings {
            files: self.surroundings.files,
            ..self.surroundings()
        };
        let joined = language::append(&members, &surroundings);
        self.filesystems.extend(joined.filesystems);
        let mut each: Vec<(FamilyMember, Findings)> =
            family.into_iter().zip(joined.findings).collect();
        // Errors are reported last.
        each.sort_by_key(|(_, findings)| findings.is_fatal());
        for (member, mut findings) in each {
            if member.is_first {
                findings
                    .0
                    .retain(|finding| !self.first_findings.0.contains(finding));
            }
            self.report_findings(&member.name, member.text, findings);
        }
        joined.outcome.map_err(|_| RenderReason::MergedInvalid)
    }

    /// Warns that a config of version 3 before this reference is merged after the config that it refers to.
    fn warn_about_order(&mut self, reference: &Reference) {
        let Some(origin) = &reference.origin else {
            return;
        };
        let message = "a config of version 3 precedes this one, but is merged after it";
        let finding = Finding {
            severity: Severity::Warning,
            path: Some(origin.path.clone()),
            position: Some(Position {
                line: origin.line,
                column: origin.column,
            }),
            message: message.into(),
            help: Some("put configs of versions 1 and 2 first".into()),
        };
        self.report_findings(&origin.source, Vec::new(), Findings(vec![finding]));
    }
}

fn config_references(document: &Document) -> std::vec::IntoIter<ConfigReference> {
    let config_references: Vec<ConfigReference> = merges(document).collect();
    config_references.into_iter()
}
