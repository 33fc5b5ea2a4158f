//! Findings of a language while it reads: collected with offsets, placed when all is known.

use crate::config::{Finding, JsonPath, LineStarts, Severity, WrittenPaths};

/// What a language has to say so far.
#[derive(Debug, Default)]
pub(crate) struct Remarks(Vec<Remark>);

#[derive(Debug)]
struct Remark {
    severity: Severity,
    at: u32,
    /// Where the path of the value at `at` is not what is meant.
    path: Option<JsonPath>,
    /// Of several values that begin at `at`, the outermost is meant.
    is_outermost: bool,
    /// What follows the path of the value at `at`, in a text inside this one.
    below: Option<JsonPath>,
    /// Offset of another value that the message is about as well.
    other: Option<u32>,
    message: String,
    help: Option<String>,
}

impl Remarks {
    /// The config cannot be used, because of the value at offset `at`.
    pub(crate) fn error(&mut self, at: u32, message: impl Into<String>) {
        self.push(Severity::Error, at, message.into(), None);
    }

    /// [`Remarks::error`] with what to do about it.
    pub(crate) fn error_with_help(
        &mut self,
        at: u32,
        message: impl Into<String>,
        help: impl Into<String>,
    ) {
        self.push(Severity::Error, at, message.into(), Some(help.into()));
    }

    /// The value at offset `at` does something other than its author may think.
    pub(crate) fn warn(&mut self, at: u32, message: impl Into<String>) {
        self.push(Severity::Warning, at, message.into(), None);
    }

    /// [`Remarks::warn`] with what to do about it.
    pub(crate) fn warn_with_help(
        &mut self,
        at: u32,
        message: impl Into<String>,
        help: impl Into<String>,
    ) {
        self.push(Severity::Warning, at, message.into(), Some(help.into()));
    }

    /// The value at offset `at` does what its author may know already; with what to do about it.
    pub(crate) fn info_with_help(
        &mut self,
        at: u32,
        message: impl Into<String>,
        help: impl Into<String>,
    ) {
        self.push(Severity::Info, at, message.into(), Some(help.into()));
    }

    /// A remark at offset `at` about `path`, e.g. a key that has no value of its own or stands elsewhere.
    pub(crate) fn at_path(
        &mut self,
        severity: Severity,
        at: u32,
        path: JsonPath,
        message: impl Into<String>,
        help: Option<String>,
    ) {
        self.push(severity, at, message.into(), help);
        if let Some(last) = self.0.last_mut() {
            last.path = Some(path);
        }
    }

    /// A remark about the values at offsets `at` and `other`. The message gets the path and the line of `other`.
    pub(crate) fn about_two(
        &mut self,
        severity: Severity,
        (at, other): (u32, u32),
        message: impl Into<String>,
        help: Option<String>,
    ) {
        self.push(severity, at, message.into(), help);
        if let Some(last) = self.0.last_mut() {
            last.other = Some(other);
        }
    }

    fn push(&mut self, severity: Severity, at: u32, message: String, help: Option<String>) {
        self.0.push(Remark {
            severity,
            at,
            path: None,
            is_outermost: false,
            below: None,
            other: None,
            message,
            help,
        });
    }

    /// A remark about a text inside this one, which the value at `at` holds or names: `path` is that in the inner text.
    pub(crate) fn inside(
        &mut self,
        severity: Severity,
        at: u32,
        path: Option<&JsonPath>,
        message: impl Into<String>,
        help: Option<String>,
    ) {
        self.push(severity, at, message.into(), help);
        if let Some(last) = self.0.last_mut() {
            last.below = path.cloned();
        }
    }

    /// A remark about member `name` of the object at `at`, whether the object has it or not.
    pub(crate) fn about_member(
        &mut self,
        severity: Severity,
        (at, name): (u32, &str),
        message: impl Into<String>,
        help: Option<String>,
    ) {
        let member = JsonPath::root().join(name);
        self.inside(severity, at, Some(&member), message, help);
    }

    /// A remark about the list at `at`: one of YAML that is not indented begins where its first element does.
    pub(crate) fn about_list(&mut self, severity: Severity, at: u32, message: impl Into<String>) {
        self.push(severity, at, message.into(), None);
        if let Some(last) = self.0.last_mut() {
            last.is_outermost = true;
        }
    }

