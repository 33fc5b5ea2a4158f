//! The target tree end to end: observe, plan, execute, and plan again, on real directories.
//!
//! Needs root (owners, setuid bits, permissions of users); without it every test fails.

mod accounts;
mod foreseen;
mod nodes;
mod shadow;
mod units;

use kindling::config::{self, Document};
use kindling::execute::{self, Context, Done, scheduler};
use kindling::facts::Observed;
use kindling::fetch::Fetcher;
use kindling::host::{Devices, TargetRoot};
use kindling::observe;
use kindling::plan::op::{Effect, OpKind, Operation, Plan};
use kindling::plan::{Draft, Failure, Mounts, Options, Scope, Warning, order};
use serde_json::Value;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;

/// A target root in a temporary directory.
struct Target {
    directory: tempfile::TempDir,
}

/// The result of planning.
struct Planned {
    operations: Vec<Operation>,
    refusals: Vec<Failure>,
    warnings: Vec<Warning>,
}

struct Silent;

impl scheduler::Observer for Silent {
    fn started(&self, _: &Operation) {}
    fn finished(&self, _: &Operation, _: &scheduler::OperationRecord) {}
}

impl Target {
    /// An empty root.
    fn blank() -> Self {
        assert!(nix::unistd::geteuid().is_root(), "these tests need root");
        let directory = tempfile::tempdir().expect("a temporary directory");
        std::fs::set_permissions(directory.path(), mode(0o755)).expect("a mode");
        Self { directory }
    }

    fn root(&self) -> TargetRoot {
        TargetRoot::new(self.directory.path())
    }

    /// The host path of a path inside.
    fn at(&self, path: &str) -> PathBuf {
        self.directory.path().join(path.trim_start_matches('/'))
    }

    /// Writes a file, with the directories above it.
    fn write(&self, path: &str, text: &str) -> &Self {
        let at = self.at(path);
        std::fs::create_dir_all(at.parent().expect("a parent")).expect("directories");
        std::fs::write(at, text).expect("a written file");
        self
    }

    fn mkdir(&self, path: &str) -> &Self {
        std::fs::create_dir_all(self.at(path)).expect("a directory");
        self
    }

    fn link(&self, path: &str, target: impl AsRef<Path>) -> &Self {
        let at = self.at(path);
        std::fs::create_dir_all(at.parent().expect("a parent")).expect("directories");
        std::os::unix::fs::symlink(target, at).expect("a link");
        self
    }

    fn chmod(&self, path: &str, bits: u32) -> &Self {
        std::fs::set_permissions(self.at(path), mode(bits)).expect("a mode");
        self
    }

    fn read(&self, path: &str) -> String {
        let at = self.at(path);
        std::fs::read_to_string(&at).unwrap_or_else(|error| panic!("{}: {error}", at.display()))
    }

    fn exists(&self, path: &str) -> bool {
        self.at(path).symlink_metadata().is_ok()
    }

    /// `mode uid gid` of a node, without following links.
    fn owner_and_mode(&self, path: &str) -> String {
        let at = self.at(path);
        let stat = at
            .symlink_metadata()
            .unwrap_or_else(|error| panic!("{}: {error}", at.display()));
        format!("{:04o} {} {}", stat.mode() & 0o7777, stat.uid(), stat.gid())
    }

    fn plan(&self, config: &Value) -> Planned {
        self.plan_scope(config, Scope::Everything, false)
    }

    fn plan_scope(&self, config: &Value, scope: Scope, ignore_unsupported: bool) -> Planned {
        self.plan_document(&document(config), scope, ignore_unsupported)
    }

    fn plan_document(
        &self,
        document: &Document,
        scope: Scope,
        ignore_unsupported: bool,
    ) -> Planned {
        let observe_options = observe::options::ObserveOptions::default();
        let root = observe::root::observe(
            document.config(),
            &self.root(),
            &fetcher(),
            &observe_options,
        );
        let observed = Observed {
            root: root.unwrap_or_else(|error| panic!("cannot observe: {error:#}")),
            tools: TOOLS.map(str::to_owned).into(),
            ..Observed::default()
        };
        let options = Options {
            scope,
            mounts: Mounts::Needed,
            ignore_unsupported,
            target: kindling::plan::TargetState::Present,
            first_boot: None,
        };
        let mut draft = Draft::new(document, &observed, &options);
        kindling::plan::units::kernel_arguments(&mut draft);
        kindling::plan::accounts::plan(&mut draft);
        let planned = kindling::plan::tree::plan(&mut draft);
        let planned = kindling::plan::units::plan(&mut draft, planned);
        kindling::plan::unfinished::plan(&mut draft, &planned);
        let mut operations = draft.operations().to_vec();
        if let Err(cycle) = order::derive(&mut operations) {
            let stuck = cycle
                .iter()
                .map(|id| operations[id.0 as usize].kind.describe());
            panic!("cycle: {:#?}", stuck.collect::<Vec<_>>());
        }
        Planned {
            operations,
            refusals: draft.refusals().to_vec(),
            warnings: draft.warnings().to_vec(),
        }
    }

