//! Configs in other languages.
#![no_main]

#[path = "../harness/texts.rs"]
mod harness;

libfuzzer_sys::fuzz_target!(|input: &[u8]| {
    harness::languages(input);
});
