//! Clouds that give machines an identity which their stores know.

/// Where this machine runs, as far as fetching cares. Google is missing: whether a machine is one of Google's is
/// found out when a `gs:` URL has to be fetched, on every platform.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Cloud {
    /// No identity: everything is asked for anonymously.
    #[default]
    Other,
    /// The role of an EC2 instance opens S3.
    Aws,
    /// The managed identity of a virtual machine opens Azure Blob Storage.
    Azure,
}

impl Cloud {
    /// The cloud of a platform, by the id of that.
    pub fn of_platform(id: &str) -> Self {
        match id {
            "aws" => Cloud::Aws,
            "azure" => Cloud::Azure,
            _ => Cloud::Other,
        }
    }
}
