//! External programs: a command is a value, and there is one way to run it.

use anyhow::Context;
use nix::sys::signal::Signal;
use std::fmt::{self, Write as _};
use std::io::{ErrorKind, Read, Write};
use std::os::unix::process::ExitStatusExt;
use std::process::{Child, ExitStatus, Stdio};
use std::sync::{Mutex, OnceLock, PoisonError};
use std::thread::{Scope, ScopedJoinHandle, sleep};
use std::time::{Duration, Instant};

/// How much of each stream is kept by default: its last bytes, where tools report what went wrong.
const TAIL_BYTES: usize = 4096;

/// Held while a child is spawned, and while a device is open exclusively.
static SPAWN_LOCK: Mutex<()> = Mutex::new(());

/// Called for every command of this process, on the thread that runs it.
static LISTENER: OnceLock<fn(&Command)> = OnceLock::new();

/// Calls `listener` before every command from now on. Later calls of this function have no effect.
pub fn listen(listener: fn(&Command)) {
    LISTENER.get_or_init(|| listener);
}

/// Runs `work` while no child is spawned: a child has copies of our descriptors from fork to exec, so a device that we
/// opened exclusively would stay busy after we closed it.
pub fn without_spawning<T>(work: impl FnOnce() -> T) -> T {
    let _guard = SPAWN_LOCK.lock().unwrap_or_else(PoisonError::into_inner);
    work()
}

/// A program to run, with its arguments, input and limits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Command {
    /// Program name, looked up on PATH.
    pub program: String,
    /// Arguments.
    pub arguments: Vec<Argument>,
    /// Bytes for its standard input; without them it reads end of file.
    pub stdin: Option<Vec<u8>>,
    /// It runs to its end even if we are killed, since half-done work would be worse.
    pub outlives_parent: bool,
    /// Time after which it is killed.
    pub limit: Option<Duration>,
    /// How many of the last bytes of each stream are kept.
    pub kept_bytes: usize,
}

/// One argument.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Argument {
    /// May be shown.
    Plain(String),
    /// A password hash or the like: never shown.
    Secret(String),
}

/// The output of a command.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Output {
    /// The end of standard output.
    pub stdout: String,
    /// The end of standard error.
    pub stderr: String,
}

/// How a program that failed has ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ending {
    /// By itself.
    Exit(i32),
    /// By a signal.
    Signal(i32),
    /// The kernel does not report it.
    Unknown,
}

impl fmt::Display for Ending {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Ending::Exit(status) => write!(f, "exit status {status}"),
            Ending::Signal(signal) => write!(f, "signal {signal}"),
            Ending::Unknown => f.write_str("an unknown status"),
        }
    }
}

/// A program that could not be started.
#[derive(Debug, thiserror::Error)]
#[error("cannot run {command}: is it installed and on PATH?")]
pub struct CannotStart {
    /// The command, secrets hidden.
    pub command: String,
    #[source]
    cause: std::io::Error,
}

impl CannotStart {
    /// True if there is no such program.
    pub fn is_missing(&self) -> bool {
        self.cause.kind() == ErrorKind::NotFound
    }
}

/// A command that ended unsuccessfully.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{command} ended with {ending}: {}", self.error_text())]
pub struct CommandFailure {
    /// The command.
    pub command: Command,
    /// How it ended.
    pub ending: Ending,
    /// Its output.
    pub output: Output,
}

impl CommandFailure {
    /// Its output about the error, on one line.
    fn error_text(&self) -> String {
        let Output { stdout, stderr } = &self.output;
        let text = if stderr.trim().is_empty() {
            stdout
        } else {
            stderr
        };
        // Errors are one line, whatever the program writes.
        let lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
        lines.collect::<Vec<_>>().join("; ")
    }
}

