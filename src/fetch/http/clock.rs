//! The clock that certificates are judged by.

use crate::text::time::unix_seconds;
use rustls::pki_types::UnixTime;
use rustls::time_provider::TimeProvider;
use std::time::{Duration, SystemTime};

/// The system's clock. One that is set before 1970 counts as 1970: certificates are then not yet valid, which is an
/// error, where the default of the library panics.
#[derive(Debug)]
pub(super) struct SystemClock;

impl TimeProvider for SystemClock {
    fn current_time(&self) -> Option<UnixTime> {
        let since = Duration::from_secs(unix_seconds(SystemTime::now()));
        Some(UnixTime::since_unix_epoch(since))
    }
}
