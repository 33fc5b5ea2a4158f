//! The config drive of OpenStack, which other clouds use as well.

use super::drive::Drive;
use crate::platform::contract::{
    About, Answer, AttributeSource, FetchContext, KernelModule, Network, Platform, TestLevel,
};

/// Label of the drive.
pub(crate) const LABEL: &str = "config-2";
/// Labels of the drive on clouds that may use a file system without lower-case labels, such as VFAT.
pub(crate) const LABELS: [&str; 2] = [LABEL, "CONFIG-2"];
/// Path of user data on the drive.
pub(crate) const USER_DATA: &str = "/openstack/latest/user_data";
/// The drive with user data, under either label.
pub(crate) const DRIVES: [Drive; 2] = with_either_label(USER_DATA);

/// The drive under either label, for a config at this path.
pub(crate) const fn with_either_label(path: &'static str) -> [Drive; 2] {
    let [label, other] = LABELS;
    [Drive { label, path }, Drive { label: other, path }]
}

/// A platform whose config is on such a drive, and nowhere else.
#[derive(Debug)]
pub(crate) struct ConfigDrivePlatform {
    pub id: &'static str,
    /// The source of its attributes, if it has one.
    pub attributes: Option<&'static dyn AttributeSource>,
}

impl Platform for ConfigDrivePlatform {
    fn id(&self) -> &'static str {
        self.id
    }

    fn about(&self) -> About {
        About {
            source: "`/openstack/latest/user_data` on the drive labelled `config-2`",
            requests: &[],
            no_config: "the drive has no user data",
            waits: "without limit",
            network: Network::NotNeeded,
            modules: &[
                KernelModule::Expected("isofs"),
                KernelModule::Expected("vfat"),
            ],
            tested: TestLevel::RealMedium,
        }
    }

    fn requests(&self) -> Vec<String> {
        vec![DRIVES[0].describe()]
    }

    fn fetch(&self, context: &mut FetchContext<'_>) -> anyhow::Result<Answer> {
        let [drive, _] = &DRIVES;
        let text = drive.read(None, context.log, &|| context.events.cancelled())?;
        Ok(Answer::of(format!("config drive {}", drive.label), text))
    }

    fn attribute_source(&self) -> Option<&'static dyn AttributeSource> {
        self.attributes
    }
}
