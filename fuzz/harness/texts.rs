//! Parsers of untrusted input: configs, `data:` URLs, bundles of certificates, packets, OVF environments.
#![allow(
    dead_code,
    reason = "each program that includes this uses a part of it"
)]

use kindling::accounts::{
    AccountFile, Change, DatabaseLookup, DatabaseSource, Databases, GroupRequest, UserRequest,
};
use kindling::config::model::Redirection;
use kindling::config::{self, Document, ParseError, data_url, url};
use kindling::fetch::authorities;
use kindling::fetch::tftp::packet::{self, TftpPacket};
use kindling::findings::{self, CheckedConfig};
use kindling::language::{
    self, InstanceData, Language, Layer, Member, Surroundings, SystemConfig, Target,
};
use kindling::paths::{self, Overlay, PathLookup, ResolveError};
use kindling::platform::hypervisor::vmware::ovf;
use kindling::signature::{SignatureError, TrustedKeys, Verified};
use std::collections::HashMap;
use std::convert::Infallible;
use std::time::{Duration, SystemTime};

/// Translates and explains a text in the language that its first byte selects. If it can be used, the printed
/// translation must be usable as well. Returns true if it can be used.
pub fn languages(input: &[u8]) -> bool {
    // An empty text is not a config in any language, and is not translated.
    let Some((first, text)) = input.split_first().filter(|(_, text)| !text.is_empty()) else {
        return false;
    };
    let surroundings = Surroundings {
        platform: Some("ec2"),
        is_raw: true,
        ..Surroundings::default()
    };
    let language = Language::ALL[usize::from(*first) % Language::ALL.len()];
    let _ = language::detect(text);
    let _ = language::explain(text, language, &surroundings);
    let parsed = language::parse_as("input", text, language, &surroundings);
    let informed = parse_informed(text, language, &surroundings);
    let lines = 1 + text.iter().filter(|b| **b == b'\n').count() as u32;
    let findings = parsed.findings.0.iter().chain(&informed.findings.0);
    for position in findings.filter_map(|f| f.position) {
        assert!(
            (1..=lines).contains(&position.line),
            "{position:?} of {lines} lines"
        );
    }
    if language == Language::Ignition {
        return parsed.outcome.is_ok();
    }
    if language::appends(language) {
        check_append(text, language, &surroundings);
    }
    let translation = language::translate("input", text, language, &surroundings, false);
    assert_eq!(parsed.outcome.is_ok(), translation.outcome.is_ok());
    let Ok(printed) = translation.outcome else {
        return false;
    };
    let reparsed = config::parse("printed", printed.as_bytes());
    assert!(
        reparsed.outcome.is_ok(),
        "{printed}: {:?}",
        reparsed.findings
    );
    true
}

/// Parses a text with the same text as all other input: instance metadata, configs of the system, kernel arguments.
fn parse_informed(
    text: &[u8],
    language: Language,
    surroundings: &Surroundings<'_>,
) -> config::ParseResult {
    let printed = std::str::from_utf8(text).ok();
    let lines: Vec<String> = printed
        .into_iter()
        .flat_map(str::lines)
        .map(str::to_owned)
        .collect();
    let variables = lines.iter().filter_map(|line| line.split_once(": "));
    let variables: Vec<_> = variables
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect();
    let configs = [SystemConfig {
        path: "/config".into(),
        text: text.into(),
        layer: Layer::Kept,
    }];
    let surroundings = Surroundings {
        target: Target {
            configs: &configs,
            kernel_arguments: printed,
            ..Target::default()
        },
        instance: InstanceData {
            id: printed,
            hostname: printed,
            keys: &lines,
            variables: &variables,
            vendor_data: Some(text),
        },
        ..*surroundings
    };
    language::parse_as("input", text, language, &surroundings)
}

/// Appends a config to itself. If the result can be used, the config alone must be usable as well.
fn check_append(text: &[u8], language: Language, surroundings: &Surroundings<'_>) {
    let member = |name| Member {
        name,
        text,
        language,
        is_local: false,
    };
    let _ = language::references(member("one"), surroundings);
    let joined = language::append(&[member("one"), member("two")], surroundings);
    assert_eq!(joined.findings.len(), 2);
    if joined.outcome.is_ok() {
        let alone = language::append(&[member("one")], surroundings);
        assert!(alone.outcome.is_ok(), "{:?}", alone.findings);
    }
}

