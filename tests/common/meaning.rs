//! What configs say, however they say it.

use flate2::read::GzDecoder;
use kindling::config::{Document, Version, data_url};
use kindling::language::{self, Surroundings};
use serde_json::Value;
use std::io::Read;

/// A config, whatever its language is, and the version that says all of it.
pub fn parsed(name: &str, text: &[u8]) -> (Document, Version) {
    let parsed = language::parse(name, text, &Surroundings::default());
    let findings = parsed.findings;
    let document = parsed
        .outcome
        .unwrap_or_else(|error| panic!("{name}: {error}: {findings:?}"));
    (document, parsed.version.expect("a version"))
}

/// What a config says, without the ways there are to say it: `data:` URLs are what they stand for.
pub fn meaning(document: &Document) -> Value {
    resolved(serde_json::to_value(document.config()).unwrap())
}

fn resolved(value: Value) -> Value {
    match value {
        Value::Array(elements) => elements.into_iter().map(resolved).collect(),
        Value::Object(mut members) => {
            let source = members.get("source").and_then(Value::as_str);
            let bytes = source.and_then(|source| data_url::decode(source).ok());
            if let Some(mut bytes) = bytes {
                let compression = members.remove("compression");
                if compression.as_ref().and_then(Value::as_str) == Some("gzip") {
                    let packed = std::mem::take(&mut bytes);
                    GzDecoder::new(&packed[..]).read_to_end(&mut bytes).unwrap();
                }
                let inner = match bytes.starts_with(b"{\"ignition\"") {
                    true => meaning(&parsed("a config inside", &bytes).0),
                    false => String::from_utf8_lossy(&bytes).into(),
                };
                members.insert("source".into(), inner);
            }
            let members = members
                .into_iter()
                .map(|(name, value)| (name, resolved(value)));
            Value::Object(members.collect())
        }
        value => value,
    }
}
