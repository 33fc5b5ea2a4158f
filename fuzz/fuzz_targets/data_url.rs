//! URLs from strangers, `data:` ones to their end.
#![no_main]

#[path = "../harness/texts.rs"]
mod harness;

libfuzzer_sys::fuzz_target!(|input: &[u8]| {
    harness::data_url(input);
});
