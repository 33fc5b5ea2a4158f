//! Sizes for people.

/// `8 GiB`, `1.5 GiB`: the largest binary unit, one decimal when needed,
/// plain bytes below 1 KiB.
pub fn human(bytes: u64) -> String {
    const UNITS: [&str; 6] = ["KiB", "MiB", "GiB", "TiB", "PiB", "EiB"];
    let Some(power) = (bytes.max(1).ilog2() / 10).checked_sub(1) else {
        return format!("{bytes} bytes");
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
    use super::human;

    #[test]
    fn names_the_largest_unit() {
        for (bytes, text) in [
            (0, "0 bytes"),
            (1023, "1023 bytes"),
            (1024, "1 KiB"),
            (1024 * 1024, "1 MiB"),
            (3 * 512 * 1024 * 1024, "1.5 GiB"),
            (u64::MAX, "15.9 EiB"),
        ] {
            assert_eq!(human(bytes), text);
        }
    }
}
