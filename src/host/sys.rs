//! The one place for `unsafe`: calls that no crate we use wraps safely.

#![allow(
    unsafe_code,
    reason = "the only module that may; each block says why it is sound"
)]

use nix::sys::signal::Signal;
use std::os::unix::process::CommandExt;
use std::process::Command;

/// Makes a child process receive `signal` when the thread that starts it ends, so that no mkfs goes
/// on writing to a disk after we were killed.
pub fn die_with_parent(command: &mut Command, signal: Signal) {
    // SAFETY: the closure runs in the child between fork and exec and only calls prctl(2), which is
    // async-signal-safe and allocates nothing.
    unsafe {
        command.pre_exec(move || nix::sys::prctl::set_pdeathsig(signal).map_err(Into::into));
    }
}
