//! Bytes, sixteen or eight at a time: where a string's plain part ends, and what decimal digits are worth.
//!
//! In: bytes, and a place among them. Out: places and numbers. Nothing here knows JSON's grammar.

use wide::u8x16;

/// How many bytes are looked at together.
const CHUNK: usize = 16;

/// The eight bytes from `at` on, the first one lowest; zeros stand for what lies beyond the end.
#[inline(always)]
pub(crate) fn word_at(bytes: &[u8], at: usize) -> u64 {
    match bytes.get(at..).and_then(<[u8]>::first_chunk) {
        Some(word) => u64::from_le_bytes(*word),
        None => last_word(bytes, at),
    }
}

#[inline(never)] // Seldom needed, and it would stand at many places.
fn last_word(bytes: &[u8], at: usize) -> u64 {
    let rest = bytes.get(at..).unwrap_or_default();
    rest.iter().rev().fold(0, |word, byte| word << 8 | u64::from(*byte))
}

/// The place of the first quote, backslash (an escape) or control character (not JSON) from `at` on.
/// Where the next sixteen bytes have none, the place behind them.
#[inline(always)]
pub(crate) fn end_of_plain(bytes: &[u8], at: usize) -> usize {
    match bytes.get(at..).and_then(<[u8]>::first_chunk) {
        Some(chunk) => at + plain_length(*chunk),
        None => end_of_last_plain(bytes, at),
    }
}

#[inline(always)]
fn plain_length(chunk: [u8; CHUNK]) -> usize {
    let bytes = u8x16::new(chunk);
    let controls = bytes.min(u8x16::splat(0x1f)).simd_eq(bytes);
    let special = bytes.simd_eq(u8x16::splat(b'"')) | bytes.simd_eq(u8x16::splat(b'\\')) | controls;
    // One bit a byte; the next one ends the search where no byte is found.
    (special.to_bitmask() | 1 << CHUNK).trailing_zeros() as usize
}

/// The same where fewer than sixteen bytes are left.
#[inline(never)]
fn end_of_last_plain(bytes: &[u8], at: usize) -> usize {
    let mut chunk = [0; CHUNK];
    let rest = bytes.get(at..).unwrap_or_default();
    chunk.iter_mut().zip(rest).for_each(|(to, from)| *to = *from);
    // A zero is a control character, so that the end of the bytes ends the search.
    at + plain_length(chunk)
}

const ONES: u64 = 0x0101_0101_0101_0101;
const HIGHEST_BITS: u64 = 0x80 * ONES;

/// How many decimal digits the eight bytes begin with, and the number that these digits are.
#[inline(always)]
pub(crate) fn leading_digits(bytes: u64) -> Digits {
    let values = bytes ^ (u64::from(b'0') * ONES);
    let not_digits = bytes_above(values, 9 * ONES);
    let count = not_digits.trailing_zeros() / 8;
    Digits { values, count }
}

/// The highest bit of each byte that is above the byte of `limits`, of which none is above 127. Bytes
/// after one above 127 may be wrong.
#[inline(always)]
pub(crate) const fn bytes_above(bytes: u64, limits: u64) -> u64 {
    ((HIGHEST_BITS - ONES - limits).wrapping_add(bytes) | bytes) & HIGHEST_BITS
}

/// Up to eight digits in the order in which they stand.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Digits {
    /// A byte for each digit, 0–9, the first one lowest; what follows them has no meaning.
    values: u64,
    /// 0–8.
    pub(crate) count: u32,
}

impl Digits {
    /// Whether the first of them is a 0.
    #[inline(always)]
    pub(crate) const fn begin_with_zero(self) -> bool {
        self.values.trailing_zeros() >= 8
    }

    /// The number that they are.
    #[inline(always)]
    pub(crate) const fn as_integer(self) -> u64 {
        // Zeros move in before them.
        match self.count {
            0 => 0,
            count => of_eight(self.values << (64 - 8 * count)),
        }
    }

