//! Where each kind of machine keeps its config: one file per platform, one table.
//!
//! To add a platform, write a file with a type that implements [`Platform`], and put a row into [`PLATFORMS`]
//! where its id belongs in the alphabet: `docs/adding-a-platform.md` has an example. Nothing else names
//! platforms.
//!
//! A platform obtains bytes and says where from. Parsing, merging and writing live elsewhere.

mod about;
mod akamai;
mod alias;
mod aliyun;
mod applehv;
mod aws;
mod azure;
mod azurestack;
mod cidata;
mod cloudstack;
pub mod detect;
mod digitalocean;
mod drive;
mod encoding;
#[cfg(test)]
mod example;
mod exoscale;
pub mod facts;
mod file;
mod gcp;
mod hetzner;
mod hyperv;
mod ibmcloud;
mod kubevirt;
mod leases;
mod markdown_table;
mod metadata;
mod metal;
mod modules;
mod nutanix;
mod nvidiabluefield;
mod openstack;
mod oraclecloud;
mod ovf_disc;
mod packet;
mod probes;
mod proxmoxve;
pub mod qemu;
mod scaleway;
mod upcloud;
mod vagrant_virtualbox;
mod virtualbox;
pub mod vmware;
mod vultr;
mod waiting;
mod zvm;

pub use about::{About, Module, Network, Tested};
pub use drive::{Place, mounted};
pub use markdown_table::table;

use crate::config::model::File;
use crate::fetch::{FetchError, FetchEvents, Fetcher};
use crate::log::Log;
use facts::Facts;
use std::path::Path;

/// What a source of configs answers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// A config.
    Config {
        /// Name for origins and messages.
        name: String,
        /// Its bytes, not looked at.
        text: Vec<u8>,
    },
    /// There is none, and that is fine.
    Empty,
    /// This source does not apply; another may.
    NoConfig,
    /// It cannot be told without a network.
    NeedsNetwork {
        /// What for.
        what: String,
    },
}

impl Answer {
    /// Bytes that were found; none at all are an empty config.
    pub fn of(name: impl Into<String>, text: Vec<u8>) -> Self {
        if text.is_empty() {
            return Answer::Empty;
        }
        let name = name.into();
        Answer::Config { name, text }
    }

    /// What a fetch gave. A missing network is an answer, everything else an error.
    ///
    /// # Errors
    /// The fetch failed.
    pub fn fetched(
        name: impl Into<String>,
        result: Result<Vec<u8>, FetchError>,
    ) -> anyhow::Result<Self> {
        match result {
            Ok(text) => Ok(Answer::of(name, text)),
            Err(error) if error.needs_network() => Ok(Answer::NeedsNetwork {
                what: error.to_string(),
            }),
            Err(error) => Err(error.into()),
        }
    }
}

/// Whether a machine is ready to be asked for its config.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ready {
    /// It is.
    Yes,
    /// Not without a network.
    NeedsNetwork {
        /// What for.
        what: String,
    },
}

/// What a platform works with.
pub struct FetchContext<'a> {
    /// Fetches; offline in stages that must do without a network. [`Platform::init`] may put credentials
    /// into it.
    pub fetcher: Fetcher,
    /// Hears of fetches.
    pub events: &'a (dyn FetchEvents + Sync),
    /// The log.
    pub log: &'a Log,
    /// The config of platform `file`.
    pub config_file: &'a Path,
    /// Files the platform hands over besides the config; the files stage writes them, whatever
    /// became of the config.
    pub output_files: Vec<File>,
}

/// One kind of machine.
pub trait Platform: Sync {
    /// The name users and distributions know it by.
    fn id(&self) -> &'static str;

    /// What people should know of it.
    fn about(&self) -> About;