    /// Executes operations and returns the first error with its chain.
    fn execute(&self, operations: Vec<Operation>) -> Result<(), String> {
        let plan = Plan {
            operations,
            ..Plan::default()
        };
        let stop = AtomicBool::new(false);
        let records = scheduler::run(
            &plan,
            scheduler::Width::all(2),
            &stop,
            &Silent,
            &|operation| self.execute_one(operation),
        );
        for (record, operation) in records.iter().zip(&plan.operations) {
            if let scheduler::OperationOutcome::Failed(error) = &record.outcome {
                return Err(format!("{}: {error:#}", operation.kind.describe()));
            }
        }
        Ok(())
    }

    fn execute_one(&self, operation: &Operation) -> anyhow::Result<Done> {
        let (root, devices, fetcher) = (self.root(), Devices::default(), fetcher());
        let keys = execute::VolumeKeys::default();
        let context = Context {
            keys: &keys,
            copies: execute::Copies::default(),
            directories: execute::Directories::default(),
            root: &root,
            devices: &devices,
            fetcher: &fetcher,
            events: &kindling::fetch::Silent,
        };
        match &operation.kind {
            OpKind::AlreadyRight(_) => Ok(Done::default()),
            OpKind::Group(act) => execute::accounts::group(act, &context),
            OpKind::User(act) => execute::accounts::user(act, &context),
            OpKind::SshKeys(act) => execute::ssh_keys::ssh_keys(act, &context),
            OpKind::Remove(act) => execute::tree::remove(act, &context),
            OpKind::Directory(act) => execute::tree::directory(act, &context),
            OpKind::File(act) => execute::tree::file(act, &context),
            OpKind::Symlink(act) => execute::tree::symlink(act, &context),
            OpKind::HardLink(act) => execute::tree::hard_link(act, &context),
            OpKind::NoteFiles(act) => execute::unfinished::note(act, &context),
            OpKind::ForgetFiles(act) => execute::unfinished::forget(act, &context),
            OpKind::DisableUnit(act) => execute::units::disable(act, &context),
            other => panic!("no tree operation: {}", other.describe()),
        }
    }

    /// Plans and executes, and checks that planning again finds nothing to do and that no temporary files are left.
    fn apply(&self, config: &Value) -> Planned {
        let planned = self.plan(config);
        assert_eq!(texts(&planned.refusals), Vec::<String>::new());
        if let Err(error) = self.execute(planned.operations.clone()) {
            panic!("{error}");
        }
        let again = self.plan(config);
        assert_eq!(
            texts(&again.refusals),
            Vec::<String>::new(),
            "planned again"
        );
        assert_eq!(again.changes(), Vec::<String>::new(), "planned again");
        assert_eq!(leftovers(self.directory.path()), Vec::<PathBuf>::new());
        planned
    }

    /// The refusals of a plan that must have some.
    fn refusals(&self, config: &Value) -> Vec<String> {
        let refusals = texts(&self.plan(config).refusals);
        assert!(!refusals.is_empty(), "planning should have refused");
        refusals
    }
}

impl Planned {
    /// Descriptions of operations that change something.
    fn changes(&self) -> Vec<String> {
        let changes = self
            .operations
            .iter()
            .filter(|op| !matches!(op.effect, Effect::Keep | Effect::Step));
        changes
            .map(|op| format!("{:?} {}", op.effect, op.kind.describe()))
            .collect()
    }

    /// The only refusal, without its place and remedy.
    fn refused(&self) -> String {
        assert_eq!(self.refusals.len(), 1, "{:#?}", self.refusals);
        let refusal = &self.refusals[0];
        format!("cannot {}: {}", refusal.operation(), refusal.cause)
    }

    /// The data that the plan destroys.
    fn losses(&self) -> Vec<String> {
        self.operations
            .iter()
            .flat_map(|op| op.destroys.clone())
            .collect()
    }
}

const TOOLS: [&str; 1] = ["systemctl"];

fn mode(bits: u32) -> std::fs::Permissions {
    std::os::unix::fs::PermissionsExt::from_mode(bits)
}

fn document(config: &Value) -> Document {
    let mut config = config.clone();
    config["ignition"] = serde_json::json!({"version": "3.6.0"});
    let parsed = config::parse("test.ign", config.to_string().as_bytes());
    let findings = parsed.findings.0.iter().map(ToString::to_string);
    let findings: Vec<String> = findings.filter(|text| text.starts_with("error")).collect();
    assert_eq!(findings, Vec::<String>::new());
    parsed.outcome.expect("a document without errors")
}

fn fetcher() -> Fetcher {
    Fetcher::default()
}

fn texts(refusals: &[Failure]) -> Vec<String> {
    refusals
        .iter()
        .map(|refusal| format!("cannot {}: {}", refusal.operation(), refusal.cause))
        .collect()
}

/// Temporary names that should be gone.
fn leftovers(directory: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(directory).expect("a readable directory") {
        let path = entry.expect("an entry").path();
        let name = path.file_name().expect("a name").to_string_lossy();
        if name.starts_with(".kindling-") {
            found.push(path.clone());
        }
        if path.is_dir() && !path.is_symlink() {
            found.extend(leftovers(&path));
        }
    }
    found
}