/// Parses a config, and if it is usable does what every run does: checks it, merges it, stores it and reads it back.
/// Returns the document.
pub fn config(input: &[u8]) -> Option<Document> {
    let parsed = config::parse("input", input);
    let lines = 1 + input.iter().filter(|b| **b == b'\n').count() as u32;
    for position in parsed.findings.0.iter().filter_map(|f| f.position) {
        assert!(
            (1..=lines).contains(&position.line),
            "{position:?} of {lines} lines"
        );
        assert!(position.column >= 1, "{position:?}");
    }
    // Some errors have no findings.
    let is_refused = matches!(
        parsed.outcome,
        Err(ParseError::Empty | ParseError::BadVersion(_) | ParseError::Unsupported(_))
    );
    assert!(
        is_refused || parsed.findings.is_fatal() == parsed.outcome.is_err(),
        "{:?}",
        parsed.findings
    );
    let document = parsed.outcome.ok()?;
    let _ = document.check();
    let alone = Document::merge(&Document::empty(), &document);
    assert_eq!(
        alone.config(),
        document.config(),
        "merged into nothing it is another"
    );
    let _ = Document::merge(&document, &document).check();
    let stored = document.to_json().expect("every config can be written");
    let reread = config::read_stored("stored", &stored).expect("what was stored is a config");
    assert_eq!(reread.config(), document.config(), "stored it is another");
    Some(document)
}

/// Parses a URL, and decodes a `data:` URL. Returns its bytes.
pub fn data_url(input: &[u8]) -> Option<Vec<u8>> {
    let text = std::str::from_utf8(input).ok()?;
    let _ = url::parse(text);
    let _ = url::percent_decode(text);
    let bytes = data_url::decode(text);
    let length = data_url::decoded_len(text);
    assert_eq!(bytes.as_ref().map(Vec::len), length.as_ref().copied());
    let bytes = bytes.ok()?;
    assert!(bytes.len() < text.len());
    Some(bytes)
}

/// Parses a bundle. Returns the number of certificates.
pub fn pem(input: &[u8]) -> Option<usize> {
    let certificates = authorities::parse(input).ok()?;
    assert!(certificates.iter().all(|c| !c.is_empty()));
    assert_eq!(certificates.is_empty(), input.is_empty());
    Some(certificates.len())
}

/// Parses a packet of a TFTP server. Returns its opcode, if it is valid.
pub fn tftp(input: &[u8]) -> Option<u8> {
    match packet::parse(input)? {
        TftpPacket::Data { bytes, .. } => {
            assert_eq!(bytes.len(), input.len() - packet::HEADER_BYTES);
            Some(3)
        }
        TftpPacket::Options(options) => {
            let sizes = 8..=packet::MAX_BLOCK_BYTES;
            assert!(options.block_bytes.is_none_or(|size| sizes.contains(&size)));
            Some(6)
        }
        TftpPacket::Error { message, .. } => {
            assert!(message.chars().count() <= 200 && !message.contains(char::is_control));
            Some(5)
        }
    }
}

/// Keys of the properties to delete.
const KEYS: [&str; 2] = ["a", "guestinfo.ignition.config.data"];

/// Parses an OVF environment and deletes properties from it. Returns the number of bytes removed.
pub fn ovf(input: &[u8]) -> Option<usize> {
    let text = std::str::from_utf8(input).ok()?;
    let _ = ovf::properties(text);
    let kept = ovf::remove_properties(text, &KEYS).ok()??;
    let removed = text.len() - kept.len();
    assert!(removed > 0, "properties were found, but none was removed");
    let second_pass = ovf::remove_properties(&kept, &KEYS).expect("what was left can be read");
    assert_eq!(second_pass, None, "not all properties were removed at once");
    let is_part = kept.bytes().try_fold(text.bytes(), |mut rest, byte| {
        rest.any(|other| other == byte).then_some(rest)
    });
    assert!(is_part.is_some(), "something was added");
    Some(removed)
}

/// Maximum number of bytes to show a finding, in addition to its message.
const MAX_SHOWN_BYTES: usize = 2_000;

