//! `kindling translate`: a config in one language as a config in another.

use super::exit::{Exit, ExitError};
use super::findings::{self, JudgedConfig};
use super::reading::ReadingArgs;
use super::suggested::Suggested;
use super::validate::{self, FindingFormat};
use crate::config::model::Resource;
use crate::config::{Document, Findings, ParseError, ParseResult, Version, data_url};
use crate::language::{self, Language, butane};
use crate::terminal;
use crate::text::escaped_json;
use anyhow::Context;
use clap::Args;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;

/// `kindling translate`
#[derive(Debug, Args)]
pub(crate) struct TranslateArgs {
    /// The config to translate; `-` is standard input
    #[arg(value_name = "FILE", default_value = "-")]
    pub(super) file: PathBuf,
    /// The language to translate to: ignition, ignition=VERSION, butane, or butane=VARIANT:VERSION;
    /// by default ignition in the version that belongs to the config, or butane for a config of ignition
    #[arg(long, value_name = "LANGUAGE", value_parser = Suggested::new(Goal::parse, goals), hide_possible_values = true)]
    pub(super) to: Option<Goal>,
    #[command(flatten)]
    pub(super) reading: ReadingArgs,
    /// Platform of the target machine, for configs with variables for its addresses, e.g. ec2
    #[arg(long, value_name = "PLATFORM")]
    pub(super) platform: Option<String>,
    /// Merge another config over the result; may be repeated
    #[arg(long = "snippet", value_name = "FILE")]
    pub(super) snippets: Vec<PathBuf>,
    /// Merge local and inline configs into the result, and drop the references to them
    #[arg(long)]
    pub(super) merge_local: bool,
    /// Indent the result
    #[arg(long, short)]
    pub(super) pretty: bool,
    /// Fail on warnings as well
    #[arg(long, short)]
    pub(super) strict: bool,
    /// Write plain Ignition even for a variant that is wrapped in a MachineConfig
    #[arg(long, short)]
    pub(super) raw: bool,
    /// Only report findings; write no output
    #[arg(long, short)]
    pub(super) check: bool,
    /// Write the result to a file instead of standard output
    #[arg(long, short, value_name = "FILE")]
    pub(super) output: Option<PathBuf>,
    /// How to print what was found, on standard error
    #[arg(long, value_enum, default_value_t = FindingFormat::Human, value_name = "FORMAT")]
    pub(super) format: FindingFormat,
}

impl TranslateArgs {
    /// The arguments that translate `file` to `to` and ask for nothing else.
    pub(super) fn of(file: PathBuf, reading: ReadingArgs, to: Goal) -> Self {
        Self {
            file,
            to: Some(to),
            reading,
            platform: None,
            snippets: Vec::new(),
            merge_local: false,
            pretty: false,
            strict: false,
            raw: false,
            check: false,
            output: None,
            format: FindingFormat::Human,
        }
    }
}

/// What a config becomes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Goal {
    /// Ignition, in a version or in that which belongs to the config.
    Ignition(Option<Version>),
    /// Butane, of a variant and version or of those that belong to the config.
    Butane(Option<(String, String)>),
}

/// Languages to translate to, with their versions.
fn goals() -> Vec<&'static str> {
    static GOALS: LazyLock<Vec<String>> = LazyLock::new(|| {
        let ignition = Version::ALL.iter();
        let ignition = ignition.map(|version| format!("ignition={version}"));
        let butane = butane::dialects();
        let butane = butane.map(|(variant, version)| format!("butane={variant}:{version}"));
        ignition.chain(butane).collect()
    });
    GOALS.iter().map(String::as_str).collect()
}

impl Goal {
    fn parse(text: &str) -> Result<Self, String> {
        let (language, detail) = match text.split_once('=') {
            Some((language, detail)) => (language, Some(detail)),
            None => (text, None),
        };
        match (language, detail) {
            ("ignition", None) => Ok(Goal::Ignition(None)),
            ("ignition", Some(version)) => match Version::named(version) {
                Some(version) => Ok(Goal::Ignition(Some(version))),
                None => {
                    let known = Version::ALL.map(Version::as_str).join(", ");
                    Err(format!("the versions are {known}"))
                }
            },
            ("butane", None) => Ok(Goal::Butane(None)),
            ("butane", Some(detail)) => match detail.split_once(':') {
                Some((variant, version)) => {
                    Ok(Goal::Butane(Some((variant.into(), version.into()))))
                }
                None => Err("write butane=VARIANT:VERSION, e.g. butane=fcos:1.6.0".into()),
            },
            _ => Err("the languages to translate to are ignition and butane".into()),
        }
    }
}