    /// The number behind a decimal point that they are, in units of 10⁻⁸.
    #[inline(always)]
    pub(crate) const fn as_fraction(self) -> u64 {
        match self.count {
            0 => 0,
            count => of_eight(self.values & (u64::MAX >> (64 - 8 * count))),
        }
    }
}

/// Eight digits, one a byte, the first one lowest: neighbours are added up to pairs, then pairs to fours.
#[inline(always)]
const fn of_eight(digits: u64) -> u64 {
    const EVERY_FOURTH: u64 = 0x0000_00ff_0000_00ff;
    let pairs = digits.wrapping_mul(10).wrapping_add(digits >> 8);
    let first_and_third = (pairs & EVERY_FOURTH).wrapping_mul(100 + (1_000_000 << 32));
    let second_and_fourth = ((pairs >> 16) & EVERY_FOURTH).wrapping_mul(1 + (10_000 << 32));
    first_and_third.wrapping_add(second_and_fourth) >> 32
}

#[cfg(test)]
mod tests {
    use super::{CHUNK, end_of_plain, leading_digits, word_at};

    #[test]
    fn what_lies_beyond_the_end_is_zero() {
        let bytes: Vec<u8> = (1..=40).collect();
        for at in 0..50 {
            let expected: Vec<u8> =
                (at..at + 8).map(|place| bytes.get(place).copied().unwrap_or(0)).collect();
            assert_eq!(word_at(&bytes, at).to_le_bytes().as_slice(), expected, "{at}");
        }
    }

    #[test]
    fn the_first_byte_that_is_not_plain_is_found_at_every_place_and_before_every_other() {
        let is_plain = |byte: u8| byte >= b' ' && byte != b'"' && byte != b'\\';
        // What follows must not matter.
        for filler in [b'a', b' ', b'!', b'#', b']', 0x7f, 0x80, 0xff] {
            assert_eq!(end_of_plain(&[filler; 2 * CHUNK], 3), 3 + CHUNK);
            for place in 0..CHUNK {
                for byte in 0..=u8::MAX {
                    for after in [filler, b'"', 0] {
                        let mut chunk = [filler; CHUNK];
                        chunk[place] = byte;
                        chunk[place + 1..].fill(after);
                        let expected =
                            chunk.iter().position(|byte| !is_plain(*byte)).unwrap_or(CHUNK);
                        assert_eq!(end_of_plain(&chunk, 0), expected, "{chunk:?}");
                        let from_one_on = chunk[1..].iter().position(|byte| !is_plain(*byte));
                        let expected = from_one_on.map_or(CHUNK, |place| 1 + place);
                        assert_eq!(end_of_plain(&chunk, 1), expected, "{chunk:?}");
                    }
                }
            }
        }
    }

    #[test]
    fn digits_are_counted_and_worth_what_they_say() {
        for text in ["12345678", "00000000", "90817263", "99999999"] {
            for count in 0..=8_usize {
                // The bytes next to the digits' own, and those that carry.
                for after in [b'/', b':', b'.', 0, 0x7f, 0x80, 0xf0, 0xff] {
                    let mut bytes = [after; 8];
                    bytes[..count].copy_from_slice(&text.as_bytes()[..count]);
                    let digits = leading_digits(u64::from_le_bytes(bytes));
                    assert_eq!(digits.count as usize, count, "{bytes:?}");
                    let integer = format!("0{}", &text[..count]).parse();
                    assert_eq!(Ok(digits.as_integer()), integer, "{bytes:?}");
                    let fraction = format!("{:0<8}", &text[..count]).parse();
                    assert_eq!(Ok(digits.as_fraction()), fraction, "{bytes:?}");
                    let is_zero = count > 0 && text.starts_with('0');
                    assert_eq!(count > 0 && digits.begin_with_zero(), is_zero, "{bytes:?}");
                }
            }
        }
    }
}
