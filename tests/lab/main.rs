//! The lab: cases on real disks in a real kernel with partition scanning and udev.
//!
//! The kernel is user-mode Linux, which boots in about two seconds as a process and has the host's file tree,
//! read-only. Each kernel runs many cases. This program is both halves: `cargo test` starts it as the host, and
//! `guest.sh` inside the kernel starts it with `--guest` to run cases. Arguments select cases by name; see
//! `tests/lab/README.md` for how to write one.
#![allow(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a test program reports on its streams"
)]

mod case;
mod check;
mod guest;
mod host;
mod power;
mod reboot;
mod servers;
mod shell;
mod stacked;
mod stages;

use case::Verdict;
use std::path::Path;
use std::process::ExitCode;

/// Repeats each selected case this many times.
const REPEAT: &str = "--repeat";
/// Runs every case, not only those of a plain run.
const ALL: &str = "--all";
/// Runs only power cuts, at this many points.
const POWER_CUTS: &str = "--power-cuts";

/// The minimum number of cases that the project promises.
const PROMISED_CASES: usize = 300;

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

/// Runs the cases that the arguments select; true if all passed.
fn run(arguments: &[String]) -> Result<bool, String> {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/lab/cases");
    let all = case::load(&dir)?;
    let filters = filters(arguments);
    let exact = arguments.iter().any(|a| a == "--exact");
    let is_selected = |name: &str| {
        filters.is_empty()
            || filters.iter().any(|f| {
                if exact {
                    name == f
                } else {
                    name.contains(f.as_str())
                }
            })
    };
    let every = !filters.is_empty() || arguments.iter().any(|a| a == ALL);
    let cases: Vec<case::Case> = all
        .iter()
        .filter(|case| is_selected(&case.name) && (every || case.always))
        .cloned()
        .collect();
    let cases = match arguments.iter().any(|a| a == "--stages") {
        true => cases
            .into_iter()
            .filter_map(case::Case::by_stages)
            .collect(),
        false => cases,
    };
    let cases = match number_after(arguments, REPEAT)? {
        Some(times) => cases
            .into_iter()
            .flat_map(|case| case.repeated(times))
            .collect(),
        None => cases,
    };
    let cuts = number_after(arguments, POWER_CUTS)?.unwrap_or(0);
    let cases = match arguments.iter().any(|a| a == POWER_CUTS) {
        true => Vec::new(),
        false => cases,
    };
    if arguments.iter().any(|a| a == "--list") {
        if cuts > 0 {
            println!("{}: test", power::NAME);
        }
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
    println!("\nrunning {} tests", cases.len() + cuts);
    if cases.len() + cuts > 0
        && let Some(reason) = host::missing_requirements()
    {
        return Err(reason);
    }
    let mut failed = Vec::new();
    let mut passed = 0;
    let mut each = |verdict: Verdict| {
        print(&verdict);
        if verdict.failure.is_some() {
            failed.push(verdict)
        } else {
            passed += 1
        }
    };
    host::run(&cases, &mut each)?;
    power::run(cuts, &mut each)?;
    summarise(&failed, passed, all.len().saturating_sub(cases.len()));
    Ok(failed.is_empty())
}

/// The number that follows an option.
fn number_after(arguments: &[String], option: &str) -> Result<Option<usize>, String> {
    let Some(at) = arguments.iter().position(|a| a == option) else {
        return Ok(None);
    };
    let number = arguments.get(at + 1).and_then(|text| text.parse().ok());
    number
        .map(Some)
        .ok_or_else(|| format!("{option} needs a number"))
}

/// The arguments that are neither options nor values of options.
fn filters(arguments: &[String]) -> Vec<String> {
    let mut filters = Vec::new();
    let mut rest = arguments.iter();
    while let Some(argument) = rest.next() {
        match argument.as_str() {
            "--test-threads" | "--format" | "--color" | "--skip" | "-Z" | REPEAT | POWER_CUTS => {
                rest.next();
            }
            option if option.starts_with('-') => {}
            word => filters.push(word.to_string()),
        }
    }
    filters
}

fn print(verdict: &Verdict) {
    let status = if verdict.failure.is_some() {
        "FAILED"
    } else {
        "ok"
    };
    println!(
        "test {} ... {status} ({:.1} s)",
        verdict.case,
        verdict.millis as f64 / 1000.0
    );
}

fn summarise(failed: &[Verdict], passed: usize, left_out: usize) {
    for verdict in failed {
        if let Some(failure) = &verdict.failure {
            println!("\n---- {} ----\n{}", verdict.case, failure.transcript);
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
    let status = if failed.is_empty() { "ok" } else { "FAILED" };
    println!(
        "\ntest result: {status}. {passed} passed; {} failed; 0 ignored; 0 measured; {left_out} filtered out\n",
        failed.len()
    );
}
