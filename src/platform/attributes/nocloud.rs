//! Metadata in the format of NoCloud, cloud-init's drive for machines without a metadata service.

use super::decode;
use super::openstack::Machine;
use serde::Deserialize;
use serde_json::Value;
use std::collections::BTreeMap;

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
struct NoCloudMachine {
    local_hostname: Option<String>,
    #[serde(flatten)]
    machine: Machine,
}

/// Decodes a document in the format of NoCloud or OpenStack: the machine, and every value by its path; `None` if the
/// document is empty. `what` names it.
///
/// # Errors
/// If it does not have the expected structure.
pub(crate) fn machine_and_values(
    what: &str,
    value: Value,
) -> anyhow::Result<Option<(Machine, BTreeMap<String, String>)>> {
    let values = decode::flattened(&value);
    let nocloud: Option<NoCloudMachine> = decode::from_value(what, value)?;
    Ok(nocloud.map(|nocloud| {
        let machine = Machine {
            hostname: nocloud.machine.hostname.or(nocloud.local_hostname),
            ..nocloud.machine
        };
        (machine, values)
    }))
}
