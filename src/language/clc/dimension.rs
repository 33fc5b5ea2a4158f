//! Sizes and start offsets of partitions, e.g. `10GiB` or `1GiB512MiB`.

const MIB: u128 = 1 << 20;

/// From this size on, the original miscalculates.
const MAX_BYTES: u128 = 1 << 63;

/// Decimals of a fraction that are evaluated; further ones change less than a byte of an exbibyte.
const MAX_DECIMALS: u32 = 18;

/// Units in both spellings, with their power of 1024.
const UNITS: [(&str, &str, u32); 7] = [
    ("B", "B", 0),
    ("KiB", "KB", 1),
    ("MiB", "MB", 2),
    ("GiB", "GB", 3),
    ("TiB", "TB", 4),
    ("PiB", "PB", 5),
    ("EiB", "EB", 6),
];

/// Why a text is not a size.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum DimensionError {
    #[error("is not a number with a unit, e.g. 10GiB")]
    Syntax,
    #[error("has units of both kinds, such as MiB and GB")]
    Mixed,
    #[error("is negative")]
    Negative,
    #[error("is not a multiple of 1 MiB")]
    Unaligned,
    #[error("is too large: 8 EiB or more")]
    TooLarge,
}

/// The size that `text` gives, in MiB.
pub(super) fn mebibytes(text: &str) -> Result<i64, DimensionError> {
    let (is_negative, rest) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    if rest == "0" {
        return Ok(0);
    }
    let scaled = scaled_bytes(rest)?;
    let scale = 10_u128.pow(MAX_DECIMALS);
    if is_negative && scaled > 0 {
        return Err(DimensionError::Negative);
    }
    if scaled >= MAX_BYTES * scale {
        return Err(DimensionError::TooLarge);
    }
    if scaled % (MIB * scale) != 0 {
        return Err(DimensionError::Unaligned);
    }
    i64::try_from(scaled / (MIB * scale)).map_err(|_| DimensionError::TooLarge)
}

/// Bytes times 10^[`MAX_DECIMALS`].
fn scaled_bytes(text: &str) -> Result<u128, DimensionError> {
    let mut rest = text;
    let (mut total, mut is_binary, mut is_decimal) = (0_u128, false, false);
    while !rest.is_empty() {
        let number_end = rest
            .find(|c: char| !c.is_ascii_digit() && c != '.')
            .ok_or(DimensionError::Syntax)?;
        let (number, after) = rest.split_at(number_end);
        let unit_end = after
            .find(|c: char| !c.is_ascii_alphabetic())
            .unwrap_or(after.len());
        let (unit, after) = after.split_at(unit_end);
        let &(binary, decimal, power) = UNITS
            .iter()
            .find(|(binary, decimal, _)| *binary == unit || *decimal == unit)
            .ok_or(DimensionError::Syntax)?;
        is_binary |= binary != decimal && binary == unit;
        is_decimal |= binary != decimal && decimal == unit;
        let bytes = scaled(number)?.checked_mul(1 << (10 * power));
        total = bytes
            .and_then(|bytes| total.checked_add(bytes))
            .ok_or(DimensionError::TooLarge)?;
        rest = after;
    }
    match (text.is_empty(), is_binary && is_decimal) {
        (true, _) => Err(DimensionError::Syntax),
        (_, true) => Err(DimensionError::Mixed),
        _ => Ok(total),
    }
}

/// A decimal number times 10^[`MAX_DECIMALS`].
fn scaled(number: &str) -> Result<u128, DimensionError> {
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    if (whole.is_empty() && fraction.is_empty()) || fraction.contains('.') {
        return Err(DimensionError::Syntax);
    }
    let whole: u128 = match whole.trim_start_matches('0') {
        "" => 0,
        digits if digits.len() > 19 => return Err(DimensionError::TooLarge),
        digits => digits.parse().map_err(|_| DimensionError::Syntax)?,
    };
    let fraction = fraction.trim_end_matches('0');
    let decimals = fraction.len().min(MAX_DECIMALS as usize);
    let mut scaled_fraction: u128 = match &fraction[..decimals] {
        "" => 0,
        digits => digits.parse().map_err(|_| DimensionError::Syntax)?,
    };
    for _ in decimals..MAX_DECIMALS as usize {
        scaled_fraction *= 10;
    }
    // An ignored tail must not make the size appear aligned.
    scaled_fraction += u128::from(fraction.len() > decimals);
    Ok(whole * 10_u128.pow(MAX_DECIMALS) + scaled_fraction)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes() {
        let cases = [
            ("10GiB", Ok(10240)),
            ("2GB", Ok(2048)),
            ("1MiB", Ok(1)),
            ("0", Ok(0)),
            ("-0", Ok(0)),
            ("1.5GiB", Ok(1536)),
            (".5GiB", Ok(512)),
            ("1GiB512MiB", Ok(1536)),
            ("1048576B", Ok(1)),
            ("1GiB1048576B", Ok(1025)),
            ("0B", Ok(0)),
            ("+1MiB", Ok(1)),
            ("7EiB", Ok(7 << 40)),
            ("10", Err(DimensionError::Syntax)),
            ("", Err(DimensionError::Syntax)),
            ("MiB", Err(DimensionError::Syntax)),
            ("1mib", Err(DimensionError::Syntax)),
            ("1GiB 1MiB", Err(DimensionError::Syntax)),
            ("1..5MiB", Err(DimensionError::Syntax)),
            (".MiB", Err(DimensionError::Syntax)),
            ("1e3MiB", Err(DimensionError::Syntax)),
            ("1GiB1MB", Err(DimensionError::Mixed)),
            ("-1MiB", Err(DimensionError::Negative)),
            ("1500KiB", Err(DimensionError::Unaligned)),
            ("0.0000001GiB", Err(DimensionError::Unaligned)),
            (
                "1.0000000000000000000000001MiB",
                Err(DimensionError::Unaligned),
            ),
            ("8EiB", Err(DimensionError::TooLarge)),
            (
                "99999999999999999999999999999999999999999EiB",
                Err(DimensionError::TooLarge),
            ),
            (
                "9999999999999999999EiB9999999999999999999EiB",
                Err(DimensionError::TooLarge),
            ),
        ];
        for (text, want) in cases {
            assert_eq!(mebibytes(text), want, "{text}");
        }
    }
}
