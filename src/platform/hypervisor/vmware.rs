//! Platform `vmware`: guestinfo values, which the host stores for the machine, or properties of the OVF environment,
//! which is itself a guestinfo value.

mod backdoor;
mod config;
#[cfg(test)]
mod fake_hypervisor;
mod guestinfo;
pub mod ovf;
mod rpc;

use crate::config::url;
use crate::platform::contract::{About, Answer, FetchContext, Network, Platform, TestLevel};
use backdoor::{BackdoorDevice, Hypervisor};
use config::GuestInfoConfig;

#[cfg(target_arch = "x86_64")]
pub(crate) use backdoor::describe as describe_backdoor;

/// The platform.
pub struct VMware;

impl Platform for VMware {
    fn id(&self) -> &'static str {
        "vmware"
    }

    fn about(&self) -> About {
        About {
            source: "guestinfo or OVF property `guestinfo.ignition.config.data`, encoded as `guestinfo.ignition.config.data.encoding` says; else the same of `guestinfo.coreos.config`; else the URL in `guestinfo.ignition.config.url` or `guestinfo.coreos.config.url` (x86_64)",
            requests: &[
                "info-get guestinfo.ovfenv at the backdoor (port 0x5658)",
                "info-get guestinfo.ignition.config.data, then guestinfo.ignition.config.data.encoding; each else of the OVF environment",
                "info-get guestinfo.coreos.config.data, then guestinfo.coreos.config.data.encoding; each else of the OVF environment",
                "info-get guestinfo.ignition.config.url, guestinfo.coreos.config.url; each else of the OVF environment; then GET it",
            ],
            no_config: "none of the values is set, or the config is empty",
            waits: "none",
            network: Network::NotNeeded,
            modules: &[],
            tested: TestLevel::Exchange,
        }
    }

    fn fetch(&self, context: &mut FetchContext<'_>) -> anyhow::Result<Answer> {
        let Some(mut hypervisor) = BackdoorDevice::open()? else {
            context
                .log
                .warning("not a VMware guest: the backdoor port does not respond");
            return Ok(Answer::NoConfig);
        };
        answer(&mut hypervisor, context)
    }

    fn delete_config(&self, context: &mut FetchContext<'_>) -> anyhow::Result<()> {
        match BackdoorDevice::open()? {
            Some(mut hypervisor) => config::delete(&mut hypervisor, context.log),
            None => anyhow::bail!(
                "not a VMware guest: the backdoor port does not respond; check ignition.platform.id"
            ),
        }
    }
}

fn answer(
    hypervisor: &mut impl Hypervisor,
    context: &mut FetchContext<'_>,
) -> anyhow::Result<Answer> {
    match config::find(hypervisor, context.log)? {
        GuestInfoConfig::Config { name, text } => Ok(Answer::of(name, text)),
        GuestInfoConfig::Url { name, url } => {
            context
                .log
                .info(format_args!("{name} says where the config is"));
            // Fetching such a URL would return an empty config, and the machine would boot unprovisioned.
            if url::parse(&url).is_ok_and(|url| url.scheme.is_empty()) {
                anyhow::bail!("the URL in {name} has no scheme; write one, e.g. http://");
            }
            let request = crate::fetch::Request::get(url);
            let fetched = context.fetcher.fetch_to_vec(&request, context.events);
            Answer::fetched(request.shown_url(), fetched.map(|(text, _)| text))
        }
        GuestInfoConfig::Nothing => {
            context
                .log
                .info("no config in guestinfo or the OVF environment");
            Ok(Answer::Empty)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::fake_hypervisor::FakeHypervisor;
    use super::*;
    use crate::platform::contract::testing::in_context;
    use std::path::Path;

    fn answer_of(values: &[(&str, &str)]) -> Result<Answer, String> {
        let mut peer = FakeHypervisor::with(values);
        let (answer, _) = in_context(Path::new(""), |context| answer(&mut peer, context));
        answer.map_err(|error| format!("{error:#}"))
    }

    #[test]
    fn configs_urls_and_nothing() {
        let data = ("guestinfo.ignition.config.data", "{}");
        let config = Answer::of("guestinfo.ignition.config.data", b"{}".into());
        assert_eq!(answer_of(&[data]), Ok(config));
        assert_eq!(answer_of(&[]), Ok(Answer::Empty));
        assert_eq!(
            answer_of(&[("guestinfo.ignition.config.data", "")]),
            Ok(Answer::Empty)
        );
        let url = |url| [("guestinfo.coreos.config.url", url)];
        let fetched = Answer::of("data:", b"{}".into());
        assert_eq!(answer_of(&url("data:,%7B%7D")), Ok(fetched));
        let error = answer_of(&url("h/c")).expect_err("no scheme");
        let want = "the URL in guestinfo.coreos.config.url has no scheme";
        assert!(error.contains(want), "{error}");
        let remote = answer_of(&url("http://h/c"));
        assert!(
            matches!(&remote, Ok(Answer::NeedsNetwork { what }) if what.contains("http://h/c")),
            "{remote:?}"
        );
    }

    #[test]
    fn without_vmware_there_is_no_config() {
        let (answer, log) = in_context(Path::new(""), |context| VMware.fetch(context));
        if cfg!(not(target_arch = "x86_64")) {
            answer.expect_err("no ports");
        } else if answer.expect("asked") == Answer::NoConfig {
            assert!(log.contains("not a VMware guest"), "{log}");
        }
    }
}
