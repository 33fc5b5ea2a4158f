//! Platform `azurestack`: custom data on the disc that Azure Stack inserts.
//!
//! Attributes: the name of the machine, from a document of the metadata service.

use crate::platform::attributes::FunctionSource;
use crate::platform::attributes::service::MetadataService;
use crate::platform::contract::{
    About, Answer, AttributeSource, Attributes, FetchContext, KernelModule, Network, Platform,
    TestLevel,
};
use crate::platform::source::ovf_disc::Disc;
use serde::Deserialize;

const DISC: Disc = Disc {
    file_systems: &["udf", "iso9660"],
};

/// The platform.
pub(crate) struct AzureStack;

impl Platform for AzureStack {
    fn id(&self) -> &'static str {
        "azurestack"
    }

    fn about(&self) -> About {
        About {
            source: "`CustomData.bin` on the disc with `ovf-env.xml` (UDF or ISO 9660)",
            requests: &[],
            no_config: "the disc has no `CustomData.bin`, or an empty one",
            waits: "without limit",
            network: Network::NotNeeded,
            modules: &[
                KernelModule::Expected("udf"),
                KernelModule::Expected("isofs"),
                KernelModule::Expected("sr_mod"),
            ],
            tested: TestLevel::RealMedium,
        }
    }

    fn requests(&self) -> Vec<String> {
        vec![DISC.describe()]
    }

    fn fetch(&self, context: &mut FetchContext<'_>) -> anyhow::Result<Answer> {
        DISC.answer(context)
    }

    fn attribute_source(&self) -> Option<&'static dyn AttributeSource> {
        Some(&ATTRIBUTES)
    }
}

/// The attributes for `kindling metadata`.
static ATTRIBUTES: FunctionSource = FunctionSource {
    names: &[],
    fetch: fetch_attributes,
};

/// Statuses while the machine is migrated (410), and when there are too many requests (429).
const RETRY_STATUSES: &[u16] = &[410, 429];
const COMPUTE: &str = "http://169.254.169.254/Microsoft.Compute/";
const IDENTITY: &str = "identity?api-version=2019-03-11";

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Identity {
    vm_name: Option<String>,
}

fn fetch_attributes(context: &FetchContext<'_>) -> anyhow::Result<Attributes> {
    let service = MetadataService::at(context, COMPUTE)
        .with_header("Metadata", "true")
        .retry_on(RETRY_STATUSES);
    let identity: Identity = service.required_json(IDENTITY)?;
    let mut attributes = Attributes::default();
    attributes.set_hostname(identity.vm_name);
    Ok(attributes)
}