/// A config and what was said about it.
struct InputConfig {
    name: String,
    text: Vec<u8>,
    language: Language,
}

/// Translates; nothing is written when anything is wrong.
pub(crate) fn run(args: &TranslateArgs) -> Result<Exit, ExitError> {
    let part = InputConfig::read(&args.file, &args.reading, args)?;
    let is_merged = args.merge_local || !args.snippets.is_empty();
    let goal = args.to.clone().unwrap_or(match part.language {
        Language::Ignition if !is_merged => Goal::Butane(None),
        _ => Goal::Ignition(None),
    });
    let result = match goal {
        Goal::Ignition(None) if !is_merged && part.language != Language::Ignition => {
            direct(&part, args)?
        }
        Goal::Ignition(version) => expressed(&whole(&part, args)?, version, args)?,
        Goal::Butane(wanted) => butane(&whole(&part, args)?, wanted, args)?,
    };
    if args.check {
        return Ok(Exit::Done);
    }
    match &args.output {
        None => terminal::write_line(&result)?,
        Some(path) => write(path, &result)?,
    }
    Ok(Exit::Done)
}

fn write(path: &Path, result: &str) -> Result<(), ExitError> {
    fs::write(path, format!("{result}\n"))
        .with_context(|| format!("cannot write {}", path.display()))
        .map_err(|error| ExitError::new(Exit::Failed, &error))
}

impl InputConfig {
    fn read(file: &Path, reading: &ReadingArgs, args: &TranslateArgs) -> Result<Self, ExitError> {
        let name = match file.as_os_str() == "-" {
            true => "<stdin>".into(),
            false => file.to_string_lossy().into_owned(),
        };
        let text = validate::read(file).map_err(|error| ExitError::new(Exit::BadConfig, &error))?;
        let text = language::unpacked(&text).into_owned();
        match reading.language(&text) {
            Ok(language) => Ok(InputConfig {
                name,
                text,
                language,
            }),
            Err(unknown) => {
                let findings = Findings(vec![unknown.finding]);
                let judged = JudgedConfig {
                    source: &name,
                    text: &text,
                    findings: &findings,
                    error: Some(&ParseError::Decode),
                };
                tell(&judged, args);
                Err(ExitError::said(Exit::BadConfig))
            }
        }
    }
}

impl InputConfig {
    /// A config in a `data:` URL, packed or not.
    fn embedded(resource: &Resource) -> Result<Self, ExitError> {
        let bad = |error: anyhow::Error| ExitError::new(Exit::BadConfig, &error);
        let bytes = data_url::decode(resource.source.as_deref().unwrap_or_default())
            .context("cannot decode a config that is merged")
            .map_err(bad)?;
        let text = language::unpacked(&bytes).into_owned();
        let language = language::detect(&text)
            .map_err(|unknown| bad(anyhow::anyhow!("{}", unknown.finding)))?;
        Ok(InputConfig {
            name: "data:".into(),
            text,
            language,
        })
    }
}

/// The translation as the language has it, with what a variant wraps around it.
fn direct(part: &InputConfig, args: &TranslateArgs) -> Result<String, ExitError> {
    let files = args.reading.local_files();
    let surroundings = language::Surroundings {
        platform: args.platform.as_deref(),
        is_raw: args.raw,
        ..args.reading.surroundings(files.as_ref())
    };
    let translation = language::translate(
        &part.name,
        &part.text,
        part.language,
        &surroundings,
        args.pretty,
    );
    let judged = JudgedConfig {
        source: &part.name,
        text: &part.text,
        findings: &translation.findings,
        error: translation.outcome.as_ref().err(),
    };
    tell(&judged, args);
    refuse_warnings(&translation.findings, args)?;
    translation
        .outcome
        .map_err(|_| ExitError::said(Exit::BadConfig))
}

