//! Binds volumes to what unlocks them automatically.

use super::commands;
use crate::execute::Context;
use crate::fetch::Request;
use crate::host::SecretFile;
use crate::plan::op::ClevisBinding;
use anyhow::Context as _;

/// No advertisement is larger.
const ADVERTISEMENT_BYTES: u64 = 1 << 20;

/// Waits until every server answers: Clevis asks once and gives up.
pub(super) fn wait_for_servers(binding: &ClevisBinding, context: &Context) -> anyhow::Result<()> {
    for url in &binding.servers {
        let request = Request::get(url.clone());
        let asked = context
            .fetcher
            .fetch_bounded(&request, ADVERTISEMENT_BYTES, context.events);
        asked.with_context(|| {
            format!("the Tang server does not answer at {}", request.shown_url())
        })?;
    }
    Ok(())
}

/// Tries a pin on something that does not matter.
pub(super) fn try_pin(binding: &ClevisBinding) -> anyhow::Result<()> {
    let tried = commands::try_pin(binding).run();
    tried
        .map(drop)
        .with_context(|| format!("Clevis cannot encrypt with {}", binding.words))
}

/// Binds an open volume, and shows that the binding unlocks it.
pub(super) fn bind(
    name: &str,
    binding: &ClevisBinding,
    device: &str,
    key: &SecretFile,
) -> anyhow::Result<()> {
    let bound = commands::bind(binding, device, &key.path()).run();
    bound.with_context(|| format!("Clevis cannot bind the volume to {}", binding.words))?;
    if binding.prove {
        commands::close(name).run()?;
        let unlocked = commands::unlock(device, name).run();
        unlocked
            .with_context(|| format!("Clevis cannot unlock the volume by {}", binding.words))?;
    }
    if binding.remove_key {
        commands::remove_key(device, &key.path()).run()?;
    }
    Ok(())
}