/// Renders the findings about a config in every format. Returns the number of findings.
pub fn findings(input: &[u8]) -> usize {
    let parsed = config::parse("input", input);
    let checked = CheckedConfig::of("input", input, &parsed);
    let shown = findings::human(&checked, false);
    let _ = findings::human(&checked, true);
    let _ = findings::plain(&checked);
    let _ = findings::json(&checked).to_string();
    // A path is as long as the keys it consists of.
    let known: usize = parsed.findings.0.iter().map(|f| f.to_string().len()).sum();
    let count = parsed.findings.0.len() + 1;
    let max_bytes = count * MAX_SHOWN_BYTES + 8 * known;
    assert!(
        shown.len() <= max_bytes,
        "{count} findings take {} bytes",
        shown.len()
    );
    assert!(
        !shown.contains(|c: char| c.is_control() && c != '\n'),
        "control characters are shown"
    );
    count - 1
}

/// Resolves the path in the first line, in a tree of the other lines: `PATH` (a directory), `PATH -> TARGET` (a link)
/// and `PATH !` (a file). Does so again with the links requested by a config. Returns the resolved path.
pub fn paths(input: &[u8]) -> Option<String> {
    let text = std::str::from_utf8(input).ok()?;
    let mut lines = text.lines();
    let requested = format!("/{}", lines.next()?);
    let mut tree: HashMap<String, PathLookup> = HashMap::new();
    let mut links = Vec::new();
    for line in lines {
        if let Some((path, target)) = line.split_once(" -> ") {
            links.push((path, Redirection::Link(target)));
            tree.insert(paths::clean(path), PathLookup::Link(target.into()));
        } else if let Some(path) = line.strip_suffix(" !") {
            tree.insert(paths::clean(path), PathLookup::Other);
        } else {
            tree.insert(paths::clean(line), PathLookup::Directory);
        }
    }
    let mut lookups = 0;
    let mut lookup = |at: &str| {
        lookups += 1;
        assert_eq!(paths::clean(at), at, "a path to look at is not clean");
        Ok::<_, ResolveError>(tree.get(at).cloned().unwrap_or(PathLookup::Missing))
    };
    let resolved = paths::resolve(&requested, &mut lookup);
    assert!(lookups <= 42 * (input.len() + 1), "{lookups} lookups");
    let overlay = Overlay::new(links.into_iter(), |at| {
        Ok::<_, ResolveError>(tree.get(at).cloned().unwrap_or(PathLookup::Missing))
    });
    let _ = paths::resolve(&requested, |at| {
        overlay.lookup(at, |at| {
            Ok::<_, ResolveError>(tree.get(at).cloned().unwrap_or(PathLookup::Missing))
        })
    });
    let resolved = resolved.ok()?;
    assert_eq!(paths::clean(&resolved), resolved);
    assert!(paths::ancestors(&resolved).all(|above| paths::is_at_or_below(&resolved, above)));
    let resolved_again = paths::resolve(&resolved, |at| {
        Ok::<_, ResolveError>(tree.get(at).cloned().unwrap_or(PathLookup::Missing))
    });
    assert_eq!(
        resolved_again.as_ref(),
        Ok(&resolved),
        "a resolved path leads elsewhere"
    );
    Some(resolved)
}

/// Files of a target, each after a line of `%` and its path.
struct Files<'i>(HashMap<&'i str, &'i [u8]>);

impl<'i> Files<'i> {
    fn of(input: &'i [u8]) -> Self {
        let mut files = HashMap::new();
        let mut rest = input;
        while let Some(at) = rest.iter().position(|byte| *byte == b'%') {
            let after = &rest[at + 1..];
            let end = after.iter().position(|byte| *byte == b'\n');
            let end = end.unwrap_or(after.len());
            let body = after.get(end + 1..).unwrap_or_default();
            let length = body.iter().position(|byte| *byte == b'%');
            let length = length.unwrap_or(body.len());
            if let Ok(path) = std::str::from_utf8(&after[..end]) {
                files.insert(path, &body[..length]);
            }
            rest = &body[length..];
        }
        Self(files)
    }
}

impl DatabaseSource for Files<'_> {
    type Error = Infallible;

    fn file(&self, path: &str) -> Result<DatabaseLookup, Infallible> {
        let found = self.0.get(path);
        Ok(found.map_or(DatabaseLookup::Missing, |bytes| {
            DatabaseLookup::File(bytes.to_vec())
        }))
    }

    fn names(&self, path: &str) -> Result<Vec<String>, Infallible> {
        let names = self.0.keys().filter_map(|file| file.rsplit_once('/'));
        let names = names.filter(|(above, _)| *above == path);
        Ok(names.map(|(_, name)| name.to_owned()).collect())
    }
}

