//! A document: a config in the latest version, with the origin of each of its values.

use super::finding::{Finding, Findings, Position, Severity};
use super::lines::Lines;
use super::model::{Config, Filesystem, Ignition, NewParent, Passwd, Resource};
use super::origin::{JsonPath, Origin};
use super::origins::Origins;
use super::places::PlaceTree;
use super::rules;
use super::tree::Place;
use super::version::LATEST_VERSION;
use super::wording::Wording;
use super::written::WrittenPaths;
use std::sync::Arc;

/// A parsed config, or several merged into one.
#[derive(Debug, Clone)]
pub struct Document {
    pub(crate) config: Config,
    pub(crate) sources: Vec<Arc<SourceText>>,
    pub(crate) places: Arc<PlaceTree>,
}

/// One text a document was made from.
#[derive(Debug)]
pub(crate) struct SourceText {
    pub(crate) name: Arc<str>,
    pub(crate) lines: Lines,
    /// To find the path of a value by its offset in the text.
    pub(crate) paths: Paths,
    /// Where the text itself came from, if it was stored in between.
    pub(crate) origins: Option<Origins>,
    /// Owners of directories that are created as parents.
    pub(crate) new_parents: Vec<NewParent>,
}

impl SourceText {
    /// The wording of the text that contains `origin`, if it is this text or one stored in it.
    fn wording_of(&self, origin: &Origin) -> Option<Wording> {
        match &self.origins {
            Some(origins) => origins.wording_of(&origin.source),
            None => (*self.name == *origin.source).then(|| self.paths.wording()),
        }
    }
}

/// The paths of one text.
#[derive(Debug)]
pub(crate) enum Paths {
    /// The text is in the language of the spec table.
    Table(Arc<PlaceTree>),
    /// It is in another language.
    Written(WrittenPaths),
}

impl Paths {
    /// The path of the value at `offset`, which is a scalar if `is_leaf`.
    pub(crate) fn path_to(&self, offset: u32, is_leaf: bool) -> Option<JsonPath> {
        match self {
            Paths::Table(places) => places.root().path_to(offset, is_leaf),
            Paths::Written(written) => written.path_to(offset, is_leaf),
        }
    }

    pub(crate) fn wording(&self) -> Wording {
        match self {
            Paths::Table(_) => Wording::Ignition,
            Paths::Written(written) => written.wording(),
        }
    }
}

impl From<Config> for Document {
    /// A document without origins, for configs that do not come from a text.
    fn from(config: Config) -> Self {
        Document {
            config,
            ..Document::empty()
        }
    }
}

impl Document {
    /// A document with nothing in it but the latest version.
    pub fn empty() -> Self {
        let ignition = Ignition {
            version: LATEST_VERSION.as_str().into(),
            ..Ignition::default()
        };
        Document {
            config: Config {
                ignition,
                ..Config::default()
            },
            sources: Vec::new(),
            places: Arc::default(),
        }
    }

    /// The config, in the latest version.
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// Where the value at `path` of this document came from. A value that is in no text (e.g. a default) has the origin
    /// of the innermost object or list that contains it.
    pub fn origin(&self, path: &JsonPath) -> Option<Origin> {
        let (value, parts) = self.places.root().deepest(path);
        let Place { source, offset } = value.at();
        let source = self.sources.get(usize::try_from(source).ok()?)?;
        let Position { line, column } = source.lines.position(offset);
        let path = match &source.paths {
            // All of the config is from this text.
            Paths::Table(places) if Arc::ptr_eq(places, &self.places) => Some(path.first(parts)),
            paths => paths.path_to(offset, value.is_leaf()),
        };
        let path = path.unwrap_or_else(JsonPath::root);
        if let Some(origins) = &source.origins {
            return origins.of(&path);
        }
        Some(Origin {
            source: Arc::clone(&source.name),
            line,
            column,
            path,
        })
    }

    /// Replaces the keys in `texts`, which are about what `origin` requested, by those of the language of its text.
    pub(crate) fn reword<'t>(
        &self,
        origin: Option<&Origin>,
        texts: impl IntoIterator<Item = &'t mut String>,
    ) {
        let wording = origin.and_then(|origin| {
            let mut sources = self.sources.iter();
            sources.find_map(|source| source.wording_of(origin))
        });
        wording.unwrap_or_default().reword(texts);
    }

    /// Owners of directories, for those that do not exist and are created as parents of something else.
    pub fn new_parents(&self) -> impl Iterator<Item = &NewParent> {
        self.sources.iter().flat_map(|source| {
            let stored = source.origins.iter();
            let stored = stored.flat_map(|origins| &origins.new_parents);
            source.new_parents.iter().chain(stored)
        })
    }

    /// This document, which was read from a generated text, with the places of the text that one was generated from:
    /// `origin` maps the offsets of the former to those of the latter.
    #[must_use]
    pub(crate) fn relocated(
        mut self,
        lines: Lines,
        paths: WrittenPaths,
        origin: &dyn Fn(u32) -> u32,
    ) -> Self {
        self.places = Arc::new(self.places.relocated(origin));
        let name = self.sources.first().map(|source| Arc::clone(&source.name));
        self.sources = vec![Arc::new(SourceText {
            name: name.unwrap_or_else(|| "".into()),
            lines,
            paths: Paths::Written(paths),
            origins: None,
            new_parents: Vec::new(),
        })];
        self
    }

    /// The same document with its certificate authorities replaced, e.g. by their bytes.
    #[must_use]
    pub fn with_authorities(mut self, authorities: Vec<Resource>) -> Self {
        self.config.ignition.security.tls.certificate_authorities = authorities;
        self
    }

    /// The same document with each of its file systems changed.
    #[must_use]
    pub fn with_filesystems(mut self, change: impl Fn(&mut Filesystem)) -> Self {
        self.config.storage.filesystems.iter_mut().for_each(change);
        self
    }

    /// The same document without users and groups.
    #[must_use]
    pub fn without_accounts(mut self) -> Self {
        self.config.passwd = Passwd::default();
        self
    }

    /// Checks a merged document against the rules of the latest version. Merging valid documents can give an invalid
    /// one, e.g. with an owner by id from one side and by name from the other.
    pub fn check(&self) -> Findings {
        let mut findings = rules::check_merged(&self.config, LATEST_VERSION);
        for finding in &mut findings {
            self.attach_origin(finding);
        }
        Findings(findings)
    }

    /// A position is meaningless without its text, so with several texts the help names both.
    fn attach_origin(&self, finding: &mut Finding) {
        let Some(origin) = finding.path.as_ref().and_then(|p| self.origin(p)) else {
            return;
        };
        let texts = [&mut finding.message].into_iter().chain(&mut finding.help);
        self.reword(Some(&origin), texts);
        if let [_] = &self.sources[..] {
            finding.position = Some(Position {
                line: origin.line,
                column: origin.column,
            });
        } else if finding.severity == Severity::Error || finding.help.is_none() {
            finding.help = Some(format!("from {origin}"));
        }
    }
}
