//! Obtains the user's config from the first source that has it.
//!
//! The kernel command line comes first, then `user.ign` in the system's directories, then the platform. The first
//! source that applies decides, even if it fails.

use super::command_line::{CommandLine, CommandLineConfig};
use super::config_device;
use super::environment::{ConfigDirs, Environment};
use super::flatcar;
use crate::config::url;
use crate::fetch::MAX_BUFFER_BYTES;
use crate::fetch::{ConfigRole, FetchError, FetchEvent, Request, shown_url};
use crate::input;
use crate::log::{Log, quoted};
use crate::platform::{Answer, FetchContext, Platform};
use anyhow::{Context, bail};
use std::io::ErrorKind;

/// The source of a config from the kernel command line.
pub const COMMAND_LINE: &str = "cmdline";
/// The source of a config from a system directory.
pub const SYSTEM: &str = "system";

/// What the sources supplied.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AcquireOutcome {
    /// A config.
    Config {
        /// `cmdline`, `system` or the id of the platform.
        source: String,
        /// Name for origins: a redacted URL, a path, or a description by the platform.
        name: String,
        /// Its bytes.
        text: Vec<u8>,
    },
    /// The source that applies has no config, which is fine.
    Empty {
        /// `cmdline`, `system` or the id of the platform.
        source: String,
    },
    /// A network is needed to find out.
    NeedsNetwork {
        /// What a network is required for.
        what: String,
    },
}

/// Obtains the user's config. Files that the platform supplies are added to `context`.
///
/// # Errors
/// If there may be a config, but it cannot be obtained; or if no source applies.
pub fn obtain(
    environment: &Environment,
    platform: &dyn Platform,
    context: &mut FetchContext<'_>,
) -> anyhow::Result<AcquireOutcome> {
    let line = CommandLine::read(&environment.command_line)?;
    let (source, answer) = first_answer(environment, &line, platform, context)?;
    let source = source.to_owned();
    Ok(match answer {
        Answer::Config { name, text } => {
            if environment.is_flatcar(&line)
                && let Some(what) = flatcar::foreign_kind(&text)
            {
                context.log.info(format_args!(
                    "user config is {what}, not a config for this program; it is ignored"
                ));
                return Ok(AcquireOutcome::Empty { source });
            }
            AcquireOutcome::Config { source, name, text }
        }
        Answer::Empty if context.fetcher.trust().has_pin() => bail!(
            "the kernel command line names a config by its digest (kindling.config.hash), but {source} supplied none"
        ),
        Answer::Empty => AcquireOutcome::Empty { source },
        Answer::NeedsNetwork { what } => AcquireOutcome::NeedsNetwork { what },
        Answer::NoConfig => bail!(
            "config provider was not online: no source of configs applies to platform {source}; name a config with ignition.config.url on the kernel command line"
        ),
    })
}

fn first_answer<'a>(
    environment: &Environment,
    line: &CommandLine,
    platform: &'a dyn Platform,
    context: &mut FetchContext<'_>,
) -> anyhow::Result<(&'a str, Answer)> {
    let answer = from_command_line(line, context).context("config of the kernel command line")?;
    if answer != Answer::NoConfig {
        return Ok((COMMAND_LINE, answer));
    }
    let answer = check_trust(from_system(&environment.config_dirs, context.log)?, context)?;
    if answer != Answer::NoConfig {
        return Ok((SYSTEM, answer));
    }
    let id = platform.id();
    let answer = platform
        .fetch(context)
        .with_context(|| format!("cannot obtain the config from platform {id}"))?;
    Ok((id, check_trust(answer, context)?))
}

/// Checks the signature of a config that is not a file on a server: it must be embedded in the config.
fn check_trust(answer: Answer, context: &FetchContext<'_>) -> anyhow::Result<Answer> {
    let trust = context.fetcher.trust();
    match answer {
        Answer::Config { name, text } if trust.is_on() => {
            let opened = trust.open(&text).map_err(|cause| FetchError::Untrusted {
                url: name.clone(),
                cause,
            });
            let (config, verified) = opened?;
            context.events.event(FetchEvent::Trusted {
                url: &name,
                verified: &verified,
            });
            Ok(Answer::of(name, config.to_vec()))
        }
        other => Ok(other),
    }
}

