//! What OpenShift wraps around a config: a MachineConfig.

use super::context::{ButaneContext, is_on, list};
use super::variants::Variant;
use super::yaml_text::{self, YamlEntry};
use crate::config::Severity;
use crate::config::tree::{Tree, Value};
use crate::language::node::Node;
use serde_json::{Map, Value as Json, json};

/// The label that states which machines a config is for.
const ROLE: &str = "machineconfiguration.openshift.io/role";
const API_VERSION: &str = "machineconfiguration.openshift.io/v1";

/// The kernel argument that a key in a Crypto Express card requires.
const CEX_ARGUMENT: &str = "rd.luks.key=/etc/luks/cex.key";

/// Options that FIPS mode requires of volumes before OpenShift 4.20.
const FIPS_OPTIONS: [&str; 2] = ["--cipher", "aes-cbc-essiv:sha256"];
const FIRST_MINOR_WITHOUT_FIPS_OPTIONS: u8 = 20;

/// Metadata and settings around a config.
#[derive(Debug)]
pub(crate) struct MachineConfig {
    name: String,
    labels: Map<String, Json>,
    kernel_type: Option<String>,
    kernel_arguments: Vec<String>,
    extensions: Vec<String>,
    fips: Option<bool>,
}

/// Checks what a MachineConfig requires.
pub(super) fn check(root: &Node<'_>, context: &mut ButaneContext<'_, '_>) {
    if context.dialect.variant != Variant::Openshift {
        return;
    }
    let metadata = root.get("metadata");
    let (at, name, labels) = match metadata {
        Some(metadata) => (metadata.at, "name", "labels"),
        None => (root.at, "metadata.name", "metadata.labels"),
    };
    if metadata.is_none_or(|metadata| metadata.text_at("name").is_empty()) {
        let message = "metadata.name is required";
        context.remarks.missing(at, name, message);
    }
    let role = root.at_path(&["metadata", "labels", ROLE]);
    if role.map_or("", Node::as_text).is_empty() {
        let message = format!("metadata.labels needs `{ROLE}`");
        match metadata.and_then(|metadata| metadata.get("labels")) {
            Some(stated) => context.remarks.error(stated.at, message),
            None => context.remarks.missing(at, labels, message),
        }
    }
    let settings = root.get("openshift");
    let kind = settings.and_then(|settings| settings.get("kernel_type"));
    if let Some(kind) = kind.filter(|kind| !matches!(kind.as_text(), "" | "default" | "realtime")) {
        context.remarks.error_with_help(
            kind.at,
            "unknown type of kernel",
            "the types are default and realtime",
        );
    }
    if context.dialect.is_openshift_since(19) {
        check_cex(root, context);
    }
    if context.surroundings.is_raw {
        warn_of_settings(settings, context);
    }
}

fn check_cex(root: &Node<'_>, context: &mut ButaneContext<'_, '_>) {
    let boot = root
        .at_path(&["boot_device", "luks", "cex"])
        .filter(|cex| is_on(cex, "enabled"));
    let volumes = root
        .get("storage")
        .map_or(&[][..], |storage| list(storage, "luks"));
    let own = volumes.iter().find_map(|volume| {
        let cex = volume.get("cex").filter(|cex| is_on(cex, "enabled"));
        cex.filter(|_| volume.text_at("name") == "root")
    });
    let Some(cex) = boot.or(own) else {
        return;
    };
    let arguments = root.at_path(&["openshift", "kernel_arguments"]);
    let mut given = arguments.map_or(&[][..], Node::elements).iter();
    if !given.any(|argument| argument.as_text() == CEX_ARGUMENT) {
        context.remarks.error_with_help(
            cex.at,
            "a root volume with its key in a Crypto Express card needs an argument of the kernel",
            format!("add {CEX_ARGUMENT} to openshift.kernel_arguments"),
        );
    }
}

/// Warns of settings, which have no place in a plain config.
fn warn_of_settings(settings: Option<&Node<'_>>, context: &mut ButaneContext<'_, '_>) {
    for entry in settings.map_or(&[][..], Node::entries) {
        let is_empty = match entry.value.as_scalar() {
            Some(scalar) => matches!(&*scalar.text, "" | "false"),
            None => entry.value.elements().is_empty(),
        };
        if !is_empty {
            let message = format!("`{}` has no effect without a MachineConfig", entry.key);
            // Most of these values are lists.
            let at = entry.value.at;
            context.remarks.about_list(Severity::Warning, at, message);
        }
    }
}

/// Adds the options that FIPS mode requires of volumes to a config with the names of Ignition.
pub(super) fn add_fips_options<'t>(
    config: &mut Node<'t>,
    root: &Node<'t>,
    context: &ButaneContext<'_, '_>,
) {
    let dialect = context.dialect;
    let fips = root
        .at_path(&["openshift", "fips"])
        .filter(|fips| fips.as_text() == "true");
    let is_required = dialect.variant == Variant::Openshift
        && !dialect.is_openshift_since(FIRST_MINOR_WITHOUT_FIPS_OPTIONS);
    let Some(fips) = fips.filter(|_| is_required) else {
        return;
    };
    let volumes = config.at_path_mut(&["storage", "luks"]);
    for volume in volumes.map_or(&mut [][..], Node::elements_mut) {
        add_cipher(volume, fips.at);
    }
}

