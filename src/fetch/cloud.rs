//! Clouds that give machines an identity that their object stores accept.

/// Where this machine runs, as far as it matters for fetching. Google Cloud is not listed: it is detected on every
/// platform when a `gs:` URL has to be fetched.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Cloud {
    /// No identity: all requests are anonymous.
    #[default]
    Other,
    /// The role of an EC2 instance grants access to S3.
    Aws,
    /// The managed identity of a virtual machine grants access to Azure Blob Storage.
    Azure,
}

impl Cloud {
    /// The cloud of the platform with this id.
    pub fn of_platform(id: &str) -> Self {
        match id {
            "aws" => Cloud::Aws,
            "azure" => Cloud::Azure,
            _ => Cloud::Other,
        }
    }
}
