//! Signals a program at a system call: moments are counted in system calls, so that they do not depend on the load.

use nix::errno::Errno;
use nix::sys::ptrace::{self, Options};
use nix::sys::signal::{Signal, kill};
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::Pid;
use std::fs::File;
use std::io::{Read, Seek};
use std::os::unix::process::ExitStatusExt;
use std::process::{Command, ExitStatus, Output};

/// A signal, and how many times the threads of the program enter or leave the kernel before it is sent.
#[derive(Debug, Clone, Copy)]
pub struct Moment {
    pub stops: u64,
    pub signal: Signal,
}

/// The result of a program that has ended.
pub struct Traced {
    pub output: Output,
    /// How many times its threads entered or left the kernel.
    pub stops: u64,
}

#[expect(
    clippy::zombie_processes,
    reason = "a program that is traced is waited for by thread"
)]
/// Runs a program, with all of its threads but without the programs that it starts, and sends it a signal.
pub fn run(command: &mut Command, moment: Option<Moment>) -> Traced {
    let mut stdout = tempfile::tempfile().expect("a file for stdout");
    let mut stderr = tempfile::tempfile().expect("a file for stderr");
    command.stdout(stdout.try_clone().expect("a file"));
    command.stderr(stderr.try_clone().expect("a file"));
    let child = command.spawn().expect("start the program");
    let leader = Pid::from_raw(i32::try_from(child.id()).expect("a process id"));
    let options =
        Options::PTRACE_O_TRACESYSGOOD | Options::PTRACE_O_TRACECLONE | Options::PTRACE_O_EXITKILL;
    ptrace::seize(leader, options).expect("trace the program");
    ptrace::interrupt(leader).expect("stop the program");
    let (status, stops) = follow(leader, moment);
    Traced {
        output: Output {
            status,
            stdout: read_output(&mut stdout),
            stderr: read_output(&mut stderr),
        },
        stops,
    }
}

fn read_output(file: &mut File) -> Vec<u8> {
    let mut bytes = Vec::new();
    file.rewind().expect("the start of the output");
    file.read_to_end(&mut bytes).expect("the output");
    bytes
}

/// Lets the threads run from stop to stop until the last of them has ended.
fn follow(leader: Pid, moment: Option<Moment>) -> (ExitStatus, u64) {
    let mut stops = 0;
    loop {
        // For children of this thread only: other tests wait for programs of their own.
        let flags = WaitPidFlag::__WALL | WaitPidFlag::__WNOTHREAD;
        let (thread, forwarded) = match waitpid(None, Some(flags)) {
            Ok(WaitStatus::Exited(thread, code)) if thread == leader => {
                return (ExitStatus::from_raw(code << 8), stops);
            }
            Ok(WaitStatus::Signaled(thread, signal, _)) if thread == leader => {
                return (ExitStatus::from_raw(signal as i32), stops);
            }
            Ok(WaitStatus::PtraceSyscall(thread)) => {
                if let Some(moment) = moment.filter(|moment| moment.stops == stops) {
                    kill(leader, moment.signal).expect("signal the program");
                }
                stops += 1;
                (thread, None)
            }
            Ok(WaitStatus::PtraceEvent(thread, _, _)) => (thread, None),
            Ok(WaitStatus::Stopped(thread, signal)) => (thread, Some(signal)),
            Ok(_) | Err(Errno::EINTR) => continue,
            Err(error) => panic!("wait for the program: {error}"),
        };
        match ptrace::syscall(thread, forwarded) {
            // It has been killed meanwhile.
            Ok(()) | Err(Errno::ESRCH) => {}
            Err(error) => panic!("let the program run: {error}"),
        }
    }
}
