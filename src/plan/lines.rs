//! Lines of files that other programs read: what would break one is a finding of the config already, and whoever writes
//! the file looks once more.

use super::{Draft, ErrorCode, Failure};
use crate::config::Origin;

/// How words of a line are told apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum WordSyntax {
    /// By blanks, which no word may have.
    Plain,
    /// By blanks, unless they are in quotes.
    Quoted,
}

/// Refuses to write a line with such words; true if it did.
pub(super) fn refuse_broken<'w>(
    draft: &mut Draft<'_>,
    file: &str,
    kind: WordSyntax,
    mut words: impl Iterator<Item = &'w str>,
    origin: Option<&Origin>,
) -> bool {
    let Some(word) = words.find(|word| breaks(word, kind)) else {
        return false;
    };
    draft.refuse(Failure {
        act: "write".into(),
        object: file.into(),
        cause: format!("{word:?} would break the line it is in"),
        origin: origin.cloned(),
        remedy: "choose a name of letters, digits, \"-\" and \"_\"".into(),
        code: Some(ErrorCode::LINE_FORMAT),
    });
    true
}

fn breaks(word: &str, kind: WordSyntax) -> bool {
    word.contains(|c: char| c.is_control())
        || match kind {
            WordSyntax::Plain => word.is_empty() || word.contains(char::is_whitespace),
            WordSyntax::Quoted => word.contains('"') && word.contains('\''),
        }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_breaks_a_line() {
        for (word, plain, quoted) in [
            ("data-1", false, false),
            ("", true, false),
            ("a b", true, false),
            ("a\nb", true, true),
            ("a\0", true, true),
            ("\u{85}", true, true),
            ("\"a'", false, true),
        ] {
            assert_eq!(breaks(word, WordSyntax::Plain), plain, "{word:?}");
            assert_eq!(breaks(word, WordSyntax::Quoted), quoted, "{word:?}");
        }
    }
}