    /// The platform that this one is another name of.
    fn alias_of(&self) -> Option<&'static str> {
        None
    }

    /// True if the machine gives its config only once, so that a look at it takes it away.
    fn is_read_once(&self) -> bool {
        false
    }

    /// What is asked and where, in order, a line each: requests, file systems, files, calls.
    fn asks(&self) -> Vec<String> {
        self.about().asks.iter().map(|&ask| ask.into()).collect()
    }

    /// A fetcher for this platform, with credentials for its storage, made of a plain one. Called once per
    /// process, before anything else.
    ///
    /// # Errors
    /// It cannot be had; the process ends.
    fn fetcher(&self, plain: Fetcher, _log: &Log) -> anyhow::Result<Fetcher> {
        Ok(plain)
    }

    /// Prepares the platform. Called in every stage, before any source of configs is asked.
    ///
    /// # Errors
    /// The stage ends.
    fn init(&self, _site: &mut FetchContext<'_>) -> anyhow::Result<Ready> {
        Ok(Ready::Yes)
    }

    /// Obtains the config.
    ///
    /// # Errors
    /// There may be one, but it cannot be had.
    fn fetch(&self, context: &mut FetchContext<'_>) -> anyhow::Result<Answer>;

    /// Tells the platform how a stage ended, in words. Called after every stage.
    ///
    /// # Errors
    /// It cannot be told, which is only logged.
    fn status(
        &self,
        _site: &mut FetchContext<'_>,
        _stage: &str,
        _result: Result<(), &str>,
    ) -> anyhow::Result<()> {
        Ok(())
    }

    /// Removes the config from where the machine keeps it.
    ///
    /// # Errors
    /// It cannot be removed, or not on this platform.
    fn delete_config(&self, _site: &mut FetchContext<'_>) -> anyhow::Result<()> {
        anyhow::bail!("cannot delete config on this platform")
    }

    /// Where the machine hears of its name, its keys and other facts, if the platform tells them.
    fn facts_source(&self) -> Option<&'static dyn facts::Source> {
        None
    }

    /// What the platform tells the machine of itself; nothing if it tells nothing.
    ///
    /// # Errors
    /// As [`facts::Source::ask`].
    fn facts(&self, context: &mut FetchContext<'_>) -> anyhow::Result<Option<Facts>> {
        let source = self.facts_source();
        source.map(|source| source.ask(context)).transpose()
    }
}

/// Every platform, by id. Those without a file of their own have no source of configs.
pub static PLATFORMS: &[&dyn Platform] = &[
    &akamai::Akamai,
    &aliyun::PLATFORM,
    &applehv::AppleHv,
    &aws::Aws,
    &azure::Azure,
    &azurestack::AzureStack,
    &openstack::OpenStack("brightbox"),
    &metal::Metal("cloudsigma"),
    &cloudstack::CloudStack,
    &digitalocean::PLATFORM,
    &alias::Alias("ec2", &aws::Aws),
    &exoscale::PLATFORM,
    &file::File,
    &alias::Alias("gce", &gcp::PLATFORM),
    &gcp::PLATFORM,
    &hetzner::PLATFORM,
    &hyperv::HyperV,
    &ibmcloud::PLATFORM,
    &metal::Metal("interoute"),
    &kubevirt::KubeVirt,
    &metal::Metal("metal"),
    &metal::Metal("niftycloud"),
    &alias::Alias("nocloud", &kubevirt::KubeVirt),
    &nutanix::ConfigDrive("nutanix"),
    &nvidiabluefield::NvidiaBlueField,
    &openstack::OpenStack("openstack"),
    &oraclecloud::PLATFORM,
    &packet::Packet,
    &nutanix::ConfigDrive("powervs"),
    &proxmoxve::PLATFORM,
    &metal::Metal("pxe"),
    &qemu::Qemu,
    &metal::Metal("rackspace"),
    &metal::Metal("rackspace-onmetal"),
    &scaleway::PLATFORM,
    &upcloud::PLATFORM,
    &metal::Metal("vagrant"),
    &vagrant_virtualbox::VagrantVirtualBox,
    &virtualbox::VirtualBox,
    &vmware::VMware,
    &vultr::PLATFORM,
    &zvm::Zvm,
];

/// The platform with this id.
pub fn find(id: &str) -> Option<&'static dyn Platform> {
    PLATFORMS
        .iter()
        .copied()
        .find(|platform| platform.id() == id)
}

