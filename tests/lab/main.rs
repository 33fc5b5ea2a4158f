//! The lab: cases on real disks in a real kernel with partition scanning and udev.
//!
//! The kernel is user-mode Linux, which boots in about two seconds as a process and sees the host's file tree
//! read only. Each kernel takes many cases. This program is both halves: started by `cargo test` it is the host,
//! started by `guest.sh` inside the kernel with `--guest` it runs cases. Names given as arguments select cases;
//! see `tests/lab/README.md` for how to write one.
#![allow(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a test program reports on its streams"
)]

mod case;
mod check;
mod guest;
mod host;
mod reboot;
mod servers;
mod shell;
mod stacked;
mod stages;

use case::Verdict;
use std::path::Path;
use std::process::ExitCode;

/// Cases the project promises to keep.
const PROMISED_CASES: usize = 60;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let outcome = match arguments.split_first() {
        Some((first, [share, kindling])) if first == "--guest" => {
            guest::main(Path::new(share), kindling).map(|()| true)
        }
        _ => run(&arguments),
    };
    match outcome {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::from(101),
        Err(error) => {
            eprintln!("lab: {error}");
            ExitCode::from(101)
        }
    }
}

/// Runs the cases the arguments select; true when all passed.
fn run(arguments: &[String]) -> Result<bool, String> {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/lab/cases");
    let all = case::load(&dir)?;
    let filters = filters(arguments);
    let exact = arguments.iter().any(|a| a == "--exact");
    let wanted = |name: &str| {
        filters.is_empty()
            || filters.iter().any(|f| {
                if exact {
                    name == f
                } else {
                    name.contains(f.as_str())
                }
            })
    };
    let cases: Vec<case::Case> = all
        .iter()
        .filter(|case| wanted(&case.name))
        .cloned()
        .collect();
    let cases = match arguments.iter().any(|a| a == "--stages") {
        true => cases
            .into_iter()
            .filter_map(case::Case::by_stages)
            .collect(),
        false => cases,
    };
    if arguments.iter().any(|a| a == "--list") {
        cases
            .iter()
            .for_each(|case| println!("{}: test", case.name));
        return Ok(true);
    }
    if filters.is_empty() && all.len() < PROMISED_CASES {
        return Err(format!(
            "{} cases, at least {PROMISED_CASES} are promised",
            all.len()
        ));
    }
    println!("\nrunning {} tests", cases.len());
    if !cases.is_empty()
        && let Some(reason) = host::missing()
    {
        return Err(reason);
    }
    let mut failed = Vec::new();
    let mut passed = 0;
    host::run(&cases, &mut |verdict| {
        print(&verdict);
        if verdict.failure.is_some() {
            failed.push(verdict)
        } else {
            passed += 1
        }
    })?;
    summarise(&failed, passed, all.len() - cases.len());
    Ok(failed.is_empty())
}

/// The words of the arguments that are not options; options with a value take their value along.
fn filters(arguments: &[String]) -> Vec<String> {
    let mut filters = Vec::new();
    let mut rest = arguments.iter();
    while let Some(argument) = rest.next() {
        match argument.as_str() {
            "--test-threads" | "--format" | "--color" | "--skip" | "-Z" => {
                rest.next();
            }
            option if option.starts_with('-') => {}
            word => filters.push(word.to_string()),
        }
    }
    filters
}

fn print(verdict: &Verdict) {
    let word = if verdict.failure.is_some() {
        "FAILED"
    } else {
        "ok"
    };
    println!(
        "test {} ... {word} ({:.1} s)",
        verdict.case,
        verdict.millis as f64 / 1000.0
    );
}

fn summarise(failed: &[Verdict], passed: usize, left_out: usize) {
    for verdict in failed {
        if let Some(failure) = &verdict.failure {
            println!("\n---- {} ----\n{}", verdict.case, failure.scene);
            println!(
                "{}: at \"{}\": {}",
                verdict.case, failure.step, failure.reason
            );
        }
    }
    if !failed.is_empty() {
        println!("\nfailures:");
        failed
            .iter()
            .for_each(|verdict| println!("    {}", verdict.case));
    }
    let word = if failed.is_empty() { "ok" } else { "FAILED" };
    println!(
        "\ntest result: {word}. {passed} passed; {} failed; 0 ignored; 0 measured; {left_out} filtered out\n",
        failed.len()
    );
}
