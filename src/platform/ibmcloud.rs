//! Platform `ibmcloud`: user data on the drive `cidata` of a virtual server.

use super::cidata::{CiData, PATIENCE};
use super::{About, Answer, Module, Network, Platform, Site, Tested, facts};

const CIDATA: CiData = CiData {
    files: &["/user-data"],
    skips_cloud_config: false,
};

/// The platform.
pub struct IbmCloud;

impl Platform for IbmCloud {
    fn id(&self) -> &'static str {
        "ibmcloud"
    }

    fn about(&self) -> About {
        About {
            source: "`/user-data` on the drive labelled `cidata`",
            asks: &[],
            no_config: "the drive does not appear, cannot be read, or has no user data",
            patience: PATIENCE,
            network: Network::NotNeeded,
            modules: &[Module::Expected("isofs"), Module::Expected("vfat")],
            tested: Tested::RealMedium,
        }
    }

    fn asks(&self) -> Vec<String> {
        CIDATA.describe()
    }

    fn fetch(&self, site: &mut Site<'_>) -> anyhow::Result<Answer> {
        CIDATA.answer(site)
    }

    fn facts_source(&self) -> Option<&'static dyn facts::Source> {
        Some(&facts::ibmcloud::SOURCE)
    }
}
