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
    /// What is at a path inside the target, links followed.
    ///
    /// # Errors
    /// It is there and cannot be read.
    fn file(&self, path: &str) -> Result<DatabaseLookup, Self::Error>;
    /// Names in a directory of the target; empty if the directory does not exist.
    ///
    /// # Errors
    /// It is there and cannot be read.
    fn names(&self, path: &str) -> Result<Vec<String>, Self::Error>;
}
