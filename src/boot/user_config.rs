//! Obtains the user config in the fetch stages: source, references, certificate authorities, cache.

use super::args::Stage;
use super::cache;
use super::engine::Engine;
use super::stage_failure::StageFailure;
use super::state::{ConfigKind, ReadOnceConfig};
use crate::acquire::command_line::CommandLine;
use crate::acquire::findings::log_findings;
use crate::acquire::first::{self, First, SourceInfo};
use crate::acquire::instance;
use crate::acquire::references::{self, RenderReason};
use crate::acquire::source::{self, AcquireOutcome};
use crate::config::model::{Resource, Verification};
use crate::config::{self, Document, data_url, url};
use crate::fetch::{Fetcher, Request};
use crate::input;
use crate::language::{self, Distribution, Knowledge, KnownInstance, Language, Surroundings};
use crate::narration::journal::Journal;
use crate::observe::disks;
use std::path::Path;
use std::sync::atomic::AtomicBool;

/// Identifies the system that an initramfs belongs to.
const OS_RELEASE: &str = "/etc/os-release";

/// Maximum size of that file; usual are a few hundred bytes.
const MAX_OS_RELEASE_BYTES: u64 = 1 << 16;

/// Maximum size of the kernel command line; the limit of the kernel is far lower.
const MAX_COMMAND_LINE_BYTES: u64 = 1 << 20;

/// The outcome of obtaining the user config.
pub(super) enum Acquisition {
    /// A config, which is in the cache now.
    Config {
        /// The rendered config.
        document: Box<Document>,
        /// A fetcher with its transport settings.
        fetcher: Fetcher,
    },
    /// The config cannot be obtained without a network.
    NeedsNetwork { what: String },
}

/// Obtains the config and writes the cache.
///
/// # Errors
/// If any step fails; the failure has the origin, if there is one.
pub(super) fn acquire(engine: &mut Engine<'_>) -> Result<Acquisition, StageFailure> {
    let outcome = match take_saved(engine)? {
        Some(outcome) => outcome,
        None => obtain(engine)?,
    };
    let acquired = match outcome {
        AcquireOutcome::NeedsNetwork { what } => return Ok(Acquisition::NeedsNetwork { what }),
        AcquireOutcome::Empty { source } => {
            engine
                .log
                .info(format_args!("not a config (empty): {source} supplied none"));
            (Document::empty(), engine.fetcher.clone())
        }
        AcquireOutcome::Config { source, name, text } => {
            match render(engine, &source, &name, &text)? {
                RenderOutcome::Config(document, fetcher) => (*document, fetcher),
                RenderOutcome::NeedsNetwork(what) => {
                    save_read_once(engine, &source, &name, &text);
                    return Ok(Acquisition::NeedsNetwork { what });
                }
            }
        }
    };
    let (document, fetcher) = acquired;
    let document = embed_authorities(engine, document, &fetcher)?;
    cache::write(&engine.args.config_cache, &document)
        .map_err(|error| StageFailure::of("save the config", &error))?;
    record_in_journal(engine);
    Ok(Acquisition::Config {
        document: Box::new(document),
        fetcher,
    })
}

fn obtain(engine: &mut Engine<'_>) -> Result<AcquireOutcome, StageFailure> {
    let stop = AtomicBool::new(false);
    let fetch_logger = engine.fetch_logger(&stop);
    let mut context = engine.context(&fetch_logger);
    let outcome = source::obtain(engine.environment, engine.platform, &mut context);
    engine.keep_output_files(context.output_files);
    outcome.map_err(|error| StageFailure::of("obtain the config", &error))
}

/// Saves a config for the stage with a network, if its platform does not provide it again.
fn save_read_once(engine: &mut Engine<'_>, source: &str, name: &str, text: &[u8]) {
    if source == engine.platform.id() && engine.platform.is_read_once() {
        engine.state.read_once_config = Some(ReadOnceConfig {
            platform: source.into(),
            name: name.into(),
            contents: data_url::encode(text),
        });
    }
}

