//! Platform `cloudstack`: user data on a config drive, or of the service at the DHCP server, whichever answers first.

use super::drive::Drive;
use super::leases;
use super::probes::{self, Probe, Race};
use super::{About, Answer, FetchContext, Module, Network, Platform, Tested, facts};
use crate::fetch::{FetchError, Request};

const USER_DATA: &str = "/cloudstack/userdata/user_data.txt";
const DRIVES: [Drive; 2] = Drive::by_either_label(USER_DATA);

/// The platform.
pub struct CloudStack;

impl Platform for CloudStack {
    fn id(&self) -> &'static str {
        "cloudstack"
    }

    fn about(&self) -> About {
        About {
            source: "`/cloudstack/userdata/user_data.txt` on the drive labelled `config-2` or `CONFIG-2`, or user data of the service at the DHCP server: the first that answers",
            asks: &[],
            no_config: "the drive has no user data; the service says 404 or 204, or gives an empty body; or everything failed",
            patience: "without limit for drive and lease; 2 min for the service (`--fetch-timeout`)",
            network: Network::Needed,
            modules: &[Module::Expected("isofs"), Module::Expected("vfat")],
            tested: Tested::RealWire,
        }
    }

    fn asks(&self) -> Vec<String> {
        let mut asks: Vec<String> = DRIVES.iter().map(Drive::describe).collect();
        asks.push(format!(
            "read the DHCP server of a lease: {}",
            leases::PLACES
        ));
        asks.push("GET http://DHCP-SERVER/latest/user-data".into());
        asks
    }

    fn fetch(&self, context: &mut FetchContext<'_>) -> anyhow::Result<Answer> {
        let service = Probe {
            name: "the service at the DHCP server".into(),
            ask: Box::new(ask_service),
        };
        let what = "the service of CloudStack".into();
        probes::drives_or_service(&DRIVES, service, what, context)
    }

    fn facts_source(&self) -> Option<&'static dyn facts::Source> {
        Some(&facts::cloudstack::SOURCE)
    }
}

fn ask_service(race: &Race<'_>) -> anyhow::Result<Vec<u8>> {
    let server = leases::server(race.log, &|| race.is_over())?;
    let request = Request::get(format!("http://{server}/latest/user-data"));
    match race.fetcher.fetch_to_vec(&request, race) {
        Ok((text, _)) => Ok(text),
        Err(FetchError::NotFound { .. }) => Ok(Vec::new()),
        Err(error) => Err(error.into()),
    }
}