#[cfg(test)]
mod testing {
    use super::*;
    use crate::fetch::Silent;
    use crate::log::Sink;

    /// Does something at a site; gives what came of it, and the log.
    pub fn at_site<T>(
        config_file: &Path,
        work: impl FnOnce(&mut FetchContext<'_>) -> T,
    ) -> (T, String) {
        let (sink, text) = Sink::memory();
        let log = Log::new(sink);
        let mut context = FetchContext {
            fetcher: Fetcher::default().offline(),
            events: &Silent,
            log: &log,
            config_file,
            output_files: Vec::new(),
        };
        let result = work(&mut context);
        let text = text.lock().expect("one thread").clone();
        (result, text)
    }
}

#[cfg(test)]
mod tests {
    use super::testing::at_site;
    use super::*;
    use crate::fetch::{Request, Silent};

    fn ids() -> Vec<&'static str> {
        PLATFORMS.iter().map(|platform| platform.id()).collect()
    }

    #[test]
    fn the_table_is_sorted_and_says_nothing_twice() {
        assert!(ids().is_sorted_by(|a, b| a < b), "{:?}", ids());
    }

    #[test]
    fn every_platform_of_ignition_is_there() {
        let known = "akamai aliyun applehv aws azure azurestack brightbox cloudstack digitalocean exoscale file gcp \
            hetzner hyperv ibmcloud kubevirt metal nutanix nvidiabluefield openstack oraclecloud packet powervs \
            proxmoxve qemu scaleway upcloud virtualbox vmware vultr zvm";
        for id in known.split_whitespace() {
            assert!(find(id).is_some(), "{id}");
        }
    }

    /// What a service wants stands in the document, and is all that is to be written.
    #[test]
    fn the_example_of_the_documentation_is_a_platform() {
        let text = include_str!("../../docs/adding-a-platform.md");
        let example = include_str!("example.rs");
        assert!(
            text.contains(&format!("```rust\n{example}```")),
            "docs/adding-a-platform.md and example.rs differ"
        );
        let (answer, _) = at_site(Path::new(""), |context| example::PLATFORM.fetch(context));
        assert!(
            matches!(answer, Ok(Answer::NeedsNetwork { .. })),
            "{answer:?}"
        );
        assert_eq!(
            example::PLATFORM.asks(),
            [
                "GET http://169.254.169.254/example/v1/user-data with Metadata-Flavor: Example; base64"
            ]
        );
        assert!(example::PLATFORM.facts_source().is_some());
    }

    #[test]
    fn platforms_are_found_by_their_exact_id() {
        assert_eq!(find("qemu").map(Platform::id), Some("qemu"));
        for unknown in ["", "QEMU", "qemu ", "system", "cmdline"] {
            assert!(find(unknown).is_none(), "{unknown:?}");
        }
    }

    #[test]
    fn most_platforms_keep_what_the_trait_says() {
        let metal = find("metal").expect("there");
        let (answers, log) = at_site(Path::new(""), |context| {
            let ready = metal.init(context).expect("ready");
            let told = metal.status(context, "disks", Err("no disk"));
            (ready, told.is_ok(), metal.delete_config(context).is_err())
        });
        assert_eq!(answers, (Ready::Yes, true, true));
        assert_eq!(log, "");
    }

    #[test]
    fn a_missing_network_is_an_answer() {
        let fetched = Fetcher::default().offline();
        let fetched = fetched.fetch_to_vec(&Request::get("http://h/c"), &Silent);
        let answer = Answer::fetched("x", fetched.map(|(text, _)| text)).expect("an answer");
        assert!(matches!(answer, Answer::NeedsNetwork { what } if what.contains("http://h/c")));
        let failed = Err(FetchError::NotFound {
            method: "GET".into(),
            url: "u".into(),
        });
        assert!(Answer::fetched("x", failed).is_err());
        assert_eq!(Answer::of("x", Vec::new()), Answer::Empty);
    }
}