impl Command {
    /// A command without arguments.
    pub fn new(program: impl Into<String>) -> Self {
        Self {
            program: program.into(),
            arguments: Vec::new(),
            stdin: None,
            outlives_parent: false,
            limit: None,
            kept_bytes: TAIL_BYTES,
        }
    }
    /// With a time limit.
    #[must_use]
    pub fn within(mut self, limit: Duration) -> Self {
        self.limit = Some(limit);
        self
    }
    /// Keeps this many bytes of each stream, for programs whose output is a list and not a message.
    #[must_use]
    pub fn keeping(mut self, bytes: usize) -> Self {
        self.kept_bytes = bytes;
        self
    }
    /// Lets it run on if we are killed, for short programs that change several files which must be consistent.
    #[must_use]
    pub fn outlive_parent(mut self) -> Self {
        self.outlives_parent = true;
        self
    }
    /// With one more argument.
    #[must_use]
    pub fn arg(mut self, argument: impl Into<String>) -> Self {
        self.arguments.push(Argument::Plain(argument.into()));
        self
    }
    /// With more arguments.
    #[must_use]
    pub fn args<T: Into<String>>(mut self, arguments: impl IntoIterator<Item = T>) -> Self {
        self.arguments
            .extend(arguments.into_iter().map(|a| Argument::Plain(a.into())));
        self
    }
    /// With an argument that is never shown.
    #[must_use]
    pub fn secret(mut self, argument: impl Into<String>) -> Self {
        self.arguments.push(Argument::Secret(argument.into()));
        self
    }
    /// With bytes on standard input.
    #[must_use]
    pub fn stdin(mut self, bytes: impl Into<Vec<u8>>) -> Self {
        self.stdin = Some(bytes.into());
        self
    }

    /// Runs the command to its end. By default it is killed when we die; it never prompts on a terminal, and its
    /// messages are in English.
    ///
    /// # Errors
    /// If the program is missing, or ended with an error: the message contains the command, its status and the end of
    /// its output.
    pub fn run(&self) -> anyhow::Result<Output> {
        if let Some(listener) = LISTENER.get() {
            listener(self);
        }
        let mut child = self.spawn()?;
        let stdin = child.stdin.take();
        let stdout = child.stdout.take();
        let stderr = child.stderr.take();
        // Streams are drained concurrently, so that neither blocks the other or the child.
        let (status, output) = std::thread::scope(|scope| {
            let start = || -> std::io::Result<_> {
                spawn_thread(scope, || write_input(stdin, self.stdin.as_deref()))?;
                let output = spawn_thread(scope, || read_tail(stdout, self.kept_bytes))?;
                Ok((
                    output,
                    spawn_thread(scope, || read_tail(stderr, self.kept_bytes))?,
                ))
            };
            let (output, errors) = start().inspect_err(|_| kill(&mut child))?;
            let status = self.wait(&mut child);
            let stdout = output.join().unwrap_or_default();
            let stderr = errors.join().unwrap_or_default();
            status.map(|status| (status, Output { stdout, stderr }))
        })
        .with_context(|| format!("cannot wait for {}", self.program))?;
        self.check_status(status, output)
    }

    fn spawn(&self) -> anyhow::Result<Child> {
        let stdin = if self.stdin.is_some() {
            Stdio::piped()
        } else {
            Stdio::null()
        };
        let mut command = std::process::Command::new(&self.program);
        command.args(self.arguments.iter().map(Argument::reveal));
        command
            .env("LC_ALL", "C")
            .stdin(stdin)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        if !self.outlives_parent {
            super::sys::die_with_parent(&mut command, Signal::SIGKILL);
        }
        let started = without_spawning(|| command.spawn());
        started.map_err(|cause| {
            let command = self.to_string();
            CannotStart { command, cause }.into()
        })
    }

    /// Waits for the child to end, and kills it after the time limit.
    fn wait(&self, child: &mut Child) -> std::io::Result<ExitStatus> {
        let Some(limit) = self.limit else {
            return child.wait();
        };
        let deadline = Instant::now() + limit;
        loop {
            if let Some(status) = child.try_wait()? {
                return Ok(status);
            }
            if Instant::now() >= deadline {
                child.kill()?;
                child.wait()?;
                let message = format!("it took longer than {} s", limit.as_secs());
                return Err(std::io::Error::new(ErrorKind::TimedOut, message));
            }
            sleep(Duration::from_millis(10));
        }
    }

    fn check_status(&self, status: ExitStatus, output: Output) -> anyhow::Result<Output> {
        if status.success() {
            return Ok(output);
        }
        let ending = match (status.code(), status.signal()) {
            (Some(code), _) => Ending::Exit(code),
            (None, Some(signal)) => Ending::Signal(signal),
            (None, None) => Ending::Unknown,
        };
        Err(CommandFailure {
            command: self.clone(),
            ending,
            output,
        }
        .into())
    }
}

