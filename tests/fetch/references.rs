//! Configs that refer to configs.

use crate::certificates::{TRUSTED, data_url};
use crate::common::gzip::gzipped;
use crate::common::server::{Seen, Server, respond};
use crate::{assert_fails, settings};
use kindling::acquire::first::{First, SourceInfo};
use kindling::acquire::references::{
    MAX_TOTAL_BYTES, RenderError, RenderReason, RenderedConfig, render,
};
use kindling::config::JsonPath;
use kindling::fetch::{Fetcher, Silent};
use kindling::language::{self, Surroundings};
use sha2::{Digest, Sha512};

fn first(text: &str) -> First<'static> {
    let surroundings = Surroundings {
        is_followed: true,
        ..Surroundings::default()
    };
    let parsed = language::parse("first.ign", text.as_bytes(), &surroundings);
    First {
        document: parsed
            .outcome
            .unwrap_or_else(|e| panic!("{e}: {:?}\n{text}", parsed.findings)),
        source: SourceInfo::of("first.ign", text.as_bytes(), false),
        findings: parsed.findings,
        text: text.into(),
        language: language::detect(text.as_bytes()).expect("a language"),
        surroundings,
    }
}

pub fn rendered(text: &str) -> Result<RenderedConfig, RenderError> {
    render(first(text), &Fetcher::new(settings()), &Silent)
}

/// A config with `references` in `ignition.config`, and `more` as an additional member.
pub fn config(references: &str, more: &str) -> String {
    let comma = if more.is_empty() { "" } else { ",\n" };
    format!(
        "{{\"ignition\": {{\n\"version\": \"3.4.0\",\n\"config\": {{{references}}}\n}}{comma}{more}}}"
    )
}

pub fn file(path: &str) -> String {
    format!("\"storage\": {{\"files\": [\n{{\"path\": \"{path}\"}}\n]}}")
}

pub fn merge(urls: &[&str]) -> String {
    let entry = |u: &&str| format!("\n{{\"source\": \"{u}\"}}");
    format!(
        "\"merge\": [{}]",
        urls.iter().map(entry).collect::<Vec<_>>().join(",")
    )
}

pub fn replace(url: &str) -> String {
    format!("\"replace\": {{\"source\": \"{url}\"}}")
}

pub fn embed(text: &str) -> String {
    data_url(text.as_bytes())
}

pub fn paths(rendered: &RenderedConfig) -> Vec<&str> {
    rendered
        .document
        .config()
        .storage
        .files
        .iter()
        .map(|f| f.path.as_str())
        .collect()
}

#[test]
fn nothing_to_follow() {
    let text = config("", &file("/a"));
    let rendered = rendered(&text).expect("a config");
    assert_eq!(paths(&rendered), ["/a"]);
    assert_eq!(rendered.sources.len(), 1);
    assert_eq!(rendered.sources[0].bytes, text.len() as u64);
    assert!(!rendered.sources[0].referenced);
    assert_eq!(rendered.findings, []);
}

#[test]
fn merges_are_followed_depth_first_with_origins() {
    let server = Server::start(|seen, stream| {
        let text = match seen.target.as_str() {
            "/left" => config(
                &merge(&[&embed(&config("", &file("/deep")))]),
                &file("/left"),
            ),
            _ => config("", &file("/right")),
        };
        respond(stream, "200 OK", "", text.as_bytes());
    });
    let (left, right) = (server.url("/left"), server.url("/right?t=secret"));
    let rendered = rendered(&config(&merge(&[&left, &right]), &file("/top"))).expect("configs");
    assert_eq!(paths(&rendered), ["/top", "/left", "/deep", "/right"]);
    let right_shown = server.url("/right?t=…");
    let names: Vec<&str> = rendered.sources.iter().map(|s| s.name.as_str()).collect();
    assert_eq!(names, ["first.ign", &left, "data:", &right_shown]);
    assert_eq!(rendered.sources.iter().filter(|s| s.referenced).count(), 3);
    let right_text = config("", &file("/right"));
    let sha512: String = Sha512::digest(&right_text)
        .iter()
        .map(|b| format!("{b:02x}"))
        .collect();
    assert_eq!(rendered.sources[3].sha512, sha512);
    for (i, source) in ["first.ign", &left, "data:", &right_shown]
        .iter()
        .enumerate()
    {
        let path = JsonPath::new(format!("$.storage.files.{i}.path"));
        let origin = rendered.document.origin(&path).expect("an origin");
        assert_eq!(
            (&*origin.source, origin.path.as_str()),
            (*source, "$.storage.files.0.path")
        );
    }
    let targets: Vec<String> = server.seen().into_iter().map(|s| s.target).collect();
    assert_eq!(targets, ["/left", "/right?t=secret"]);
}

