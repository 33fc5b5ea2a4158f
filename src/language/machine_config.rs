//! A MachineConfig of OpenShift, of which the config in `spec.config` is used.
//!
//! That is an Ignition config written in YAML. It is converted to JSON and read as such, and the positions of all
//! findings are mapped back to the YAML.

use super::detect::detect;
use super::findings::Remarks;
use super::languages::Language;
use super::node::{Node, NodeContent, Scalar, Style};
use super::{document, paths, scalars};
use crate::config::{
    Finding, Findings, JsonPath, LineStarts, ParseError, ParseResult, Position, Severity,
};

/// Other settings of a MachineConfig, which only its operator applies.
const OPERATOR_SETTINGS: [&str; 6] = [
    "baseOSExtensionsContainerImage",
    "extensions",
    "fips",
    "kernelArguments",
    "kernelType",
    "osImageURL",
];

/// Path of the config.
const CONFIG_PATH: &str = "$.spec.config";

/// Reads `text`; `parse_config` reads the config in it.
pub(super) fn parse(
    text: &[u8],
    parse_config: impl FnOnce(&[u8], Language) -> ParseResult,
) -> ParseResult {
    let lines = LineStarts::of(text);
    let yaml = match document::read(text, &lines) {
        Ok(yaml) => yaml,
        Err(outcome) => return refused(outcome.findings),
    };
    let mut remarks = Remarks::default();
    document::check(&yaml, &mut remarks);
    let root = &yaml.root;
    let paths = paths::of(root);
    remarks.warn(
        root.at,
        "this is a MachineConfig of OpenShift; the Ignition config in it is used",
    );
    let Some(config) = inner_config(root, &mut remarks).filter(|_| !remarks.is_fatal()) else {
        return refused(remarks.into_findings(&lines, &paths));
    };
    let mut json = Json::default();
    json.write(config);
    let mut parsed = match detect(json.text.as_bytes()) {
        Ok(language @ (Language::Ignition | Language::OldIgnition)) => {
            parse_config(json.text.as_bytes(), language)
        }
        _ => {
            let message = "`spec.config` must be an Ignition config, with its version";
            remarks.error(config.at, message);
            return refused(remarks.into_findings(&lines, &paths));
        }
    };
    let mut findings = remarks.into_findings(&lines, &paths);
    findings.extend(mapped_findings(&mut parsed, &json, &lines));
    findings.sort_by_key(|finding| finding.position);
    let outcome = match parsed.outcome {
        Ok(document) => {
            let origin = |offset: u32| json.origin(offset);
            Ok(document.relocated(lines, paths, &origin))
        }
        Err(ParseError::Decode) => Err(ParseError::Decode),
        Err(_) => Err(ParseError::Invalid),
    };
    ParseResult {
        findings: Findings(findings),
        outcome,
        version: parsed.version,
    }
}

/// Takes the findings of the inner config, with their positions mapped to the YAML.
fn mapped_findings(parsed: &mut ParseResult, json: &Json, lines: &LineStarts) -> Vec<Finding> {
    // The JSON is one line.
    let position = |at: Position| lines.position(json.origin(at.column.saturating_sub(1)));
    let mut findings = Vec::new();
    if let Err(error) = &parsed.outcome
        && let Some((message, help)) = error.advice()
    {
        findings.push(Finding {
            severity: Severity::Error,
            path: Some(JsonPath::new(format!("{CONFIG_PATH}.ignition"))),
            position: error.version_position().map(position),
            message,
            help: Some(help),
        });
    }
    let inner = std::mem::take(&mut parsed.findings.0);
    findings.extend(inner.into_iter().map(|finding| {
        let below = finding.path.unwrap_or_else(JsonPath::root);
        let below = below.as_str().trim_start_matches('$');
        Finding {
            path: Some(JsonPath::new(format!("{CONFIG_PATH}{below}"))),
            position: finding.position.map(position),
            ..finding
        }
    }));
    findings
}

