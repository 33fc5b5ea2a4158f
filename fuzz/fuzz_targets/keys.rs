//! Copies of keys that contradict each other, and signatures.
#![no_main]

#[path = "../harness/texts.rs"]
mod harness;

libfuzzer_sys::fuzz_target!(|input: &[u8]| {
    harness::keys(input);
});
