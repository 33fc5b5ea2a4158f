//! Which configs need a network.

use crate::assert_fails;
use kindling::acquire::needs_network;
use kindling::config::Config;

/// A config in the latest model; parts that are not under test are omitted.
fn config(json: &str) -> Config {
    serde_json::from_str(json).unwrap_or_else(|e| panic!("{e}: {json}"))
}

#[test]
fn the_first_need_is_returned() {
    let cases = [
        ("{}", None),
        (
            r#"{"storage": {"files": [{"path": "/a", "contents": {"source": "data:,x"}}]}}"#,
            None,
        ),
        (
            r#"{"storage": {"files": [{"path": "/a", "contents": {"source": ""}}]}}"#,
            None,
        ),
        (
            r#"{"storage": {"files": [{"path": "/a"}, {"path": "/b", "append":
               [{"source": "data:,x"}, {"source": "http://h/b?t=secret"}],
               "contents": {"source": "http://h/c"}}]}}"#,
            Some(("$.storage.files.1.append.1.source", "http://h/b?t=…")),
        ),
        (
            r#"{"ignition": {"config": {"replace": {"source": "tftp://h/r"},
               "merge": [{"source": "s3://b/k"}]}}}"#,
            Some(("$.ignition.config.merge.0.source", "s3://b/k")),
        ),
        (
            r#"{"ignition": {"config": {"replace": {"source": "tftp://h/r"}}}}"#,
            Some(("$.ignition.config.replace.source", "tftp://h/r")),
        ),
        (
            r#"{"ignition": {"security": {"tls": {"certificateAuthorities":
               [{"source": "gopher://h/ca"}]}}}}"#,
            Some((
                "$.ignition.security.tls.certificateAuthorities.0.source",
                "gopher://h/ca",
            )),
        ),
        (
            r#"{"storage": {"luks": [{"name": "a", "keyFile": {"source": "https://h/key"}}]}}"#,
            Some(("$.storage.luks.0.keyFile.source", "https://h/key")),
        ),
        (
            r#"{"storage": {"luks": [{"name": "a", "clevis": {"tang":
               [{"url": "http://t", "advertisement": "{}"}]}}]}}"#,
            None,
        ),
        (
            r#"{"storage": {"luks": [{"name": "a", "clevis": {"tang":
               [{"url": "http://t", "advertisement": "{}"}, {"url": "http://u"}]}}]}}"#,
            Some((
                "$.storage.luks.0.clevis.tang.1",
                "a Tang server without stored advertisement",
            )),
        ),
        (
            r#"{"storage": {"luks": [{"name": "a", "clevis": {"custom": {"needsNetwork": true}}}]}}"#,
            Some((
                "$.storage.luks.0.clevis.custom.needsNetwork",
                "a custom Clevis pin",
            )),
        ),
        (
            r#"{"storage": {"luks": [{"name": "a", "clevis": {"custom": {"needsNetwork": false}}}]}}"#,
            None,
        ),
    ];
    for (json, expected) in cases {
        let need = needs_network(&config(json)).unwrap_or_else(|e| panic!("{e}: {json}"));
        let need = need.as_ref().map(|n| (n.path.as_str(), n.what.as_str()));
        assert_eq!(need, expected, "{json}");
    }
    let broken = r#"{"storage": {"files": [{"path": "/a", "contents": {"source": "http://[x"}}]}}"#;
    assert_fails(needs_network(&config(broken)), &["unable to parse url"]);
}
