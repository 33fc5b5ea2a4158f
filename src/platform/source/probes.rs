//! Several places that may have the config, asked in parallel: the first that has one counts.

use super::drive::Drive;
use crate::fetch::{FetchEvent, FetchEvents, Fetcher};
use crate::log::Log;
use crate::platform::contract::{Answer, FetchContext};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc;
use std::time::{Duration, Instant};

/// Time that other places are given after one has answered that there is no config. Ignition gives none, so that the router
/// of a CloudStack without user data hides that of the drive (coreos/ignition#1574).
const OTHERS_TIMEOUT: Duration = Duration::from_secs(5);

/// What a probe is given; shared by all probes of a race.
pub(crate) struct Race<'a> {
    /// The client.
    pub fetcher: &'a Fetcher,
    /// Where messages go.
    pub log: &'a Log,
    events: &'a (dyn FetchEvents + Sync),
    over: &'a AtomicBool,
}

impl<'a> Race<'a> {
    /// A race that is over when `over` is set, or when the fetch is cancelled.
    pub(crate) fn new(context: &'a FetchContext<'_>, over: &'a AtomicBool) -> Self {
        Race {
            fetcher: &context.fetcher,
            log: context.log,
            events: context.events,
            over,
        }
    }

    /// True if the result of a probe is no longer needed.
    pub(crate) fn is_over(&self) -> bool {
        self.cancelled()
    }
}

impl FetchEvents for Race<'_> {
    fn event(&self, event: FetchEvent<'_>) {
        self.events.event(event);
    }

    fn cancelled(&self) -> bool {
        self.over.load(Ordering::Relaxed) || self.events.cancelled()
    }
}

/// Asks one place for the config; an empty result says that there is none.
pub(crate) type Ask<'a> = dyn Fn(&Race<'_>) -> anyhow::Result<Vec<u8>> + Send + Sync + 'a;

/// One place, and how to ask there.
pub(crate) struct Probe<'a> {
    /// Name of the place in messages.
    pub name: String,
    /// Asks there; returns soon after the race is over.
    pub ask: Box<Ask<'a>>,
}

