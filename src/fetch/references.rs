//! Follows `ignition.config.replace` and `ignition.config.merge` until one document is left.
//!
//! ```text
//! render(C): replace given?  fetch it, render it, forget C
//!            otherwise       R = C; for each merge entry of C: R = merge(R, render(fetched))
//! ```
//! Transport settings follow the configs: after each fetched config those of everything merged so
//! far are in force, and they stay until the next one.

mod error;
mod merged;

pub use error::{Reference, RenderError, RenderReason, Role};

use super::pipeline::hex;
use super::{FetchEvents, Fetcher, Part, Request};
use crate::config::model::Resource;
use crate::config::{Document, Findings, JsonPath, ParseError};
use crate::language::{self, Knowledge, Surroundings};
use sha2::{Digest as _, Sha512};
use std::borrow::Cow;

/// The most configs one run fetches. Nothing sensible comes near; a config that merges itself
/// twice does.
pub const MOST_FETCHES: usize = 1024;
/// How deep configs may refer to configs.
pub const DEEPEST_NESTING: usize = 256;

/// One config text that went into a document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SourceInfo {
    /// File name or shown URL, as in origins.
    pub name: String,
    /// SHA-512 of the unpacked text, lower-case hex.
    pub sha512: String,
    /// Length of the unpacked text.
    pub bytes: u64,
    /// False for the first config.
    pub referenced: bool,
}

/// What there is to say about one text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SourceFindings {
    /// File name or shown URL, as in origins.
    pub source: String,
    /// The text, to show lines of. None for the merged config, which has none, and for `data:`
    /// URLs, whose text is not shown.
    pub text: Option<Vec<u8>>,
    /// The findings; at least one.
    pub findings: Findings,
}

/// The config to start from, parsed.
#[derive(Debug, Clone)]
pub struct First {
    /// The document.
    pub document: Document,
    /// Its text, described.
    pub source: SourceInfo,
    /// What parsing said. It is not said again.
    pub findings: Findings,
    /// What [`language::named_filesystems`] says of its text.
    pub filesystems: Vec<(String, String)>,
    /// What is known for texts that it refers to.
    pub knowledge: Knowledge,
}

/// All configs in one.
#[derive(Debug)]
pub struct Rendered {
    /// The merged document.
    pub document: Document,
    /// Every text that was read, the first one first, also those that were replaced.
    pub sources: Vec<SourceInfo>,
    /// Findings of referenced configs and of the merged one; warnings at most.
    pub findings: Vec<SourceFindings>,
    /// A fetcher with the transport settings of the merged config.
    pub fetcher: Fetcher,
}

impl SourceInfo {
    /// Describes `text`.
    pub fn of(name: impl Into<String>, text: &[u8], referenced: bool) -> Self {
        SourceInfo {
            name: name.into(),
            sha512: hex(&Sha512::digest(text)),
            bytes: text.len() as u64,
            referenced,
        }
    }
}