    /// The config cannot be used, because the object at `at` has nothing in member `name`.
    pub(crate) fn missing(&mut self, at: u32, name: &str, message: impl Into<String>) {
        self.about_member(Severity::Error, (at, name), message, None);
    }

    /// How many there are.
    pub(crate) fn count(&self) -> usize {
        self.0.len()
    }

    /// True if there is an error among them.
    pub(crate) fn is_fatal(&self) -> bool {
        self.0.iter().any(|r| r.severity == Severity::Error)
    }

    /// Adds what another text has to say, which begins at offset `start` of both together.
    pub(crate) fn extend_from(&mut self, start: u32, later: Remarks) {
        let moved = |at: u32| at.saturating_add(start);
        self.0.extend(later.0.into_iter().map(|remark| Remark {
            at: moved(remark.at),
            other: remark.other.map(moved),
            ..remark
        }));
    }

    /// All of them by text, in the order of each, where they are about several texts.
    pub(crate) fn placed_in(self, texts: &[TextPart<'_>]) -> Vec<Vec<Finding>> {
        let mut placed: Vec<Vec<Finding>> = texts.iter().map(|_| Vec::new()).collect();
        let mut rest = self.0;
        for (index, (text, found)) in texts.iter().zip(&mut placed).enumerate() {
            let end = texts.get(index + 1).map_or(u32::MAX, |next| next.start);
            let (here, later): (Vec<_>, Vec<_>) = rest.into_iter().partition(|r| r.at < end);
            rest = later;
            let here = here
                .into_iter()
                .map(|remark| local(remark, text, end, texts));
            *found = Remarks(here.collect()).placed(text.lines, text.paths);
        }
        placed
    }

    /// All of them in the order of the text.
    pub(crate) fn placed(self, lines: &LineStarts, paths: &WrittenPaths) -> Vec<Finding> {
        let mut findings: Vec<Finding> = self
            .0
            .into_iter()
            .map(|remark| Finding {
                severity: remark.severity,
                message: match remark.other {
                    Some(other) => naming(remark.message, other, lines, paths, None),
                    None => remark.message,
                },
                path: remark
                    .path
                    .or_else(|| paths.path_to(remark.at, !remark.is_outermost))
                    .map(|path| match remark.below {
                        Some(below) => path.join(below.as_str().trim_start_matches("$.")),
                        None => path,
                    }),
                position: Some(lines.position(remark.at)),
                help: remark.help,
            })
            .collect();
        findings.sort_by_key(|finding| finding.position);
        findings
    }
}

/// One of several texts that are read as one.
pub(crate) struct TextPart<'p> {
    /// Offset of its first byte in all of them.
    pub(crate) start: u32,
    pub(crate) name: &'p str,
    pub(crate) lines: &'p LineStarts,
    pub(crate) paths: &'p WrittenPaths,
}

/// A remark about `text` with offsets in it. Another value that it is about may be in another text, which is named.
fn local(mut remark: Remark, text: &TextPart<'_>, end: u32, texts: &[TextPart<'_>]) -> Remark {
    remark.at -= text.start.min(remark.at);
    let Some(other) = remark.other.take() else {
        return remark;
    };
    if (text.start..end).contains(&other) {
        remark.other = Some(other - text.start);
    } else if let Some(there) = texts.iter().rev().find(|text| text.start <= other) {
        let message = std::mem::take(&mut remark.message);
        let other = other - there.start;
        remark.message = naming(message, other, there.lines, there.paths, Some(there.name));
    }
    remark
}

/// `message` with the path and the line of the value at `other`.
fn naming(
    message: String,
    other: u32,
    lines: &LineStarts,
    paths: &WrittenPaths,
    text: Option<&str>,
) -> String {
    let line = lines.position(other).line;
    let of = text.map_or(String::new(), |text| format!(" of {text}"));
    match paths.path_to(other, true) {
        Some(path) => format!("{message} (the other one: {path}, line {line}{of})"),
        None => format!("{message} (the other one: line {line}{of})"),
    }
}
