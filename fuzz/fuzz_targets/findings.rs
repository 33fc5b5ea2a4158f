//! Findings about configs, as they are shown.
#![no_main]

#[path = "../harness/texts.rs"]
mod harness;

libfuzzer_sys::fuzz_target!(|input: &[u8]| {
    harness::findings(input);
});
