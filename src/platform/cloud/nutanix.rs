//! Platform `nutanix`: user data on a config drive in the form of OpenStack. It has no attributes: what else
//! the drive holds is not documented.

use crate::platform::source::config_drive::ConfigDrivePlatform;

pub(crate) static PLATFORM: ConfigDrivePlatform = ConfigDrivePlatform {
    id: "nutanix",
    attributes: None,
};