fn refused(findings: Vec<Finding>) -> ParseResult {
    ParseResult {
        findings: Findings(findings),
        outcome: Err(ParseError::Invalid),
        version: None,
    }
}

/// The config in a MachineConfig. Warns of settings that are not used.
fn inner_config<'n, 't>(root: &'n Node<'t>, remarks: &mut Remarks) -> Option<&'n Node<'t>> {
    let spec = root.get("spec");
    for entry in spec.map_or(&[][..], Node::entries) {
        let is_set = match &entry.value.value {
            NodeContent::Scalar(scalar) => !scalar.text.is_empty() && scalar.text != "false",
            NodeContent::List(elements) => !elements.is_empty(),
            NodeContent::Mapping(entries) => !entries.is_empty(),
        };
        if OPERATOR_SETTINGS.contains(&&*entry.key) && is_set {
            let message = format!(
                "`{}` has no effect here; the operator of OpenShift does that",
                entry.key
            );
            remarks.warn(entry.value.at, message);
        }
    }
    let config = root.at_path(&["spec", "config"]);
    let config = config.filter(|config| !config.is_null());
    if config.is_none() {
        let at = spec.map_or(root.at, |spec| spec.at);
        remarks.error(
            at,
            "this MachineConfig has no Ignition config in `spec.config`",
        );
    }
    config
}

/// A tree as one line of JSON, with the origin of each part.
#[derive(Debug, Default)]
struct Json {
    text: String,
    /// Offsets in the JSON, with those in the text they came from.
    origins: Vec<(u32, u32)>,
}

impl Json {
    fn record_origin(&mut self, origin: u32) {
        let offset = u32::try_from(self.text.len()).unwrap_or(u32::MAX);
        self.origins.push((offset, origin));
    }

    /// The origin of the byte at `offset`.
    fn origin(&self, offset: u32) -> u32 {
        let after = self.origins.partition_point(|(at, _)| *at <= offset);
        let found = self.origins.get(after.saturating_sub(1));
        found.map_or(0, |(_, origin)| *origin)
    }

    fn write(&mut self, node: &Node<'_>) {
        self.record_origin(node.at);
        match &node.value {
            NodeContent::Scalar(scalar) => self.write_scalar(scalar),
            NodeContent::List(elements) => {
                // Readers place a list or an object after its bracket; the blank keeps that apart from its first
                // element.
                self.text.push_str("[ ");
                for (index, element) in elements.iter().enumerate() {
                    if index > 0 {
                        self.text.push(',');
                    }
                    self.write(element);
                }
                self.text.push(']');
            }
            NodeContent::Mapping(entries) => {
                self.text.push_str("{ ");
                for (index, entry) in entries.iter().enumerate() {
                    if index > 0 {
                        self.text.push(',');
                    }
                    self.record_origin(entry.key_at);
                    self.write_quoted(&entry.key);
                    self.text.push(':');
                    self.write(&entry.value);
                }
                self.text.push('}');
            }
        }
    }

    fn write_scalar(&mut self, scalar: &Scalar<'_>) {
        if scalar.is_null() {
            self.text.push_str("null");
        } else if scalar.style == Style::Quoted || scalar.tag.as_deref() == Some("str") {
            self.write_quoted(&scalar.text);
        } else if let Some(number) = scalars::int(scalar) {
            self.text.push_str(&number.to_string());
        } else if let Some(flag) = scalars::flag(scalar) {
            self.text.push_str(if flag { "true" } else { "false" });
        } else {
            self.write_quoted(&scalar.text);
        }
    }

