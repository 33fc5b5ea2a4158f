//! `kindling translate`: translates a config from one language to another.

use super::exit::{Exit, ExitError};
use super::findings::{self, CheckedConfig};
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
    #[arg(long, value_name = "LANGUAGE", value_parser = Suggested::new(TargetLanguage::parse, target_languages), hide_possible_values = true)]
    pub(super) to: Option<TargetLanguage>,
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
    /// The arguments for translating `file` to `to` without any other options.
    pub(super) fn of(file: PathBuf, reading: ReadingArgs, to: TargetLanguage) -> Self {
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

/// The language, and version, to translate to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum TargetLanguage {
    /// Ignition in a version, or in the one that belongs to the config.
    Ignition(Option<Version>),
    /// Butane in a variant and version, or in those that belong to the config.
    Butane(Option<(String, String)>),
}

/// Values of the option `--to` that have a version.
fn target_languages() -> Vec<&'static str> {
    static NAMES: LazyLock<Vec<String>> = LazyLock::new(|| {
        let ignition = Version::ALL.iter();
        let ignition = ignition.map(|version| format!("ignition={version}"));
        let butane = butane::dialects();
        let butane = butane.map(|(variant, version)| format!("butane={variant}:{version}"));
        ignition.chain(butane).collect()
    });
    NAMES.iter().map(String::as_str).collect()
}

impl TargetLanguage {
    fn parse(text: &str) -> Result<Self, String> {
        let (language, detail) = match text.split_once('=') {
            Some((language, detail)) => (language, Some(detail)),
            None => (text, None),
        };
        match (language, detail) {
            ("ignition", None) => Ok(TargetLanguage::Ignition(None)),
            ("ignition", Some(version)) => match Version::named(version) {
                Some(version) => Ok(TargetLanguage::Ignition(Some(version))),
                None => {
                    let known = Version::ALL.map(Version::as_str).join(", ");
                    Err(format!("the versions are {known}"))
                }
            },
            ("butane", None) => Ok(TargetLanguage::Butane(None)),
            ("butane", Some(detail)) => match detail.split_once(':') {
                Some((variant, version)) => Ok(TargetLanguage::Butane(Some((
                    variant.into(),
                    version.into(),
                )))),
                None => Err("write butane=VARIANT:VERSION, e.g. butane=fcos:1.6.0".into()),
            },
            _ => Err("the languages to translate to are ignition and butane".into()),
        }
    }
}

/// A config to translate.
struct InputConfig {
    name: String,
    text: Vec<u8>,
    language: Language,
}

/// Translates a config. If it has errors, nothing is written.
pub(crate) fn run(args: &TranslateArgs) -> Result<Exit, ExitError> {
    let input = InputConfig::read(&args.file, &args.reading, args)?;
    let is_merged = args.merge_local || !args.snippets.is_empty();
    let target = args.to.clone().unwrap_or(match input.language {
        Language::Ignition if !is_merged => TargetLanguage::Butane(None),
        _ => TargetLanguage::Ignition(None),
    });
    let result = match target {
        TargetLanguage::Ignition(None) if !is_merged && input.language != Language::Ignition => {
            translate_directly(&input, args)?
        }
        TargetLanguage::Ignition(version) => to_ignition(&merged(&input, args)?, version, args)?,
        TargetLanguage::Butane(requested) => to_butane(&merged(&input, args)?, requested, args)?,
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
                let checked = CheckedConfig {
                    source: &name,
                    text: &text,
                    findings: &findings,
                    error: Some(&ParseError::Decode),
                };
                print_findings(&checked, args);
                Err(ExitError::silent(Exit::BadConfig))
            }
        }
    }
}

