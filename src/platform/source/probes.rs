//! Probes several sources of the config in parallel: the first one that has a config wins.

use super::drive::Drive;
use crate::fetch::{FetchEvent, FetchEvents, Fetcher};
use crate::log::Log;
use crate::platform::contract::{Answer, FetchContext};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc;
use std::time::{Duration, Instant};

/// How long to wait for other sources after one has answered that it has no config. Ignition does not wait, so on
/// CloudStack a router without user data can hide the user data on the drive (coreos/ignition#1574).
const OTHERS_TIMEOUT: Duration = Duration::from_secs(5);

/// The context of a probe; shared by all probes of a race.
pub(crate) struct Race<'a> {
    /// The client.
    pub fetcher: &'a Fetcher,
    /// The log.
    pub log: &'a Log,
    events: &'a (dyn FetchEvents + Sync),
    stop: &'a AtomicBool,
}

impl<'a> Race<'a> {
    /// A race that is over when `stop` is set or the fetch is cancelled.
    pub(crate) fn new(context: &'a FetchContext<'_>, stop: &'a AtomicBool) -> Self {
        Race {
            fetcher: &context.fetcher,
            log: context.log,
            events: context.events,
            stop,
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
        self.stop.load(Ordering::Relaxed) || self.events.cancelled()
    }
}

/// Fetches the config from one source; an empty result means that there is none.
pub(crate) type ProbeFn<'a> = dyn Fn(&Race<'_>) -> anyhow::Result<Vec<u8>> + Send + Sync + 'a;

/// One source, and how to get the config from it.
pub(crate) struct Probe<'a> {
    /// Name of the source in messages.
    pub name: String,
    /// Fetches the config; returns soon after the race is over.
    pub run: Box<ProbeFn<'a>>,
}

/// A source was not asked at all, so nothing is known about it: that must not count as "no config".
#[derive(Debug, thiserror::Error)]
#[error("cannot start a thread to ask for the config: {0}")]
struct ProbeNotStarted(std::io::Error);