#[test]
fn replace_drops_the_old_config() {
    let inner = config(
        &merge(&[&embed(&config("", &file("/merged")))]),
        &file("/new"),
    );
    let never = "http://127.0.0.1:1/never";
    let references = format!("{}, {}", merge(&[never]), replace(&embed(&inner)));
    let rendered = rendered(&config(&references, &file("/old"))).expect("configs");
    assert_eq!(paths(&rendered), ["/new", "/merged"]);
    assert_eq!(rendered.sources.len(), 3);
    let references = &rendered.document.config().ignition.config;
    assert_eq!(
        (references.merge.len(), references.replace.source.as_deref()),
        (1, None)
    );
}

#[test]
fn compressed_and_verified_configs() {
    let text = config("", &file("/packed"));
    let sha512: String = Sha512::digest(&text)
        .iter()
        .map(|b| format!("{b:02x}"))
        .collect();
    let server = Server::fixed("200 OK", "", gzipped(text.as_bytes()));
    let entry = |hash: &str| {
        let url = server.url("/c");
        config(
            &format!(
                "\"merge\": [{{\"source\": \"{url}\", \"compression\": \"gzip\",
                 \"verification\": {{\"hash\": \"sha512-{hash}\"}},
                 \"httpHeaders\": [{{\"name\": \"X-Token\", \"value\": \"t\"}}]}}]"
            ),
            "",
        )
    };
    for hash in [&sha512, &sha512.to_uppercase()] {
        assert_eq!(
            paths(&rendered(&entry(hash)).expect("the digest is right")),
            ["/packed"]
        );
    }
    assert!(
        server
            .seen()
            .iter()
            .all(|s: &Seen| s.header("x-token") == Some("t"))
    );
    assert_fails(
        rendered(&entry(&"0".repeat(128))),
        &[
            "cannot fetch the config to merge named at first.ign:3:33 ",
            "($.ignition.config.merge.0.source): hash verification failed (calculated ",
            "the hash is that of the decompressed bytes",
        ],
    );
    assert_fails(
        rendered(&entry(&"z".repeat(128))),
        &["hexadecimal", "first.ign:3:33"],
    );
}

#[test]
fn errors_name_the_place_and_the_url() {
    let missing = Server::fixed("404 Not Found", "", "");
    let url = missing.url("/c?token=secret");
    let text = assert_fails(
        rendered(&config(
            &merge(&[
                "data:,%7B%22ignition%22:%7B%22version%22:%223.0.0%22%7D%7D",
                &url,
            ]),
            "",
        )),
        &[
            "cannot fetch the config to merge named at first.ign:5:12 ",
            "($.ignition.config.merge.1.source): resource not found: GET http://",
            "/c?token=…",
            "(check the URL)",
        ],
    );
    assert!(!text.contains("secret"), "{text}");
    assert_fails(
        rendered(&config(&replace("tftp://h/"), "")),
        &[
            "replacing config named at first.ign:3:",
            "unable to parse url \"tftp://h/\"",
            "it names no file",
        ],
    );
    // For a nested config, the place is in that config.
    let inner = config(&merge(&["", "s3://bucket"][1..]), "");
    let server = Server::fixed("200 OK", "", inner);
    let url = server.url("/inner");
    let place = format!("named at {url}:4:12 ($.ignition.config.merge.0.source)");
    assert_fails(
        rendered(&config(&merge(&[&url]), "")),
        &[&place, "no object"],
    );
}

#[test]
fn empty_configs_are_errors() {
    let server = Server::fixed("200 OK", "", "");
    let url = server.url("/empty");
    let cases = [
        (
            config(&merge(&[&url]), ""),
            "config to merge named at first.ign:4:",
        ),
        (
            config(&replace(&url), ""),
            "replacing config named at first.ign:3:",
        ),
        (config(&replace("data:,"), ""), "replacing config"),
        (config(&replace(""), ""), "replacing config"),
        (
            config(&merge(&[""]), "").replace("3.4.0", "3.0.0"),
            "config to merge",
        ),
    ];
    for (text, fragment) in cases {
        let result = rendered(&text);
        let is_empty = matches!(&result, Err(e) if matches!(*e.reason, RenderReason::Empty { .. }));
        assert!(is_empty, "{text}: {result:?}");
        assert_fails(result, &[fragment, "is not a config (empty)"]);
    }
}