/// Takes the config that an earlier stage saved, if there is one.
fn take_saved(engine: &mut Engine<'_>) -> Result<Option<AcquireOutcome>, StageFailure> {
    let saved = engine.state.read_once_config.take();
    let Some(saved) = saved.filter(|saved| saved.platform == engine.platform.id()) else {
        return Ok(None);
    };
    let ReadOnceConfig {
        platform: source,
        name,
        contents,
    } = saved;
    let text = data_url::decode(&contents).map_err(|error| {
        StageFailure::of("read the config that an earlier stage saved", &error.into())
    })?;
    engine.log.info(format_args!(
        "using the config of platform {source} that an earlier stage saved"
    ));
    Ok(Some(AcquireOutcome::Config { source, name, text }))
}

/// Writes a journal entry for each config. A missing journal is not a failure.
fn record_in_journal(engine: &Engine<'_>) {
    let Some(journal) = Journal::open() else {
        return;
    };
    for config in engine.state.fetched_configs.iter().flatten() {
        let sent =
            journal.record_fetched_config(config.kind.name(), &config.source, config.referenced);
        if let Err(error) = sent {
            engine.log.info(format_args!(
                "cannot record a fetched config in the journal: {error}"
            ));
        }
    }
}

enum RenderOutcome {
    Config(Box<Document>, Fetcher),
    NeedsNetwork(String),
}

impl RenderOutcome {
    fn config(document: Document, fetcher: Fetcher) -> Self {
        RenderOutcome::Config(Box::new(document), fetcher)
    }
}

/// Checks the first text and follows its references.
fn render(
    engine: &mut Engine<'_>,
    source: &str,
    name: &str,
    text: &[u8],
) -> Result<RenderOutcome, StageFailure> {
    let text = &*language::unpacked(text);
    let options = command_line_options(engine)
        .map_err(|error| StageFailure::of("read the config", &error))?;
    let mut knowledge = knowledge(engine);
    let detected = || language::detect_for(text, &knowledge.surroundings().target).ok();
    let language = options.language.or_else(detected);
    if let Some(language) = language {
        match obtain_instance(engine, source, language)? {
            InstanceOutcome::Instance(instance) => knowledge.instance = instance,
            InstanceOutcome::NeedsNetwork(what) => return Ok(RenderOutcome::NeedsNetwork(what)),
        }
    }
    let surroundings = Surroundings {
        is_boot: true,
        refuses_scripts: options.refuses_scripts,
        is_followed: true,
        ..knowledge.surroundings()
    };
    let first = read(engine, name, text, language, surroundings)?;
    engine.state.record_config(ConfigKind::User, source, false);
    let stop = AtomicBool::new(false);
    let fetch_logger = engine.fetch_logger(&stop);
    engine.sources.push(first.source.clone());
    match references::render(first, &engine.fetcher, &fetch_logger) {
        Ok(rendered) => {
            for found in &rendered.findings {
                log_findings(engine.log, &found.findings);
            }
            record_references(engine, &rendered.sources);
            Ok(RenderOutcome::config(rendered.document, rendered.fetcher))
        }
        Err(error) if error.reason.needs_network() && engine.args.stage == Stage::FetchOffline => {
            Ok(RenderOutcome::NeedsNetwork(error.reason.to_string()))
        }
        // As in Ignition, an empty referenced config makes the whole config count as empty.
        Err(error) if matches!(*error.reason, RenderReason::Empty { .. }) => {
            engine.log.warning(format_args!(
                "{}; the whole config is treated as empty",
                error.reason
            ));
            let fetcher = engine.fetcher.clone();
            Ok(RenderOutcome::config(Document::empty(), fetcher))
        }
        Err(error) => {
            for found in &error.findings {
                log_findings(engine.log, &found.findings);
            }
            Err(StageFailure::of_render_error(&error))
        }
    }
}

/// The outcome of requesting instance metadata from the platform.
enum InstanceOutcome {
    /// The metadata; empty on platforms without any.
    Instance(KnownInstance),
    /// A network is required.
    NeedsNetwork(String),
}

/// Obtains instance metadata from the platform, if a config in `language` from `source` needs it.
///
/// # Errors
/// Those of [`instance::instance`]; in the fetch-offline stage, a missing network is an outcome instead.
fn obtain_instance(
    engine: &Engine<'_>,
    source: &str,
    language: Language,
) -> Result<InstanceOutcome, StageFailure> {
    let stop = AtomicBool::new(false);
    let fetch_logger = engine.fetch_logger(&stop);
    let mut context = engine.context(&fetch_logger);
    match instance::instance(engine.platform, &mut context, source, language) {
        Ok(instance) => Ok(InstanceOutcome::Instance(instance)),
        Err(error)
            if engine.args.stage == Stage::FetchOffline && instance::needs_network(&error) =>
        {
            Ok(InstanceOutcome::NeedsNetwork(format!("{error:#}")))
        }
        Err(error) => {
            let act = "get the host name and SSH keys from the platform";
            Err(StageFailure::of(act, &error))
        }
    }
}

