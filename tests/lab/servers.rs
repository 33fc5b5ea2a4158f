//! Servers that a case started.

use super::shell::Runner;

/// Ends them, by the list of processes the case keeps.
pub fn stop(runner: &mut Runner) {
    let list = runner.place.fill("@dir@/pids");
    for pid in std::fs::read_to_string(list).unwrap_or_default().lines() {
        runner.run("kill", &["-9", pid]);
    }
}
