//! Platforms `openstack` and `brightbox`: user data on a config drive, or of the metadata service, whichever answers
//! first.

use super::drive::Drive;
use super::probes::{self, Probe, Race};
use super::{About, Answer, FetchContext, Module, Network, Platform, Tested, facts};
use crate::fetch::{FetchError, Request, Route, Service, sleep_unless};
use anyhow::anyhow;
use nix::ifaddrs::getifaddrs;
use nix::net::if_::InterfaceFlags;
use std::collections::BTreeSet;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

/// How long the service at other addresses may still have what one address has not.
const OTHERS: Duration = Duration::from_secs(5);

pub const DRIVES: [Drive; 2] = Drive::by_either_label(USER_DATA);
/// Where drives and the service have user data.
pub const USER_DATA: &str = "/openstack/latest/user_data";
const URL: &str = "http://169.254.169.254/openstack/latest/user_data";
const URL_6: &str = "http://[fe80::a9fe:a9fe]/openstack/latest/user_data";

/// The platform, with its id.
pub struct OpenStack(pub &'static str);

impl Platform for OpenStack {
    fn id(&self) -> &'static str {
        self.0
    }

    fn alias_of(&self) -> Option<&'static str> {
        (self.0 != "openstack").then_some("openstack")
    }

    fn about(&self) -> About {
        About {
            source: "`/openstack/latest/user_data` on the drive labelled `config-2` or `CONFIG-2`, or of the metadata service (IPv4, and IPv6 link-local): the first that answers",
            asks: &[],
            no_config: "the drive has no user data; the service says 404 or 204, or gives an empty body; or everything failed",
            patience: "without limit for the drive; 2 min for the service (`--fetch-timeout`)",
            network: Network::Needed,
            modules: &[Module::Expected("isofs"), Module::Expected("vfat")],
            tested: Tested::RealWire,
        }
    }

    fn asks(&self) -> Vec<String> {
        let mut asks: Vec<String> = DRIVES.iter().map(Drive::describe).collect();
        asks.push(format!("GET {URL}"));
        asks.push("GET http://[fe80::a9fe:a9fe%25INTERFACE]/openstack/latest/user_data by each interface with an IPv6 address".into());
        asks
    }

    fn fetch(&self, context: &mut FetchContext<'_>) -> anyhow::Result<Answer> {
        let service = Probe {
            name: "the metadata service".into(),
            ask: Box::new(ask_service),
        };
        let what = format!("the metadata service of {}", self.0);
        probes::drives_or_service(&DRIVES, service, what, context)
    }

    fn facts_source(&self) -> Option<&'static dyn facts::Source> {
        Some(&facts::openstack::SOURCE)
    }
}

/// Asks the service at every address it may have. The first that has the user data decides. That one has none is believed
/// when the others have nothing to say either, or say nothing for a while: most networks have the service at one address.
fn ask_service(race: &Race<'_>) -> anyhow::Result<Vec<u8>> {
    let mut requests = vec![Request::get(URL)];
    let interfaces = interfaces_with_ipv6()?;
    requests.extend(interfaces.into_iter().map(by_interface));
    let undecided = AtomicUsize::new(requests.len());
    let asked: Vec<Probe<'_>> = requests
        .iter()
        .map(|request| Probe {
            name: request.shown_url(),
            ask: Box::new(|race| ask_at(request, race, &undecided)),
        })
        .collect();
    probes::first(&asked, race)
        .map(|(_, text)| text)
        .map_err(|mut failed| failed.pop().unwrap_or_else(|| anyhow!("nothing was asked")))
}

fn ask_at(request: &Request, race: &Race<'_>, undecided: &AtomicUsize) -> anyhow::Result<Vec<u8>> {
    let fetched = race.fetcher.fetch_to_vec(request, race);
    undecided.fetch_sub(1, Ordering::Relaxed);
    match fetched {
        Ok((text, _)) => Ok(text),
        Err(FetchError::NotFound { .. }) => {
            let is_decided = || undecided.load(Ordering::Relaxed) == 0 || race.is_over();
            // What ends the wait changes nothing.
            let _ = sleep_unless(&is_decided, OTHERS);
            Ok(Vec::new())
        }
        Err(error) => Err(error.into()),
    }
}

fn by_interface(name: String) -> Request {
    Request {
        service: Service {
            route: Route::Interface(name),
            ..Service::USUAL
        },
        ..Request::get(URL_6)
    }
}

/// Interfaces that are up and have an address of IPv6, the loopback not among them.
fn interfaces_with_ipv6() -> anyhow::Result<BTreeSet<String>> {
    let addresses = getifaddrs()?;
    let usable = addresses.filter(|address| {
        let flags = address.flags;
        flags.contains(InterfaceFlags::IFF_UP)
            && !flags.contains(InterfaceFlags::IFF_LOOPBACK)
            && address
                .address
                .is_some_and(|a| a.as_sockaddr_in6().is_some())
    });
    Ok(usable.map(|address| address.interface_name).collect())
}
