//! Loads kernel modules that a platform needs.

use crate::host::Command;
use crate::log::Log;
use std::path::Path;

/// Loads a module unless `provided`, a file that it provides, exists: it may be built into the kernel.
///
/// # Errors
/// If it cannot be loaded.
pub(crate) fn load_unless_exists(provided: &Path, module: &str, log: &Log) -> anyhow::Result<()> {
    match provided.exists() {
        true => Ok(()),
        false => load(module, log),
    }
}

/// Loads a module with modprobe.
///
/// # Errors
/// If it cannot be loaded.
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
        let (sink, text) = Sink::memory();
        let log = Log::new(sink);
        load_unless_exists(Path::new("/"), "no-such-module", &log).expect("not needed");
        let error = load_unless_exists(Path::new("/nowhere"), "no-such-module", &log);
        error.expect_err("there is no such module");
        let text = text.lock().expect("one thread").clone();
        assert!(
            text.starts_with("INFO     : op(1): [started]  loading kernel module no-such-module\n"),
            "{text}"
        );
    }
}
