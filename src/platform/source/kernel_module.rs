//! Kernel modules that a platform needs.

use crate::host::Command;
use crate::log::Log;
use std::path::Path;

/// Loads a module unless `made`, which it provides, exists: it may be built into the kernel.
///
/// # Errors
/// It cannot be loaded.
pub(crate) fn load_without(made: &Path, module: &str, log: &Log) -> anyhow::Result<()> {
    match made.exists() {
        true => Ok(()),
        false => load(module, log),
    }
}

/// Loads a module with modprobe.
///
/// # Errors
/// It cannot be loaded.
pub(crate) fn load(module: &str, log: &Log) -> anyhow::Result<()> {
    log.operation(format_args!("loading kernel module {module}"), || {
        Command::new("modprobe").arg(module).run().map(drop)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::log::Sink;

    #[test]
    fn a_module_is_loaded_only_if_it_is_missing() {
        let (sink, log) = Sink::memory();
        let log_ = Log::new(sink);
        load_without(Path::new("/"), "no-such-module", &log_).expect("not needed");
        let error = load_without(Path::new("/nowhere"), "no-such-module", &log_);
        error.expect_err("there is no such module");
        let log = log.lock().expect("one thread").clone();
        assert!(
            log.starts_with("INFO     : op(1): [started]  loading kernel module no-such-module\n"),
            "{log}"
        );
    }
}
