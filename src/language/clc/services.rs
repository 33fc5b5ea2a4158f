//! The sections `etcd`, `flannel` and `docker`, and the units that they become.

use super::dynamic::{self, Agent, ClcPlatform, FilledText};
use super::options::{ClcOption, ETCD_2, ETCD_3, ETCD_3_4, FLANNEL};
use super::version::ClcVersion;
use crate::config::WrittenPaths;
use crate::language::findings::Remarks;
use crate::language::node::Node;
use crate::language::scalars;
use crate::language::typed::{self, Decoder, FieldKind};
use std::fmt::Write as _;

/// Where the original stores the network of flannel, which is also flannel's own default.
const NETWORK_PREFIX: &str = "/coreos.com/network";

/// A service that a section configures.
struct ClcService {
    section: &'static str,
    unit: &'static str,
    dropin: &'static str,
    program: &'static str,
    tag_variable: &'static str,
}

const ETCD: ClcService = ClcService {
    section: "etcd",
    unit: "etcd-member.service",
    dropin: "20-clct-etcd-member.conf",
    program: "/usr/lib/coreos/etcd-wrapper $ETCD_OPTS",
    tag_variable: "ETCD_IMAGE_TAG",
};

const FLANNELD: ClcService = ClcService {
    section: "flannel",
    unit: "flanneld.service",
    dropin: "20-clct-flannel.conf",
    program: "/usr/lib/coreos/flannel-wrapper $FLANNEL_OPTS",
    tag_variable: "FLANNEL_IMAGE_TAG",
};

/// What the translation of the sections depends on.
pub(super) struct Sections<'p> {
    pub(super) platform: Option<&'static ClcPlatform>,
    pub(super) agent: Agent,
    pub(super) paths: &'p WrittenPaths,
    pub(super) remarks: &'p mut Remarks,
}

/// An option that is set.
struct OptionValue {
    name: &'static str,
    /// As written into the unit: quoted, or a number or flag.
    written: String,
}

/// The options of a section.
struct SectionOptions {
    given: Vec<OptionValue>,
    is_dynamic: bool,
}

/// The options of a version: those of `options` that exist in `minor`.
#[derive(Clone, Copy)]
struct OptionTable {
    options: &'static [ClcOption],
    minor: u64,
}

