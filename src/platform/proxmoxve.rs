//! Platform `proxmoxve` (Proxmox VE): user data or vendor data on the drive `cidata`. Proxmox writes a cloud-config of
//! its own as user data, so the config usually is vendor data (`cicustom vendor=`).

use super::cidata::{CiData, OnCiData};
use super::facts;

/// The platform.
pub static PLATFORM: OnCiData = OnCiData {
    id: "proxmoxve",
    source: "`/user-data`, else `/vendor-data`, on the drive labelled `cidata`: the first that is not a cloud-config",
    no_config: "the drive does not appear, cannot be mounted, or has nothing but cloud-configs",
    data: CiData {
        files: &["/user-data", "/vendor-data"],
        skips_cloud_config: true,
    },
    facts: &facts::proxmoxve::SOURCE,
};