/// Options for the config on the kernel command line.
struct CommandLineOptions {
    language: Option<Language>,
    refuses_scripts: bool,
}

fn command_line_options(engine: &Engine<'_>) -> anyhow::Result<CommandLineOptions> {
    let line = CommandLine::read(&engine.environment.command_line)?;
    Ok(CommandLineOptions {
        language: line.config_language()?,
        refuses_scripts: line.refuses_scripts()?,
    })
}

fn read<'s>(
    engine: &Engine<'_>,
    name: &str,
    text: &[u8],
    language: Option<Language>,
    surroundings: Surroundings<'s>,
) -> Result<First<'s>, StageFailure> {
    let read = first::read(name, text, language, surroundings);
    engine.log.debug(format_args!(
        "parsing config with SHA512: {}",
        read.source.sha512
    ));
    log_findings(engine.log, &read.findings);
    read.outcome
        .map_err(|error| StageFailure::invalid(&read.source.name, &read.findings, &error))
}

/// What is known without instance metadata. Nothing is known about the root file system, which may not exist yet.
fn knowledge(engine: &Engine<'_>) -> Knowledge {
    let os_release = os_release();
    Knowledge {
        platform: Some(engine.platform.id().into()),
        distribution: match engine.is_flatcar {
            true => Distribution::Flatcar,
            false => Distribution::of_os_release(&os_release),
        },
        codename: language::codename(&os_release),
        disks: disks::sizes(),
        kernel_arguments: kernel_arguments(&engine.environment.command_line),
        ..Knowledge::default()
    }
}

/// The unparsed kernel command line. An error of reading it is reported where it is needed.
fn kernel_arguments(path: &Path) -> Option<String> {
    let text = input::read(path, MAX_COMMAND_LINE_BYTES).ok()?;
    String::from_utf8(text).ok()
}

/// How the initramfs identifies the distribution that is booting; empty if it does not.
fn os_release() -> String {
    let text = input::read(Path::new(OS_RELEASE), MAX_OS_RELEASE_BYTES).unwrap_or_default();
    String::from_utf8_lossy(&text).into_owned()
}

/// Records every referenced config by the path of its URL; the rest of a URL may hold secrets.
fn record_references(engine: &mut Engine<'_>, sources: &[SourceInfo]) {
    for source in sources.iter().filter(|source| source.referenced) {
        engine.log.debug(format_args!(
            "parsed config {} with SHA512: {}",
            source.name, source.sha512
        ));
        let path = match source.name.as_str() {
            "data:" => String::new(),
            name => url::parse(name).map(|url| url.path).unwrap_or_default(),
        };
        engine.state.record_config(ConfigKind::User, path, true);
        engine.sources.push(source.clone());
    }
}

/// Replaces the URLs of certificate authorities with their contents, so that later stages do not need a network for
/// them.
fn embed_authorities(
    engine: &Engine<'_>,
    document: Document,
    fetcher: &Fetcher,
) -> Result<Document, StageFailure> {
    let authorities = &document
        .config()
        .ignition
        .security
        .tls
        .certificate_authorities;
    if authorities.is_empty() {
        return Ok(document);
    }
    let stop = AtomicBool::new(false);
    let fetch_logger = engine.fetch_logger(&stop);
    let mut embedded = Vec::new();
    for (index, authority) in authorities.iter().enumerate() {
        let bundle =
            Request::of(authority).and_then(|request| fetcher.bundle(&request, &fetch_logger));
        let bundle = bundle.map_err(|error| {
            let path = format!("$.ignition.security.tls.certificateAuthorities.{index}");
            let origin = document.origin(&config::JsonPath::new(path));
            StageFailure::at("obtain certificate authorities", &error.into(), origin)
        })?;
        embedded.push(embed(authority.verification.clone(), &bundle));
    }
    Ok(document.with_authorities(embedded))
}

fn embed(verification: Verification, bundle: &[u8]) -> Resource {
    Resource {
        source: Some(data_url::encode(bundle).into()),
        verification,
        ..Resource::default()
    }
}
