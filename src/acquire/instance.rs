//! What the platform says of the machine, for configs in languages that use it.

use crate::fetch::FetchError;
use crate::language::{KnownInstance, Language};

use crate::platform::{FetchContext, Identity, NoDescription, Platform};

/// True for languages whose configs use the name and the keys of the machine.
fn is_asked_by(language: Language) -> bool {
    matches!(
        language,
        Language::CloudInit | Language::CoreosCloudinit | Language::K3os
    )
}

/// What `platform` says of the machine, if a config in `language` from `source` needs it.
///
/// It is an error if the platform that supplied the config does not answer, since without its keys it may be impossible to
/// log in. A platform that did not supply the config may be absent, which is a warning. So is a drive with a config and
/// without a description of the machine, which the original programs took for an empty one.
///
/// # Errors
/// The platform has metadata, and does not answer.
pub fn instance(
    platform: &dyn Platform,
    context: &mut FetchContext<'_>,
    source: &str,
    language: Language,
) -> anyhow::Result<KnownInstance> {
    if !is_asked_by(language) || platform.attribute_source().is_none() {
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

/// True if only a network could bring the answer.
pub fn needs_network(error: &anyhow::Error) -> bool {
    let mut causes = error.chain();
    causes.any(|cause| {
        let cause = cause.downcast_ref::<FetchError>();
        cause.is_some_and(FetchError::needs_network)
    })
}

/// An identity as languages take it.
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
