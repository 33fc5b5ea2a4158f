//! Progress of a transfer, for people.

use crate::text::human_size;
use std::time::Duration;

/// Bytes received for an activity, and how many are expected.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Transfer {
    /// Received so far.
    pub(super) bytes: u64,
    /// The total, as announced by servers.
    pub(super) length_bytes: Option<u64>,
}

impl Transfer {
    /// Adds received bytes.
    pub(super) fn receive(&mut self, bytes: u64) {
        self.bytes = self.bytes.saturating_add(bytes);
    }

    /// Adds the length of a body that is about to be received.
    pub(super) fn announce(&mut self, bytes: u64) {
        let before = self.length_bytes.unwrap_or(self.bytes);
        self.length_bytes = Some(before.saturating_add(bytes));
    }

    /// The progress after this time: `300 MiB of 1 GiB so far, 43 MiB/s, 17 s left`. `None` if nothing was received.
    pub(super) fn describe(self, elapsed: Duration) -> Option<String> {
        if self.bytes == 0 {
            return None;
        }
        let bytes = human_size(self.bytes);
        // What servers announce may be wrong.
        let length_bytes = self.length_bytes.filter(|length| *length >= self.bytes);
        let of = length_bytes.map(|length| format!(" of {}", human_size(length)));
        let millis = elapsed.as_millis().max(1);
        let per_second = u128::from(self.bytes) * 1000 / millis;
        let rate = human_size(u64::try_from(per_second).unwrap_or(u64::MAX));
        let left = length_bytes.map(|length| {
            let left = u128::from(length - self.bytes) * millis / u128::from(self.bytes);
            format!(", {} s left", left.div_ceil(1000))
        });
        let (of, left) = (of.unwrap_or_default(), left.unwrap_or_default());
        Some(format!("{bytes}{of} so far, {rate}/s{left}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rate_and_time_left() {
        let describe = |bytes, length_bytes, seconds| {
            let transfer = Transfer {
                bytes,
                length_bytes,
            };
            transfer
                .describe(Duration::from_secs(seconds))
                .unwrap_or_default()
        };
        let mib = |count: u64| count << 20;
        for (bytes, length, seconds, want) in [
            (0, Some(mib(1)), 3, ""),
            (
                mib(300),
                Some(mib(1024)),
                7,
                "300 MiB of 1 GiB so far, 42.8 MiB/s, 17 s left",
            ),
            (mib(300), None, 3, "300 MiB so far, 100 MiB/s"),
            (mib(2), Some(mib(1)), 2, "2 MiB so far, 1 MiB/s"),
            (
                mib(1),
                Some(mib(1)),
                1,
                "1 MiB of 1 MiB so far, 1 MiB/s, 0 s left",
            ),
            (
                1,
                Some(u64::MAX),
                1,
                "1 B of 15.9 EiB so far, 1 B/s, 18446744073709551614 s left",
            ),
            (
                u64::MAX,
                Some(u64::MAX),
                0,
                "15.9 EiB of 15.9 EiB so far, 15.9 EiB/s, 0 s left",
            ),
        ] {
            assert_eq!(describe(bytes, length, seconds), want);
        }
    }

    #[test]
    fn bodies_add_up() {
        let mut transfer = Transfer::default();
        transfer.announce(10);
        transfer.receive(10);
        transfer.announce(5);
        assert_eq!(transfer.length_bytes, Some(15));
        // A body that was not announced counts as well.
        let mut transfer = Transfer::default();
        transfer.receive(7);
        transfer.announce(3);
        assert_eq!(transfer.length_bytes, Some(10));
    }
}
