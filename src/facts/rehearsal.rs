//! Rehearsals: results of running a program that creates file systems on a blank file like the device.

/// A file system to create.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct MkfsRequest {
    /// The program.
    pub program: String,
    /// Its arguments without the device.
    pub arguments: Vec<String>,
    /// Those of the arguments that the config gives as they are.
    pub options: Vec<String>,
    /// Size of the device.
    pub bytes: u64,
    /// Sector size of the device.
    pub sector_bytes: u32,
    /// Format the result has to have.
    pub format: String,
    /// Label the result has to have.
    pub label: Option<String>,
    /// UUID the result has to have.
    pub uuid: Option<String>,
}

/// Result of a rehearsal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rehearsal {
    /// What was run.
    pub request: MkfsRequest,
    /// Why the program would not create what is requested, in its own words; `None` if it would.
    pub objection: Option<String>,
}
