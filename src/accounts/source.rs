//! Where the databases of a target are read from.

/// What is at the path of a database.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DatabaseLookup {
    /// Nothing.
    Missing,
    /// A regular file with these bytes.
    File(Vec<u8>),
    /// Something that cannot hold a database.
    Other,
}

/// Where the databases are read from.
pub trait DatabaseSource {
    /// Why something cannot be read.
    type Error;
    /// Looks up a path inside the target and follows symbolic links.
    ///
    /// # Errors
    /// If it exists but cannot be read.
    fn file(&self, path: &str) -> Result<DatabaseLookup, Self::Error>;
    /// Names in a directory of the target; empty if the directory does not exist.
    ///
    /// # Errors
    /// If it exists but cannot be read.
    fn names(&self, path: &str) -> Result<Vec<String>, Self::Error>;
}