/// Reads the account databases of a target, and creates, modifies and deletes accounts with names and texts from the
/// file `request`. Returns the number of accepted requests.
pub fn accounts(input: &[u8]) -> usize {
    let files = Files::of(input);
    let Ok(mut databases) = Databases::read(&files);
    let request = files.0.get("request").copied().unwrap_or_default();
    let request = String::from_utf8_lossy(request).into_owned();
    let mut words = request.lines();
    let mut accepted = 0;
    while let Some(name) = words.next() {
        let text = words.next().map(str::to_owned);
        for change in [Change::Create, Change::Modify, Change::Delete] {
            let group = GroupRequest::new(&format!("{name}g"), change);
            accepted += usize::from(apply(&mut databases, |d| d.apply_group(&group).is_ok()));
            let user = UserRequest {
                gecos: text.clone(),
                home: text.clone(),
                shell: text.clone(),
                password_hash: text.clone(),
                groups: vec![format!("{name}g")],
                ..UserRequest::new(name, change)
            };
            accepted += usize::from(apply(&mut databases, |d| d.apply_user(&user).is_ok()));
        }
    }
    accepted
}

/// Applies a request, and checks that it does not inject lines. A refused request is rolled back.
fn apply(databases: &mut Databases, act: impl Fn(&mut Databases) -> bool) -> bool {
    let lines = |databases: &Databases, file| {
        let bytes = databases.table(file).bytes();
        bytes.iter().filter(|byte| **byte == b'\n').count()
    };
    let before = AccountFile::ALL.map(|file| lines(databases, file));
    let old = databases.clone();
    let is_accepted = act(databases);
    if !is_accepted {
        *databases = old;
        return false;
    }
    for (file, before) in AccountFile::ALL.into_iter().zip(before) {
        assert_eq!(
            databases.table(file).broken_field(),
            None,
            "{}",
            file.path()
        );
        let after = lines(databases, file);
        // The first account also adds those of root.
        assert!(
            after <= before + 3,
            "{}: {before} lines became {after}",
            file.path()
        );
    }
    is_accepted
}

/// The data that the signatures in the corpus sign.
const SIGNED: &[u8] = b"signed\n";
/// Later than all dates in the corpus, so that nothing in it is from the future.
const NOW_SECONDS: u64 = 2_000_000_000;

/// A part of an input, preceded by its length in two bytes, and the rest.
fn part(input: &[u8]) -> Option<(&[u8], &[u8])> {
    let (length, rest) = input.split_first_chunk::<2>()?;
    rest.split_at_checked(usize::from(u16::from_le_bytes(*length)))
}

/// Reads two files with keys, merges them in both orders and verifies a signature with each. Returns the result of the
/// merged keys, if both files have keys.
pub fn keys(input: &[u8]) -> Option<Result<Verified, SignatureError>> {
    let (first, rest) = part(input)?;
    let (second, signature) = part(rest)?;
    let read = |files: &[&[u8]]| {
        let mut keys = TrustedKeys::default();
        files.iter().try_for_each(|file| keys.add("keys", file))?;
        Ok::<_, kindling::signature::KeyError>(keys)
    };
    let (one, other) = (read(&[first]).ok()?, read(&[second]).ok()?);
    let merged = read(&[first, second]).expect("both were read alone");
    let reversed = read(&[second, first]).expect("both were read alone");
    assert_eq!(merged.len(), reversed.len(), "it depends on the order");
    assert!(merged.len() <= one.len() + other.len());
    let now = SystemTime::UNIX_EPOCH + Duration::from_secs(NOW_SECONDS);
    let verify = |keys: &TrustedKeys| keys.verify(SIGNED, signature, now);
    let result = verify(&merged);
    assert_eq!(
        result.is_ok(),
        verify(&reversed).is_ok(),
        "it depends on the order"
    );
    for alone in [verify(&one), verify(&other)] {
        let is_revoked = matches!(&alone, Err(SignatureError::NotAccepted { why, .. })
            if why.ends_with("was revoked"));
        assert!(!is_revoked || result.is_err(), "a revocation was lost");
    }
    Some(result)
}
