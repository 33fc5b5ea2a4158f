//! A cache of the account databases of a target.

use crate::accounts::Databases;
use std::sync::{Arc, Mutex, PoisonError};

/// The databases as they were last read.
#[derive(Debug, Default)]
pub struct CachedDatabases(Mutex<Option<Arc<Databases>>>);

impl CachedDatabases {
    /// Drops the cached databases. To be called when they have changed.
    pub fn invalidate(&self) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }

    /// The databases, read once until [`Self::invalidate`]: thousands of files may have the same owner.
    ///
    /// # Errors
    /// The error of `read`.
    pub(super) fn databases<E>(
        &self,
        read: impl FnOnce() -> Result<Databases, E>,
    ) -> Result<Arc<Databases>, E> {
        let mut cached = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(databases) = &*cached {
            return Ok(databases.clone());
        }
        let databases = Arc::new(read()?);
        *cached = Some(databases.clone());
        Ok(databases)
    }
}
