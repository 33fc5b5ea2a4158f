//! kindling: a first-boot provisioner for Linux.
//!
//! # The idea
//! A plan is a value. A config and the observed machine become a typed [`plan::Plan`]; the plan is
//! shown (`kindling plan`) or executed (`kindling apply`), and the execution becomes a
//! [`report::Report`]. Nothing below [`cli`] knows which of the two will happen.
//!
//! # The map
//! | module | what it is | may import |
//! |---|---|---|
//! | [`accounts`] | users and groups of a target: reading, changing and writing their databases; pure | `layout` |
//! | [`layout`] | where things are in a target | nothing of ours |
//! | [`config`] | what was asked: versions, schema, validation, merge, origins; no I/O | `layout`, `text` |
//! | [`language`] | the other languages that configs are written in, brought to the shape of `config`; no I/O | `config`, `layout`, `text` |
//! | [`disk`] | bytes on disks: GPT, superblocks; pure codecs over `Read + Seek` | nothing of ours |
//! | [`paths`] | paths in a target: their parts, and the one algorithm that follows links; pure | `config` |
//! | [`failure`] | why something could not be done, in parts, and how that is shown | `config`, `text` |
//! | [`facts`] | what was seen: plain data about disks and the target root | `accounts`, `config`, `disk`, `layout`, `paths` |
//! | [`host`] | the only door to the machine: commands, loop devices, mounts, the target root | `accounts`, `disk`, `input`, `text` |
//! | [`signature`] | whose signature a config must have, and whether it has it | `config`, `input`, `text` |
//! | [`fetch`] | bytes from URLs | `config`, `input`, `signature`, `text` |
//! | [`observe`] | looks at the machine, read only, and returns `facts` | `accounts`, `config`, `disk`, `facts`, `fetch`, `host`, `layout`, `paths`, `text` |
//! | [`plan`] | pure: `config` + `facts` become operations | `accounts`, `config`, `disk`, `facts`, `failure`, `layout`, `paths`, `text` |
//! | [`execute`] | runs a plan; sees neither config documents nor observation | `accounts`, `disk`, `fetch`, `host`, `layout`, `paths`, `plan`, `text` |
//! | [`narration`] | what is told of a run while it goes on: log lines, journal, console, terminal | `execute`, `fetch`, `host`, `log`, `plan`, `report`, `terminal`, `text` |
//! | [`report`] | what happened: events, timing, tables, what to do about it | `config`, `execute`, `fetch`, `host`, `input`, `output`, `plan`, `text` |
//! | [`log`] | log lines as readers of Ignition's log know them | `terminal`, `text` |
//! | [`input`] | files that people name: read with a limit, never waited for without end | nothing of ours |
//! | [`output`] | files that are written outside the target: complete or not there at all | nothing of ours |
//! | [`text`] | text: what is escaped for people, points in time, names that are compared; pure | nothing of ours |
//! | [`terminal`] | the only door to standard output and standard error | `text` |
//! | [`rounds`] | observes, plans and runs, until nothing is left unseen; for the desk and for boots | `config`, `disk`, `execute`, `facts`, `failure`, `fetch`, `host`, `observe`, `plan` |
//! | [`platform`] | where each kind of machine keeps its config, and what it tells a machine of itself | `config`, `fetch`, `host`, `input`, `log`, `text` |
//! | [`acquire`] | where the config of a machine comes from, and everything it refers to | `config`, `fetch`, `host`, `input`, `language`, `log`, `platform`, `signature`, `text` |
//! | [`boot`] | the stages of a first boot | `accounts`, `acquire`, `config`, `disk`, `execute`, `facts`, `failure`, `fetch`, `host`, `input`, `language`, `layout`, `log`, `narration`, `observe`, `output`, `paths`, `plan`, `platform`, `report`, `rounds`, `signature`, `terminal`, `text` |
//! | [`cli`] | arguments in, text or JSON out | everything |
//!
//! `tests/pure/architecture.rs` holds these directions.
//!
//! # Glossary
//! | term | meaning |
//! |---|---|
//! | config | what a user writes, in any language |
//! | document | one parsed config, with the place of each value |
//! | merged config | all documents in one; each value still knows its document |
//! | origin | file, line, column and JSON or YAML path that something was requested at |
//! | finding | what judging a config found: an error, a warning or a note, with its place |
//! | fact | something that was observed on the machine or in the target |
//! | target | the disks, images or tree that a run changes; its root is where paths of a config begin |
//! | plan | the operations of a run, in order, with what each needs and destroys |
//! | operation | one act on the target |
//! | claim | what an operation makes, changes, uses or releases; claims order operations |
//! | failure | what could not be done and why, with origin and remedy; a plan that is refused has one for each conflict |
//! | remedy | what a person can do about a failure; printed behind `to do:` |
//! | binding | a device name of the config tied to an image file |
//! | stage | one of the steps of a first boot, as Ignition names them |
//! | platform | a kind of machine, by where its config comes from |
//! | attributes | instance metadata; `platform::attributes` obtains them |

// What is public in a private module only looks public, and hides what is dead.
#![deny(unreachable_pub)]
// The documentation is for those who work on this crate: it is built with private items.
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

pub use cli::{findings, main};
