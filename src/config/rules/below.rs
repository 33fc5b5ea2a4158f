//! Which paths lead through which others.

/// Calls `found` for each of `paths` that is below any of `links`, with its index and the indices of those links, the
/// outermost first. The order is that of the paths' components, not of the list.
pub(crate) fn each_below(links: &[&str], paths: &[&str], mut found: impl FnMut(usize, &[usize])) {
    if links.is_empty() {
        return;
    }
    // A link sorts after paths that are equal to it, so that it does not count as above them.
    let links_last = links.iter().enumerate().map(|(i, link)| (*link, true, i));
    let paths = paths.iter().enumerate().map(|(i, path)| (*path, false, i));
    let mut all: Vec<(&str, bool, usize)> = links_last.chain(paths).collect();
    all.sort_by(|a, b| {
        let by_component = components_first(a.0).cmp(components_first(b.0));
        by_component.then(a.1.cmp(&b.1))
    });
    // Links above the current path: whatever is below a link directly follows it.
    let mut above: Vec<usize> = Vec::new();
    for (path, is_link, index) in all {
        while above
            .last()
            .is_some_and(|link| !is_below(path, links[*link]))
        {
            above.pop();
        }
        if is_link {
            above.push(index);
        } else if !above.is_empty() {
            found(index, &above);
        }
    }
}

fn is_below(path: &str, link: &str) -> bool {
    path.strip_prefix(link)
        .is_some_and(|rest| rest.starts_with('/'))
}

/// Sort key by which a path is directly followed by whatever is below it.
fn components_first(path: &str) -> impl Iterator<Item = u16> {
    path.bytes().map(|byte| match byte {
        b'/' => 0,
        byte => u16::from(byte) + 1,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_above_paths() {
        let links = ["/a", "/a/b", "/c", "/c", ""];
        let paths = [
            "/a", "/ab", "/a/x", "/a/b", "/a/b/c/d", "/a-/x", "/c/", "/c", "b", "/",
        ];
        let mut found = Vec::new();
        each_below(&links[..4], &paths, |path, above| {
            let above: Vec<&str> = above.iter().map(|i| links[*i]).collect();
            found.push((paths[path], above));
        });
        found.sort();
        let expected = vec![
            ("/a/b", vec!["/a"]),
            ("/a/b/c/d", vec!["/a", "/a/b"]),
            ("/a/x", vec!["/a"]),
            ("/c/", vec!["/c"]),
        ];
        assert_eq!(found, expected);
    }
}
