//! Servers that a case has started.

use super::shell::Runner;

/// Kills them, by the list of processes that the case keeps.
pub fn stop(runner: &mut Runner) {
    let list = runner.placeholders.fill("@dir@/pids");
    for pid in std::fs::read_to_string(list).unwrap_or_default().lines() {
        runner.run("kill", &["-9", pid]);
    }
}
