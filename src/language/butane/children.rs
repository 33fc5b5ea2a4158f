//! Configs inside a config: those that `merge` and `replace` give inline or as local files.

use super::context::ButaneContext;
use crate::config::{self, Finding, LineStarts, ParseError};
use crate::language::detect::detect;
use crate::language::languages::Language;
use crate::language::result;
use crate::language::surroundings::Surroundings;

/// How deep configs may be nested.
const MAX_NESTING: usize = 16;

/// `bytes` as they are embedded: a Butane config is translated to Ignition, an Ignition config is kept. `at` is the
/// offset of the value that gives them, `file` the local file if they are from one.
pub(super) fn embedded(
    at: u32,
    bytes: Vec<u8>,
    file: Option<&str>,
    context: &mut ButaneContext<'_, '_>,
) -> Vec<u8> {
    if matches!(detect(&bytes), Ok(Language::Butane)) {
        return translated(at, &bytes, file, context).unwrap_or(bytes);
    }
    check(at, &bytes, context);
    bytes
}

fn translated(
    at: u32,
    bytes: &[u8],
    file: Option<&str>,
    context: &mut ButaneContext<'_, '_>,
) -> Option<Vec<u8>> {
    let mut nesting = context.nesting.to_vec();
    if let Some(file) = file {
        if nesting.iter().any(|outer| outer == file) {
            context
                .remarks
                .error(at, format!("{file} is merged into itself"));
            return None;
        }
        nesting.push(file.to_owned());
    } else {
        nesting.push(String::new());
    }
    if nesting.len() > MAX_NESTING {
        let message = format!("configs inside each other deeper than {MAX_NESTING} levels");
        context.remarks.error(at, message);
        return None;
    }
    let surroundings = Surroundings {
        is_raw: true,
        ..*context.surroundings
    };
    let lines = LineStarts::of(bytes);
    let mut outcome = super::read_nested(bytes, &lines, &surroundings, &nesting);
    outcome.paths.set_wording(Language::Butane.wording());
    let (findings, text) = result::printed(lines, outcome);
    report(at, &findings.0, context);
    text.map(String::into_bytes)
}

/// Checks an Ignition config.
fn check(at: u32, bytes: &[u8], context: &mut ButaneContext<'_, '_>) {
    let parsed = config::parse("", bytes);
    match parsed.outcome {
        Err(ParseError::BadVersion(_) | ParseError::Unsupported(_)) => context.remarks.warn(
            at,
            "the version of the config here is not known, so it was not checked",
        ),
        Err(ParseError::Empty) => context.remarks.error(at, "the config here is empty"),
        _ => report(at, &parsed.findings.0, context),
    }
}

/// Reports the findings of a nested config, with paths below that of the value that gives it.
fn report(at: u32, findings: &[Finding], context: &mut ButaneContext<'_, '_>) {
    for finding in findings {
        let line = match finding.position {
            Some(position) => format!("line {} of the config here: ", position.line),
            None => "in the config here: ".into(),
        };
        let message = format!("{line}{}", finding.message);
        context.remarks.add_nested(
            finding.severity,
            at,
            finding.path.as_ref(),
            message,
            finding.help.clone(),
        );
    }
}