/// Follows all references of `first`, and judges the result by the rules of the latest version.
pub fn render(
    first: First,
    fetcher: &Fetcher,
    events: &dyn FetchEvents,
) -> Result<Rendered, RenderError> {
    let mut session = Session {
        fetcher: fetcher.clone(),
        events,
        sources: vec![first.source],
        findings: Vec::new(),
        filesystems: first.filesystems,
        knowledge: first.knowledge,
    };
    match session.whole(first.document, &first.findings) {
        Ok(document) => Ok(Rendered {
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
    sources: Vec<SourceInfo>,
    findings: Vec<SourceFindings>,
    /// File systems that configs of Ignition 2 name, for those that they append. Of one name, the last counts.
    filesystems: Vec<(String, String)>,
    knowledge: Knowledge,
}

impl Session<'_> {
    fn whole(&mut self, first: Document, said: &Findings) -> Result<Document, RenderReason> {
        self.configure(&first)?;
        let document = self.render(first)?;
        self.configure(&document)?;
        let first = self.sources.first().map_or("", |s| s.name.as_str());
        let news = merged::findings(&document, first, said, &self.findings);
        let fatal = news.is_fatal();
        if !news.0.is_empty() {
            let source = merged::NAME.into();
            self.findings.push(SourceFindings {
                source,
                text: None,
                findings: news,
            });
        }
        if fatal {
            Err(RenderReason::MergedInvalid)
        } else {
            Ok(document)
        }
    }

    /// Works off a stack of its own: nesting is up to whoever writes the configs.
    fn render(&mut self, document: Document) -> Result<Document, RenderReason> {
        let mut stack = vec![self.level(document, 0)?];
        while let Some(level) = stack.last_mut() {
            let depth = level.depth;
            if let Some(wish) = level.pending.next() {
                let new = self.document(wish, depth)?;
                let merged = Document::merge(&level.result, &new);
                self.configure(&merged)?;
                if has_references(&new) {
                    let below = self.level(new, depth + 1)?;
                    stack.push(below);
                } else {
                    level.result = merged;
                }
            } else if let Some(Level { result, .. }) = stack.pop() {
                match stack.last_mut() {
                    Some(above) => above.result = Document::merge(&above.result, &result),
                    None => return Ok(result),
                }
            }
        }
        Ok(Document::empty())
    }

    /// Starts on `document`, or on what takes its place.
    fn level(&mut self, mut document: Document, mut depth: usize) -> Result<Level, RenderReason> {
        while let Some(replacing) = replacement(&document) {
            document = self.document(replacing, depth)?;
            self.configure(&document)?;
            depth += 1;
        }
        let pending = merges(&document).collect::<Vec<_>>().into_iter();
        Ok(Level {
            depth,
            result: document,
            pending,
        })
    }

    /// Fetches and parses one referenced config.
    fn document(&mut self, wish: Wish, depth: usize) -> Result<Document, RenderReason> {
        let Wish {
            resource,
            reference,
        } = wish;
        if depth >= DEEPEST_NESTING {
            return Err(RenderReason::TooDeep { reference });
        }
        if self.sources.len() > MOST_FETCHES {
            return Err(RenderReason::TooMany { reference });
        }
        let fetched = Request::of(&resource).and_then(|request| {
            self.fetcher
                .fetch_config(&request, Part::Referenced, self.events)
        });
        match fetched {
            Ok(text) => self.parse(text, reference),
            Err(error) => Err(RenderReason::Fetch { reference, error }),
        }
    }

    fn parse(
        &mut self,
        text: Vec<u8>,
        reference: Box<Reference>,
    ) -> Result<Document, RenderReason> {
        let text = match language::unpacked(&text) {
            Cow::Owned(unpacked) => unpacked,
            Cow::Borrowed(_) => text,
        };
        let source = SourceInfo::of(reference.url.as_str(), &text, true);
        let surroundings = Surroundings {
            inherited_filesystems: &self.filesystems,
            ..self.knowledge.surroundings()
        };
        let parsed = language::parse(&source.name, &text, &surroundings);
        let named = language::named_filesystems(&text, &surroundings);
        self.filesystems.extend(named);
        if !parsed.findings.0.is_empty() {
            let text = Some(text).filter(|_| source.name != "data:");
            let findings = parsed.findings;
            let source = source.name.clone();
            self.findings.push(SourceFindings {
                source,
                text,
                findings,
            });
        }
        self.sources.push(source);
        parsed.outcome.map_err(|error| match error {
            ParseError::Empty => RenderReason::Empty { reference },
            error => RenderReason::Invalid { reference, error },
        })
    }

    /// Puts the transport settings of `document` in force.
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
            let wish = Wish::at(document, Role::Authority, path.join(e.index), resource);
            RenderReason::Fetch {
                reference: wish.reference,
                error: e.error,
            }
        })?;
        Ok(())
    }
}

/// A document whose merge entries are being followed.
struct Level {
    depth: usize,
    /// The document and what was merged into it so far.
    result: Document,
    pending: std::vec::IntoIter<Wish>,
}

/// A resource and who asks for it.
struct Wish {
    resource: Resource,
    reference: Box<Reference>,
}

impl Wish {
    fn at(document: &Document, role: Role, path: JsonPath, resource: Resource) -> Self {
        let url = super::shown_url(resource.source.as_deref().unwrap_or_default());
        let origin = document.origin(&path.join("source"));
        Wish {
            resource,
            reference: Box::new(Reference { role, url, origin }),
        }
    }
}

fn replacement(document: &Document) -> Option<Wish> {
    let replace = &document.config().ignition.config.replace;
    replace.source.as_ref()?;
    let path = JsonPath::root().join("ignition.config.replace");
    Some(Wish::at(document, Role::Replace, path, replace.clone()))
}

fn merges(document: &Document) -> impl Iterator<Item = Wish> {
    let path = JsonPath::root().join("ignition.config.merge");
    let listed = document.config().ignition.config.merge.iter().enumerate();
    listed.map(move |(i, resource)| Wish::at(document, Role::Merge, path.join(i), resource.clone()))
}

fn has_references(document: &Document) -> bool {
    let references = &document.config().ignition.config;
    references.replace.source.is_some() || !references.merge.is_empty()
}
