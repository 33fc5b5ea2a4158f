//! Platforms `nutanix` and `powervs`: user data on a config drive in the form of OpenStack.

use super::openstack::DRIVES;
use super::{About, Answer, FetchContext, Module, Network, Platform, Tested, facts};

/// The platform, with its id.
pub struct ConfigDrive(pub &'static str);

impl Platform for ConfigDrive {
    fn id(&self) -> &'static str {
        self.0
    }

    fn about(&self) -> About {
        About {
            source: "`/openstack/latest/user_data` on the drive labelled `config-2`",
            asks: &[],
            no_config: "the drive has no user data",
            patience: "without limit",
            network: Network::NotNeeded,
            modules: &[Module::Expected("isofs"), Module::Expected("vfat")],
            tested: Tested::RealMedium,
        }
    }

    fn asks(&self) -> Vec<String> {
        vec![DRIVES[0].describe()]
    }

    fn fetch(&self, context: &mut FetchContext<'_>) -> anyhow::Result<Answer> {
        let [drive, _] = &DRIVES;
        let text = drive.read(None, context.log, &|| context.events.cancelled())?;
        Ok(Answer::of(format!("config drive {}", drive.label), text))
    }

    fn facts_source(&self) -> Option<&'static dyn facts::Source> {
        // Nothing says what else a drive of Nutanix has.
        (self.0 == "powervs").then_some(&facts::powervs::SOURCE as _)
    }
}
