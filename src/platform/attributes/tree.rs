//! Metadata services with one document per attribute, like files in a tree.

use super::decode::Keys;
use super::service::MetadataService;
use crate::platform::contract::FetchContext;
use crate::platform::contract::{AttributeSource, Attributes};

/// A tree of documents.
#[derive(Debug)]
pub(crate) struct DocumentTree {
    /// Prefix of all URLs.
    pub base: &'static str,
    /// Headers of each request. They are not secret.
    pub headers: &'static [(&'static str, &'static str)],
    /// Path of the host name.
    pub hostname: Option<&'static str>,
    /// Where SSH keys are.
    pub keys: KeysAt,
    /// Names of attributes and their paths.
    pub values: &'static [(&'static str, &'static str)],
}

/// Where SSH keys are, and in which format.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum KeysAt {
    /// Not in the tree, or in several places; the platform adds them.
    Elsewhere,
    /// At this path, one per line.
    Lines(&'static str),
    /// At this path, a JSON array.
    Array(&'static str),
    /// At this path is a list of names; each key is at `NAME/openssh-key` below it.
    Listed(&'static str),
}

impl DocumentTree {
    /// A client for the service that has the tree.
    pub(crate) fn service<'a>(&self, context: &'a FetchContext<'a>) -> MetadataService<'a> {
        let service = MetadataService::at(context, self.base);
        let headers = self.headers.iter();
        headers.fold(service, |service, (name, value)| {
            service.with_header(name, *value)
        })
    }

    /// Fetches everything in the tree.
    ///
    /// # Errors
    /// See [`AttributeSource::fetch`].
    pub(crate) fn gather(&self, service: &MetadataService<'_>) -> anyhow::Result<Attributes> {
        let mut attributes = Attributes::default();
        for (name, path) in self.values {
            attributes.set(*name, service.text(path)?);
        }
        attributes.set_hostname(match self.hostname {
            None => None,
            Some(path) => match self.values.iter().find(|(_, at)| *at == path) {
                Some((name, _)) => attributes.values.get(*name).cloned(),
                None => service.text(path)?,
            },
        });
        self.keys.gather(service, &mut attributes)?;
        Ok(attributes)
    }
}

impl KeysAt {
    fn gather(
        self,
        service: &MetadataService<'_>,
        attributes: &mut Attributes,
    ) -> anyhow::Result<()> {
        match self {
            KeysAt::Elsewhere => {}
            KeysAt::Lines(path) => attributes.add_keys(&service.text(path)?.unwrap_or_default()),
            KeysAt::Array(path) => {
                let keys: Keys = service.json(path)?.unwrap_or_default();
                keys.add_to(attributes);
            }
            KeysAt::Listed(path) => {
                let directory = path.trim_end_matches('/');
                for name in service.names(path)? {
                    let key = service.text(&format!("{directory}/{name}/openssh-key"))?;
                    attributes.add_keys(&key.unwrap_or_default());
                }
            }
        }
        Ok(())
    }
}

impl AttributeSource for DocumentTree {
    fn names(&self) -> Vec<&'static str> {
        self.values.iter().map(|(name, _)| *name).collect()
    }

    fn fetch(&self, context: &FetchContext<'_>) -> anyhow::Result<Attributes> {
        self.gather(&self.service(context))
    }
}
