//! Binds volumes to Clevis pins, which unlock them automatically.

use super::commands;
use crate::execute::Context;
use crate::fetch::Request;
use crate::host::SecretFile;
use crate::plan::op::ClevisBinding;
use anyhow::Context as _;

/// Maximum size of an advertisement in bytes.
const MAX_ADVERTISEMENT_BYTES: u64 = 1 << 20;

/// Waits until every server answers: Clevis asks once and gives up.
pub(super) fn wait_for_servers(binding: &ClevisBinding, context: &Context) -> anyhow::Result<()> {
    for url in &binding.servers {
        let request = Request::get(url.clone());
        let answer =
            context
                .fetcher
                .fetch_bounded(&request, MAX_ADVERTISEMENT_BYTES, context.events);
        answer.with_context(|| {
            format!("the Tang server does not answer at {}", request.shown_url())
        })?;
    }
    Ok(())
}

/// Tries a pin on dummy data.
pub(super) fn try_pin(binding: &ClevisBinding) -> anyhow::Result<()> {
    let result = commands::try_pin(binding).run();
    result
        .map(drop)
        .with_context(|| format!("Clevis cannot encrypt with {}", binding.words))
}

/// Binds an open volume, and proves that the binding unlocks it.
pub(super) fn bind(
    name: &str,
    binding: &ClevisBinding,
    device: &str,
    key: &SecretFile,
) -> anyhow::Result<()> {
    let result = commands::bind(binding, device, &key.path()).run();
    result.with_context(|| format!("Clevis cannot bind the volume to {}", binding.words))?;
    if binding.prove {
        commands::close(name).run()?;
        let result = commands::unlock(device, name).run();
        result.with_context(|| format!("Clevis cannot unlock the volume by {}", binding.words))?;
    }
    if binding.remove_key {
        commands::remove_key(device, &key.path()).run()?;
    }
    Ok(())
}
