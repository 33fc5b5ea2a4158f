//! Obtains the user's config in the fetch stages: source, references, certificates, cache.

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

/// Where an initramfs says which system it belongs to.
const OS_RELEASE: &str = "/etc/os-release";

/// Such a file has some hundred bytes.
const MAX_OS_RELEASE_BYTES: u64 = 1 << 16;

/// The kernel limits its command line to far fewer bytes.
const MAX_COMMAND_LINE_BYTES: u64 = 1 << 20;

/// What came of it.
pub(super) enum Acquisition {
    /// A config, in the cache.
    Config {
        /// The user's config, rendered.
        document: Box<Document>,
        /// A fetcher with its transport settings.
        fetcher: Fetcher,
    },
    /// Only a network can bring it.
    NeedsNetwork { what: String },
}

/// Obtains the config and writes the cache.
///
/// # Errors
/// What failed, and where it was asked for.
pub(super) fn acquire(engine: &mut Engine<'_>) -> Result<Acquisition, StageFailure> {
    let outcome = match kept(engine)? {
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
                    keep(engine, &source, &name, &text);
                    return Ok(Acquisition::NeedsNetwork { what });
                }
            }
        }
    };
    let (document, fetcher) = acquired;
    let document = embed_authorities(engine, document, &fetcher)?;
    cache::write(&engine.args.config_cache, &document)
        .map_err(|error| StageFailure::of("save the config", &error))?;
    tell_journal(engine);
    Ok(Acquisition::Config {
        document: Box::new(document),
        fetcher,
    })
}

fn obtain(engine: &mut Engine<'_>) -> Result<AcquireOutcome, StageFailure> {
    let stop = AtomicBool::new(false);
    let fetches = engine.fetches(&stop);
    let mut context = engine.context(&fetches);
    let outcome = source::obtain(engine.environment, engine.platform, &mut context);
    engine.keep_output_files(context.output_files);
    outcome.map_err(|error| StageFailure::of("obtain the config", &error))
}

/// Keeps a config for the stage that has a network, if its platform would not give it again.
fn keep(engine: &mut Engine<'_>, source: &str, name: &str, text: &[u8]) {
    if source == engine.platform.id() && engine.platform.is_read_once() {
        engine.state.read_once_config = Some(ReadOnceConfig {
            platform: source.into(),
            name: name.into(),
            contents: data_url::of(text),
        });
    }
}

/// The config that an earlier stage kept.
fn kept(engine: &mut Engine<'_>) -> Result<Option<AcquireOutcome>, StageFailure> {
    let kept = engine.state.read_once_config.take();
    let Some(kept) = kept.filter(|kept| kept.platform == engine.platform.id()) else {
        return Ok(None);
    };
    let ReadOnceConfig {
        platform: source,
        name,
        contents,
    } = kept;
    let text = data_url::decode(&contents).map_err(|error| {
        StageFailure::of("read the config that an earlier stage saved", &error.into())
    })?;
    engine.log.info(format_args!(
        "using the config of platform {source} that an earlier stage saved"
    ));
    Ok(Some(AcquireOutcome::Config { source, name, text }))
}

