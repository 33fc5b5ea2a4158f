//! Platform `azure`: user data of the Instance Metadata Service, else custom data on the disc that Azure inserts.

use super::metadata::{Document, Missing, Packing};
use super::ovf_disc::Disc;
use super::{About, Answer, FetchContext, Module, Network, Platform, Tested, facts};

static USER_DATA: Document = Document {
    headers: &[("Metadata", "true")],
    // It says so while the machine is being made.
    again: &[404, 410, 429],
    missing: Missing::Failure,
    packing: Packing::Base64,
    ..Document::at(
        "http://169.254.169.254/metadata/instance/compute/userData?api-version=2021-01-01&format=text",
    )
};
const DISC: Disc = Disc {
    file_systems: &["udf"],
};

/// The platform.
pub struct Azure;

impl Platform for Azure {
    fn id(&self) -> &'static str {
        "azure"
    }

    fn about(&self) -> About {
        About {
            source: "user data of the Instance Metadata Service, base64; if there is none, `CustomData.bin` on the disc with `ovf-env.xml` (UDF)",
            asks: &[],
            no_config: "the user data is empty, and the disc has no `CustomData.bin`, or an empty one; status 404 is asked again",
            patience: "2 min for the user data (`--fetch-timeout`); without limit for the disc",
            network: Network::Needed,
            modules: &[Module::Expected("udf"), Module::Expected("sr_mod")],
            tested: Tested::RealWire,
        }
    }

    fn asks(&self) -> Vec<String> {
        vec![USER_DATA.describe(), DISC.describe()]
    }

    fn fetch(&self, context: &mut FetchContext<'_>) -> anyhow::Result<Answer> {
        let request = USER_DATA.request();
        let fetched = context.fetcher.fetch_to_vec(&request, context.events);
        match Answer::fetched(USER_DATA.url, fetched.map(|(text, _)| text))? {
            Answer::Empty => {
                context
                    .log
                    .info("there is no user data; looking for custom data on a disc");
                DISC.answer(context)
            }
            Answer::Config { name, text } => USER_DATA.unpack(name, text),
            other => Ok(other),
        }
    }

    fn facts_source(&self) -> Option<&'static dyn facts::Source> {
        Some(&facts::azure::AZURE)
    }
}
