//! Services that have a document per fact, like files in a tree.

use super::super::FetchContext;
use super::documents::Keys;
use super::service::Service;
use super::{Facts, Source};

/// A tree of documents.
#[derive(Debug)]
pub struct Tree {
    /// What all addresses begin with.
    pub base: &'static str,
    /// Sent along. None is secret.
    pub headers: &'static [(&'static str, &'static str)],
    /// Where the name of the machine is.
    pub hostname: Option<&'static str>,
    /// Where keys are.
    pub keys: KeysAt,
    /// Names of attributes, and where each is.
    pub values: &'static [(&'static str, &'static str)],
}

/// Where keys are, and how.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeysAt {
    /// Not in one place.
    Elsewhere,
    /// One text, a line each.
    Lines(&'static str),
    /// A JSON array.
    Array(&'static str),
    /// Names in lines; each key is in `NAME/openssh-key`.
    Listed(&'static str),
}

impl Tree {
    /// The service it is at.
    pub fn service<'a>(&self, context: &'a FetchContext<'a>) -> Service<'a> {
        let service = Service::at(context, self.base);
        let headers = self.headers.iter();
        headers.fold(service, |service, (name, value)| service.with(name, *value))
    }

    /// What a service has of it.
    ///
    /// # Errors
    /// As [`Source::ask`].
    pub fn gather(&self, service: &Service<'_>) -> anyhow::Result<Facts> {
        let mut facts = Facts::default();
        for (name, path) in self.values {
            facts.set(*name, service.text(path)?);
        }
        facts.name(match self.hostname {
            None => None,
            Some(path) => match self.values.iter().find(|(_, at)| *at == path) {
                Some((name, _)) => facts.attributes.get(*name).cloned(),
                None => service.text(path)?,
            },
        });
        self.keys.gather(service, &mut facts)?;
        Ok(facts)
    }
}

impl KeysAt {
    fn gather(self, service: &Service<'_>, facts: &mut Facts) -> anyhow::Result<()> {
        match self {
            KeysAt::Elsewhere => {}
            KeysAt::Lines(path) => facts.add_keys(&service.text(path)?.unwrap_or_default()),
            KeysAt::Array(path) => {
                let keys: Keys = service.json(path)?.unwrap_or_default();
                keys.add_to(facts);
            }
            KeysAt::Listed(path) => {
                let directory = path.trim_end_matches('/');
                for name in service.names(path)? {
                    let key = service.text(&format!("{directory}/{name}/openssh-key"))?;
                    facts.add_keys(&key.unwrap_or_default());
                }
            }
        }
        Ok(())
    }
}

impl Source for Tree {
    fn names(&self) -> Vec<&'static str> {
        self.values.iter().map(|(name, _)| *name).collect()
    }

    fn ask(&self, context: &FetchContext<'_>) -> anyhow::Result<Facts> {
        self.gather(&self.service(context))
    }
}