impl InputConfig {
    /// Reads a config from a `data:` URL, compressed or not.
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

/// Translates one config to the Ignition version of its language, including the wrapper that some variants have.
fn translate_directly(input: &InputConfig, args: &TranslateArgs) -> Result<String, ExitError> {
    let files = args.reading.local_files();
    let surroundings = language::Surroundings {
        platform: args.platform.as_deref(),
        is_raw: args.raw,
        ..args.reading.surroundings(files.as_ref())
    };
    let translation = language::translate(
        &input.name,
        &input.text,
        input.language,
        &surroundings,
        args.pretty,
    );
    let checked = CheckedConfig {
        source: &input.name,
        text: &input.text,
        findings: &translation.findings,
        error: translation.outcome.as_ref().err(),
    };
    print_findings(&checked, args);
    refuse_warnings(&translation.findings, args)?;
    translation
        .outcome
        .map_err(|_| ExitError::silent(Exit::BadConfig))
}

/// The config merged with its snippets, and the version needed for all of it.
fn merged(input: &InputConfig, args: &TranslateArgs) -> Result<(Document, Version), ExitError> {
    let (mut document, mut version) = parse(input, args)?;
    for file in &args.snippets {
        let input = InputConfig::read(file, &ReadingArgs::default(), args)?;
        let (snippet, needed_version) = parse(&input, args)?;
        document = Document::merge(&document, &snippet);
        version = version.max(needed_version);
    }
    if args.merge_local {
        (document, version) = merge_embedded(document, version, 0, args)?;
    }
    let findings = document.check();
    let is_merged = args.merge_local || !args.snippets.is_empty();
    if is_merged && !findings.0.is_empty() {
        let checked = CheckedConfig {
            source: "the merged config",
            text: b"",
            findings: &findings,
            error: findings.is_fatal().then_some(&ParseError::Invalid),
        };
        print_findings(&checked, args);
        refuse_warnings(&findings, args)?;
        if findings.is_fatal() {
            return Err(ExitError::silent(Exit::BadConfig));
        }
    }
    Ok((document, version))
}

/// Maximum depth of configs embedded in each other.
const MAX_NESTING: usize = 16;

/// Merges the configs that a config embeds over it, in order; returns the result and the version it needs.
fn merge_embedded(
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
        let input = InputConfig::embedded(&resource)?;
        let (inner, needed_version) = parse(&input, args)?;
        let (inner, needed_version) =
            merge_embedded(inner, version.max(needed_version), depth + 1, args)?;
        document = Document::merge(&document, &inner);
        version = version.max(needed_version);
    }
    Ok((document, version))
}

fn parse(input: &InputConfig, args: &TranslateArgs) -> Result<(Document, Version), ExitError> {
    let files = args.reading.local_files();
    let surroundings = language::Surroundings {
        platform: args.platform.as_deref(),
        is_printed: true,
        is_raw: true,
        ..args.reading.surroundings(files.as_ref())
    };
    let parsed = language::parse_as(&input.name, &input.text, input.language, &surroundings);
    print_findings(&CheckedConfig::of(&input.name, &input.text, &parsed), args);
    refuse_warnings(&parsed.findings, args)?;
    match parsed {
        ParseResult {
            outcome: Ok(document),
            version: Some(version),
            ..
        } => Ok((document, version)),
        _ => Err(ExitError::silent(Exit::BadConfig)),
    }
}

/// Converts the config to a version of Ignition, or to its own.
fn to_ignition(
    (document, own_version): &(Document, Version),
    version: Option<Version>,
    args: &TranslateArgs,
) -> Result<String, ExitError> {
    let version = version.unwrap_or(*own_version);
    document
        .express(version, args.pretty)
        .map_err(|findings| report_inexpressible(&findings, &format!("Ignition {version}"), args))
}

/// Converts the config to Butane.
fn to_butane(
    (document, own_version): &(Document, Version),
    requested: Option<(String, String)>,
    args: &TranslateArgs,
) -> Result<String, ExitError> {
    let requested = requested
        .as_ref()
        .map(|(variant, version)| (variant.as_str(), version.as_str()));
    language::butane::from_ignition(document, *own_version, requested)
        .map(|text| text.strip_suffix('\n').unwrap_or(&text).to_owned())
        .map_err(|findings| report_inexpressible(&findings, "Butane", args))
}

fn report_inexpressible(findings: &Findings, target: &str, args: &TranslateArgs) -> ExitError {
    let checked = CheckedConfig {
        source: target,
        text: b"",
        findings,
        error: Some(&ParseError::Invalid),
    };
    print_findings(&checked, args);
    ExitError::silent(Exit::BadConfig)
}

fn refuse_warnings(findings: &Findings, args: &TranslateArgs) -> Result<(), ExitError> {
    if args.strict && !findings.0.is_empty() {
        terminal::eprint(
            "kindling: nothing was written: --strict was given, and there are findings\n",
        );
        return Err(ExitError::silent(Exit::BadConfig));
    }
    Ok(())
}

/// Prints findings to standard error.
fn print_findings(checked: &CheckedConfig<'_>, args: &TranslateArgs) {
    if checked.findings.0.is_empty() && checked.error.is_none() {
        return;
    }
    match args.format {
        FindingFormat::Human => {
            terminal::eprint(&findings::human(checked, terminal::stderr_has_colours()))
        }
        FindingFormat::Plain => terminal::eprint(&findings::plain(checked)),
        FindingFormat::Json => {
            let text = findings::json(checked).to_string();
            terminal::eprint(&format!("{}\n", escaped_json(&text)));
        }
    }
}
