//! The accounts of a target as they were read last.

use crate::accounts::Databases;
use std::sync::{Arc, Mutex, PoisonError};

/// The databases as they were read last.
#[derive(Debug, Default)]
pub struct AccountNames(Mutex<Option<Arc<Databases>>>);

impl AccountNames {
    /// To be called when the databases changed.
    pub fn forget(&self) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }

    /// The databases, read once until [`Self::forget`]: thousands of files may belong to one name.
    ///
    /// # Errors
    /// Those of `read`.
    pub(super) fn databases<E>(
        &self,
        read: impl FnOnce() -> Result<Databases, E>,
    ) -> Result<Arc<Databases>, E> {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(databases) = &*known {
            return Ok(databases.clone());
        }
        let databases = Arc::new(read()?);
        *known = Some(databases.clone());
        Ok(databases)
    }
}