#[test]
fn findings_of_all_configs_are_kept() {
    let odd = config("", "\"unheard\": 1");
    let server = Server::fixed("200 OK", "", odd.clone());
    let url = server.url("/odd");
    let rendered_odd = rendered(&config(&merge(&[&url, &embed(&odd)]), "")).expect("warnings only");
    let sources: Vec<&str> = rendered_odd
        .findings
        .iter()
        .map(|f| f.source.as_str())
        .collect();
    assert_eq!(sources, [url.as_str(), "data:"]);
    assert_eq!(
        rendered_odd.findings[0].text.as_deref(),
        Some(odd.as_bytes())
    );
    assert_eq!(
        rendered_odd.findings[1].text, None,
        "the text of data URLs is not shown"
    );
    let found = &rendered_odd.findings[0].findings.0[0];
    assert!(
        found.message.contains("unheard") || format!("{found}").contains("unheard"),
        "{found}"
    );

    let broken = config("", &file("relative"));
    let server = Server::fixed("200 OK", "", broken);
    let url = server.url("/broken");
    let error = rendered(&config(&merge(&[&server.url("/broken")]), "")).expect_err("a bad path");
    let last = error.findings.last().expect("what is wrong");
    assert!(last.findings.is_fatal());
    assert_eq!(last.source, url);
    let cannot = format!("{url}, cannot be used: config is not valid");
    assert_fails(
        Err::<(), _>(error),
        &["config to merge named at first.ign:4:", &cannot],
    );

    for (text, fragment) in [
        ("{", "config is not valid"),
        ("{}", "invalid config version (couldn't parse)"),
        (
            "{\"ignition\": {\"version\": \"9.0.0\"}}",
            "unsupported config version",
        ),
    ] {
        let result = rendered(&config(&merge(&[&embed(text)]), ""));
        assert_fails(result, &["data:, cannot be used", fragment]);
    }
}

#[test]
fn merging_can_make_valid_configs_invalid() {
    let owner = |member: &str| {
        format!("\"storage\": {{\"files\": [{{\"path\": \"/f\", \"user\": {{{member}}}}}]}}")
    };
    let child = config("", &owner("\"name\": \"core\""));
    let text = config(&merge(&[&embed(&child)]), &owner("\"id\": 500"));
    let error = rendered(&text).expect_err("an owner by id and by name");
    let last = error.findings.last().expect("what is wrong");
    assert_eq!((last.source.as_str(), &last.text), ("merged config", &None));
    let errors: Vec<String> = last
        .findings
        .0
        .iter()
        .map(|f| format!("{f} {:?}", f.help))
        .collect();
    assert!(errors[0].contains("$.storage.files.0.user"), "{errors:?}");
    assert_fails(Err::<(), _>(error), &["merging gave an invalid config"]);
}

#[test]
fn cycles_end() {
    let port = std::sync::OnceLock::<String>::new();
    let port = std::sync::Arc::new(port);
    let own_url = std::sync::Arc::clone(&port);
    let server = Server::start(move |seen, stream| {
        let own = own_url.get().cloned().unwrap_or_default();
        let text = match seen.target.as_str() {
            "/replace" => config(&replace(&format!("{own}/replace")), ""),
            "/merge" => config(&merge(&[&format!("{own}/merge")]), ""),
            _ => config(
                &merge(&[&format!("{own}/{}", seen.number), &format!("{own}/x")]),
                "",
            ),
        };
        respond(stream, "200 OK", "", text.as_bytes());
    });
    let _ = port.set(server.url(""));
    for cycle in ["/replace", "/merge", "/wide"] {
        let url = server.url(cycle);
        let references = if cycle == "/replace" {
            replace(&url)
        } else {
            merge(&[&url])
        };
        let result = rendered(&config(&references, ""));
        let is_too_deep =
            matches!(&result, Err(e) if matches!(*e.reason, RenderReason::TooDeep { .. }));
        assert!(is_too_deep, "{cycle}: {result:?}");
        let end = [
            "configs refer to configs more than 256 deep; does ",
            "lead back to itself?",
        ];
        assert_fails(result, &end);
    }
}

#[test]
fn the_number_of_configs_is_limited() {
    let tiny = "%7B%22ignition%22:%7B%22version%22:%223.0.0%22%7D%7D";
    let tiny: Vec<String> = (0..255).map(|i| format!("data:;n={i},{tiny}")).collect();
    let tiny: Vec<&str> = tiny.iter().map(String::as_str).collect();
    let group = |i: usize| embed(&config(&merge(&tiny), &file(&format!("/{i}"))));
    let groups: Vec<String> = (0..5).map(group).collect();
    let groups: Vec<&str> = groups.iter().map(String::as_str).collect();
    let full = rendered(&config(&merge(&groups[..4]), "")).expect("1024 configs");
    assert_eq!(full.sources.len(), 1025);
    let result = rendered(&config(&merge(&groups), ""));
    let is_too_many =
        matches!(&result, Err(e) if matches!(*e.reason, RenderReason::TooMany { .. }));
    assert!(is_too_many, "{result:?}");
    assert_fails(result, &["more than 1024 configs already"]);
}

