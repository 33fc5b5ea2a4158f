//! Configs of Ignition 1 and 2 that append each other.
//!
//! What is of another age is merged by the rules of today, after the whole family and in the order in which it was met:
//! the family is one config by then, and has no place in its middle.

use super::{
    ConfigReference, MergeFrame, Next, ReadConfig, Reference, RenderReason, Session, SourceInfo,
    merges,
};
use crate::config::{Document, Finding, Findings, Position, Severity};
use crate::language::{self, Language, Member, Surroundings};

/// One of a family.
pub(super) struct Relative {
    pub(super) name: String,
    /// Unpacked.
    pub(super) text: Vec<u8>,
    pub(super) language: Language,
    /// It is the one that everything starts from.
    pub(super) is_first: bool,
}

impl Relative {
    fn member(&self) -> Member<'_> {
        Member {
            name: &self.name,
            text: &self.text,
            language: self.language,
            is_local: self.is_first,
        }
    }
}

impl Session<'_> {
    /// Collects a family from its oldest on, whose section `ignition` is `document`.
    pub(super) fn family(
        &mut self,
        oldest: Relative,
        document: &Document,
        depth: usize,
    ) -> Result<MergeFrame, RenderReason> {
        let mut family = vec![oldest];
        let mut others: Vec<Next> = Vec::new();
        let mut settings = document.clone();
        let mut stack = vec![(depth, wishes(document))];
        while let Some((depth, wishes)) = stack.last_mut() {
            let depth = *depth;
            let Some(wish) = wishes.next() else {
                stack.pop();
                continue;
            };
            let reference = wish.reference.clone();
            let read = self.read_relative(wish, depth)?;
            let (read, depth) = self.replaced(read, depth, true)?;
            let Some(relative) = read.relative else {
                others.push(Next::Fetched(Box::new(read.document)));
                continue;
            };
            if !others.is_empty() {
                self.warn_of_order(&reference);
            }
            settings = Document::merge(&settings, &read.document);
            self.configure(&settings)?;
            stack.push((depth.saturating_add(1), self::wishes(&read.document)));
            family.push(relative);
        }
        Ok(MergeFrame {
            depth,
            result: self.joined(family)?,
            pending: others.into_iter(),
        })
    }

    /// Fetches a config that may be one of a family.
    pub(super) fn read_relative(
        &mut self,
        wish: ConfigReference,
        depth: usize,
    ) -> Result<ReadConfig, RenderReason> {
        let reference = wish.reference.clone();
        let (source, text) = self.fetch(wish, depth)?;
        match self.head(&source, &text, &reference)? {
            Some(read) => Ok(read),
            None => self.parse(source, text, reference),
        }
    }

    /// The section `ignition` of a config that appends by the rules of Ignition 2.
    pub(super) fn head(
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
        let relative = Relative {
            name: source.name.clone(),
            text: text.to_vec(),
            language,
            is_first: false,
        };
        let head = language::references(relative.member(), &surroundings);
        match head.outcome {
            // What else there is to say of it is said when the family is translated.
            Ok(document) => Ok(Some(ReadConfig {
                document,
                relative: Some(relative),
            })),
            Err(error) => {
                let findings = head.findings.into_iter().next().unwrap_or_default();
                self.report_findings(&source.name, relative.text, findings);
                Err(RenderReason::Invalid {
                    reference: Box::new(reference.clone()),
                    error,
                })
            }
        }
    }

    fn joined(&mut self, family: Vec<Relative>) -> Result<Document, RenderReason> {
        let members: Vec<Member<'_>> = family.iter().map(Relative::member).collect();
        let surroundings = Surroundings {
            files: self.surroundings.files,
            ..self.surroundings()
        };
        let joined = language::append(&members, &surroundings);
        self.filesystems.extend(joined.filesystems);
        let mut each: Vec<(Relative, Findings)> = family.into_iter().zip(joined.findings).collect();
        // An error is the last thing that is said.
        each.sort_by_key(|(_, findings)| findings.is_fatal());
        for (relative, mut findings) in each {
            if relative.is_first {
                findings.0.retain(|finding| !self.said.0.contains(finding));
            }
            self.report_findings(&relative.name, relative.text, findings);
        }
        joined.outcome.map_err(|_| RenderReason::MergedInvalid)
    }

    /// Something of another age stands before this reference and is merged after what it leads to.
    fn warn_of_order(&mut self, reference: &Reference) {
        let Some(origin) = &reference.origin else {
            return;
        };
        let message =
            "a config of version 3 stands before this one, and is merged after it all the same";
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

fn wishes(document: &Document) -> std::vec::IntoIter<ConfigReference> {
    let wishes: Vec<ConfigReference> = merges(document).collect();
    wishes.into_iter()
}