/// Spawns a thread. If that is not possible, this returns an error, whereas `Scope::spawn` panics.
fn spawn_thread<'s, T: Send + 's>(
    scope: &'s Scope<'s, '_>,
    work: impl FnOnce() -> T + Send + 's,
) -> std::io::Result<ScopedJoinHandle<'s, T>> {
    std::thread::Builder::new().spawn_scoped(scope, work)
}

/// Kills a child whose output cannot be read.
fn kill(child: &mut Child) {
    // It may already have ended.
    let _ = child.kill().and_then(|()| child.wait());
}

impl Argument {
    /// The argument as it may be shown.
    pub fn shown(&self) -> &str {
        match self {
            Argument::Plain(text) => text,
            Argument::Secret(_) => "[hidden]",
        }
    }
    fn reveal(&self) -> &str {
        match self {
            Argument::Plain(text) | Argument::Secret(text) => text,
        }
    }
}

impl fmt::Display for Command {
    /// The command line, quoted where a shell would need it, secrets hidden.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.program)?;
        for argument in &self.arguments {
            f.write_char(' ')?;
            match argument {
                Argument::Secret(_) => f.write_str("[hidden]")?,
                Argument::Plain(text) if is_plain(text) => f.write_str(text)?,
                Argument::Plain(text) => write!(f, "{text:?}")?,
            }
        }
        Ok(())
    }
}

fn is_plain(text: &str) -> bool {
    !text.is_empty()
        && text
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || "-_./=:,@+%".contains(c))
}

/// Writes the input of a child. If the child does not read it, that is not an error; the exit status decides.
fn write_input(stream: Option<impl Write>, bytes: Option<&[u8]>) {
    if let (Some(mut stream), Some(bytes)) = (stream, bytes) {
        let _ = stream.write_all(bytes);
    }
}

fn read_tail(stream: Option<impl Read>, bytes: usize) -> String {
    let Some(mut stream) = stream else {
        return String::new();
    };
    let mut kept: Vec<u8> = Vec::new();
    let mut buffer = [0; 4096];
    while let Ok(count @ 1..) = stream.read(&mut buffer) {
        kept.extend_from_slice(&buffer[..count]);
        if kept.len() > bytes.saturating_mul(2) {
            kept.drain(..kept.len() - bytes);
        }
    }
    let start = kept.len().saturating_sub(bytes);
    String::from_utf8_lossy(&kept[start..]).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn output_comes_back() {
        let output = Command::new("sh")
            .args(["-c", "cat; echo oops >&2"])
            .stdin("hi")
            .run();
        let output = output.expect("sh runs");
        assert_eq!(
            (output.stdout.as_str(), output.stderr.as_str()),
            ("hi", "oops\n")
        );
    }

    #[test]
    fn a_failure_names_command_status_and_reason_but_no_secret() {
        let command = Command::new("sh")
            .args(["-c", "echo bad disk >&2; exit 3"])
            .secret("$6$hash");
        let error = command.run().expect_err("it exits with 3").to_string();
        assert_eq!(
            error,
            "sh -c \"echo bad disk >&2; exit 3\" [hidden] ended with exit status 3: bad disk"
        );
    }

    #[test]
    fn a_missing_program_is_named() {
        let error = Command::new("no-such-mkfs")
            .run()
            .expect_err("it is missing");
        assert!(
            format!("{error:#}").contains("cannot run no-such-mkfs: is it installed"),
            "{error:#}"
        );
    }

    #[test]
    fn a_signal_is_reported() {
        let error = Command::new("sh")
            .args(["-c", "kill -9 $$"])
            .run()
            .expect_err("it is killed");
        assert!(error.to_string().contains("signal 9"), "{error}");
    }

    #[test]
    fn time_is_limited() {
        let sleep = |limit| Command::new("sleep").arg("60").within(limit).run();
        let error = sleep(Duration::from_millis(50)).expect_err("it takes longer");
        let error = format!("{error:#}");
        assert_eq!(error, "cannot wait for sleep: it took longer than 0 s");
        let quick = Command::new("true").within(Duration::from_secs(60)).run();
        quick.expect("it is quick");
    }

    #[test]
    fn long_output_is_cut_to_its_end() {
        let long = Command::new("sh").args(["-c", "yes x | head -c 100000; echo end"]);
        for (command, bytes) in [(long.clone(), TAIL_BYTES), (long.keeping(200_000), 100_004)] {
            let stdout = command.run().expect("sh runs").stdout;
            assert_eq!(stdout.len(), bytes);
            assert!(stdout.ends_with("end\n"), "{bytes} bytes");
        }
    }
}
