//! Reads a text that must be one YAML document.

use super::findings::Remarks;
use super::result::TranslationResult;
use super::yaml::{self, Yaml};
use crate::config::{Finding, LineStarts, Severity};

/// Reads `text`.
pub(crate) fn read<'t>(
    text: &'t [u8],
    lines: &LineStarts,
) -> Result<Yaml<'t>, Box<TranslationResult<'t>>> {
    let text = match std::str::from_utf8(text) {
        Ok(text) => text,
        Err(error) => {
            let at = u32::try_from(error.valid_up_to()).unwrap_or(u32::MAX);
            let help = "save it as UTF-8".to_owned();
            return Err(Box::new(refused(
                lines,
                at,
                "the text is not UTF-8",
                Some(help),
            )));
        }
    };
    yaml::read(text, lines).map_err(|e| Box::new(refused(lines, e.offset, &e.message, e.help)))
}

/// Rejects duplicate keys, as the originals do, and warns of further documents, which are ignored.
pub(crate) fn check(document: &Yaml<'_>, remarks: &mut Remarks) {
    for repeated in &document.repeated {
        remarks.add_about_two(
            Severity::Error,
            (repeated.later, repeated.first),
            format!("duplicate key `{}`", repeated.key),
            Some("remove one of them".into()),
        );
    }
    if let Some(at) = document.second_document {
        remarks.warn(at, "only the first YAML document is read");
    }
}

/// A result with nothing but an error at `offset`.
pub(crate) fn refused<'t>(
    lines: &LineStarts,
    offset: u32,
    message: &str,
    help: Option<String>,
) -> TranslationResult<'t> {
    TranslationResult {
        findings: vec![Finding {
            severity: Severity::Error,
            path: None,
            position: Some(lines.position(offset)),
            message: message.to_owned(),
            help,
        }],
        ..TranslationResult::default()
    }
}
