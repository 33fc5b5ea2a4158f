//! `#cloud-config` as cloud-init reads it, and its other forms of user data.
//!
//! cloud-init works on a running system, at each of its boots. Here, what can be expressed as files, accounts, disks
//! and units is done once, before the first boot; commands run from units. What needs the running system is rejected by
//! name, and keys that only tune cloud-init get a warning: nothing is dropped silently.

mod account;
mod account_extras;
mod clock;
mod commands;
mod disks;
mod forms;
mod host;
mod keys;
mod kinds;
mod merge;
pub(super) mod modules;
mod mounts;
mod passwords;
mod places;
mod repositories;
mod services;
mod template;
mod users;
mod values;
mod vendor;
mod write_files;

use super::assembly::Assembly;
use super::findings::Remarks;
use super::node::Node;
use super::packed::Budget;
use super::paths;
use super::result::TranslationResult;
use super::surroundings::{InstanceData, Surroundings};
use super::target::{Distribution, Target};
use crate::config::{JsonPath, LineStarts, Severity};
use write_files::{When, WrittenFiles};

/// What conversions need besides the config.
struct CloudInitContext<'s> {
    target: Target<'s>,
    instance: InstanceData<'s>,
    ignore_unsupported: bool,
    refuses_scripts: bool,
    /// True if the result is printed as Ignition, which cannot say everything.
    is_printed: bool,
    budget: Budget,
}

/// Reads `text`.
pub(crate) fn read<'t>(
    text: &'t [u8],
    lines: &LineStarts,
    surroundings: &Surroundings<'_>,
) -> TranslationResult<'t> {
    let context = CloudInitContext {
        refuses_scripts: surroundings.refuses_scripts,
        is_printed: surroundings.is_printed,
        target: surroundings.target,
        instance: surroundings.instance,
        ignore_unsupported: surroundings.ignore_unsupported,
        budget: Budget::default(),
    };
    let mut remarks = Remarks::default();
    let mut parts = forms::read(text, &context, &mut remarks);
    vendor::merge_under(&mut parts, &context, &mut remarks);
    let paths = match parts.roots.as_slice() {
        [root] => paths::of(root),
        _ => paths::of(&Node::list(0, std::mem::take(&mut parts.roots))),
    };
    let has_config = parts.config.is_some();
    let root = parts.config.take().unwrap_or(Node::mapping(0));
    let mut assembly = Assembly::new(root.at);
    let has_commands = !parts.scripts.is_empty() || root.get("runcmd").is_some();
    // If there is nothing else, the accounts come from what is included.
    if has_config || !parts.scripts.is_empty() || parts.included.is_empty() {
        convert(root, &parts.scripts, &context, &mut assembly, &mut remarks);
        if let Some(url) = parts.included.first() {
            let message = "what is included is applied as a whole, on top of the rest";
            if has_commands {
                let message =
                    format!("{message}: if it has scripts or commands, those here do not run");
                let help = "write all scripts and commands into the same text";
                remarks.warn_with_help(url.at, message, help);
            } else {
                remarks.warn(url.at, message);
            }
        }
    }
    for url in parts.included {
        assembly.add_include(url.at, url.text);
    }
    let new_parents = assembly.take_new_parents();
    let config = (!remarks.is_fatal()).then(|| assembly.finish());
    TranslationResult {
        new_parents,
        findings: remarks.into_findings(lines, &paths),
        paths,
        config,
        ..TranslationResult::default()
    }
}

/// Adds everything that `root` requests. If two modules write a file with the same path, the later one wins, in the
/// order in which cloud-init runs them.
fn convert<'t>(
    root: Node<'t>,
    scripts: &[commands::UserScript],
    context: &CloudInitContext<'_>,
    assembly: &mut Assembly<'t>,
    remarks: &mut Remarks,
) {
    let root = modules::canonical(root, context.ignore_unsupported, remarks);
    let accounts = users::convert(&root, context, assembly, remarks);
    clock::convert_random_seed(&root, assembly, remarks);
    let mut made = WrittenFiles::new(assembly);
    let files = (&mut *assembly, &mut made);
    write_files::convert(&root, When::First, context, files, remarks);
    let aliases = values::mapping_of_texts(&root, "device_aliases", remarks);
    disks::convert(&root, &aliases, context, assembly, remarks);
    mounts::convert(&root, &aliases, assembly, remarks);
    host::convert(&root, context, assembly, remarks);
    services::convert(&root, context, assembly, remarks);
    repositories::convert(&root, context, assembly, remarks);
    clock::convert_resolver(&root, assembly, remarks);
    keys::convert_server(&root, assembly, remarks);
    keys::convert(&root, context, &accounts, assembly, remarks);
    passwords::convert(&root, context, &accounts, assembly, remarks);
    clock::convert_locale(&root, context, assembly, remarks);
    clock::convert_keyboard(&root, context, assembly, remarks);
    clock::convert_ntp(&root, context, assembly, remarks);
    clock::convert_timezone(&root, context, assembly, remarks);
    commands::convert(&root, scripts, context, assembly, remarks);
    made.warn_of_replaced(assembly, remarks);
    let files = (&mut *assembly, &mut made);
    write_files::convert(&root, When::Last, context, files, remarks);
    let is_unknown = context.target.distribution == Distribution::Unknown;
    if is_unknown && accounts.default.is_some() && !remarks.is_fatal() {
        let message = "the system is not known, so the conventions of Debian hold";
        remarks.add_at_path(Severity::Info, root.at, JsonPath::root(), message, None);
    }
}
