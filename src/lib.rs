//! kindling: a first-boot provisioner for Linux.
//!
//! # The idea
//! A plan is a value. A config and the observed machine are turned into a typed [`plan::Plan`]. The plan is either
//! shown (`kindling plan`) or executed (`kindling apply`), and the execution is recorded in a [`report::Report`].
//! Nothing below [`cli`] knows which of the two will happen.
//!
//! # Modules
//! | module | what it is | may import |
//! |---|---|---|
//! | [`accounts`] | users and groups of a target: parsing, changing and formatting their databases; pure | `layout` |
//! | [`layout`] | where things are in a target | nothing of ours |
//! | [`config`] | Ignition configs: versions, schema, validation, merging, origins; no I/O | `layout`, `text`, `threads` |
//! | [`language`] | the other languages that configs are written in, translated for `config`; no I/O | `config`, `layout`, `text` |
//! | [`disk`] | on-disk formats: GPT, superblocks; pure codecs over `Read + Seek` | nothing of ours |
//! | [`paths`] | paths in a target: their components, and the only algorithm that follows links; pure | `config` |
//! | [`failure`] | structured failures, and how they are shown | `config`, `text` |
//! | [`facts`] | what was observed: plain data about disks and the target root | `accounts`, `config`, `disk`, `layout`, `paths` |
//! | [`host`] | all access to the machine: commands, loop devices, mounts, the target root | `accounts`, `disk`, `input`, `text` |
//! | [`signature`] | the keys that configs must be signed with, and verification | `config`, `input`, `text` |
//! | [`fetch`] | bytes from URLs | `config`, `input`, `signature`, `text` |
//! | [`observe`] | inspects the machine, read only, and returns `facts` | `accounts`, `config`, `disk`, `facts`, `fetch`, `host`, `layout`, `paths`, `text` |
//! | [`plan`] | turns `config` and `facts` into operations; pure | `accounts`, `config`, `disk`, `facts`, `failure`, `layout`, `paths`, `text` |
//! | [`execute`] | runs a plan; knows neither config documents nor observation | `accounts`, `disk`, `fetch`, `host`, `layout`, `paths`, `plan`, `text` |
//! | [`narration`] | output during a run: log lines, journal, console, terminal | `execute`, `fetch`, `host`, `log`, `plan`, `report`, `terminal`, `text` |
//! | [`report`] | what happened: events, timing, tables, remedies | `config`, `execute`, `fetch`, `host`, `input`, `output`, `plan`, `text` |
//! | [`log`] | log lines in the form of Ignition's log | `terminal`, `text` |
//! | [`input`] | reading files that users name: with a size limit, never blocking forever | nothing of ours |
//! | [`output`] | writing files outside the target: atomically | nothing of ours |
//! | [`text`] | text: escaping for display, timestamps, comparison of names; pure | nothing of ours |
//! | [`terminal`] | all writing to standard output and standard error | `text` |
//! | [`threads`] | work that two processors share | nothing of ours |
//! | [`rounds`] | observes, plans and runs until everything has been observed; for the command line and for boots | `config`, `disk`, `execute`, `facts`, `failure`, `fetch`, `host`, `observe`, `plan` |
//! | [`platform`] | where each kind of machine gets its config and its instance metadata from | `config`, `fetch`, `host`, `input`, `log`, `text` |
//! | [`acquire`] | obtains the config of a machine and every config that it refers to | `config`, `fetch`, `host`, `input`, `language`, `log`, `platform`, `signature`, `text`, `threads` |
//! | [`boot`] | the stages of a first boot | `accounts`, `acquire`, `config`, `disk`, `execute`, `facts`, `failure`, `fetch`, `host`, `input`, `language`, `layout`, `log`, `narration`, `observe`, `output`, `paths`, `plan`, `platform`, `report`, `rounds`, `signature`, `terminal`, `text` |
//! | [`cli`] | arguments in, text or JSON out | everything |
//!
//! `tests/pure/architecture.rs` enforces the last column.
//!
//! # Glossary
//! | term | meaning |
//! |---|---|
//! | config | what a user writes, in any language |
//! | document | one parsed config, with the position of each value |
//! | merged config | all documents merged into one; each value still refers to its document |
//! | origin | file, line, column and JSON or YAML path where something was requested |
//! | finding | a result of validating a config: an error, a warning or a note, with its position |
//! | fact | something that was observed on the machine or in the target |
//! | target | the disks, images or tree that a run changes; the paths of a config are relative to its root |
//! | plan | the operations of a run, in order, with what each requires and destroys |
//! | operation | one change of the target |
//! | claim | what an operation creates, changes, uses or releases; the order of operations follows from their claims |
//! | failure | what could not be done and why, with origin and remedy; a refused plan has one for each conflict |
//! | remedy | what a person can do about a failure; printed after `to do:` |
//! | binding | a device name of the config, mapped to an image file |
//! | stage | one of the steps of a first boot, as Ignition names them |
//! | platform | a kind of machine, distinguished by where its config comes from |
//! | attributes | instance metadata; `platform::attributes` obtains them |

// An item that is `pub` but unreachable misleads readers and hides dead code from the compiler.
#![deny(unreachable_pub)]
// The documentation is for those who work on this crate, so it is built with private items.
#![allow(rustdoc::private_intra_doc_links)]
#![cfg_attr(
    not(test),
    deny(
        clippy::expect_used,
        clippy::panic,
        clippy::print_stderr,
        clippy::print_stdout,
        clippy::unreachable,
        clippy::unwrap_used
    )
)]

pub mod accounts;
pub mod acquire;
mod boot;
mod cli;
pub mod config;
pub mod disk;
pub mod execute;
pub mod facts;
mod failure;
pub mod fetch;
pub mod host;
mod input;
pub mod language;
mod layout;
mod log;
mod narration;
pub mod observe;
mod output;
pub mod paths;
pub mod plan;
pub mod platform;
mod report;
mod rounds;
pub mod signature;
mod terminal;
mod text;
mod threads;

pub use cli::{findings, main};