fn from_command_line(line: &CommandLine, context: &FetchContext<'_>) -> anyhow::Result<Answer> {
    match line.source(context.log)? {
        CommandLineConfig::Nothing => Ok(Answer::NoConfig),
        CommandLineConfig::Url(url) => fetch(&url, context),
        CommandLineConfig::Device { label, path } => {
            let text = config_device::read(&label, &path, context.log)?;
            check_trust(Answer::of(format!("{label}:{path}"), text), context)
        }
    }
}

fn fetch(url: &str, context: &FetchContext<'_>) -> anyhow::Result<Answer> {
    let shown = shown_url(url);
    // Fetching such a URL would return an empty config, and the machine would boot unprovisioned.
    if url::parse(url).is_ok_and(|url| url.scheme.is_empty()) {
        bail!("config URL {shown:?} has no scheme; write one, e.g. http://");
    }
    let fetched =
        context
            .fetcher
            .fetch_config(&Request::get(url), ConfigRole::First, context.events);
    Answer::fetched(shown, fetched)
}

/// Reads the first `user.ign` that exists.
fn from_system(dirs: &ConfigDirs, log: &Log) -> anyhow::Result<Answer> {
    for path in dirs.each("user.ign") {
        let name = path.display().to_string();
        match input::read(&path, MAX_BUFFER_BYTES) {
            Ok(text) => {
                log.info(format_args!("reading system config file {}", quoted(&name)));
                return Ok(Answer::of(name, text));
            }
            Err(error) if error.kind() == ErrorKind::NotFound => {
                log.info(format_args!("no config at {}", quoted(&name)));
            }
            Err(error) => {
                log.error(format_args!("cannot read {}: {error}", quoted(&name)));
                return Err(error)
                    .with_context(|| format!("cannot read {name}; repair or remove it"));
            }
        }
    }
    Ok(Answer::NoConfig)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fetch::{Fetcher, Silent};
    use crate::log::Sink;
    use crate::platform::find;
    use std::fs;
    use std::path::PathBuf;
    use tempfile::TempDir;

    /// A machine with a command line, files and a platform.
    struct TestMachine {
        root: TempDir,
        platform: &'static str,
        flatcar: &'static str,
    }

    impl TestMachine {
        fn new(line: &str) -> Self {
            let root = tempfile::tempdir().expect("a directory");
            for dir in ["run", "etc", "usr"] {
                fs::create_dir(root.path().join(dir)).expect("made");
            }
            let machine = Self {
                root,
                platform: "metal",
                flatcar: "",
            };
            machine.with("cmdline", line)
        }

        fn with(self, path: &str, text: &str) -> Self {
            fs::write(self.root.path().join(path), text).expect("written");
            self
        }

        fn environment(&self) -> Environment {
            let read = Environment::read(|name| {
                let path = |name: &str| Some(self.root.path().join(name).into_os_string());
                match name {
                    "IGNITION_KERNEL_CMDLINE_PATH" => path("cmdline"),
                    "IGNITION_SYSTEM_RUNTIME_CONFIG_DIR" => path("run"),
                    "IGNITION_SYSTEM_LOCAL_CONFIG_DIR" => path("etc"),
                    "IGNITION_SYSTEM_CONFIG_DIR" => path("usr"),
                    "IGNITION_CONFIG_FILE" => path("file.ign"),
                    "KINDLING_FLATCAR" => Some(self.flatcar.into()),
                    _ => None,
                }
            });
            read.expect("fine")
        }

        /// What the sources supply, with paths relative to the root, and the log.
        fn obtain(&self) -> (Result<AcquireOutcome, String>, String) {
            let (sink, log) = Sink::memory();
            let environment = self.environment();
            let mut context = FetchContext {
                fetcher: Fetcher::default().offline(),
                events: &Silent,
                log: &Log::new(sink),
                config_file: &environment.config_file,
                output_files: Vec::new(),
            };
            let platform = find(self.platform).expect("known");
            let outcome = obtain(&environment, platform, &mut context);
            let log = log.lock().expect("one thread").clone();
            let root = self.root.path().display().to_string();
            let outcome = outcome.map_err(|error| format!("{error:#}").replace(&root, ""));
            (outcome, log.replace(&root, ""))
        }
    }

    fn config(source: &str, name: &str, text: &str) -> AcquireOutcome {
        AcquireOutcome::Config {
            source: source.into(),
            name: name.into(),
            text: text.into(),
        }
    }

    fn empty(source: &str) -> AcquireOutcome {
        let source = source.into();
        AcquireOutcome::Empty { source }
    }

    #[test]
    fn the_command_line_decides_first() {
        let machine =
            TestMachine::new("ignition.config.url=data:,abc").with("etc/user.ign", "user");
        assert_eq!(machine.obtain().0, Ok(config("cmdline", "data:", "abc")));
        let machine = TestMachine::new("ignition.config.url=data:,").with("etc/user.ign", "user");
        assert_eq!(machine.obtain().0, Ok(empty("cmdline")));
    }

    #[test]
    fn the_first_user_config_is_next() {
        let machine = TestMachine::new("quiet")
            .with("etc/user.ign", "etc")
            .with("usr/user.ign", "usr");
        let (outcome, log) = machine.obtain();
        let name = machine.root.path().join("etc/user.ign");
        let name = name.display().to_string();
        assert_eq!(outcome, Ok(config("system", &name, "etc")));
        assert_eq!(
            log,
            "INFO     : no config at \"/run/user.ign\"\n\
             INFO     : reading system config file \"/etc/user.ign\"\n"
        );
        assert_eq!(
            machine.with("run/user.ign", "").obtain().0,
            Ok(empty("system"))
        );
    }

    #[test]
    fn an_unreadable_user_config_is_fatal() {
        let machine = TestMachine::new("");
        fs::create_dir(machine.root.path().join("run/user.ign")).expect("made");
        let (outcome, log) = machine.obtain();
        let error = outcome.expect_err("a directory");
        assert!(error.contains("cannot read /run/user.ign"), "{error}");
        assert!(
            log.contains("ERROR    : cannot read \"/run/user.ign\""),
            "{log}"
        );
    }

    #[test]
    fn the_platform_is_last() {
        let machine = TestMachine::new("");
        assert_eq!(machine.obtain().0, Ok(empty("metal")));
        let machine = TestMachine {
            platform: "file",
            ..machine.with("file.ign", "{}")
        };
        let name: PathBuf = machine.root.path().join("file.ign");
        let want = config("file", &name.display().to_string(), "{}");
        assert_eq!(machine.obtain().0, Ok(want));
        fs::remove_file(&name).expect("removed");
        let error = machine.obtain().0.expect_err("missing");
        assert!(
            error.starts_with("cannot obtain the config from platform file: "),
            "{error}"
        );
    }

    #[test]
    fn a_missing_network_is_distinguished() {
        let outcome = TestMachine::new("ignition.config.url=http://h/c")
            .obtain()
            .0;
        assert!(
            matches!(&outcome, Ok(AcquireOutcome::NeedsNetwork { what }) if what.contains("http://h/c")),
            "{outcome:?}"
        );
    }

    #[test]
    fn failures_of_the_command_line_are_final() {
        let cases = [
            ("ignition.config.url=foo", "has no scheme"),
            ("ignition.config.device=A", "must be provided together"),
            (
                "ignition.config.device=a/b ignition.config.path=c",
                "without slashes",
            ),
        ];
        for (line, want) in cases {
            let outcome = TestMachine::new(line).with("etc/user.ign", "{}").obtain().0;
            let error = outcome.expect_err(line);
            assert!(error.contains(want), "{line}: {error}");
        }
        let machine = TestMachine::new("");
        fs::remove_file(machine.root.path().join("cmdline")).expect("removed");
        let error = machine.obtain().0.expect_err("unreadable");
        assert!(
            error.contains("cannot read the kernel command line from /cmdline"),
            "{error}"
        );
    }

    #[test]
    fn flatcar_leaves_user_data_to_other_programs() {
        let machine = TestMachine::new("").with("etc/user.ign", "#cloud-config\n");
        assert!(matches!(
            machine.obtain().0,
            Ok(AcquireOutcome::Config { .. })
        ));
        let machine = TestMachine {
            flatcar: "1",
            ..machine
        };
        let (outcome, log) = machine.obtain();
        assert_eq!(outcome, Ok(empty("system")));
        assert!(log.ends_with("INFO     : user config is a cloud-config, not a config for this program; it is ignored\n"));
    }
}
