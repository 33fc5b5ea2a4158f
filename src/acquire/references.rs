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

pub use error::{Reference, ReferenceRole, RenderError, RenderReason};

use super::first::{First, SourceInfo};
use crate::config::model::Resource;
use crate::config::{Document, Findings, JsonPath, ParseError};
use crate::fetch::{ConfigRole, FetchEvents, Fetcher, Request, shown_url};
use crate::language::{self, Surroundings};
use family::Relative;
use std::borrow::Cow;

/// The most configs one run fetches. Nothing sensible comes near; a config that merges itself
/// twice does.
pub const MAX_FETCHES: usize = 1024;
/// How deep configs may refer to configs.
pub const MAX_DEPTH: usize = 256;

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

/// All configs in one.
#[derive(Debug)]
pub struct RenderedConfig {
    /// The merged document.
    pub document: Document,
    /// Every text that was read, the first one first, also those that were replaced.
    pub sources: Vec<SourceInfo>,
    /// Findings of referenced configs and of the merged one; warnings at most.
    pub findings: Vec<SourceFindings>,
    /// A fetcher with the transport settings of the merged config.
    pub fetcher: Fetcher,
}

/// Follows all references of `first`, and judges the result by the rules of the latest version.
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
    let read = ReadConfig {
        relative: Some(relative).filter(|relative| language::appends(relative.language)),
        document: first.document,
    };
    match session.whole(read) {
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
    /// What parsing the first config said.
    said: Findings,
    findings: Vec<SourceFindings>,
    /// File systems that families of Ignition 2 name, for those after them. Of one name, the last counts.
    filesystems: Vec<(String, String)>,
}

/// A config that was read.
struct ReadConfig {
    /// Of a relative, the section `ignition` at least.
    document: Document,
    /// It may be one of a family.
    relative: Option<Relative>,
}

/// What a level still has to merge.
enum Next {
    ToFetch(ConfigReference),
    /// Fetched already.
    Fetched(Box<Document>),
}

impl Session<'_> {
    fn whole(&mut self, first: ReadConfig) -> Result<Document, RenderReason> {
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
    fn render(&mut self, first: ReadConfig) -> Result<Document, RenderReason> {
        let mut stack = vec![self.level(first, 0)?];
        while let Some(level) = stack.last_mut() {
            let depth = level.depth;
            if let Some(next) = level.pending.next() {
                let new = match next {
                    Next::ToFetch(wish) => self.read(wish, depth)?,
                    Next::Fetched(document) => ReadConfig {
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
            } else if let Some(MergeFrame { result, .. }) = stack.pop() {
                match stack.last_mut() {
                    Some(above) => above.result = Document::merge(&above.result, &result),
                    None => return Ok(result),
                }
            }
        }
        Ok(Document::empty())
    }

    /// Starts on what was read, or on what takes its place.
    fn level(&mut self, read: ReadConfig, depth: usize) -> Result<MergeFrame, RenderReason> {
        let (read, depth) = self.replaced(read, depth, false)?;
        let wishes: Vec<ConfigReference> = merges(&read.document).collect();
        match read.relative.filter(|_| !wishes.is_empty()) {
            Some(relative) => self.family(relative, &read.document, depth),
            None => {
                let pending: Vec<Next> = wishes.into_iter().map(Next::ToFetch).collect();
                Ok(MergeFrame {
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
        mut read: ReadConfig,
        mut depth: usize,
        in_family: bool,
    ) -> Result<(ReadConfig, usize), RenderReason> {
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
    fn read(&mut self, wish: ConfigReference, depth: usize) -> Result<ReadConfig, RenderReason> {
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
    ) -> Result<ReadConfig, RenderReason> {
        let surroundings = self.surroundings();
        let parsed = language::parse(&source.name, &text, &surroundings);
        let named = language::named_filesystems(&text, &surroundings);
        self.filesystems.extend(named);
        self.report_findings(&source.name, text, parsed.findings);
        match parsed.outcome {
            Ok(document) => Ok(ReadConfig {
                document,
                relative: None,
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
            let wish = ConfigReference::at(
                document,
                ReferenceRole::Authority,
                path.join(e.index),
                resource,
            );
            RenderReason::Fetch {
                reference: wish.reference,
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

/// A resource and who asks for it.
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

fn replacement(document: &Document) -> Option<ConfigReference> {
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
