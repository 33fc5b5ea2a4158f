//! What the author of an unknown name may have meant.

/// Names are suggested from this Jaro-Winkler similarity on.
const MIN_SIMILARITY: f64 = 0.8;
/// Longer names resemble no known one, and comparing them would take long.
const MAX_NAME_BYTES: usize = 256;

/// Of `candidates`, the one whose name resembles `written` the most, if one is similar enough; the last of equally
/// similar ones. Each candidate comes with its name in the form to compare, e.g. in lower case.
pub(crate) fn most_similar<T, N: AsRef<str>>(
    written: &str,
    candidates: impl Iterator<Item = (N, T)>,
) -> Option<T> {
    if written.len() > MAX_NAME_BYTES {
        return None;
    }
    let similarity = |name: &str| strsim::jaro_winkler(written, name);
    let ranked = candidates.map(|(name, candidate)| (similarity(name.as_ref()), candidate));
    let (similarity, candidate) = ranked.max_by(|(a, _), (b, _)| a.total_cmp(b))?;
    (similarity >= MIN_SIMILARITY).then_some(candidate)
}

/// Help that suggests a name.
pub(crate) fn did_you_mean(name: &str) -> String {
    format!("did you mean `{name}`?")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_similar_names_are_suggested() {
        let names = ["mode", "path", "contents"];
        let suggestion =
            |written: &str| most_similar(written, names.map(|name| (name, name)).into_iter());
        assert_eq!(suggestion("mod"), Some("mode"));
        assert_eq!(suggestion("content"), Some("contents"));
        assert_eq!(suggestion("zzz"), None);
        assert_eq!(suggestion(&"mode".repeat(MAX_NAME_BYTES)), None);
        let equal = [("a", 1), ("a", 2)];
        assert_eq!(most_similar("a", equal.into_iter()), Some(2));
        assert_eq!(did_you_mean("mode"), "did you mean `mode`?");
    }
}
