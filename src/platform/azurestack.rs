//! Platform `azurestack`: custom data on the disc that Azure Stack inserts.

use super::ovf_disc::Disc;
use super::{About, Answer, FetchContext, Module, Network, Platform, Tested, facts};

const DISC: Disc = Disc {
    file_systems: &["udf", "iso9660"],
};

/// The platform.
pub struct AzureStack;

impl Platform for AzureStack {
    fn id(&self) -> &'static str {
        "azurestack"
    }

    fn about(&self) -> About {
        About {
            source: "`CustomData.bin` on the disc with `ovf-env.xml` (UDF or ISO 9660)",
            asks: &[],
            no_config: "the disc has no `CustomData.bin`, or an empty one",
            patience: "without limit",
            network: Network::NotNeeded,
            modules: &[
                Module::Expected("udf"),
                Module::Expected("isofs"),
                Module::Expected("sr_mod"),
            ],
            tested: Tested::RealMedium,
        }
    }

    fn asks(&self) -> Vec<String> {
        vec![DISC.describe()]
    }

    fn fetch(&self, context: &mut FetchContext<'_>) -> anyhow::Result<Answer> {
        DISC.answer(context)
    }

    fn facts_source(&self) -> Option<&'static dyn facts::Source> {
        Some(&facts::azure::AZURE_STACK)
    }
}
