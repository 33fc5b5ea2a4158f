//! Where the key of a volume comes from.

use super::cex;
use crate::execute::Context;
use crate::layout::key_file;
use crate::plan::op::{CreateLuks, KeySource};
use anyhow::Context as _;
use std::io::Read;

/// Random bytes in a generated key.
const GENERATED_BYTES: usize = 4096;

/// The key of a volume.
pub(super) fn obtain(act: &CreateLuks, context: &Context) -> anyhow::Result<Vec<u8>> {
    let name = &act.name;
    match &act.key {
        KeySource::Given(resource) => {
            let mut key = Vec::new();
            let copied = context.fetcher.copy(resource, &mut key, context.events);
            copied.with_context(|| format!("cannot fetch the key of volume {name}"))?;
            Ok(key)
        }
        KeySource::Generated => {
            generate().with_context(|| format!("cannot generate a key for volume {name}"))
        }
        KeySource::Kept => {
            if let Some(key) = context.keys.get(name) {
                return Ok(key);
            }
            let path = key_file(name);
            let key = context.root.read(&path);
            let key = key.with_context(|| format!("cannot read {path} of the target"))?;
            let key = key.with_context(|| format!("{path} of the target is gone"))?;
            Ok(key.into_bytes())
        }
        KeySource::Cex => std::fs::read(cex::KEY_FILE)
            .with_context(|| format!("cannot read {} of the initramfs", cex::KEY_FILE)),
    }
}

/// Random bytes from the kernel's generator, once that is seeded, as lower-case hex digits.
fn generate() -> anyhow::Result<Vec<u8>> {
    let mut bytes = [0; GENERATED_BYTES];
    std::fs::File::open("/dev/random")
        .and_then(|mut random| random.read_exact(&mut bytes))
        .context("cannot read /dev/random")?;
    Ok(bytes
        .iter()
        .flat_map(|byte| format!("{byte:02x}").into_bytes())
        .collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn generated_keys_are_hex_digits_and_differ() {
        let key = generate().expect("random bytes");
        assert_eq!(key.len(), 2 * GENERATED_BYTES);
        assert!(
            key.iter()
                .all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
        );
        assert_ne!(key, generate().expect("random bytes"));
    }
}
