//! Lines of files that other programs read. Words that would break a line are already findings of the config; the code
//! that writes the file checks them again.

use super::{Draft, ErrorCode, Failure};
use crate::config::Origin;

/// How the words of a line are separated.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum WordSyntax {
    /// By blanks, which no word may have.
    Plain,
    /// By blanks, unless they are in quotes.
    Quoted,
}

/// Refuses to write a line if one of its words would break it. Returns true if it did.
pub(super) fn refuse_broken<'w>(
    draft: &mut Draft<'_>,
    file: &str,
    kind: WordSyntax,
    mut words: impl Iterator<Item = &'w str>,
    origin: Option<&Origin>,
) -> bool {
    let Some(word) = words.find(|word| breaks_line(word, kind)) else {
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

fn breaks_line(word: &str, kind: WordSyntax) -> bool {
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
    fn words_that_break_a_line() {
        for (word, plain, quoted) in [
            ("data-1", false, false),
            ("", true, false),
            ("a b", true, false),
            ("a\nb", true, true),
            ("a\0", true, true),
            ("\u{85}", true, true),
            ("\"a'", false, true),
        ] {
            assert_eq!(breaks_line(word, WordSyntax::Plain), plain, "{word:?}");
            assert_eq!(breaks_line(word, WordSyntax::Quoted), quoted, "{word:?}");
        }
    }
}
