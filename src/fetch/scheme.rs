//! URL schemes of resources.

use std::fmt;

/// A scheme that the config language supports.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Scheme {
    /// An empty source: zero bytes.
    Empty,
    /// A `data:` URL with embedded bytes.
    Data,
    /// HTTP
    Http,
    /// HTTP over TLS
    Https,
    /// Trivial File Transfer Protocol
    Tftp,
    /// Amazon S3 bucket and key
    S3,
    /// Google Cloud Storage bucket and object
    Gs,
    /// Amazon resource name of an S3 object
    Arn,
    /// File on the OEM partition
    Oem,
}

impl Scheme {
    /// All schemes with a name.
    const NAMED: [Scheme; 8] = [
        Scheme::Data,
        Scheme::Http,
        Scheme::Https,
        Scheme::Tftp,
        Scheme::S3,
        Scheme::Gs,
        Scheme::Arn,
        Scheme::Oem,
    ];

    /// The scheme called `name`, which must be lower case.
    pub fn named(name: &str) -> Option<Scheme> {
        Scheme::NAMED.into_iter().find(|s| s.name() == name)
    }

    /// The lower-case name.
    pub const fn name(self) -> &'static str {
        match self {
            Scheme::Empty => "",
            Scheme::Data => "data",
            Scheme::Http => "http",
            Scheme::Https => "https",
            Scheme::Tftp => "tftp",
            Scheme::S3 => "s3",
            Scheme::Gs => "gs",
            Scheme::Arn => "arn",
            Scheme::Oem => "oem",
        }
    }

    /// False if no network is needed. OEM files count as needing one, as they always did: their directory may only be
    /// available once the system has waited for a network.
    pub const fn needs_network(self) -> bool {
        !matches!(self, Scheme::Empty | Scheme::Data)
    }
}

impl fmt::Display for Scheme {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
