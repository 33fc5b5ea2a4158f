//! Fixes GPT checksums, so that tables changed by a fuzzer are not rejected because of them.

use super::disk::Disk;

const HEADER_BYTES: usize = 92;
/// Larger arrays are refused anyway.
const MAX_ARRAY_BYTES: u64 = 1 << 20;

/// Fixes both checksums in the GPT header at a sector.
pub fn fix_checksums(disk: &mut Disk, sector_bytes: u32, lba: u64) {
    let at = lba * u64::from(sector_bytes);
    let Some(mut header) = disk.get(at, HEADER_BYTES) else {
        return;
    };
    let number = |from: usize, length: usize| {
        let bytes = header[from..from + length].iter().rev();
        bytes.fold(0, |sum: u64, byte| sum << 8 | u64::from(*byte))
    };
    let array_bytes = number(80, 4) * number(84, 4);
    let array_at = number(72, 8).checked_mul(u64::from(sector_bytes));
    let array = array_at
        .filter(|_| array_bytes <= MAX_ARRAY_BYTES)
        .and_then(|at| disk.get(at, array_bytes as usize));
    if let Some(array) = array {
        header[88..92].copy_from_slice(&crc32(&array).to_le_bytes());
    }
    header[16..20].fill(0);
    let sum = crc32(&header);
    header[16..20].copy_from_slice(&sum.to_le_bytes());
    disk.put(at, &header);
}

const CRC32: [u32; 256] = {
    let mut table = [0; 256];
    let mut byte = 0;
    while byte < 256 {
        let mut sum = byte as u32;
        let mut bit = 0;
        while bit < 8 {
            sum = sum >> 1 ^ (0xEDB8_8320 & (sum & 1).wrapping_neg());
            bit += 1;
        }
        table[byte] = sum;
        byte += 1;
    }
    table
};

fn crc32(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(!0_u32, |sum, byte| {
        sum >> 8 ^ CRC32[(sum as u8 ^ byte) as usize]
    })
}
