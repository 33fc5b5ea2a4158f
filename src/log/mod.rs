//! Log lines in Ignition's form, which people know and tools search for.
//!
//! A message has the prefixes of the thread that logs it: the stage, the part of the stage, and the operations in
//! progress, e.g. `disks: createFilesystems: op(5): [started]  ...`. Each worker has a stack of its own, so concurrent
//! operations never mix theirs.

mod quote;
mod sink;

pub(crate) use quote::quoted;
pub(crate) use sink::Sink;

use crate::text::escaped;
use std::cell::RefCell;
use std::fmt::Display;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

/// Severities, with the numbers of syslog. EMERGENCY and ALERT are never used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum LogLevel {
    /// An operation failed, or the run did.
    Critical = 2,
    /// Something went wrong that may or may not end the run.
    Error = 3,
    /// Something deserves attention.
    Warning = 4,
    /// Something unusual but harmless.
    Notice = 5,
    /// Normal progress.
    Info = 6,
    /// Commands and digests.
    Debug = 7,
}

impl LogLevel {
    /// The name at the start of a log line.
    pub fn name(self) -> &'static str {
        match self {
            LogLevel::Critical => "CRITICAL",
            LogLevel::Error => "ERROR",
            LogLevel::Warning => "WARNING",
            LogLevel::Notice => "NOTICE",
            LogLevel::Info => "INFO",
            LogLevel::Debug => "DEBUG",
        }
    }
}

thread_local! {
    static PREFIXES: RefCell<Vec<String>> = const { RefCell::new(Vec::new()) };
}

/// The log of a process, shared by its threads.
#[derive(Debug)]
pub struct Log {
    sink: Mutex<Sink>,
    operations: AtomicU64,
}

/// Keeps a prefix on the stack of this thread until it is dropped.
#[derive(Debug)]
#[must_use = "dropping the guard removes the prefix"]
pub struct PrefixGuard(());

impl Drop for PrefixGuard {
    fn drop(&mut self) {
        PREFIXES.with_borrow_mut(|stack| {
            stack.pop();
        });
    }
}

impl Log {
    /// A log that goes to `sink`.
    pub fn new(sink: Sink) -> Self {
        Self {
            sink: Mutex::new(sink),
            operations: AtomicU64::new(0),
        }
    }

    /// The log of a program called by one of Ignition's names: the system log, or standard output if that is requested
    /// or there is no system log.
    pub fn open(to_stdout: bool) -> Self {
        if to_stdout {
            return Self::new(Sink::Stdout);
        }
        if let Some(sink) = Sink::syslog() {
            return Self::new(sink);
        }
        let log = Self::new(Sink::Stdout);
        log.error("unable to open syslog: no log socket answers; logging to standard output");
        log
    }

    /// Writes one message with the prefixes of this thread. Errors are ignored: a broken log must not stop a boot.
    pub fn write(&self, level: LogLevel, message: impl Display) {
        let mut text = PREFIXES.with_borrow(|stack| {
            stack.iter().fold(String::new(), |mut text, prefix| {
                text.push_str(prefix);
                text.push_str(": ");
                text
            })
        });
        text.push_str(&escaped(&message.to_string()));
        let mut sink = self.sink.lock().unwrap_or_else(PoisonError::into_inner);
        sink.write(level, &text);
    }
    /// Logs a critical message.
    pub fn critical(&self, message: impl Display) {
        self.write(LogLevel::Critical, message);
    }
    pub fn error(&self, message: impl Display) {
        self.write(LogLevel::Error, message);
    }
    pub fn warning(&self, message: impl Display) {
        self.write(LogLevel::Warning, message);
    }
    pub fn notice(&self, message: impl Display) {
        self.write(LogLevel::Notice, message);
    }
    pub fn info(&self, message: impl Display) {
        self.write(LogLevel::Info, message);
    }
    /// Logs a detail.
    pub fn debug(&self, message: impl Display) {
        self.write(LogLevel::Debug, message);
    }

    /// Pushes a prefix on the stack of this thread.
    pub fn push_prefix(&self, prefix: impl Into<String>) -> PrefixGuard {
        PREFIXES.with_borrow_mut(|stack| stack.push(prefix.into()));
        PrefixGuard(())
    }

    /// Logs the start of an operation; its number is a prefix until [`Log::end`].
    pub fn begin(&self, description: impl Display) -> PrefixGuard {
        let number = self.operations.fetch_add(1, Ordering::Relaxed) + 1;
        let prefix = self.push_prefix(format!("op({number:x})"));
        self.info(format_args!("[started]  {description}"));
        prefix
    }
    /// Logs the end of the operation with this prefix.
    pub fn end<T, E: Display>(
        &self,
        prefix: PrefixGuard,
        description: impl Display,
        result: &Result<T, E>,
    ) {
        match result {
            Ok(_) => self.info(format_args!("[finished] {description}")),
            Err(error) => self.critical(format_args!("[failed]   {description}: {error}")),
        }
        drop(prefix);
    }
    /// Runs `work` as one operation.
    ///
    /// # Errors
    /// That of `work`, which is logged as well.
    pub fn operation<T>(
        &self,
        description: impl Display,
        work: impl FnOnce() -> anyhow::Result<T>,
    ) -> anyhow::Result<T> {
        let prefix = self.begin(&description);
        let result = work();
        match &result {
            Ok(_) => self.end(prefix, description, &Ok::<(), String>(())),
            Err(error) => self.end(prefix, description, &Err::<(), _>(format!("{error:#}"))),
        }
        result
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn operations_nest_and_fail_at_every_level() {
        let (sink, text) = Sink::memory();
        let log = Log::new(sink);
        let stage = log.push_prefix("files");
        let failed = log.operation("outer", || {
            log.operation("inner", || {
                log.debug(format_args!("executing: {}", quoted("a\"b")));
                anyhow::bail!("no space")
            })
        });
        drop(stage);
        log.info("done");
        let _: anyhow::Result<()> = failed;
        assert_eq!(
            text.lock().expect("one thread").as_str(),
            "INFO     : files: op(1): [started]  outer\n\
             INFO     : files: op(1): op(2): [started]  inner\n\
             DEBUG    : files: op(1): op(2): executing: \"a\\\"b\"\n\
             CRITICAL : files: op(1): op(2): [failed]   inner: no space\n\
             CRITICAL : files: op(1): [failed]   outer: no space\n\
             INFO     : done\n"
        );
    }

    #[test]
    fn every_thread_has_its_own_prefixes() {
        let (sink, text) = Sink::memory();
        let log = Log::new(sink);
        let _stage = log.push_prefix("disks");
        std::thread::scope(|scope| {
            scope.spawn(|| {
                let _own = log.push_prefix("worker");
                log.info("hello");
            });
        });
        assert_eq!(
            text.lock().expect("joined").as_str(),
            "INFO     : worker: hello\n"
        );
    }
}
