//! Platform `kubevirt`: user data on a disk of the virtual machine, in the form of NoCloud or of OpenStack.

use super::drive::Drive;
use super::openstack;
use super::probes::{self, Probe, of_drive};
use super::{About, Answer, FetchContext, Module, Network, Platform, Tested, facts};

const DRIVES: [Drive; 2] = [
    Drive {
        label: "cidata",
        path: "/user-data",
    },
    Drive {
        label: "config-2",
        path: openstack::USER_DATA,
    },
];

/// The platform.
pub struct KubeVirt;

impl Platform for KubeVirt {
    fn id(&self) -> &'static str {
        "kubevirt"
    }

    fn about(&self) -> About {
        About {
            source: "`/user-data` on the drive labelled `cidata`, or `/openstack/latest/user_data` on the drive labelled `config-2`: the first that appears",
            asks: &[],
            no_config: "the drive has no such file, or an empty one; or both drives failed",
            patience: "without limit",
            network: Network::NotNeeded,
            modules: &[Module::Expected("isofs"), Module::Expected("vfat")],
            tested: Tested::RealMedium,
        }
    }

    fn asks(&self) -> Vec<String> {
        DRIVES.iter().map(Drive::describe).collect()
    }

    fn fetch(&self, context: &mut FetchContext<'_>) -> anyhow::Result<Answer> {
        let probes: Vec<Probe<'_>> = DRIVES.iter().map(of_drive).collect();
        probes::answer(&probes, context)
    }

    fn facts_source(&self) -> Option<&'static dyn facts::Source> {
        Some(&facts::kubevirt::SOURCE)
    }
}