/// One entry per config. A journal that is not there, or does not listen, is not a failure.
fn tell_journal(engine: &Engine<'_>) {
    let Some(journal) = Journal::open() else {
        return;
    };
    for config in engine.state.fetched_configs.iter().flatten() {
        let sent = journal.fetched_config(config.kind.name(), &config.source, config.referenced);
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

/// Judges the first text, and follows its references.
fn render(
    engine: &mut Engine<'_>,
    source: &str,
    name: &str,
    text: &[u8],
) -> Result<RenderOutcome, StageFailure> {
    let text = &*language::unpacked(text);
    let stated = stated(engine).map_err(|error| StageFailure::of("read the config", &error))?;
    let mut knowledge = knowledge(engine);
    let detected = || language::detect_for(text, &knowledge.surroundings().target).ok();
    let language = stated.language.or_else(detected);
    if let Some(language) = language {
        match ask_platform(engine, source, language)? {
            InstanceAnswer::Instance(instance) => knowledge.instance = instance,
            InstanceAnswer::NeedsNetwork(what) => return Ok(RenderOutcome::NeedsNetwork(what)),
        }
    }
    let surroundings = Surroundings {
        is_boot: true,
        refuses_scripts: stated.refuses_scripts,
        is_followed: true,
        ..knowledge.surroundings()
    };
    let first = read(engine, name, text, language, surroundings)?;
    engine.state.note(ConfigKind::User, source, false);
    let stop = AtomicBool::new(false);
    let fetches = engine.fetches(&stop);
    engine.sources.push(first.source.clone());
    match references::render(first, &engine.fetcher, &fetches) {
        Ok(rendered) => {
            for found in &rendered.findings {
                log_findings(engine.log, &found.findings);
            }
            note_references(engine, &rendered.sources);
            Ok(RenderOutcome::config(rendered.document, rendered.fetcher))
        }
        Err(error) if error.reason.needs_network() && engine.args.stage == Stage::FetchOffline => {
            Ok(RenderOutcome::NeedsNetwork(error.reason.to_string()))
        }
        // An empty referenced config makes the whole config count as empty, as it always did.
        Err(error) if matches!(*error.reason, RenderReason::Empty { .. }) => {
            engine.log.warning(format_args!(
                "{}; the whole config counts as empty",
                error.reason
            ));
            let fetcher = engine.fetcher.clone();
            Ok(RenderOutcome::config(Document::empty(), fetcher))
        }
        Err(error) => {
            for found in &error.findings {
                log_findings(engine.log, &found.findings);
            }
            Err(StageFailure::render(&error))
        }
    }
}

/// The answer of the platform.
enum InstanceAnswer {
    /// What is known; nothing on platforms without metadata.
    Instance(KnownInstance),
    /// A network is required.
    NeedsNetwork(String),
}

/// Asks the platform for the stage of a boot, if a config in `language` from `source` needs it.
///
/// # Errors
/// As [`instance::instance`].
fn ask_platform(
    engine: &Engine<'_>,
    source: &str,
    language: Language,
) -> Result<InstanceAnswer, StageFailure> {
    let stop = AtomicBool::new(false);
    let fetches = engine.fetches(&stop);
    let mut context = engine.context(&fetches);
    match instance::instance(engine.platform, &mut context, source, language) {
        Ok(instance) => Ok(InstanceAnswer::Instance(instance)),
        Err(error)
            if engine.args.stage == Stage::FetchOffline && instance::needs_network(&error) =>
        {
            Ok(InstanceAnswer::NeedsNetwork(format!("{error:#}")))
        }
        Err(error) => {
            let act = "get the host name and SSH keys from the platform";
            Err(StageFailure::of(act, &error))
        }
    }
}

/// What the kernel command line states about the config.
struct CommandLineOptions {
    language: Option<Language>,
    refuses_scripts: bool,
}

fn stated(engine: &Engine<'_>) -> anyhow::Result<CommandLineOptions> {
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

/// What is known before the platform is asked. The root file system may not exist yet, so nothing of it is known.
fn knowledge(engine: &Engine<'_>) -> Knowledge {
    Knowledge {
        platform: Some(engine.platform.id().into()),
        distribution: distribution(engine),
        disks: disks::sizes(),
        kernel_arguments: kernel_arguments(&engine.environment.command_line),
        ..Knowledge::default()
    }
}

/// The kernel command line as it is. That it cannot be read is said where it is needed.
fn kernel_arguments(path: &Path) -> Option<String> {
    let text = input::read(path, MAX_COMMAND_LINE_BYTES).ok()?;
    String::from_utf8(text).ok()
}

/// The system that boots. Its initramfs says what it is; where that is not known, the conventions of none hold.
fn distribution(engine: &Engine<'_>) -> Distribution {
    if engine.flatcar {
        return Distribution::Flatcar;
    }
    let text = input::read(Path::new(OS_RELEASE), MAX_OS_RELEASE_BYTES).unwrap_or_default();
    Distribution::of_os_release(&String::from_utf8_lossy(&text))
}

/// Notes every referenced config by the path of its URL; the rest of a URL may hold secrets.
fn note_references(engine: &mut Engine<'_>, sources: &[SourceInfo]) {
    for source in sources.iter().filter(|source| source.referenced) {
        engine.log.debug(format_args!(
            "parsed config {} with SHA512: {}",
            source.name, source.sha512
        ));
        let path = match source.name.as_str() {
            "data:" => String::new(),
            name => url::parse(name).map(|url| url.path).unwrap_or_default(),
        };
        engine.state.note(ConfigKind::User, path, true);
        engine.sources.push(source.clone());
    }
}

/// Puts the bytes of certificate authorities in the place of where they are, so that later stages
/// need no network for them.
fn embed_authorities(
    engine: &Engine<'_>,
    document: Document,
    fetcher: &Fetcher,
) -> Result<Document, StageFailure> {
    let listed = &document
        .config()
        .ignition
        .security
        .tls
        .certificate_authorities;
    if listed.is_empty() {
        return Ok(document);
    }
    let stop = AtomicBool::new(false);
    let fetches = engine.fetches(&stop);
    let mut embedded = Vec::new();
    for (index, authority) in listed.iter().enumerate() {
        let bundle = Request::of(authority).and_then(|request| fetcher.bundle(&request, &fetches));
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
        source: Some(data_url::of(bundle).into()),
        verification,
        ..Resource::default()
    }
}
