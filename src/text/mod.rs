//! Text utilities: escaping for terminals, timestamps, comparison and suggestion of names, hexadecimal digits, sizes,
//! kernel command lines, base64, gzip.

mod base64_engine;
mod escape;
mod gzip;
mod hex;
mod kernel_arguments;
mod names;
mod similar;
mod size;
pub(crate) mod time;

pub(crate) use base64_engine::BASE64;
pub(crate) use escape::{escaped, escaped_json, escaped_lines, is_unprintable};
#[cfg(test)]
pub(crate) use gzip::gzip;
pub(crate) use gzip::{GZIP_MAGIC, GzipError, MAX_UNPACKED_BYTES, gunzip};
pub(crate) use hex::{hex, is_guid};
pub(crate) use kernel_arguments::{KernelArgument, kernel_arguments};
pub(crate) use names::{find_in_turn, fold, folds_to, is_same_name};
pub(crate) use similar::{did_you_mean, most_similar};
pub(crate) use size::human_size;
