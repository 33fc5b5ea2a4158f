//! Sizes for people.

/// `8 GiB`, `1.5 GiB`, `512 B`: a size in the largest binary unit, with one decimal unless that is 0.
///
/// Decimals are truncated, not rounded: 422.99 MiB of free space are not enough for 423.
pub(crate) fn human_size(bytes: u64) -> String {
    const UNITS: [&str; 6] = ["KiB", "MiB", "GiB", "TiB", "PiB", "EiB"];
    let Some(power) = (bytes.max(1).ilog2() / 10).checked_sub(1) else {
        return format!("{bytes} B");
    };
    let unit = 1_u64 << (10 * (power + 1));
    let tenths = u128::from(bytes) * 10 / u128::from(unit);
    let name = UNITS[power as usize];
    match tenths % 10 {
        0 => format!("{} {name}", tenths / 10),
        decimal => format!("{}.{decimal} {name}", tenths / 10),
    }
}

#[cfg(test)]
mod tests {
    use super::human_size;

    #[test]
    fn the_largest_unit_is_used() {
        for (bytes, text) in [
            (0, "0 B"),
            (1023, "1023 B"),
            (1024, "1 KiB"),
            (1024 * 1024, "1 MiB"),
            (3 * 512 * 1024 * 1024, "1.5 GiB"),
            (8 << 30, "8 GiB"),
            ((423 << 20) - 1, "422.9 MiB"),
            (u64::MAX, "15.9 EiB"),
        ] {
            assert_eq!(human_size(bytes), text);
        }
    }
}
