//! Findings of a language: collected with offsets while it reads, converted to lines and paths at the end.

use crate::config::{Finding, JsonPath, LineStarts, Severity, Wording, WrittenPaths};

/// The findings so far.
#[derive(Debug, Default)]
pub(crate) struct Remarks(Vec<Remark>);

#[derive(Debug)]
struct Remark {
    severity: Severity,
    at: u32,
    /// Set if the path is not that of the value at `at`.
    path: Option<JsonPath>,
    /// If several values begin at `at`, the path is that of the outermost.
    is_outermost: bool,
    /// Path inside a nested text, to be appended to that of the value at `at`.
    below: Option<JsonPath>,
    /// Offset of another value that the message is also about.
    other: Option<u32>,
    message: String,
    help: Option<String>,
}

impl Remarks {
    /// Reports that the config cannot be used, because of the value at offset `at`.
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

    /// Warns that the value at offset `at` does something other than its author may expect.
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

    /// Notes what the value at offset `at` does, which its author may know already, with what to do about it.
    pub(crate) fn info_with_help(
        &mut self,
        at: u32,
        message: impl Into<String>,
        help: impl Into<String>,
    ) {
        self.push(Severity::Info, at, message.into(), Some(help.into()));
    }

    /// Adds a remark at offset `at` about `path`, e.g. a key that has no value of its own or is elsewhere.
    pub(crate) fn add_at_path(
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

    /// Adds a remark about the values at offsets `at` and `other`. The message gets the path and the line of `other`.
    pub(crate) fn add_about_two(
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

    /// Adds a remark about a nested text, which the value at `at` holds or names: `path` is that in the nested text.
    pub(crate) fn add_nested(
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

    /// Adds a remark about member `name` of the object at `at`, which may lack it.
    pub(crate) fn about_member(
        &mut self,
        severity: Severity,
        (at, name): (u32, &str),
        message: impl Into<String>,
        help: Option<String>,
    ) {
        let member = JsonPath::root().join(name);
        self.add_nested(severity, at, Some(&member), message, help);
    }

    /// Adds a remark about the list at `at`.
    pub(crate) fn about_list(&mut self, severity: Severity, at: u32, message: impl Into<String>) {
        self.about_value(severity, at, true, message);
    }

    /// Adds a remark about the value at `at`. An unindented YAML list begins at the same offset as its first element.
    pub(crate) fn about_value(
        &mut self,
        severity: Severity,
        at: u32,
        is_list: bool,
        message: impl Into<String>,
    ) {
        self.push(severity, at, message.into(), None);
        if let Some(last) = self.0.last_mut() {
            last.is_outermost = is_list;
        }
    }

    /// Adds an error: the object at `at` has no value for member `name`.
    pub(crate) fn missing(&mut self, at: u32, name: &str, message: impl Into<String>) {
        self.about_member(Severity::Error, (at, name), message, None);
    }

    /// The number of remarks.
    pub(crate) fn count(&self) -> usize {
        self.0.len()
    }

    /// Replaces the keys in all remarks but the first `count` by those of `wording`.
    pub(crate) fn reword(&mut self, count: usize, wording: Wording) {
        for remark in self.0.iter_mut().skip(count) {
            wording.reword([&mut remark.message].into_iter().chain(&mut remark.help));
        }
    }

    /// True if there is an error.
    pub(crate) fn is_fatal(&self) -> bool {
        self.0.iter().any(|r| r.severity == Severity::Error)
    }

    /// Adds the remarks about another text, which begins at offset `start` of both together.
    pub(crate) fn extend_from(&mut self, start: u32, later: Remarks) {
        let moved = |at: u32| at.saturating_add(start);
        self.0.extend(later.0.into_iter().map(|remark| Remark {
            at: moved(remark.at),
            other: remark.other.map(moved),
            ..remark
        }));
    }

    /// The findings of each of `texts`, in the order of the text.
    pub(crate) fn into_findings_by_text(self, texts: &[TextPart<'_>]) -> Vec<Vec<Finding>> {
        let mut findings: Vec<Vec<Finding>> = texts.iter().map(|_| Vec::new()).collect();
        let mut rest = self.0;
        for (index, (text, found)) in texts.iter().zip(&mut findings).enumerate() {
            let end = texts.get(index + 1).map_or(u32::MAX, |next| next.start);
            let (here, later): (Vec<_>, Vec<_>) = rest.into_iter().partition(|r| r.at < end);
            rest = later;
            let here = here
                .into_iter()
                .map(|remark| localized(remark, text, end, texts));
            *found = Remarks(here.collect()).into_findings(text.lines, text.paths);
        }
        findings
    }

    /// The findings, in the order of the text.
    pub(crate) fn into_findings(self, lines: &LineStarts, paths: &WrittenPaths) -> Vec<Finding> {
        let mut findings: Vec<Finding> = self
            .0
            .into_iter()
            .map(|remark| Finding {
                severity: remark.severity,
                message: match remark.other {
                    Some(other) => with_other_location(remark.message, other, lines, paths, None),
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

/// `remark` with offsets in `text`. If it is also about a value in another text, that is named.
fn localized(mut remark: Remark, text: &TextPart<'_>, end: u32, texts: &[TextPart<'_>]) -> Remark {
    remark.at -= text.start.min(remark.at);
    let Some(other) = remark.other.take() else {
        return remark;
    };
    if (text.start..end).contains(&other) {
        remark.other = Some(other - text.start);
    } else if let Some(other_text) = texts.iter().rev().find(|text| text.start <= other) {
        let message = std::mem::take(&mut remark.message);
        let other = other - other_text.start;
        remark.message = with_other_location(
            message,
            other,
            other_text.lines,
            other_text.paths,
            Some(other_text.name),
        );
    }
    remark
}

/// `message` with the path and the line of the value at `other`.
fn with_other_location(
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
