//! Meta-data in the form of NoCloud, cloud-init's drive for machines without a metadata service.

use super::decode;
use super::openstack::Machine;
use serde::Deserialize;
use serde_json::Value;
use std::collections::BTreeMap;

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
struct Names {
    local_hostname: Option<String>,
    #[serde(flatten)]
    machine: Machine,
}

/// Reads a document in the form of NoCloud or OpenStack: the machine, and every value by its path; `None` if the document
/// is empty. `what` names it.
///
/// # Errors
/// It is of another shape.
pub(crate) fn machine_and_values(
    what: &str,
    value: Value,
) -> anyhow::Result<Option<(Machine, BTreeMap<String, String>)>> {
    let values = decode::flattened(&value);
    let names: Option<Names> = decode::shaped(what, value)?;
    Ok(names.map(|names| {
        let machine = Machine {
            hostname: names.machine.hostname.or(names.local_hostname),
            ..names.machine
        };
        (machine, values)
    }))
}
