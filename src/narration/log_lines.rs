//! Logs what a run does, in the wording of Ignition's log.

use super::console::ConsoleProgress;
use super::journal::Journal;
use crate::execute::scheduler::{Observer, OperationOutcome, OperationRecord};
use crate::fetch::{FetchError, FetchEvent, FetchEvents};
use crate::host::Command;
use crate::host::command::CommandFailure;
use crate::log::{Log, PrefixGuard, quoted};
use crate::plan::op::{Base, Content, FileAct, OpKind, OpenMode, Phase, SshKeys};
use crate::plan::{Effect, Operation};
use std::cell::RefCell;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};

/// Where commands are logged; a process has one log.
static COMMANDS: OnceLock<&'static Log> = OnceLock::new();

thread_local! {
    /// Prefixes of this worker's current operation; innermost last.
    static PREFIXES: RefCell<Vec<PrefixGuard>> = const { RefCell::new(Vec::new()) };
}

/// Logs every command that runs from now on.
pub(crate) fn log_commands(log: &'static Log) {
    COMMANDS.get_or_init(|| log);
    crate::host::command::listen(|command| {
        if let Some(log) = COMMANDS.get() {
            log.debug(format_args!("executing: {}", command_line(command)));
        }
    });
}

/// A command with every argument in quotes and secrets hidden.
pub(crate) fn command_line(command: &Command) -> String {
    let arguments = command.arguments.iter().map(|argument| argument.shown());
    let words = std::iter::once(command.program.as_str()).chain(arguments);
    words
        .map(|word| quoted(word).to_string())
        .collect::<Vec<_>>()
        .join(" ")
}

/// The chain of causes, with failed commands in Ignition's form.
pub(crate) fn error_text(error: &anyhow::Error) -> String {
    let causes = error.chain().map(|cause| {
        let failure: Option<&CommandFailure> = cause.downcast_ref();
        failure.map_or_else(|| cause.to_string(), command_failure)
    });
    causes.collect::<Vec<_>>().join(": ")
}

fn command_failure(failure: &CommandFailure) -> String {
    format!(
        "{}: Cmd: {} Stdout: {} Stderr: {}",
        failure.ending,
        command_line(&failure.command),
        quoted(&failure.output.stdout),
        quoted(&failure.output.stderr)
    )
}

/// Logs operations.
pub(crate) struct OperationLogger<'a> {
    pub log: &'a Log,
    /// The first prefix of each line: the stage.
    pub prefix: &'static str,
    /// The target root.
    pub root: &'a Path,
    /// Another observer, to which all events are passed on.
    pub next: &'a dyn Observer,
}

impl Observer for OperationLogger<'_> {
    fn started(&self, operation: &Operation) {
        self.next.started(operation);
        if is_logged(operation) {
            let mut prefixes = vec![self.log.push_prefix(self.prefix)];
            let parts = parts(operation).iter();
            prefixes.extend(parts.map(|part| self.log.push_prefix(*part)));
            prefixes.push(self.log.begin(self.describe(operation)));
            PREFIXES.set(prefixes);
        }
    }

    fn finished(&self, operation: &Operation, record: &OperationRecord) {
        if let Some(operation_prefix) = PREFIXES.with_borrow_mut(Vec::pop) {
            self.end(operation_prefix, operation, record);
            PREFIXES.with_borrow_mut(|prefixes| while prefixes.pop().is_some() {});
        } else if let (OpKind::AlreadyRight(right), Effect::Keep) =
            (&operation.kind, operation.effect)
        {
            let _stage = self.log.push_prefix(self.prefix);
            self.log
                .info(format_args!("{}: {}", right.subject, right.because));
        }
        self.next.finished(operation, record);
    }
}

