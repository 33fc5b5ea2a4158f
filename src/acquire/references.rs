//! Follows `ignition.config.replace` and `ignition.config.merge` until a single document is left.
//!
//! ```text
//! render(C): has replace?  fetch it, render it, drop C
//!            otherwise     R = C; for each merge entry of C: R = merge(R, render(fetched))
//! ```
//! Transport settings follow the configs: after each fetched config, the settings of everything merged so far
//! take effect, until the next config is fetched.
//!
//! A config of Ignition 1 or 2 and the configs of those versions that it appends are one family: they are joined
//! first and translated as one ([`crate::language::append`]). Configs of version 3 that it appends are merged into
//! the result.

mod error;
mod family;
mod merged;

pub use error::{Reference, ReferenceRole, RenderError, RenderReason};

use super::first::{First, SourceInfo};
use crate::config::model::Resource;
use crate::config::{Document, Findings, JsonPath, ParseError};
use crate::fetch::{ConfigRole, FetchEvents, Fetcher, MAX_BUFFER_BYTES, Request, shown_url};
use crate::language::{self, Surroundings};
use family::FamilyMember;
use std::borrow::Cow;

/// Maximum number of configs that one run fetches. Only configs that merge themselves get near it.
pub const MAX_FETCHES: usize = 1024;
/// Maximum size of all configs of a run together: all of them stay in memory.
pub const MAX_TOTAL_BYTES: u64 = MAX_BUFFER_BYTES;
/// Maximum depth of configs that refer to configs.
pub const MAX_DEPTH: usize = 256;

/// The findings about one text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SourceFindings {
    /// File name or redacted URL, as in origins.
    pub source: String,
    /// The text, to quote lines from. None for the merged config, which has none, and for `data:` URLs, whose text
    /// is not shown.
    pub text: Option<Vec<u8>>,
    /// The findings; at least one.
    pub findings: Findings,
}

/// The result of following all references.
#[derive(Debug)]
pub struct RenderedConfig {
    /// The merged document.
    pub document: Document,
    /// Every text that was read, starting with the first config, including those that were replaced.
    pub sources: Vec<SourceInfo>,
    /// Findings of referenced configs and of the merged one; warnings at most.
    pub findings: Vec<SourceFindings>,
    /// A fetcher with the transport settings of the merged config.
    pub fetcher: Fetcher,
}

/// Follows all references of `first`, and validates the result by the rules of the latest version.
pub fn render(
    first: First<'_>,
    fetcher: &Fetcher,
    events: &dyn FetchEvents,
) -> Result<RenderedConfig, RenderError> {
    let mut session = Session {
        fetcher: fetcher.clone(),
        events,
        surroundings: first.surroundings,
        sources: vec![first.source],
        first_findings: first.findings,
        findings: Vec::new(),
        filesystems: Vec::new(),
    };
    let name = session.sources.first().map(|source| source.name.clone());
    let member = FamilyMember {
        name: name.unwrap_or_default(),
        text: first.text,
        language: first.language,
        is_first: true,
    };
    let read = ReadConfig {
        member: Some(member).filter(|member| language::appends(member.language)),
        document: first.document,
    };
    match session.render_and_check(read) {
        Ok(document) => Ok(RenderedConfig {
            document,
            sources: session.sources,
            findings: session.findings,
            fetcher: session.fetcher,
        }),
        Err(reason) => Err(RenderError {
            reason: Box::new(reason),
            findings: session.findings,
        }),
    }
}

struct Session<'a> {
    fetcher: Fetcher,
    events: &'a dyn FetchEvents,
    surroundings: Surroundings<'a>,
    sources: Vec<SourceInfo>,
    /// Findings of parsing the first config.
    first_findings: Findings,
    findings: Vec<SourceFindings>,
    /// File systems that families of Ignition 2 name, for the families after them. The last one of a name counts.
    filesystems: Vec<(String, String)>,
}

/// A config that was read.
struct ReadConfig {
    /// Of a family member, only the section `ignition`.
    document: Document,
    /// Set if the config can be part of a family.
    member: Option<FamilyMember>,
}

/// What a frame still has to merge.
enum Next {
    ToFetch(ConfigReference),
    /// Already fetched.
    Fetched(Box<Document>),
}

