//! Meta-data in the form of OpenStack, which other clouds put on drives as well.

use super::decode::{self, Keys};
use super::drives;
use crate::platform::source::drive;
use serde::Deserialize;
use serde_json::Value;
use std::collections::BTreeMap;
use std::path::Path;

/// Meta-data on a drive.
pub(crate) const META_DATA: &str = "/openstack/latest/meta_data.json";
/// Vendor data on a drive.
pub(crate) const VENDOR_DATA: &str = "/openstack/latest/vendor_data.json";

/// A machine as OpenStack or NoCloud describes it.
#[derive(Debug, Default, Deserialize)]
pub(crate) struct Machine {
    /// Host name.
    pub hostname: Option<String>,
    /// Name that its owner gave it.
    pub name: Option<String>,
    /// UUID of the instance.
    pub uuid: Option<String>,
    /// Id of the instance, where it is not the UUID.
    #[serde(alias = "instance-id")]
    pub instance_id: Option<String>,
    /// Type (size) of the instance.
    #[serde(alias = "instance-type")]
    pub instance_type: Option<String>,
    /// Authorized SSH keys.
    #[serde(default, alias = "public-keys")]
    pub public_keys: Keys,
}

impl Machine {
    /// Id of the instance, else its UUID.
    pub(crate) fn id(&self) -> Option<&String> {
        self.instance_id.as_ref().or(self.uuid.as_ref())
    }
}

/// Reads the meta-data of a drive.
///
/// # Errors
/// There is none, or it has another shape.
pub(crate) fn machine(point: &Path) -> anyhow::Result<Machine> {
    machine_and_values(point).map(|(machine, _)| machine)
}

/// Reads the meta-data of a drive: the machine, and every value of the document by its path.
///
/// # Errors
/// As [`machine`].
pub(crate) fn machine_and_values(
    point: &Path,
) -> anyhow::Result<(Machine, BTreeMap<String, String>)> {
    let text = drives::needed(point, META_DATA)?;
    let machine = decode::json(&drives::shown(META_DATA), &text)?;
    let value: Value = decode::json(&drives::shown(META_DATA), &text)?;
    Ok((machine, decode::flattened(&value)))
}

/// Reads the vendor data for cloud-init on a drive.
///
/// # Errors
/// It cannot be read, or is not JSON.
pub(crate) fn vendor_data(point: &Path) -> anyhow::Result<Option<Vec<u8>>> {
    let Some(text) = drive::read(point, VENDOR_DATA)? else {
        return Ok(None);
    };
    let value = decode::json(&drives::shown(VENDOR_DATA), &text)?;
    Ok(of_vendor(value))
}

/// Vendor data for cloud-init: at its key in a document for several agents, or the whole document if that is a string.
pub(crate) fn of_vendor(value: Value) -> Option<Vec<u8>> {
    let own = match &value {
        Value::Object(entries) => entries.get("cloud-init")?,
        other => other,
    };
    let text = own.as_str()?;
    (!text.is_empty()).then(|| text.as_bytes().to_vec())
}
