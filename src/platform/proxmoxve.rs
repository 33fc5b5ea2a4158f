//! Platform `proxmoxve` (Proxmox VE): user data or vendor data on the drive `cidata`. Proxmox writes a cloud-config of
//! its own as user data, so the config usually is vendor data (`cicustom vendor=`).

use super::cidata::{CiData, PATIENCE};
use super::{About, Answer, Module, Network, Platform, Site, Tested, facts};

const CIDATA: CiData = CiData {
    files: &["/user-data", "/vendor-data"],
    skips_cloud_config: true,
};

/// The platform.
pub struct ProxmoxVe;

impl Platform for ProxmoxVe {
    fn id(&self) -> &'static str {
        "proxmoxve"
    }

    fn about(&self) -> About {
        About {
            source: "`/user-data`, else `/vendor-data`, on the drive labelled `cidata`: the first that is no cloud-config",
            asks: &[],
            no_config: "the drive does not appear, cannot be mounted, or has nothing but cloud-configs",
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
        Some(&facts::proxmoxve::SOURCE)
    }
}