impl Sections<'_> {
    /// The units that the sections of `root` become.
    pub(super) fn units<'t>(&mut self, root: &Node<'t>) -> Vec<Node<'t>> {
        let mut units = Vec::new();
        if let Some(platform) = self.platform.filter(|platform| platform.needs_override) {
            units.extend(self.metadata_override(root.at, platform));
        }
        units.extend(root.get("docker").map(docker));
        if let Some(section) = root.get(ETCD.section) {
            let unit = self.etcd(section);
            units.push(unit);
        }
        if let Some(section) = root.get(FLANNELD.section) {
            let unit = self.flannel(section);
            units.push(unit);
        }
        units
    }

    fn metadata_override<'t>(&self, at: u32, platform: &ClcPlatform) -> [Node<'t>; 2] {
        let text = format!(
            "[Service]\nEnvironment={}=--provider={}",
            self.agent.provider_variable(),
            platform.name
        );
        let unit = |name, enabled| unit(at, name, enabled, "20-clct-provider-override.conf", &text);
        [
            unit(self.agent.service(), false),
            unit(self.agent.key_service(), true),
        ]
    }

    fn etcd<'t>(&mut self, section: &Node<'t>) -> Node<'t> {
        let version = self.version(section, &ETCD);
        let table = match version {
            Some((at, _, version)) => self.etcd_table(at, version),
            None => OptionTable {
                options: ETCD_3_4,
                minor: 5,
            },
        };
        let options = self.options(section, &["version"], table);
        let tag = version.map(|(_, text, _)| text);
        let text = service_text(&ETCD, &options, tag, self.agent);
        unit(section.at, ETCD.unit, true, ETCD.dropin, &text)
    }

    fn etcd_table(&mut self, at: u32, version: ClcVersion) -> OptionTable {
        let later = "the options of the latest version that is known are used";
        if version.is_before(2, 3) {
            self.remarks.error(at, "etcd before 2.3.0 is not supported");
        } else if version.major >= 4 {
            self.remarks.error(at, "etcd 4 and later are not supported");
        } else if version.major == 2 {
            if version.minor > 3 {
                let message = format!("etcd 2.{} is not known; {later}: 2.3", version.minor);
                self.remarks.warn(at, message);
            }
            return OptionTable {
                options: ETCD_2,
                minor: 3,
            };
        } else if version.minor > 5 {
            let message = format!("etcd 3.{} is not known; {later}: 3.5", version.minor);
            self.remarks.warn(at, message);
        }
        let minor = version.minor.min(5);
        let options = match minor {
            0..=3 => ETCD_3,
            _ => ETCD_3_4,
        };
        OptionTable { options, minor }
    }

    fn flannel<'t>(&mut self, section: &Node<'t>) -> Node<'t> {
        let version = self.version(section, &FLANNELD);
        let minor = version.map_or(6, |(at, _, version)| self.flannel_minor(at, version));
        let table = OptionTable {
            options: FLANNEL,
            minor,
        };
        let options = self.options(section, &["version", "network_config"], table);
        let tag = version.map(|(_, text, _)| text);
        let network = self.network(section, &options, minor);
        let is_dynamic = options.is_dynamic || network.as_ref().is_some_and(|n| n.is_dynamic);
        let options = SectionOptions {
            is_dynamic,
            ..options
        };
        let mut text = service_text(&FLANNELD, &options, tag, self.agent);
        if let Some(network) = network {
            text.push('\n');
            text.push_str(&network.text);
        }
        unit(section.at, FLANNELD.unit, true, FLANNELD.dropin, &text)
    }

    /// The minor version of flannel 0 whose options apply.
    fn flannel_minor(&mut self, at: u32, version: ClcVersion) -> u64 {
        if version.is_before(0, 5) {
            self.remarks
                .error(at, "flannel before 0.5.0 is not supported");
        } else if version.major > 0 || version.minor > 7 {
            let message = "this version of flannel is not known; the options of the latest version that is known are \
                           used: 0.7";
            self.remarks.warn(at, message);
        }
        match version.major {
            0 => version.minor.clamp(5, 7),
            _ => 7,
        }
    }

    /// The version that a section states.
    fn version<'n>(
        &mut self,
        section: &'n Node<'_>,
        service: &ClcService,
    ) -> Option<(u32, &'n str, ClcVersion)> {
        let node = section.get("version").filter(|node| !node.is_null())?;
        let text = node.as_scalar().map(|scalar| &*scalar.text);
        let version = text.and_then(|text| Some((node.at, text, ClcVersion::parse(text)?)));
        if version.is_none() {
            let message = format!("the version of {} is not three numbers", service.section);
            let help = "write for example 3.5.0, without `v`";
            self.remarks.error_with_help(node.at, message, help);
        }
        version
    }

    /// The options in `section`. Keys in `others` are not options.
    fn options(
        &mut self,
        section: &Node<'_>,
        others: &[&str],
        table: OptionTable,
    ) -> SectionOptions {
        let known = || table.options.iter().filter(|o| o.is_in(table.minor));
        for entry in section.entries() {
            let is_known = others.contains(&&*entry.key) || known().any(|o| o.name == entry.key);
            if !is_known {
                let mut decoder = Decoder {
                    has_dashes: false,
                    is_lenient: false,
                    keeps_null: false,
                    paths: self.paths,
                    remarks: self.remarks,
                };
                if table.options.iter().any(|o| o.name == entry.key) {
                    let message = format!("this version has no option `{}`", entry.key);
                    decoder.report_key(entry, message, None);
                } else {
                    decoder.report_unknown(entry, known().map(|o| o.name));
                }
            }
        }
        let mut options = SectionOptions {
            given: Vec::new(),
            is_dynamic: false,
        };
        for option in known() {
            let Some(node) = section.get(option.name).filter(|node| !node.is_null()) else {
                continue;
            };
            if let Some(written) = self.option_text(option, node, &mut options.is_dynamic) {
                let name = option.name;
                options.given.push(OptionValue { name, written });
            }
        }
        options
    }

    fn option_text(
        &mut self,
        option: &ClcOption,
        node: &Node<'_>,
        is_dynamic: &mut bool,
    ) -> Option<String> {
        let scalar = node.as_scalar();
        let (written, expected) = match option.kind {
            FieldKind::Int => {
                let number = scalar.and_then(scalars::int);
                (number.map(|number| number.to_string()), "a whole number")
            }
            FieldKind::Flag => {
                let flag = scalar.and_then(scalars::flag);
                (flag.map(|flag| flag.to_string()), "true or false")
            }
            _ => match scalar {
                Some(scalar) => {
                    let filled = self.fill(node.at, &scalar.text)?;
                    *is_dynamic |= filled.is_dynamic;
                    (Some(quoted(&filled.text)), "a text")
                }
                None => (None, "a text"),
            },
        };
        if written.is_none() {
            let message = format!(
                "`{}` must be {expected}, not {}",
                option.name,
                typed::type_name(node)
            );
            self.remarks.error(node.at, message);
        }
        written
    }

    fn fill(&mut self, at: u32, text: &str) -> Option<FilledText> {
        match dynamic::fill(text, self.platform, self.agent) {
            Ok(filled) => Some(filled),
            Err(error) => {
                let help = match error {
                    dynamic::FieldError::NoPlatform(_) => "name the platform, e.g. --platform ec2",
                    dynamic::FieldError::NotOffered { .. } => "write the value itself",
                };
                self.remarks.error_with_help(at, error.to_string(), help);
                None
            }
        }
    }

    /// The line that stores the network of flannel in etcd before flannel starts.
    fn network(
        &mut self,
        section: &Node<'_>,
        options: &SectionOptions,
        minor: u64,
    ) -> Option<FilledText> {
        let (at, config) = typed::text(section, "network_config")?;
        let is_object =
            serde_json::from_str::<serde_json::Value>(config).is_ok_and(|value| value.is_object());
        if !is_object {
            let help = "write for example '{\"Network\": \"10.1.0.0/16\"}'";
            let message = "network_config is not a JSON object";
            self.remarks.error_with_help(at, message, help);
        }
        let managed = section.get("kube_subnet_mgr").and_then(Node::as_scalar);
        if minor >= 7 && managed.and_then(scalars::flag) == Some(true) {
            let message =
                "network_config has no effect with kube_subnet_mgr, which does not read etcd";
            let help = "remove one of them";
            self.remarks.error_with_help(at, message, help);
        }
        // Here an unpaired brace is part of the JSON, not a sign of fields.
        let config = self.fill(at, config)?;
        let is_dynamic = config.text.contains("${");
        let mut text = String::from("ExecStartPre=/usr/bin/etcdctl");
        for (flag, name) in [
            ("endpoints", "etcd_endpoints"),
            ("ca-file", "etcd_cafile"),
            ("cert-file", "etcd_certfile"),
            ("key-file", "etcd_keyfile"),
        ] {
            if let Some(option) = options.given.iter().find(|given| given.name == name) {
                _ = write!(text, " --{flag}={}", option.written);
            }
        }
        let prefix = self.network_prefix(section);
        _ = write!(text, " set {prefix}/config {}", quoted(&config.text));
        Some(FilledText { text, is_dynamic })
    }

    fn network_prefix(&mut self, section: &Node<'_>) -> String {
        let (at, prefix) = match typed::text(section, "etcd_prefix") {
            Some((at, prefix)) if prefix.trim_end_matches('/') != NETWORK_PREFIX => (at, prefix),
            _ => return NETWORK_PREFIX.to_owned(),
        };
        let message = format!(
            "the network is written below this prefix, where flannel looks for it, not to {NETWORK_PREFIX}/config"
        );
        self.remarks.warn(at, message);
        let Some(filled) = self.fill(at, prefix) else {
            return String::new();
        };
        let prefix = filled.text.trim_end_matches('/');
        let is_plain = prefix
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b"/._-".contains(&b));
        match is_plain {
            true => prefix.to_owned(),
            // In the middle of a word, systemd does not remove quotes, so characters that need them are dropped.
            false => prefix.replace([' ', '"', '\\', '\'', '\n'], ""),
        }
    }
}

