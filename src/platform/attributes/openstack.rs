//! Metadata in the format of OpenStack, which other clouds put on drives as well.

use super::decode::{self, Keys};
use super::drives;
use serde::Deserialize;
use serde_json::Value;
use std::collections::BTreeMap;
use std::path::Path;

/// Path of the metadata on a drive.
pub(crate) const META_DATA: &str = "/openstack/latest/meta_data.json";
/// Path of the vendor data on a drive.
pub(crate) const VENDOR_DATA: &str = "/openstack/latest/vendor_data.json";

/// A machine as OpenStack or NoCloud describes it.
#[derive(Debug, Default, Deserialize)]
pub(crate) struct Machine {
    /// Host name.
    pub hostname: Option<String>,
    /// Name given by its owner.
    pub name: Option<String>,
    /// UUID of the instance.
    pub uuid: Option<String>,
    /// Id of the instance, if it is not the UUID.
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
    /// Id of the instance; its UUID if it has none.
    pub(crate) fn id(&self) -> Option<&String> {
        self.instance_id.as_ref().or(self.uuid.as_ref())
    }
}

/// Reads the metadata on a drive.
///
/// # Errors
/// If there is none, or it does not have the expected structure.
pub(crate) fn machine(mount_point: &Path) -> anyhow::Result<Machine> {
    machine_and_values(mount_point).map(|(machine, _)| machine)
}

/// Reads the metadata on a drive: the machine, and every value of the document by its path.
///
/// # Errors
/// See [`machine`].
pub(crate) fn machine_and_values(
    mount_point: &Path,
) -> anyhow::Result<(Machine, BTreeMap<String, String>)> {
    let text = drives::read_required(mount_point, META_DATA)?;
    let machine = decode::json(&drives::shown(META_DATA), &text)?;
    let value: Value = decode::json(&drives::shown(META_DATA), &text)?;
    Ok((machine, decode::flattened(&value)))
}

/// Reads the vendor data for cloud-init from a drive.
///
/// # Errors
/// If it cannot be read, or is not JSON.
pub(crate) fn vendor_data(mount_point: &Path) -> anyhow::Result<Option<Vec<u8>>> {
    let Some(text) = drives::read(mount_point, VENDOR_DATA)? else {
        return Ok(None);
    };
    let value = decode::json(&drives::shown(VENDOR_DATA), &text)?;
    Ok(cloud_init_vendor_data(value))
}

/// Vendor data for cloud-init: under its key in a document for several agents, or the document itself if it is a
/// string.
pub(crate) fn cloud_init_vendor_data(value: Value) -> Option<Vec<u8>> {
    let own = match &value {
        Value::Object(entries) => entries.get("cloud-init")?,
        other => other,
    };
    let text = own.as_str()?;
    (!text.is_empty()).then(|| text.as_bytes().to_vec())
}
