//! Instance metadata from the platform, for configs in languages that use it.

use crate::fetch::FetchError;
use crate::language::{KnownInstance, Language};

use crate::platform::{FetchContext, Identity, NoDescription, Platform};

/// True for languages whose configs use the machine's host name and SSH keys.
fn uses_metadata(language: Language) -> bool {
    matches!(
        language,
        Language::CloudInit | Language::CoreosCloudinit | Language::K3os
    )
}

/// The metadata of the machine from `platform`, if a config in `language` from `source` needs it.
///
/// It is an error if the platform that supplied the config does not answer, since without its keys it may be
/// impossible to log in. A platform that did not supply the config may be absent, which is a warning. So is a drive
/// with a config but without metadata, which the original programs treated as empty metadata.
///
/// # Errors
/// If the platform should have metadata, but does not answer.
pub fn instance(
    platform: &dyn Platform,
    context: &mut FetchContext<'_>,
    source: &str,
    language: Language,
) -> anyhow::Result<KnownInstance> {
    if !uses_metadata(language) || platform.attribute_source().is_none() {
        return Ok(KnownInstance::default());
    }
    let id = platform.id();
    match platform.attributes(context) {
        Ok(attributes) => Ok(known(Identity::of(id, &attributes.unwrap_or_default()))),
        Err(error)
            if (source == id && !NoDescription::is_cause_of(&error)) || needs_network(&error) =>
        {
            Err(error.context(format!("platform {id} provides no instance metadata")))
        }
        Err(error) => {
            context.log.warning(format_args!(
                "platform {id} provides no instance metadata: {error:#}"
            ));
            Ok(KnownInstance::default())
        }
    }
}

/// True if the cause is that there is no network.
pub fn needs_network(error: &anyhow::Error) -> bool {
    let mut causes = error.chain();
    causes.any(|cause| {
        let cause = cause.downcast_ref::<FetchError>();
        cause.is_some_and(FetchError::needs_network)
    })
}

/// Converts an identity to the form that languages use.
#[must_use]
pub fn known(identity: Identity) -> KnownInstance {
    KnownInstance {
        id: identity.id,
        hostname: identity.hostname,
        keys: identity.keys,
        variables: identity.variables,
        vendor_data: identity.vendor_data,
    }
}
