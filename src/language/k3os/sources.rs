//! The sources of a k3OS config besides the text itself, in the order in which k3OS merged them.
//!
//! From lowest to highest precedence: what the image has, the kernel command line, what the machine has kept, the host
//! name and the keys that the platform gives, the text, and what is in `config.d`. A later source replaces lists and
//! maps of names to texts as a whole; the objects `k3os` and `install` are merged key by key.

use super::{command_line, names};
use crate::config::LineStarts;
use crate::language::findings::Remarks;
use crate::language::node::{Node, NodeContent};
use crate::language::surroundings::{InstanceData, Surroundings};
use crate::language::target::{Layer, SystemConfig};
use crate::language::yaml;

/// `root`, with canonical names, merged with the other sources. They are not in the text, so everything in them gets
/// the offset of `root`.
pub(super) fn merged<'t>(
    root: Node<'t>,
    surroundings: &Surroundings<'_>,
    remarks: &mut Remarks,
) -> Node<'t> {
    let at = root.at;
    let target = &surroundings.target;
    let mut config = Node::mapping(at);
    merge_layer(&mut config, target.configs, Layer::Image, remarks);
    if let Some(arguments) = target.kernel_arguments {
        merge_over(&mut config, command_line::read(arguments, at, remarks));
    }
    merge_layer(&mut config, target.configs, Layer::Kept, remarks);
    merge_over(&mut config, platform_settings(&surroundings.instance, at));
    merge_over(&mut config, root);
    merge_layer(&mut config, target.configs, Layer::Last, remarks);
    names::without_nulls(config, names::ROOT)
}

/// Merges `over` over `config`.
fn merge_over<'t>(config: &mut Node<'t>, over: Node<'t>) {
    let base = std::mem::replace(config, Node::null(over.at));
    *config = names::merge(base, over, names::ROOT);
}

fn merge_layer(
    config: &mut Node<'_>,
    configs: &[SystemConfig],
    layer: Layer,
    remarks: &mut Remarks,
) {
    for one in configs.iter().filter(|one| one.layer == layer) {
        if let Some(over) = read(one, config.at, remarks) {
            merge_over(config, over);
        }
    }
}

/// A config of the system. One that cannot be read is an error, since k3OS would not have continued either.
fn read(config: &SystemConfig, at: u32, remarks: &mut Remarks) -> Option<Node<'static>> {
    let path = &config.path;
    let lines = LineStarts::of(&config.text);
    let Ok(text) = std::str::from_utf8(&config.text) else {
        remarks.error(at, format!("{path} of the system is not UTF-8"));
        return None;
    };
    let document = match yaml::read(text, &lines) {
        Ok(document) => document,
        Err(error) => {
            let line = lines.position(error.offset).line;
            let message = format!("{path} of the system, line {line}: {}", error.message);
            remarks.error(at, message);
            return None;
        }
    };
    let root = document.root.detached(&|_| at);
    if root.is_null() {
        return None;
    }
    if !matches!(root.value, NodeContent::Mapping(_)) {
        let message = format!("{path} of the system is {}, not a mapping", root.kind());
        remarks.error(at, message);
        return None;
    }
    let mut own = Remarks::default();
    let root = names::canonical(root, names::ROOT, &mut own);
    if own.count() > 0 {
        let message =
            format!("{path} of the system has keys that are unknown, or one in two spellings");
        match own.is_fatal() {
            true => remarks.error(at, message),
            false => remarks.warn(at, message),
        }
    }
    Some(root)
}

/// The host name and the keys from the platform, as k3OS stored them for its config.
fn platform_settings<'t>(instance: &InstanceData<'_>, at: u32) -> Node<'t> {
    let mut settings = Node::mapping(at);
    if let Some(hostname) = instance.hostname {
        settings.set("hostname", Node::text(at, hostname.to_owned()));
    }
    if !instance.keys.is_empty() {
        let keys = instance.keys.iter().map(|key| Node::text(at, key.clone()));
        settings.set("ssh_authorized_keys", Node::list(at, keys.collect()));
    }
    settings
}
