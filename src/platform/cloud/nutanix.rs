//! Platform `nutanix`: user data on a config drive in the format of OpenStack. It has no attributes: what else is on
//! the drive is not documented.

use crate::platform::source::config_drive::ConfigDrivePlatform;

pub(crate) static PLATFORM: ConfigDrivePlatform = ConfigDrivePlatform {
    id: "nutanix",
    attributes: None,
};