    fn write_quoted(&mut self, text: &str) {
        self.text
            .push_str(&serde_json::Value::from(text).to_string());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::language::Surroundings;

    const TEXT: &str = "apiVersion: machineconfiguration.openshift.io/v1\nkind: MachineConfig\nmetadata:\n  name: 50-x\n\
                        spec:\n  kernelArguments: [quiet]\n  fips: false\n  config:\n    ignition:\n      version: 3.2.0\n    storage:\n      \
                        files:\n      - path: /etc/a\n        mode: 0644\n        odd: 1\n        contents:\n          source: data:,a\n";

    fn read(text: &str) -> ParseResult {
        assert_eq!(
            detect(text.as_bytes()).ok(),
            Some(Language::MachineConfig),
            "{text}"
        );
        crate::language::parse("mc.yaml", text.as_bytes(), &Surroundings::default())
    }

    fn messages(parsed: &ParseResult) -> Vec<String> {
        let messages = parsed.findings.0.iter().map(|f| {
            let line = f.position.map_or(0, |at| at.line);
            let path = f.path.as_ref().map_or("", JsonPath::as_str);
            format!("{} {line} {path}: {}", f.severity, f.message)
        });
        messages.collect()
    }

    #[test]
    fn the_inner_config_is_read_with_its_positions() {
        let parsed = read(TEXT);
        let messages = messages(&parsed);
        let expected = [
            "warning 1 $: this is a MachineConfig of OpenShift; the Ignition config in it is used",
            "warning 6 $.spec.kernelArguments: `kernelArguments` has no effect here; the operator of OpenShift does that",
            "warning 15 $.spec.config.storage.files.0.odd: ",
        ];
        assert_eq!(messages.len(), expected.len(), "{messages:#?}");
        for (message, expected) in messages.iter().zip(expected) {
            assert!(message.starts_with(expected), "{message}");
        }
        let document = parsed.outcome.expect("a config");
        let file = &document.config().storage.files[0];
        assert_eq!((file.path.as_str(), file.mode), ("/etc/a", Some(0o644)));
        let origin = document.origin(&JsonPath::new("$.storage.files.0.contents.source"));
        let origin = origin.expect("a place");
        assert_eq!(
            (origin.line, origin.path.as_str()),
            (17, "$.spec.config.storage.files.0.contents.source")
        );
        assert_eq!(&*origin.source, "mc.yaml");
        for (path, line) in [("$.storage", 12), ("$.storage.files", 13)] {
            let origin = document.origin(&JsonPath::new(path)).expect("a place");
            assert_eq!(
                (origin.line, origin.path.as_str()),
                (line, path.replace("$.", "$.spec.config.").as_str())
            );
        }
    }

    #[test]
    fn older_machine_configs_have_ignition_2() {
        let text = TEXT
            .replace("3.2.0", "2.2.0")
            .replace("path: /etc", "filesystem: root\n        path: /etc");
        let document = read(&text).outcome.expect("a config");
        assert_eq!(document.config().storage.files[0].path, "/etc/a");
        let origin = document
            .origin(&JsonPath::new("$.storage.files.0.path"))
            .expect("a place");
        assert_eq!(
            (origin.line, origin.path.as_str()),
            (14, "$.spec.config.storage.files.0.path")
        );
    }

    #[test]
    fn errors_are_reported_with_their_positions() {
        let cases = [
            (TEXT.replace("mode: 0644", "mode: [1]"), "error 14 $.spec.config.storage.files.0.mode: "),
            (TEXT.replace("path: /etc/a", "path: etc/a"), "error 13 $.spec.config.storage.files.0.path: "),
            (TEXT.replace("version: 3.2.0", "odd: 1"), "error 10 $.spec.config.ignition: invalid config version"),
            ("apiVersion: v1\nkind: MachineConfig\nspec: {}\n".into(), "error 3 $.spec: this MachineConfig has no"),
            ("apiVersion: v1\nkind: MachineConfig\nspec: {config: {variant: fcos}}\n".into(), "error 3 $.spec.config: `spec.config` must be"),
            ("{\"apiVersion\": \"v1\", \"kind\": \"MachineConfig\",\n\"spec\": {\"config\": null}}".into(), "error 2 $.spec: this MachineConfig has no"),
        ];
        for (text, want) in cases {
            let parsed = read(&text);
            assert!(parsed.outcome.is_err(), "{text}");
            let messages = messages(&parsed);
            assert!(
                messages.iter().any(|line| line.starts_with(want)),
                "{want}\n{messages:#?}"
            );
        }
    }
}