fn add_cipher(volume: &mut Node<'_>, at: u32) {
    let mut options = volume
        .remove("options")
        .unwrap_or_else(|| Node::list(at, Vec::new()));
    let names_cipher = |option: &Node<'_>| {
        let text = option.as_text();
        text == "--cipher" || text == "-c" || text.starts_with("--cipher=")
    };
    let has_cipher = options.elements().iter().any(names_cipher);
    if let crate::language::node::NodeContent::List(list) = &mut options.value
        && !has_cipher
    {
        list.extend(FIPS_OPTIONS.map(|option| Node::text(at, option)));
    }
    if !options.elements().is_empty() {
        volume.set("options", options);
    }
}

impl MachineConfig {
    /// The MachineConfig of a document; `None` if the config is to be plain, or the variant does not wrap it.
    pub(super) fn of(root: &Node<'_>, context: &ButaneContext<'_, '_>) -> Option<Self> {
        if context.dialect.variant != Variant::Openshift || context.surroundings.is_raw {
            return None;
        }
        let metadata = root.get("metadata")?;
        let settings = root.get("openshift");
        let texts = |name: &str| -> Vec<String> {
            let elements = settings.map_or(&[][..], |settings| list(settings, name));
            elements
                .iter()
                .map(|node| node.as_text().to_owned())
                .collect()
        };
        let labels = metadata.get("labels").map_or(&[][..], Node::entries);
        Some(MachineConfig {
            name: metadata.text_at("name").to_owned(),
            labels: labels
                .iter()
                .map(|entry| (entry.key.to_string(), json!(&entry.value.as_text())))
                .collect(),
            kernel_type: settings
                .and_then(|settings| settings.get("kernel_type"))
                .map(|kind| kind.as_text().to_owned()),
            kernel_arguments: texts("kernel_arguments"),
            extensions: texts("extensions"),
            fips: settings
                .and_then(|settings| settings.get("fips"))
                .map(|fips| fips.as_text() == "true"),
        })
    }

    /// The MachineConfig with `config` in it, as YAML with sorted keys and without a trailing newline.
    pub(crate) fn print(&self, config: &Tree<'_>) -> String {
        let mut spec = Map::new();
        let config = json_of(config).unwrap_or_else(|| json!({}));
        spec.insert("config".into(), config);
        let lists = [
            ("extensions", &self.extensions),
            ("kernelArguments", &self.kernel_arguments),
        ];
        for (name, list) in lists {
            if !list.is_empty() {
                spec.insert(name.into(), json!(list));
            }
        }
        if let Some(fips) = self.fips {
            spec.insert("fips".into(), json!(fips));
        }
        if let Some(kind) = &self.kernel_type {
            spec.insert("kernelType".into(), json!(kind));
        }
        let mut metadata = Map::new();
        metadata.insert("name".into(), json!(self.name));
        if !self.labels.is_empty() {
            metadata.insert("labels".into(), Json::Object(self.labels.clone()));
        }
        let document = json!({
            "apiVersion": API_VERSION,
            "kind": "MachineConfig",
            "metadata": metadata,
            "spec": spec,
        });
        let text = yaml_text::document(&entries(&document));
        // Only the last line end: others are part of a value.
        let text = text.strip_suffix('\n').unwrap_or(&text);
        format!("# {}; do not edit\n{text}", super::mounts::GENERATED)
    }
}

/// The members of an object, sorted as the objects of `serde_json` are.
fn entries(value: &Json) -> Vec<YamlEntry> {
    let members = value.as_object().into_iter().flatten();
    members
        .map(|(key, value)| YamlEntry::new(key.as_str(), yaml_of(value)))
        .collect()
}

fn yaml_of(value: &Json) -> yaml_text::YamlValue {
    match value {
        Json::String(text) => yaml_text::YamlValue::Text(text.clone()),
        Json::Array(elements) => yaml_text::YamlValue::List(elements.iter().map(yaml_of).collect()),
        Json::Object(_) => yaml_text::YamlValue::Mapping(entries(value)),
        other => yaml_text::YamlValue::Plain(other.to_string()),
    }
}

/// A tree as JSON; `None` if it is empty.
fn json_of(tree: &Tree<'_>) -> Option<Json> {
    Some(match &tree.value {
        Value::Null | Value::MismatchedValue(_) => return None,
        Value::Bool(value) => json!(value),
        Value::Int(number) => json!(number),
        Value::Text(text) => json!(text),
        Value::List(elements) if elements.is_empty() => return None,
        Value::List(elements) => elements
            .iter()
            .map(|tree| json_of(tree).unwrap_or_else(|| json!({})))
            .collect(),
        Value::Object(members) => {
            let members = members
                .iter()
                .filter_map(|(field, tree)| Some((field.name.to_owned(), json_of(tree)?)));
            let object: Map<String, Json> = members.collect();
            if object.is_empty() {
                return None;
            }
            Json::Object(object)
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn documents_are_printed_in_blocks() {
        let value = json!({
            "b": [{"y": 1, "x": "n"}, "plain", ""],
            "a": "one\ntwo\n",
            "c": {"d": "x\ny", "e": true, "f": [], "g": "0644"},
        });
        let want = "a: |\n  one\n  two\nb:\n  - x: \"n\"\n    \"y\": 1\n  - plain\n  - \"\"\nc:\n  d: |-\n    x\n    y\n  e: true\n  f: []\n  g: \"0644\"\n";
        assert_eq!(yaml_text::document(&entries(&value)), want);
    }
}
