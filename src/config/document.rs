//! A document: a config in the latest version in which every value knows where it came from.

use super::finding::{Finding, Findings, Position, Severity};
use super::lines::Lines;
use super::model::{Config, Filesystem, Ignition, Passwd, Resource};
use super::origin::{JsonPath, Origin};
use super::origins::Origins;
use super::path::Path;
use super::rules;
use super::spec_table::Field;
use super::tree::{Place, Tree, Value};
use super::version::LATEST_VERSION;
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
    /// To find the original path of a place in it.
    pub(crate) paths: Paths,
    /// Where the text itself came from, if it was stored in between.
    pub(crate) origins: Option<Origins>,
}

/// The paths of one text.
#[derive(Debug)]
pub(crate) enum Paths {
    /// The text is in the language of the table.
    Table(Arc<PlaceTree>),
    /// It is in another language.
    Written(WrittenPaths),
}

impl Paths {
    /// The path of the value at `offset`, which is a scalar if `leaf`.
    pub(crate) fn path_to(&self, offset: u32, leaf: bool) -> Option<JsonPath> {
        match self {
            Paths::Table(places) => places.path_to(offset, leaf),
            Paths::Written(written) => written.path_to(offset, leaf),
        }
    }
}

/// Places of a value and everything in it, without the values.
#[derive(Debug, Default)]
pub(crate) struct PlaceTree {
    pub(crate) at: Place,
    pub(crate) inside: Inside,
}

#[derive(Debug, Default)]
pub(crate) enum Inside {
    #[default]
    Nothing,
    Elements(Box<[PlaceTree]>),
    Members(Box<[(&'static Field, PlaceTree)]>),
}

/// The source number of values that stand in no text.
pub(crate) const NOWHERE: Place = Place {
    source: u32::MAX,
    offset: 0,
};

impl PlaceTree {
    pub(crate) fn of(tree: &Tree<'_>) -> Self {
        let inside = match &tree.value {
            Value::List(elements) if !elements.is_empty() => {
                Inside::Elements(elements.iter().map(PlaceTree::of).collect())
            }
            Value::Object(members) if !members.is_empty() => Inside::Members(
                members
                    .iter()
                    .map(|(f, t)| (*f, PlaceTree::of(t)))
                    .collect(),
            ),
            _ => Inside::Nothing,
        };
        PlaceTree {
            at: tree.at,
            inside,
        }
    }

    /// The part below: a member name or an index.
    pub(crate) fn part(&self, part: &str) -> Option<&PlaceTree> {
        match &self.inside {
            Inside::Nothing => None,
            Inside::Elements(elements) => elements.get(part.parse::<usize>().ok()?),
            Inside::Members(members) => members.iter().find(|(f, _)| f.name == part).map(|m| &m.1),
        }
    }

    /// The value at `path`, or its deepest ancestor that has a place.
    pub(crate) fn deepest(&self, path: &JsonPath) -> &PlaceTree {
        let mut here = self;
        let mut placed = self;
        for part in path.parts() {
            let Some(next) = here.part(part) else { break };
            here = next;
            if here.at != NOWHERE {
                placed = here;
            }
        }
        placed
    }

    fn brought_back(&self, origin: &dyn Fn(u32) -> u32) -> PlaceTree {
        let offset = match self.at == NOWHERE {
            true => self.at.offset,
            false => origin(self.at.offset),
        };
        let inside = match &self.inside {
            Inside::Nothing => Inside::Nothing,
            Inside::Elements(elements) => {
                Inside::Elements(elements.iter().map(|e| e.brought_back(origin)).collect())
            }
            Inside::Members(members) => Inside::Members(
                members
                    .iter()
                    .map(|(field, places)| (*field, places.brought_back(origin)))
                    .collect(),
            ),
        };
        PlaceTree {
            at: Place { offset, ..self.at },
            inside,
        }
    }

    pub(crate) fn is_leaf(&self) -> bool {
        matches!(self.inside, Inside::Nothing)
    }

    /// The path of the value at `offset`. A list and its first element may have the same offset
    /// (the byte after the bracket), so it matters whether a leaf is looked for.
    fn path_to(&self, offset: u32, leaf: bool) -> Option<JsonPath> {
        self.search(offset, leaf, &Path::Root)
    }

    fn search(&self, offset: u32, leaf: bool, path: &Path<'_>) -> Option<JsonPath> {
        let first_element = match &self.inside {
            Inside::Elements(elements) => elements.first().map(|e| e.at.offset),
            _ => None,
        };
        if self.at.offset == offset && !(leaf && first_element == Some(offset)) {
            return Some(path.into());
        }
        match &self.inside {
            Inside::Nothing => None,
            Inside::Elements(elements) => {
                // Elements stand in the order of the text: the last one that begins in time.
                let after = elements.partition_point(|e| e.at.offset <= offset);
                let index = after.checked_sub(1)?;
                elements[index].search(offset, leaf, &path.index(index))
            }
            // Members do not, and a repeated key may spread one object over several places.
            Inside::Members(members) => members
                .iter()
                .find_map(|(field, places)| places.search(offset, leaf, &path.member(field.name))),
        }
    }
}

impl From<Config> for Document {
    /// A document without origins, for configs nobody wrote.
    fn from(config: Config) -> Self {
        Document {
            config,
            ..Document::empty()
        }
    }
}

impl Document {
    /// A document that says nothing but the latest version.
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
            places: Arc::new(PlaceTree {
                at: NOWHERE,
                inside: Inside::Nothing,
            }),
        }
    }

    /// The config, in the latest version.
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// Where the value at `path` of this document came from. A value that stands in no text (a
    /// default, say) has the origin of what it is part of.
    pub fn origin(&self, path: &JsonPath) -> Option<Origin> {
        let value = self.places.deepest(path);
        let Place { source, offset } = value.at;
        let source = self.sources.get(usize::try_from(source).ok()?)?;
        let Position { line, column } = source.lines.position(offset);
        let path = source
            .paths
            .path_to(offset, value.is_leaf())
            .unwrap_or_else(JsonPath::root);
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

    /// The same document, of one text, as if it had been read from another one: `origin` says what each place of its
    /// text was made from.
    #[must_use]
    pub(crate) fn brought_back(
        mut self,
        lines: Lines,
        paths: WrittenPaths,
        origin: &dyn Fn(u32) -> u32,
    ) -> Self {
        self.places = Arc::new(self.places.brought_back(origin));
        let name = self.sources.first().map(|source| Arc::clone(&source.name));
        self.sources = vec![Arc::new(SourceText {
            name: name.unwrap_or_else(|| "".into()),
            lines,
            paths: Paths::Written(paths),
            origins: None,
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

    /// Judges a merged document by the rules of the latest version. Merging valid documents can
    /// give an invalid one, e.g. an owner by id from one side and by name from the other.
    pub fn check(&self) -> Findings {
        let mut findings = rules::meaning_of_merged(&self.config, LATEST_VERSION);
        for finding in &mut findings {
            self.attach_origin(finding);
        }
        Findings(findings)
    }

    /// A position says nothing without its text, so with several texts the help names both.
    fn attach_origin(&self, finding: &mut Finding) {
        let Some(origin) = finding.path.as_ref().and_then(|p| self.origin(p)) else {
            return;
        };
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
