//! Platform `virtualbox`: guest properties, which the host stores for the machine.

mod driver;
mod layout;
mod property;

use crate::log::Log;
use crate::platform::contract::{
    About, Answer, FetchContext, KernelModule, Network, Platform, TestLevel,
};
use anyhow::{Context, bail};
use driver::{Driver, Guest};

const CONFIG: &str = "/Ignition/Config";
/// Reserved for encodings of the config; none is defined.
const ENCODING: &str = "/Ignition/Config/Encoding";

/// The platform.
pub(crate) struct VirtualBox;

impl Platform for VirtualBox {
    fn id(&self) -> &'static str {
        "virtualbox"
    }

    fn about(&self) -> About {
        About {
            source: "guest property `/Ignition/Config`",
            requests: &[
                "get guest property /Ignition/Config/Encoding at /dev/vboxguest, which must not be set",
                "get guest property /Ignition/Config at /dev/vboxguest",
            ],
            no_config: "there is no such property, or it is empty",
            waits: "none",
            network: Network::NotNeeded,
            modules: &[KernelModule::Expected("vboxguest")],
            tested: TestLevel::Exchange,
        }
    }

    fn fetch(&self, _context: &mut FetchContext<'_>) -> anyhow::Result<Answer> {
        answer(&Guest::open)
    }

    fn delete_config(&self, context: &mut FetchContext<'_>) -> anyhow::Result<()> {
        delete(&Guest::open, context.log)
    }
}

fn answer<D: Driver>(open: &dyn Fn() -> anyhow::Result<D>) -> anyhow::Result<Answer> {
    let get = |name: &str| {
        property::get(&mut open()?, name)
            .with_context(|| format!("cannot get guest property {name}"))
    };
    if get(ENCODING)?.is_some_and(|encoding| !encoding.is_empty()) {
        bail!("guest property {ENCODING} is set, and no encoding is known; remove it");
    }
    let config = get(CONFIG)?.unwrap_or_default();
    Ok(Answer::of(format!("guest property {CONFIG}"), config))
}

fn delete<D: Driver>(open: &dyn Fn() -> anyhow::Result<D>, log: &Log) -> anyhow::Result<()> {
    for name in [ENCODING, CONFIG] {
        log.operation(format_args!("deleting guest property {name}"), || {
            property::delete(&mut open()?, name)
                .with_context(|| format!("cannot delete guest property {name}"))
        })?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::driver::peer::FakeHost;
    use super::*;
    use crate::log::Sink;

    fn answer_of(peer: &FakeHost) -> Result<Answer, String> {
        answer(&|| Ok(peer.connect())).map_err(|error| format!("{error:#}"))
    }

    #[test]
    fn a_config_of_any_length() {
        let name = format!("guest property {CONFIG}");
        for length in [1, 2, 100, 70_000] {
            let text = "x".repeat(length);
            let peer = FakeHost::with(&[(CONFIG, &text)]);
            assert_eq!(
                answer_of(&peer),
                Ok(Answer::of(&name, text.into())),
                "{length}"
            );
            assert!(peer.is_idle(), "everything is disconnected");
        }
        assert_eq!(answer_of(&FakeHost::with(&[])), Ok(Answer::Empty));
        assert_eq!(
            answer_of(&FakeHost::with(&[(CONFIG, "")])),
            Ok(Answer::Empty)
        );
    }

    #[test]
    fn an_encoding_is_refused() {
        let peer = FakeHost::with(&[(CONFIG, "e30="), (ENCODING, "base64")]);
        let error = answer_of(&peer).expect_err("an encoding");
        assert!(
            error.contains("/Ignition/Config/Encoding is set"),
            "{error}"
        );
        let peer = FakeHost::with(&[(CONFIG, "{}"), (ENCODING, "")]);
        assert!(matches!(answer_of(&peer), Ok(Answer::Config { .. })));
    }

    #[test]
    fn both_properties_are_deleted() {
        let log = Log::new(Sink::memory().0);
        let peer = FakeHost::with(&[(CONFIG, "{}"), (ENCODING, ""), ("/Other", "x")]);
        delete(&|| Ok(peer.connect()), &log).expect("deleted");
        assert_eq!(peer.names(), ["/Other"]);
        assert!(peer.is_idle(), "everything is disconnected");
    }

    #[test]
    fn a_read_only_property_is_an_error() {
        let log = Log::new(Sink::memory().0);
        let peer = FakeHost::with(&[(CONFIG, "{}"), (ENCODING, "")]);
        peer.make_read_only();
        let error = delete(&|| Ok(peer.connect()), &log).expect_err("read only");
        let error = format!("{error:#}");
        assert!(
            error.contains(ENCODING) && error.contains("read only"),
            "{error}"
        );
        assert_eq!(peer.names().len(), 2);
    }
}