impl OperationLogger<'_> {
    fn end(&self, operation_prefix: PrefixGuard, operation: &Operation, record: &OperationRecord) {
        let description = self.describe(operation);
        match &record.outcome {
            OperationOutcome::Failed(error) => {
                let text = error_text(error);
                if is_fetch(error) {
                    self.log
                        .critical(format_args!("Error fetching file: {text}"));
                }
                self.log
                    .end(operation_prefix, description, &Err::<(), _>(text));
            }
            _ => self
                .log
                .end(operation_prefix, description, &Ok::<(), String>(())),
        }
        if let (OpKind::SshKeys(act), OperationOutcome::Done(_)) =
            (&operation.kind, &record.outcome)
        {
            self.record_in_journal(act);
        }
        for line in preset_lines(operation) {
            let (verb, unit) = line.split_once(' ').unwrap_or((line, ""));
            let text = format!("setting preset to {verb}d for {}", quoted(unit));
            let prefix = self.log.begin(&text);
            self.log.end(prefix, text, &Ok::<(), String>(()));
        }
    }

    /// Records written SSH keys in the journal, from which distributions show them on the console.
    fn record_in_journal(&self, act: &SshKeys) {
        if let Some(journal) = Journal::open() {
            let path = self.host_path(&format!("{}/{}", act.home, act.file));
            // Without the entry, they are only not shown.
            let _ = journal.record_written_keys(&act.user, &path);
        }
    }

    fn host_path(&self, path: &str) -> PathBuf {
        self.root.join(path.trim_start_matches('/'))
    }

    fn quoted_path(&self, path: &str) -> String {
        quoted(&self.host_path(path).to_string_lossy()).to_string()
    }

    fn describe(&self, operation: &Operation) -> String {
        match &operation.kind {
            OpKind::File(act) => self.describe_file(act),
            OpKind::Symlink(act) => match (&act.unit, act.target.as_str()) {
                (Some(unit), "/dev/null") => format!("masking unit {}", quoted(unit)),
                _ => format!(
                    "writing link {} -> {}",
                    self.quoted_path(&act.path),
                    quoted(&act.target)
                ),
            },
            OpKind::HardLink(act) => format!(
                "writing link {} -> {}",
                self.quoted_path(&act.path),
                self.quoted_path(&act.target)
            ),
            OpKind::Directory(act) => format!("creating directory {}", self.quoted_path(&act.path)),
            OpKind::Remove(act) => format!("removing {}", self.quoted_path(&act.path)),
            OpKind::Mount(act) => format!(
                "mounting {} at {} with type {} and options {}",
                quoted(&act.device.to_string()),
                self.quoted_path(&act.point),
                quoted(&act.format),
                quoted(&act.options.join(","))
            ),
            OpKind::Unmount(act) => format!("umounting {}", self.quoted_path(&act.point)),
            OpKind::SshKeys(act) => format!("adding ssh keys to user {}", quoted(&act.user)),
            OpKind::User(act) => {
                let name = quoted(&act.request.name);
                format!("{} user {name}", gerund(&operation.kind))
            }
            OpKind::Group(act) => {
                let name = quoted(&act.request.name);
                format!("{} group {name}", gerund(&operation.kind))
            }
            OpKind::DisableUnit(act) => format!("disabling unit {}", quoted(&act.unit)),
            OpKind::Relabel(act) => format!("relabeling {} patterns", act.paths.len()),
            OpKind::KernelArguments(_) => "updating kernel arguments".into(),
            other => describe_disk(other).unwrap_or_else(|| other.describe()),
        }
    }

    fn describe_file(&self, act: &FileAct) -> String {
        let path = self.quoted_path(&act.path);
        match &act.unit {
            Some(unit) => format!("writing unit {} at {path}", quoted(unit)),
            None if act.base == Base::Present && act.parts.is_empty() => {
                format!("setting owner and mode of {path}")
            }
            None if act.base == Base::Present => format!("appending to file {path}"),
            None => format!("writing file {path}"),
        }
    }
}

/// Describes operations on disks, arrays, volumes and file systems.
fn describe_disk(kind: &OpKind) -> Option<String> {
    Some(match kind {
        OpKind::MakeFilesystem(act) => format!(
            "creating {} filesystem on {}",
            quoted(&act.format),
            quoted(&act.device.to_string())
        ),
        OpKind::WipeDevice(act) => format!(
            "wiping filesystem signatures from {}",
            quoted(&act.device.to_string())
        ),
        OpKind::WriteTable(act) => format!("partitioning {}", quoted(&act.disk)),
        OpKind::CreateArray(act) => format!("creating {}", quoted(&act.name)),
        OpKind::AssembleArray(act) => format!("assembling {}", quoted(&act.name)),
        OpKind::CreateLuks(act) => match act.way {
            OpenMode::Format => format!("creating {}", quoted(&act.name)),
            OpenMode::Open | OpenMode::Confirm => format!("opening {}", quoted(&act.name)),
        },
        _ => return None,
    })
}