impl Session<'_> {
    fn render_and_check(&mut self, first: ReadConfig) -> Result<Document, RenderReason> {
        self.configure(&first.document)?;
        let document = self.render(first)?;
        self.configure(&document)?;
        let first = self.sources.first().map_or("", |s| s.name.as_str());
        let new_findings =
            merged::new_findings(&document, first, &self.first_findings, &self.findings);
        let is_fatal = new_findings.is_fatal();
        if !new_findings.0.is_empty() {
            let source = merged::NAME.into();
            self.findings.push(SourceFindings {
                source,
                text: None,
                findings: new_findings,
            });
        }
        if is_fatal {
            Err(RenderReason::MergedInvalid)
        } else {
            Ok(document)
        }
    }

    /// Uses an explicit stack rather than recursion: the nesting depth is controlled by the configs.
    fn render(&mut self, first: ReadConfig) -> Result<Document, RenderReason> {
        let mut stack = vec![self.start_frame(first, 0)?];
        while let Some(frame) = stack.last_mut() {
            let depth = frame.depth;
            if let Some(next) = frame.pending.next() {
                let new = match next {
                    Next::ToFetch(config_reference) => self.read(config_reference, depth)?,
                    Next::Fetched(document) => ReadConfig {
                        document: *document,
                        member: None,
                    },
                };
                let merged = Document::merge(&frame.result, &new.document);
                self.configure(&merged)?;
                if has_references(&new.document) {
                    let nested = self.start_frame(new, depth + 1)?;
                    stack.push(nested);
                } else {
                    frame.result = merged;
                }
            } else if let Some(MergeFrame { result, .. }) = stack.pop() {
                match stack.last_mut() {
                    Some(outer) => outer.result = Document::merge(&outer.result, &result),
                    None => return Ok(result),
                }
            }
        }
        Ok(Document::empty())
    }

    /// Makes the frame for a config, or for the config that replaces it.
    fn start_frame(&mut self, read: ReadConfig, depth: usize) -> Result<MergeFrame, RenderReason> {
        let (read, depth) = self.follow_replacements(read, depth, false)?;
        let config_references: Vec<ConfigReference> = merges(&read.document).collect();
        match read.member.filter(|_| !config_references.is_empty()) {
            Some(member) => self.collect_family(member, &read.document, depth),
            None => {
                let pending: Vec<Next> = config_references.into_iter().map(Next::ToFetch).collect();
                Ok(MergeFrame {
                    depth,
                    result: read.document,
                    pending: pending.into_iter(),
                })
            }
        }
    }

    /// Follows `replace` until a config has none. Returns the last config and its depth.
    fn follow_replacements(
        &mut self,
        mut read: ReadConfig,
        mut depth: usize,
        in_family: bool,
    ) -> Result<(ReadConfig, usize), RenderReason> {
        while let Some(replacement) = replacement_of(&read.document) {
            read = match in_family {
                true => self.read_member(replacement, depth)?,
                false => self.read(replacement, depth)?,
            };
            self.configure(&read.document)?;
            depth += 1;
        }
        Ok((read, depth))
    }

    /// Fetches and parses a referenced config, which belongs to no family yet.
    fn read(
        &mut self,
        config_reference: ConfigReference,
        depth: usize,
    ) -> Result<ReadConfig, RenderReason> {
        let reference = config_reference.reference.clone();
        let (source, text) = self.fetch(config_reference, depth)?;
        if let Some(read) = self.parse_head(&source, &text, &reference)?
            && has_references(&read.document)
        {
            return Ok(read);
        }
        self.parse(source, text, reference)
    }

    fn fetch(
        &mut self,
        config_reference: ConfigReference,
        depth: usize,
    ) -> Result<(SourceInfo, Vec<u8>), RenderReason> {
        let ConfigReference {
            resource,
            reference,
        } = config_reference;
        if depth >= MAX_DEPTH {
            return Err(RenderReason::TooDeep { reference });
        }
        if self.sources.len() > MAX_FETCHES {
            return Err(RenderReason::TooMany { reference });
        }
        let fetched = Request::of(&resource).and_then(|request| {
            self.fetcher
                .fetch_config(&request, ConfigRole::Referenced, self.events)
        });
        let text = fetched.map_err(|error| RenderReason::Fetch {
            reference: reference.clone(),
            error,
        })?;
        let text = match language::unpacked(&text) {
            Cow::Owned(unpacked) => unpacked,
            Cow::Borrowed(_) => text,
        };
        let source = SourceInfo::of(reference.url.as_str(), &text, true);
        let before = self.sources.iter().map(|source| source.bytes);
        if before.fold(source.bytes, u64::saturating_add) > MAX_TOTAL_BYTES {
            return Err(RenderReason::TooLarge { reference });
        }
        self.sources.push(source.clone());
        Ok((source, text))
    }

    /// What referenced configs are parsed with.
    fn surroundings(&self) -> Surroundings<'_> {
        Surroundings {
            files: None,
            inherited_filesystems: &self.filesystems,
            is_followed: false,
            ..self.surroundings
        }
    }

    fn parse(
        &mut self,
        source: SourceInfo,
        text: Vec<u8>,
        reference: Box<Reference>,
    ) -> Result<ReadConfig, RenderReason> {
        let surroundings = self.surroundings();
        let parsed = language::parse(&source.name, &text, &surroundings);
        let named = language::named_filesystems(&text, &surroundings);
        self.filesystems.extend(named);
        self.report_findings(&source.name, text, parsed.findings);
        match parsed.outcome {
            Ok(document) => Ok(ReadConfig {
                document,
                member: None,
            }),
            Err(ParseError::Empty) => Err(RenderReason::Empty { reference }),
            Err(error) => Err(RenderReason::Invalid { reference, error }),
        }
    }

    fn report_findings(&mut self, source: &str, text: Vec<u8>, findings: Findings) {
        if !findings.0.is_empty() {
            self.findings.push(SourceFindings {
                source: source.into(),
                text: Some(text).filter(|_| source != "data:"),
                findings,
            });
        }
    }

    /// Applies the transport settings of `document`.
    fn configure(&mut self, document: &Document) -> Result<(), RenderReason> {
        let configured = self.fetcher.configured(document.config(), self.events);
        self.fetcher = configured.map_err(|e| {
            let path = JsonPath::root().join("ignition.security.tls.certificateAuthorities");
            let listed = &document
                .config()
                .ignition
                .security
                .tls
                .certificate_authorities;
            let resource = listed.get(e.index).cloned().unwrap_or_default();
            let config_reference = ConfigReference::at(
                document,
                ReferenceRole::Authority,
                path.join(e.index),
                resource,
            );
            RenderReason::Fetch {
                reference: config_reference.reference,
                error: e.error,
            }
        })?;
        Ok(())
    }
}