/// The config with its snippets, and the version that says all of it.
fn whole(part: &InputConfig, args: &TranslateArgs) -> Result<(Document, Version), ExitError> {
    let (mut document, mut version) = parsed(part, args)?;
    for file in &args.snippets {
        let part = InputConfig::read(file, &ReadingArgs::default(), args)?;
        let (snippet, needed) = parsed(&part, args)?;
        document = Document::merge(&document, &snippet);
        version = version.max(needed);
    }
    if args.merge_local {
        (document, version) = applied(document, version, 0, args)?;
    }
    let findings = document.check();
    let is_merged = args.merge_local || !args.snippets.is_empty();
    if is_merged && !findings.0.is_empty() {
        let judged = JudgedConfig {
            source: "the merged config",
            text: b"",
            findings: &findings,
            error: findings.is_fatal().then_some(&ParseError::Invalid),
        };
        tell(&judged, args);
        refuse_warnings(&findings, args)?;
        if findings.is_fatal() {
            return Err(ExitError::said(Exit::BadConfig));
        }
    }
    Ok((document, version))
}

/// Configs may be inside each other this deep.
const MAX_NESTING: usize = 16;

/// The config with those merged over it that it holds itself, in their order.
fn applied(
    document: Document,
    mut version: Version,
    depth: usize,
    args: &TranslateArgs,
) -> Result<(Document, Version), ExitError> {
    let (mut document, embedded) = document.split_embedded();
    if depth > MAX_NESTING && !embedded.is_empty() {
        let message = format!("configs are nested more than {MAX_NESTING} levels deep");
        return Err(ExitError::new(Exit::BadConfig, &anyhow::anyhow!(message)));
    }
    for resource in embedded {
        let part = InputConfig::embedded(&resource)?;
        let (inner, needed) = parsed(&part, args)?;
        let (inner, needed) = applied(inner, version.max(needed), depth + 1, args)?;
        document = Document::merge(&document, &inner);
        version = version.max(needed);
    }
    Ok((document, version))
}

fn parsed(part: &InputConfig, args: &TranslateArgs) -> Result<(Document, Version), ExitError> {
    let files = args.reading.local_files();
    let surroundings = language::Surroundings {
        platform: args.platform.as_deref(),
        is_printed: true,
        is_raw: true,
        ..args.reading.surroundings(files.as_ref())
    };
    let parsed = language::parse_as(&part.name, &part.text, part.language, &surroundings);
    tell(&JudgedConfig::of(&part.name, &part.text, &parsed), args);
    refuse_warnings(&parsed.findings, args)?;
    match parsed {
        ParseResult {
            outcome: Ok(document),
            version: Some(version),
            ..
        } => Ok((document, version)),
        _ => Err(ExitError::said(Exit::BadConfig)),
    }
}

/// The config in a version of Ignition.
fn expressed(
    (document, natural): &(Document, Version),
    version: Option<Version>,
    args: &TranslateArgs,
) -> Result<String, ExitError> {
    let version = version.unwrap_or(*natural);
    document
        .express(version, args.pretty)
        .map_err(|findings| refused(&findings, &format!("Ignition {version}"), args))
}

/// The config in Butane.
fn butane(
    (document, natural): &(Document, Version),
    wanted: Option<(String, String)>,
    args: &TranslateArgs,
) -> Result<String, ExitError> {
    let wanted = wanted
        .as_ref()
        .map(|(variant, version)| (variant.as_str(), version.as_str()));
    language::butane::from_ignition(document, *natural, wanted)
        .map(|text| text.strip_suffix('\n').unwrap_or(&text).to_owned())
        .map_err(|findings| refused(&findings, "Butane", args))
}

fn refused(findings: &Findings, goal: &str, args: &TranslateArgs) -> ExitError {
    let judged = JudgedConfig {
        source: goal,
        text: b"",
        findings,
        error: Some(&ParseError::Invalid),
    };
    tell(&judged, args);
    ExitError::said(Exit::BadConfig)
}

fn refuse_warnings(findings: &Findings, args: &TranslateArgs) -> Result<(), ExitError> {
    if args.strict && !findings.0.is_empty() {
        terminal::say(
            "kindling: nothing was written: --strict was given, and there are findings\n",
        );
        return Err(ExitError::said(Exit::BadConfig));
    }
    Ok(())
}

/// Says what was found on standard error.
fn tell(judged: &JudgedConfig<'_>, args: &TranslateArgs) {
    if judged.findings.0.is_empty() && judged.error.is_none() {
        return;
    }
    match args.format {
        FindingFormat::Human => {
            terminal::say(&findings::human(judged, terminal::stderr_has_colours()))
        }
        FindingFormat::Plain => terminal::say(&findings::plain(judged)),
        FindingFormat::Json => {
            let text = findings::json(judged).to_string();
            terminal::say(&format!("{}\n", escaped_json(&text)));
        }
    }
}