/// Asks all places in parallel. Returns what [`decide`] does, or the errors of all places.
pub(crate) fn first(
    probes: &[Probe<'_>],
    race: &Race<'_>,
) -> Result<(String, Vec<u8>), Vec<anyhow::Error>> {
    let over = AtomicBool::new(false);
    let inner = Race {
        fetcher: race.fetcher,
        log: race.log,
        events: race,
        over: &over,
    };
    let inner = &inner;
    std::thread::scope(|scope| {
        let (sender, answers) = mpsc::channel();
        for probe in probes {
            let sender = sender.clone();
            let own = sender.clone();
            let asking = std::thread::Builder::new().spawn_scoped(scope, move || {
                // The receiver is gone once there is an answer.
                let _ = own.send((probe.name.clone(), (probe.ask)(inner)));
            });
            if let Err(error) = asking {
                let error = anyhow::Error::from(error).context("cannot start a thread");
                let _ = sender.send((probe.name.clone(), Err(error)));
            }
        }
        drop(sender);
        let decided = decide(&answers, race);
        over.store(true, Ordering::Relaxed);
        decided
    })
}

/// What a probe found, by the name of its place.
type ProbeResult = (String, anyhow::Result<Vec<u8>>);

/// The first answer with a config. One that there is none counts when the others have none either, or give nothing for
/// [`OTHERS_TIMEOUT`].
fn decide(
    answers: &mpsc::Receiver<ProbeResult>,
    race: &Race<'_>,
) -> Result<(String, Vec<u8>), Vec<anyhow::Error>> {
    let mut failed = Vec::new();
    let mut without: Option<(String, Instant)> = None;
    loop {
        let next = match &without {
            None => answers.recv().ok(),
            Some((_, since)) => answers
                .recv_timeout(OTHERS_TIMEOUT.saturating_sub(since.elapsed()))
                .ok(),
        };
        match next {
            Some((name, Ok(text))) if text.is_empty() => {
                without.get_or_insert_with(|| (name, Instant::now()));
            }
            Some((name, Ok(text))) => return Ok((name, text)),
            Some((name, Err(error))) => {
                // A probe that was stopped because another one answered did not fail.
                if !race.is_over() {
                    race.log
                        .warning(format_args!("no config from {name}: {error:#}"));
                }
                failed.push(error);
            }
            None => return without.map(|(name, _)| (name, Vec::new())).ok_or(failed),
        }
    }
}

/// The config of the first place that answers. If none does, there is no config, which is not an error.
///
/// # Errors
/// The search was cancelled.
pub(crate) fn answer(probes: &[Probe<'_>], context: &FetchContext<'_>) -> anyhow::Result<Answer> {
    let over = AtomicBool::new(false);
    match first(probes, &Race::new(context, &over)) {
        Ok((name, text)) => {
            let found = match text.is_empty() {
                true => "no config",
                false => "config",
            };
            context
                .log
                .info(format_args!("{name} answered first: {found}"));
            Ok(Answer::of(name, text))
        }
        Err(_) if context.events.cancelled() => {
            anyhow::bail!("the search for the config was cancelled")
        }
        Err(_) => {
            context
                .log
                .warning("every source of a config failed; treated as no config");
            Ok(Answer::Empty)
        }
    }
}

/// Waits for a drive without a limit.
pub(crate) fn of_drive(drive: &Drive) -> Probe<'_> {
    Probe {
        name: format!("config drive {}", drive.label),
        ask: Box::new(|race| drive.read(None, race.log, &|| race.is_over())),
    }
}

/// The config of a drive or of a service of the cloud, whichever answers first. A service needs a network, so that is
/// answered before any drive is waited for; `what` names the service.
///
/// # Errors
/// As [`answer`].
pub(crate) fn drives_or_service<'a>(
    drives: &'a [Drive],
    service: Probe<'a>,
    what: String,
    context: &FetchContext<'_>,
) -> anyhow::Result<Answer> {
    if context.fetcher.is_offline() {
        return Ok(Answer::NeedsNetwork { what });
    }
    let drives = drives.iter().map(of_drive);
    let probes: Vec<Probe<'_>> = drives.chain([service]).collect();
    answer(&probes, context)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::platform::contract::testing::in_context;
    use std::path::Path;

    fn probe<'a>(
        name: &str,
        ask: impl Fn(&Race<'_>) -> anyhow::Result<Vec<u8>> + Send + Sync + 'a,
    ) -> Probe<'a> {
        Probe {
            name: name.into(),
            ask: Box::new(ask),
        }
    }

    fn until_over(race: &Race<'_>) -> anyhow::Result<Vec<u8>> {
        while !race.is_over() {
            std::thread::sleep(Duration::from_millis(1));
        }
        anyhow::bail!("over")
    }

    #[test]
    fn the_first_answer_ends_the_others() {
        let probes = [
            probe("drive", until_over),
            probe("broken", |_| anyhow::bail!("no route")),
            probe("service", |_| Ok(b"{}".into())),
        ];
        let (found, log) = in_context(Path::new(""), |context| answer(&probes, context));
        assert_eq!(found.expect("found"), Answer::of("service", b"{}".into()));
        let line = "service answered first: config\n";
        assert!(log.contains(line) && !log.contains("from drive"), "{log}");
    }

    #[test]
    fn no_config_is_an_answer_when_nobody_has_one() {
        let probes = [
            probe("drive", |_| Ok(Vec::new())),
            probe("service", |_| anyhow::bail!("no route")),
        ];
        let (found, log) = in_context(Path::new(""), |context| answer(&probes, context));
        assert_eq!(found.expect("found"), Answer::Empty);
        assert!(log.contains("drive answered first: no config\n"), "{log}");
    }

    #[test]
    fn no_config_does_not_hide_that_of_another_place() {
        let (sender, answered) = mpsc::channel();
        let answered = std::sync::Mutex::new(answered);
        let probes = [
            probe("service", move |_| {
                sender.send(()).expect("the drive waits");
                Ok(Vec::new())
            }),
            probe("drive", |_| {
                let answered = answered.lock().expect("nobody panics");
                answered.recv().expect("the service answers");
                Ok(b"{}".into())
            }),
        ];
        let (found, log) = in_context(Path::new(""), |context| answer(&probes, context));
        assert_eq!(found.expect("found"), Answer::of("drive", b"{}".into()));
        assert!(log.contains("drive answered first: config\n"), "{log}");
    }

    #[test]
    fn others_are_not_waited_for_without_end() {
        let probes = [
            probe("drive", |_| Ok(Vec::new())),
            probe("service", until_over),
        ];
        let (found, _) = in_context(Path::new(""), |context| answer(&probes, context));
        assert_eq!(found.expect("found"), Answer::Empty);
    }

    #[test]
    fn what_is_no_longer_wanted_is_not_told() {
        let within = |race: &Race<'_>| {
            let inner = [probe("address", until_over)];
            first(&inner, race)
                .map(|(_, text)| text)
                .map_err(|_| anyhow::anyhow!("no address"))
        };
        let probes = [
            probe("service", within),
            probe("drive", |_| Ok(b"{}".into())),
        ];
        let (_, log) = in_context(Path::new(""), |context| answer(&probes, context));
        assert!(!log.contains("WARNING"), "{log}");
    }

    #[test]
    fn that_all_fail_is_no_failure() {
        let probes = [
            probe("a", |_| anyhow::bail!("x")),
            probe("b", |_| anyhow::bail!("y")),
        ];
        let (found, log) = in_context(Path::new(""), |context| answer(&probes, context));
        assert_eq!(found.expect("found"), Answer::Empty);
        for line in [
            "no config from a: x",
            "no config from b: y",
            "treated as no config",
        ] {
            assert!(log.contains(line), "{log}");
        }
    }
}