/// A document whose merge entries are being followed.
struct MergeFrame {
    depth: usize,
    /// The document and what was merged into it so far.
    result: Document,
    pending: std::vec::IntoIter<Next>,
}

/// A resource and where it is referenced.
struct ConfigReference {
    resource: Resource,
    reference: Box<Reference>,
}

impl ConfigReference {
    fn at(document: &Document, role: ReferenceRole, path: JsonPath, resource: Resource) -> Self {
        let url = shown_url(resource.source.as_deref().unwrap_or_default());
        let origin = document.origin(&path.join("source"));
        ConfigReference {
            resource,
            reference: Box::new(Reference { role, url, origin }),
        }
    }
}

fn replacement_of(document: &Document) -> Option<ConfigReference> {
    let replace = &document.config().ignition.config.replace;
    replace.source.as_ref()?;
    let path = JsonPath::root().join("ignition.config.replace");
    Some(ConfigReference::at(
        document,
        ReferenceRole::Replace,
        path,
        replace.clone(),
    ))
}

fn merges(document: &Document) -> impl Iterator<Item = ConfigReference> {
    let path = JsonPath::root().join("ignition.config.merge");
    let listed = document.config().ignition.config.merge.iter().enumerate();
    listed.map(move |(i, resource)| {
        ConfigReference::at(
            document,
            ReferenceRole::Merge,
            path.join(i),
            resource.clone(),
        )
    })
}

fn has_references(document: &Document) -> bool {
    let references = &document.config().ignition.config;
    references.replace.source.is_some() || !references.merge.is_empty()
}