fn gerund(kind: &OpKind) -> &'static str {
    let text = kind.describe();
    match text.split(' ').next() {
        Some("create") => "creating",
        Some("change") => "modifying",
        Some("copy") => "copying",
        _ => "deleting",
    }
}

/// False for operations without lines: those with nothing to do, and directories that are only created as parents.
fn is_logged(operation: &Operation) -> bool {
    let implied = matches!(&operation.kind, OpKind::Directory(act) if act.implied)
        && operation.phase != Phase::Mount;
    let is_record = matches!(
        operation.kind,
        OpKind::NoteFiles(_) | OpKind::ForgetFiles(_)
    );
    !implied && !is_record && !matches!(operation.effect, Effect::Keep | Effect::Skip)
}

fn is_fetch(error: &anyhow::Error) -> bool {
    error.chain().any(|cause| cause.is::<FetchError>())
}

/// The parts of a stage, as Ignition's log names them.
fn parts(operation: &Operation) -> &'static [&'static str] {
    match (operation.phase, &operation.kind) {
        (Phase::Partitions, _) => &["createPartitions"],
        (Phase::Raid, _) => &["createRaids"],
        (Phase::Luks, _) => &["createLuks"],
        (Phase::Filesystems, _) => &["createFilesystems"],
        (Phase::Accounts, OpKind::Group(_)) => &["ensureGroups"],
        (Phase::Accounts, _) => &["ensureUsers"],
        (Phase::Files, _) => &["createFilesystemsFiles", "createFiles"],
        (Phase::Arrays, _) => &["createMdadmConf", "createFiles"],
        (Phase::Keys, _) => &["createCrypttabEntries", "createFiles"],
        (Phase::Records, _) => &["createResultFile", "createFiles"],
        _ => &[],
    }
}

/// The lines of the preset file, which is written in one operation but logged by line.
fn preset_lines(operation: &Operation) -> Vec<&str> {
    match &operation.kind {
        OpKind::File(FileAct { path, parts, .. })
            if operation.phase == Phase::Units && path.ends_with(".preset") =>
        {
            let texts = parts.iter().filter_map(|part| match part {
                Content::Text { text, .. } => Some(text.lines()),
                _ => None,
            });
            texts.flatten().filter(|line| line.contains(' ')).collect()
        }
        _ => Vec::new(),
    }
}

/// Logs fetches, and cancels them when the run is stopped.
pub(crate) struct FetchLogger<'a> {
    pub log: &'a Log,
    /// Set when the run is stopped.
    pub stop: &'a AtomicBool,
    /// Shows how much was received.
    pub progress: Option<&'a ConsoleProgress>,
}

impl FetchEvents for FetchLogger<'_> {
    fn event(&self, event: FetchEvent<'_>) {
        match event {
            FetchEvent::Announced { bytes } => {
                if let Some(progress) = self.progress {
                    progress.announced(bytes);
                }
            }
            FetchEvent::Received { bytes } => {
                if let Some(progress) = self.progress {
                    progress.received(bytes);
                }
            }
            FetchEvent::Verified { .. } => self.log.debug(event),
            FetchEvent::Downgrade { .. } => self.log.warning(event),
            _ => self.log.info(event),
        }
    }
    fn cancelled(&self) -> bool {
        self.stop.load(Ordering::Relaxed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn failed_commands_have_the_form_of_ignition() {
        let command = Command::new("sh").args(["-c", "echo out; echo \"bad\" >&2; exit 4"]);
        let error = command.run().expect_err("it exits with 4");
        assert_eq!(
            error_text(&error.context("cannot do it")),
            "cannot do it: exit status 4: Cmd: \"sh\" \"-c\" \"echo out; echo \\\"bad\\\" >&2; exit 4\" \
             Stdout: \"out\\n\" Stderr: \"bad\\n\""
        );
    }

    #[test]
    fn secrets_stay_hidden() {
        let command = Command::new("useradd").arg("--password").secret("$6$x");
        assert_eq!(
            command_line(&command),
            "\"useradd\" \"--password\" \"[hidden]\""
        );
    }
}