/// The drop-in of a service.
fn service_text(
    service: &ClcService,
    options: &SectionOptions,
    tag: Option<&str>,
    agent: Agent,
) -> String {
    let mut text = String::new();
    if options.is_dynamic {
        let agent = agent.service();
        _ = write!(text, "[Unit]\nRequires={agent}\nAfter={agent}\n\n");
    }
    text.push_str("[Service]\n");
    if options.is_dynamic {
        _ = writeln!(text, "EnvironmentFile={}", agent.file());
    }
    if let Some(version) = tag {
        _ = writeln!(text, "Environment=\"{}=v{version}\"", service.tag_variable);
    }
    _ = write!(text, "ExecStart=\nExecStart={}", service.program);
    for option in &options.given {
        let flag = match option.name {
            "interface" => "iface".to_owned(),
            name => name.replace('_', "-"),
        };
        _ = write!(text, " \\\n  --{flag}={}", option.written);
    }
    text
}

fn docker<'t>(section: &Node<'t>) -> Node<'t> {
    let flags = typed::elements(section, "flags").iter();
    let flags: Vec<&str> = flags
        .filter_map(|flag| Some(&*flag.as_scalar()?.text))
        .collect();
    let text = format!(
        "[Service]\nEnvironment=\"DOCKER_OPTS={}\"",
        escaped(&flags.join(" "))
    );
    let name = "docker.service";
    unit(section.at, name, true, "20-clct-docker.conf", &text)
}

fn unit<'t>(at: u32, name: &str, is_enabled: bool, dropin: &str, text: &str) -> Node<'t> {
    let mut unit = Node::mapping(at).with("name", Node::text(at, name.to_owned()));
    if is_enabled {
        unit.set("enabled", Node::flag(at, true));
    }
    let dropin = Node::mapping(at)
        .with("name", Node::text(at, dropin.to_owned()))
        .with("contents", Node::text(at, text.to_owned()));
    unit.with("dropins", Node::list(at, vec![dropin]))
}

/// `text` in double quotes, escaped as the original does it and systemd reads it.
pub(super) fn quoted(text: &str) -> String {
    format!("\"{}\"", escaped(text))
}

fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '"' | '\\' => out.extend(['\\', c]),
            '\u{7}' => out.push_str("\\a"),
            '\u{8}' => out.push_str("\\b"),
            '\t' => out.push_str("\\t"),
            '\n' => out.push_str("\\n"),
            '\u{b}' => out.push_str("\\v"),
            '\u{c}' => out.push_str("\\f"),
            '\r' => out.push_str("\\r"),
            c if c.is_ascii_control() => _ = write!(out, "\\x{:02x}", u32::from(c)),
            c if c.is_control() || (c.is_whitespace() && c != ' ') || c == '\u{feff}' => {
                _ = write!(out, "\\u{:04x}", u32::from(c));
            }
            c => out.push(c),
        }
    }
    out
}
