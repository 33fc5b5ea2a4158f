//! Configs in other languages. `FUZZ_LANGUAGE=clc` restricts it to one of them.
#![no_main]

#[path = "../harness/texts.rs"]
mod harness;

use kindling::language::Language;
use std::sync::LazyLock;

/// The first byte of an input that selects the language of `FUZZ_LANGUAGE`.
static ONLY: LazyLock<Option<u8>> = LazyLock::new(|| {
    let name = std::env::var("FUZZ_LANGUAGE").ok()?;
    let index = Language::ALL.iter().position(|one| one.name() == name);
    Some(u8::try_from(index.expect("FUZZ_LANGUAGE names a language")).expect("there are few"))
});

libfuzzer_sys::fuzz_target!(|input: &[u8]| {
    match (*ONLY, input.split_first()) {
        (Some(first), Some((_, text))) => harness::languages(&[&[first], text].concat()),
        _ => harness::languages(input),
    };
});
