//! Follows `ignition.config.replace` and `ignition.config.merge` until one document is left.
//!
//! ```text
//! render(C): replace given?  fetch it, render it, forget C
//!            otherwise       R = C; for each merge entry of C: R = merge(R, render(fetched))
//! ```
//! Transport settings follow the configs: after each fetched config those of everything merged so
//! far are in force, and they stay until the next one.
//!
//! A config of Ignition 1 or 2 and those of that age which it appends are one family: they are put together first and
//! translated as one ([`crate::language::append`]), and what else it appends is merged into the result.

mod error;
mod family;
mod merged;

pub use error::{Reference, RenderError, RenderReason, Role};

use super::pipeline::hex;
use super::{FetchEvents, Fetcher, Part, Request};
use crate::config::model::Resource;
use crate::config::{Document, Findings, JsonPath, ParseError};
use crate::language::{self, Language, Surroundings};
use family::Relative;
use sha2::{Digest as _, Sha512};
use std::borrow::Cow;

/// The most configs one run fetches. Nothing sensible comes near; a config that merges itself
/// twice does.
pub const MAX_FETCHES: usize = 1024;
/// How deep configs may refer to configs.
pub const MAX_DEPTH: usize = 256;

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
pub struct First<'s> {
    /// The document.
    pub document: Document,
    /// Its text, described.
    pub source: SourceInfo,
    /// What parsing said. It is not said again.
    pub findings: Findings,
    /// The text, unpacked.
    pub text: Vec<u8>,
    /// What it is in.
    pub language: Language,
    /// What it was parsed with. Configs that it refers to see no local files of it.
    pub surroundings: Surroundings<'s>,
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
    first: First<'_>,
    fetcher: &Fetcher,
    events: &dyn FetchEvents,
) -> Result<Rendered, RenderError> {
    let mut session = Session {
        fetcher: fetcher.clone(),
        events,
        surroundings: first.surroundings,
        sources: vec![first.source],
        said: first.findings,
        findings: Vec::new(),
        filesystems: Vec::new(),
    };
    let name = session.sources.first().map(|source| source.name.clone());
    let relative = Relative {
        name: name.unwrap_or_default(),
        text: first.text,
        language: first.language,
        is_first: true,
    };
    let read = Read {
        relative: Some(relative).filter(|relative| language::appends(relative.language)),
        document: first.document,
    };
    match session.whole(read) {
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
    surroundings: Surroundings<'a>,
    sources: Vec<SourceInfo>,
    /// What parsing the first config said.
    said: Findings,
    findings: Vec<SourceFindings>,
    /// File systems that families of Ignition 2 name, for those after them. Of one name, the last counts.
    filesystems: Vec<(String, String)>,
}

/// A config that was read.
struct Read {
    /// Of a relative, the section `ignition` at least.
    document: Document,
    /// It may be one of a family.
    relative: Option<Relative>,
}

/// What a level still has to merge.
enum Next {
    /// To be fetched.
    ToFetch(ConfigReference),
    /// Fetched already.
    Fetched(Box<Document>),
}

impl Session<'_> {
    fn whole(&mut self, first: Read) -> Result<Document, RenderReason> {
        self.configure(&first.document)?;
        let document = self.render(first)?;
        self.configure(&document)?;
        let first = self.sources.first().map_or("", |s| s.name.as_str());
        let news = merged::findings(&document, first, &self.said, &self.findings);
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
    fn render(&mut self, first: Read) -> Result<Document, RenderReason> {
        let mut stack = vec![self.level(first, 0)?];
        while let Some(level) = stack.last_mut() {
            let depth = level.depth;
            if let Some(next) = level.pending.next() {
                let new = match next {
                    Next::ToFetch(wish) => self.read(wish, depth)?,
                    Next::Fetched(document) => Read {
                        document: *document,
                        relative: None,
                    },
                };
                let merged = Document::merge(&level.result, &new.document);
                self.configure(&merged)?;
                if has_references(&new.document) {
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

    /// Starts on what was read, or on what takes its place.
    fn level(&mut self, read: Read, depth: usize) -> Result<Level, RenderReason> {
        let (read, depth) = self.replaced(read, depth, false)?;
        let wishes: Vec<ConfigReference> = merges(&read.document).collect();
        match read.relative.filter(|_| !wishes.is_empty()) {
            Some(relative) => self.family(relative, &read.document, depth),
            None => {
                let pending: Vec<Next> = wishes.into_iter().map(Next::ToFetch).collect();
                Ok(Level {
                    depth,
                    result: read.document,
                    pending: pending.into_iter(),
                })
            }
        }
    }

    /// Follows the configs that take the place of one.
    fn replaced(
        &mut self,
        mut read: Read,
        mut depth: usize,
        in_family: bool,
    ) -> Result<(Read, usize), RenderReason> {
        while let Some(replacing) = replacement(&read.document) {
            read = match in_family {
                true => self.read_relative(replacing, depth)?,
                false => self.read(replacing, depth)?,
            };
            self.configure(&read.document)?;
            depth += 1;
        }
        Ok((read, depth))
    }

    /// Fetches and parses one referenced config, which belongs to no family yet.
    fn read(&mut self, wish: ConfigReference, depth: usize) -> Result<Read, RenderReason> {
        let reference = wish.reference.clone();
        let (source, text) = self.fetch(wish, depth)?;
        if let Some(read) = self.head(&source, &text, &reference)?
            && has_references(&read.document)
        {
            return Ok(read);
        }
        self.parse(source, text, reference)
    }

    fn fetch(
        &mut self,
        wish: ConfigReference,
        depth: usize,
    ) -> Result<(SourceInfo, Vec<u8>), RenderReason> {
        let ConfigReference {
            resource,
            reference,
        } = wish;
        if depth >= MAX_DEPTH {
            return Err(RenderReason::TooDeep { reference });
        }
        if self.sources.len() > MAX_FETCHES {
            return Err(RenderReason::TooMany { reference });
        }
        let fetched = Request::of(&resource).and_then(|request| {
            self.fetcher
                .fetch_config(&request, Part::Referenced, self.events)
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
        self.sources.push(source.clone());
        Ok((source, text))
    }

    /// What configs that are referred to are parsed with.
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
    ) -> Result<Read, RenderReason> {
        let surroundings = self.surroundings();
        let parsed = language::parse(&source.name, &text, &surroundings);
        let named = language::named_filesystems(&text, &surroundings);
        self.filesystems.extend(named);
        self.hear(&source.name, text, parsed.findings);
        match parsed.outcome {
            Ok(document) => Ok(Read {
                document,
                relative: None,
            }),
            Err(ParseError::Empty) => Err(RenderReason::Empty { reference }),
            Err(error) => Err(RenderReason::Invalid { reference, error }),
        }
    }

    fn hear(&mut self, source: &str, text: Vec<u8>, findings: Findings) {
        if !findings.0.is_empty() {
            self.findings.push(SourceFindings {
                source: source.into(),
                text: Some(text).filter(|_| source != "data:"),
                findings,
            });
        }
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
            let wish = ConfigReference::at(document, Role::Authority, path.join(e.index), resource);
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
    pending: std::vec::IntoIter<Next>,
}

/// A resource and who asks for it.
struct ConfigReference {
    resource: Resource,
    reference: Box<Reference>,
}

impl ConfigReference {
    fn at(document: &Document, role: Role, path: JsonPath, resource: Resource) -> Self {
        let url = super::shown_url(resource.source.as_deref().unwrap_or_default());
        let origin = document.origin(&path.join("source"));
        ConfigReference {
            resource,
            reference: Box::new(Reference { role, url, origin }),
        }
    }
}

fn replacement(document: &Document) -> Option<ConfigReference> {
    let replace = &document.config().ignition.config.replace;
    replace.source.as_ref()?;
    let path = JsonPath::root().join("ignition.config.replace");
    Some(ConfigReference::at(
        document,
        Role::Replace,
        path,
        replace.clone(),
    ))
}

fn merges(document: &Document) -> impl Iterator<Item = ConfigReference> {
    let path = JsonPath::root().join("ignition.config.merge");
    let listed = document.config().ignition.config.merge.iter().enumerate();
    listed.map(move |(i, resource)| {
        ConfigReference::at(document, Role::Merge, path.join(i), resource.clone())
    })
}

fn has_references(document: &Document) -> bool {
    let references = &document.config().ignition.config;
    references.replace.source.is_some() || !references.merge.is_empty()
}
