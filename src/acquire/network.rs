//! Which part of a config needs a network.

use crate::config::JsonPath;
use crate::config::model::{Config, Resource};
use crate::fetch::{FetchError, Request};

/// The first thing in a config that needs a network.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NetworkNeed {
    /// Its place in the config.
    pub path: JsonPath,
    /// A redacted URL, or a description.
    pub what: String,
}

/// Finds the first need in `config`, in the order of the specification.
///
/// # Errors
/// If a source is not a URL.
pub fn needs_network(config: &Config) -> Result<Option<NetworkNeed>, FetchError> {
    for (path, resource) in resources(config) {
        let request = Request::get(resource.source.as_deref().unwrap_or_default());
        let needs = match request.scheme() {
            Ok(scheme) => scheme.needs_network(),
            Err(FetchError::UnsupportedScheme { .. }) => true,
            Err(other) => return Err(other),
        };
        if needs {
            return Ok(Some(NetworkNeed {
                path: path.join("source"),
                what: request.shown_url(),
            }));
        }
    }
    Ok(clevis(config))
}

fn resources(config: &Config) -> Vec<(JsonPath, &Resource)> {
    let mut found = Vec::new();
    let ignition = JsonPath::root().join("ignition");
    let references = &config.ignition.config;
    let config_path = ignition.join("config");
    add_list(&config_path.join("merge"), &references.merge, &mut found);
    found.push((config_path.join("replace"), &references.replace));
    let authorities = &config.ignition.security.tls.certificate_authorities;
    add_list(
        &ignition.join("security.tls.certificateAuthorities"),
        authorities,
        &mut found,
    );
    let storage = JsonPath::root().join("storage");
    for (i, file) in config.storage.files.iter().enumerate() {
        let path = storage.join("files").join(i);
        add_list(&path.join("append"), &file.append, &mut found);
        found.push((path.join("contents"), &file.contents));
    }
    for (i, luks) in config.storage.luks.iter().enumerate() {
        found.push((storage.join("luks").join(i).join("keyFile"), &luks.key_file));
    }
    found
}

fn add_list<'a>(
    path: &JsonPath,
    resources: &'a [Resource],
    found: &mut Vec<(JsonPath, &'a Resource)>,
) {
    found.extend(resources.iter().enumerate().map(|(i, r)| (path.join(i), r)));
}

/// The first encrypted volume whose key has to be fetched from a server.
fn clevis(config: &Config) -> Option<NetworkNeed> {
    let luks = JsonPath::root().join("storage").join("luks");
    config
        .storage
        .luks
        .iter()
        .enumerate()
        .find_map(|(i, volume)| {
            let path = luks.join(i).join("clevis");
            let unadvertised = |t: &crate::config::model::Tang| {
                t.advertisement.as_deref().is_none_or(str::is_empty)
            };
            if let Some(tang) = volume.clevis.tang.iter().position(unadvertised) {
                let what = "a Tang server without stored advertisement".into();
                return Some(NetworkNeed {
                    path: path.join("tang").join(tang),
                    what,
                });
            }
            let custom = volume.clevis.custom.needs_network == Some(true);
            let what = "a custom Clevis pin".into();
            custom.then(|| NetworkNeed {
                path: path.join("custom.needsNetwork"),
                what,
            })
        })
}
