//! Platform `ibmcloud`: user data on the drive `cidata` of a virtual server.

use super::cidata::{CiData, OnCiData};
use super::facts;

/// The platform.
pub static PLATFORM: OnCiData = OnCiData {
    id: "ibmcloud",
    source: "`/user-data` on the drive labelled `cidata`",
    no_config: "the drive does not appear, cannot be read, or has no user data",
    data: CiData {
        files: &["/user-data"],
        skips_cloud_config: false,
    },
    facts: &facts::ibmcloud::SOURCE,
};