#[test]
fn the_size_of_all_configs_is_limited() {
    let large = |bytes| {
        let second = config("", &file("/a"));
        let mut first = first(&config(&merge(&[&embed(&second)]), ""));
        first.source.bytes = bytes - second.len() as u64;
        render(first, &Fetcher::new(settings()), &Silent)
    };
    large(MAX_TOTAL_BYTES).expect("exactly the limit");
    let error = large(MAX_TOTAL_BYTES + 1).expect_err("one byte more");
    assert!(matches!(*error.reason, RenderReason::TooLarge { .. }));
    let named = error.reason.origin().map(|origin| origin.line);
    assert_eq!(named, Some(4));
    assert_fails(
        Err::<(), _>(error),
        &[
            "the config to merge named at first.ign:4:",
            "more than 256 MiB together",
        ],
    );
}

#[test]
fn the_size_of_all_authorities_is_limited() {
    let mut large = TRUSTED.bundle.clone();
    large.resize(17 << 20, b'#');
    let url = data_url(&gzipped(&large));
    let entry = |n| {
        let url = url.replacen(";base64", &format!(";n={n};base64"), 1);
        format!("{{\"source\": \"{url}\", \"compression\": \"gzip\"}}")
    };
    let text = |entries: &[String]| {
        let entries = entries.join(",");
        format!(
            "{{\"ignition\": {{\"version\": \"3.4.0\", \"security\": {{\"tls\": {{\"certificateAuthorities\": [{entries}]}}}}}}}}"
        )
    };
    rendered(&text(&[entry(1)])).expect("one bundle");
    assert_fails(
        rendered(&text(&[entry(1), entry(2)])),
        &[
            "cannot fetch the certificate authorities named at first.ign:1:",
            "have more than 33554432 bytes together (list only authorities that are needed)",
        ],
    );
}

#[test]
fn transport_settings_follow_the_configs() {
    let secure = Server::accepting(TRUSTED.accept(), |_, stream| {
        respond(
            stream,
            "200 OK",
            "",
            config("", &file("/secure")).as_bytes(),
        );
    });
    let url = format!("https://localhost:{}/c", secure.address.port());
    // The first merged config has the authority and a limit, which the second one needs.
    let settings = format!(
        "{{\"ignition\": {{\"version\": \"3.4.0\", \"timeouts\": {{\"httpTotal\": 77}},
         \"security\": {{\"tls\": {{\"certificateAuthorities\": [{{\"source\": \"{}\"}}]}}}}}}}}",
        TRUSTED.data_url()
    );
    let rendered_both =
        rendered(&config(&merge(&[&embed(&settings), &url]), "")).expect("a trusted server");
    assert_eq!(paths(&rendered_both), ["/secure"]);
    let current = rendered_both.fetcher.settings();
    assert_eq!(current.total, Some(std::time::Duration::from_secs(77)));
    assert_eq!(current.extra_roots.len(), 1);
}

#[test]
fn authorities_are_named_like_references() {
    let text = "{\"ignition\": {\"version\": \"3.4.0\",\n\"security\": {\"tls\": \
                {\"certificateAuthorities\": [\n{\"source\": \"data:,no%20bundle\"}]}}}}";
    assert_fails(
        rendered(text),
        &[
            "cannot fetch the certificate authorities named at first.ign:3:12 ",
            "($.ignition.security.tls.certificateAuthorities.0.source): unable to decode PEM block",
        ],
    );
}

#[test]
fn a_missing_network_is_distinguished_from_other_errors() {
    let offline = Fetcher::new(settings()).offline();
    let online_only = first(&config(&merge(&["http://h/c"]), ""));
    let error = render(online_only, &offline, &Silent).expect_err("no network");
    assert!(error.reason.needs_network(), "{error}");
    assert_fails(
        Err::<(), _>(error),
        &["resource requires networking", "first.ign:4:12"],
    );
    let embedded = first(&config(&merge(&[&embed(&config("", &file("/a")))]), ""));
    assert!(render(embedded, &offline, &Silent).is_ok());
}

#[test]
fn a_header_without_value_is_an_error_when_fetching() {
    let text = config(
        "\"merge\": [{\"source\": \"http://h/c\", \"httpHeaders\": [{\"name\": \"X-A\"}]}]",
        "",
    );
    assert_fails(
        rendered(&text),
        &["unable to parse HTTP header \"X-A\"", "first.ign:3:"],
    );
}