/// Runs all probes in parallel. Returns the result of [`decide`], or the errors of all probes.
pub(crate) fn first(
    probes: &[Probe<'_>],
    race: &Race<'_>,
) -> Result<(String, Vec<u8>), Vec<anyhow::Error>> {
    let stop = AtomicBool::new(false);
    let inner = Race {
        fetcher: race.fetcher,
        log: race.log,
        events: race,
        stop: &stop,
    };
    let inner = &inner;
    std::thread::scope(|scope| {
        let (sender, answers) = mpsc::channel();
        for probe in probes {
            let sender = sender.clone();
            let thread_sender = sender.clone();
            let spawned = std::thread::Builder::new().spawn_scoped(scope, move || {
                // The receiver is gone once there is an answer.
                let _ = thread_sender.send((probe.name.clone(), (probe.run)(inner)));
            });
            if let Err(error) = spawned {
                let _ = sender.send((probe.name.clone(), Err(ProbeNotStarted(error).into())));
            }
        }
        drop(sender);
        let decision = decide(&answers, race);
        stop.store(true, Ordering::Relaxed);
        decision
    })
}

/// The name and the result of a probe.
type ProbeResult = (String, anyhow::Result<Vec<u8>>);

/// Returns the first answer with a config. An answer without a config is returned if all others have none either, or
/// do not answer within [`OTHERS_TIMEOUT`].
fn decide(
    answers: &mpsc::Receiver<ProbeResult>,
    race: &Race<'_>,
) -> Result<(String, Vec<u8>), Vec<anyhow::Error>> {
    let mut failed = Vec::new();
    let mut empty: Option<(String, Instant)> = None;
    loop {
        let next = match &empty {
            None => answers.recv().ok(),
            Some((_, since)) => answers
                .recv_timeout(OTHERS_TIMEOUT.saturating_sub(since.elapsed()))
                .ok(),
        };
        match next {
            Some((name, Ok(text))) if text.is_empty() => {
                empty.get_or_insert_with(|| (name, Instant::now()));
            }
            Some((name, Ok(text))) => return Ok((name, text)),
            Some((_, Err(error))) if error.is::<ProbeNotStarted>() => return Err(vec![error]),
            Some((name, Err(error))) => {
                // A probe that was stopped because another one answered did not fail.
                if !race.is_over() {
                    race.log
                        .warning(format_args!("no config from {name}: {error:#}"));
                }
                failed.push(error);
            }
            None => return empty.map(|(name, _)| (name, Vec::new())).ok_or(failed),
        }
    }
}

/// The config from the first source that answers. If none does, there is no config, which is not an error.
///
/// # Errors
/// If the search was cancelled, or a source could not be asked.
pub(crate) fn answer(probes: &[Probe<'_>], context: &FetchContext<'_>) -> anyhow::Result<Answer> {
    let stop = AtomicBool::new(false);
    match first(probes, &Race::new(context, &stop)) {
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
        Err(mut failed) => {
            if let Some(at) = failed
                .iter()
                .position(|error| error.is::<ProbeNotStarted>())
            {
                return Err(failed.swap_remove(at));
            }
            context
                .log
                .warning("every source of a config failed; treated as no config");
            Ok(Answer::Empty)
        }
    }
}

/// A probe that waits for a drive without a time limit.
pub(crate) fn drive_probe(drive: &Drive) -> Probe<'_> {
    Probe {
        name: format!("config drive {}", drive.label),
        run: Box::new(|race| drive.read(None, race.log, &|| race.is_over())),
    }
}

/// The config from a drive or a metadata service, whichever answers first. A service needs a network, so a missing
/// network is reported before waiting for any drive; `what` names the service.
///
/// # Errors
/// See [`answer`].
pub(crate) fn drives_or_service<'a>(
    drives: &'a [Drive],
    service: Probe<'a>,
    what: String,
    context: &FetchContext<'_>,
) -> anyhow::Result<Answer> {
    if context.fetcher.is_offline() {
        return Ok(Answer::NeedsNetwork { what });
    }
    let drives = drives.iter().map(drive_probe);
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
        run: impl Fn(&Race<'_>) -> anyhow::Result<Vec<u8>> + Send + Sync + 'a,
    ) -> Probe<'a> {
        Probe {
            name: name.into(),
            run: Box::new(run),
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
    fn no_config_is_an_answer_if_no_source_has_one() {
        let probes = [
            probe("drive", |_| Ok(Vec::new())),
            probe("service", |_| anyhow::bail!("no route")),
        ];
        let (found, log) = in_context(Path::new(""), |context| answer(&probes, context));
        assert_eq!(found.expect("found"), Answer::Empty);
        assert!(log.contains("drive answered first: no config\n"), "{log}");
    }

    #[test]
    fn no_config_does_not_hide_the_config_of_another_source() {
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
    fn waiting_for_others_is_limited() {
        let probes = [
            probe("drive", |_| Ok(Vec::new())),
            probe("service", until_over),
        ];
        let (found, _) = in_context(Path::new(""), |context| answer(&probes, context));
        assert_eq!(found.expect("found"), Answer::Empty);
    }

    #[test]
    fn stopped_probes_log_nothing() {
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
    fn a_source_that_was_not_asked_is_an_error() {
        let not_started = || ProbeNotStarted(std::io::ErrorKind::WouldBlock.into());
        let inner = |race: &Race<'_>| {
            let probes = [probe("address", |_| Err(not_started().into()))];
            let found = first(&probes, race).map(|(_, text)| text);
            found.map_err(|mut failed| failed.pop().expect("a cause"))
        };
        let probes = [probe("service", inner), probe("drive", until_over)];
        let (found, log) = in_context(Path::new(""), |context| answer(&probes, context));
        let error = format!("{:#}", found.expect_err("no source was asked"));
        assert!(error.starts_with("cannot start a thread"), "{error}");
        assert!(!log.contains("treated as no config"), "{log}");
    }

    #[test]
    fn failure_of_all_probes_means_no_config() {
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
