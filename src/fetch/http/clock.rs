//! The clock for validity checks of certificates.

use crate::text::time::unix_seconds;
use rustls::pki_types::UnixTime;
use rustls::time_provider::TimeProvider;
use std::time::{Duration, SystemTime};

/// The system clock. A time before 1970 counts as 1970: certificates are then not yet valid, which is an error; the
/// default of the library would panic.
#[derive(Debug)]
pub(super) struct SystemClock;

impl TimeProvider for SystemClock {
    fn current_time(&self) -> Option<UnixTime> {
        let since = Duration::from_secs(unix_seconds(SystemTime::now()));
        Some(UnixTime::since_unix_epoch(since))
    }
}
