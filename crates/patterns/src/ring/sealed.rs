//! A full chunk of the ring, packed: it is read and let go, but not written any more.
//!
//! In: rows of numbers, as the open chunk has them. Each column takes as many bits as its numbers need once its least one and
//! the step that all of them share are taken away: offsets of a chunk differ by a thousand, sums of money by whole hundreds.
//!
//! ```text
//!   number = base + step × what the bits say
//! ```

/// Rows of a chunk.
pub(super) const CHUNK_EVENTS: usize = 1024;
const WORD_BITS: usize = 64;
/// So many are read at once, also where a number that takes no bits stands behind the last one.
const WORDS_READ: usize = 2;
const PRESENT_WORDS: usize = CHUNK_EVENTS / WORD_BITS;

/// Which columns are packed in a way of their own.
#[derive(Clone, Copy, Debug)]
pub(super) struct Columns {
    /// How many there are.
    pub(super) count: usize,
    /// Its numbers are few, and far apart.
    pub(super) coded: usize,
    /// Its numbers can't be packed, but many are 0.
    pub(super) sparse: Option<usize>,
}

/// Where numbers are read from: a row of the open chunk, or of a packed one. Whoever asks knows how a column is packed.
pub(super) trait Numbers {
    fn number(&self, column: usize) -> u64;
    /// Of the column that is coded.
    fn coded(&self, column: usize) -> u64;
    /// Of the column that is sparse.
    fn sparse(&self, column: usize) -> u64;
}

impl Numbers for &[u64] {
    fn number(&self, column: usize) -> u64 {
        self[column]
    }

    fn coded(&self, column: usize) -> u64 {
        self[column]
    }

    fn sparse(&self, column: usize) -> u64 {
        self[column]
    }
}

/// [`CHUNK_EVENTS`] rows.
#[derive(Clone, Debug)]
pub(super) struct Sealed {
    /// The rows' bits, and [`WORDS_READ`] words more.
    bits: Box<[u64]>,
    row_bits: usize,
    packed: Box<[Packed]>,
    special: Columns,
    /// What the coded column holds, without repetitions.
    codes: Box<[u64]>,
    sparse: Sparse,
}

/// One of its rows.
#[derive(Clone, Copy)]
pub(super) struct SealedRow<'a> {
    chunk: &'a Sealed,
    place: usize,
    begin: usize,
}

/// Where a column's numbers stand in a row, and how they are read.
#[derive(Clone, Copy, Debug, Default)]
struct Packed {
    at: usize,
    /// A one for each of its bits.
    bits: u64,
    base: u64,
    step: u64,
}

/// Numbers of which those that are 0 take a bit.
#[derive(Clone, Debug, Default)]
struct Sparse {
    present: [u64; PRESENT_WORDS],
    /// How many are present before each of these words.
    before: [u16; PRESENT_WORDS],
    numbers: Box<[u64]>,
}

impl Sealed {
    /// Packs a full chunk: row after row.
    pub(super) fn new(rows: &[u64], special: Columns) -> Self {
        debug_assert_eq!(rows.len(), CHUNK_EVENTS * special.count, "only full chunks are sealed");
        let (mut codes, mut coded, mut sparse) = (Vec::new(), Vec::new(), Sparse::default());
        let mut row_bits = 0;
        let mut column = Vec::with_capacity(CHUNK_EVENTS);
        let packed: Box<[Packed]> = (0..special.count)
            .map(|number| {
                column.clear();
                column.extend(rows.chunks_exact(special.count).map(|row| row[number]));
                let mut packed = if number == special.coded {
                    (codes, coded) = codes_of(&column);
                    Packed::up_to(codes.len() as u64 - 1)
                } else if Some(number) == special.sparse {
                    sparse = Sparse::of(&column);
                    Packed::up_to(0)
                } else {
                    Packed::of(&column)
                };
                packed.at = row_bits;
                row_bits += packed.width() as usize;
                packed
            })
            .collect();
        let used: Vec<(usize, Packed, u32)> = (0..special.count)
            .map(|column| (column, packed[column], packed[column].width()))
            .filter(|(_, _, width)| *width > 0)
            .collect();
        let mut bits = Bits::with_room_for(CHUNK_EVENTS * row_bits);
        for (row, code) in rows.chunks_exact(special.count).zip(coded) {
            for (column, packed, width) in &used {
                let is_coded = *column == special.coded;
                bits.add(if is_coded { code } else { packed.short(row[*column]) }, *width);
            }
        }
        Sealed { bits: bits.end(), row_bits, packed, special, codes: codes.into(), sparse }
    }

    pub(super) fn row(&self, place: usize) -> SealedRow<'_> {
        SealedRow { chunk: self, place, begin: place * self.row_bits }
    }

    /// All rows, as they were.
    pub(super) fn rows(&self) -> impl Iterator<Item = u64> + '_ {
        (0..CHUNK_EVENTS).flat_map(move |place| {
            let row = self.row(place);
            (0..self.special.count).map(move |column| match column {
                coded if coded == self.special.coded => row.coded(coded),
                sparse if Some(sparse) == self.special.sparse => row.sparse(sparse),
                other => row.number(other),
            })
        })
    }

    /// Memory that it takes.
    pub(super) fn bytes(&self) -> usize {
        let words = self.bits.len() + self.codes.len() + self.sparse.numbers.len();
        size_of::<Self>() + words * size_of::<u64>() + self.packed.len() * size_of::<Packed>()
    }
}

impl SealedRow<'_> {
    fn read(&self, Packed { at, bits, .. }: Packed) -> u64 {
        let (word, shift) = ((self.begin + at) / WORD_BITS, (self.begin + at) % WORD_BITS);
        let words = &self.chunk.bits[word..word + WORDS_READ];
        // In two steps: a word can't be shifted by all its bits at once.
        let high = words[1] << 1 << (WORD_BITS - 1 - shift);
        (words[0] >> shift | high) & bits
    }
}

impl Numbers for SealedRow<'_> {
    fn number(&self, column: usize) -> u64 {
        let packed = self.chunk.packed[column];
        packed.base.wrapping_add(self.read(packed) * packed.step)
    }

    fn coded(&self, column: usize) -> u64 {
        let code = self.read(self.chunk.packed[column]);
        self.chunk.codes[usize::try_from(code).expect("below the chunk's length")]
    }

    fn sparse(&self, _column: usize) -> u64 {
        self.chunk.sparse.get(self.place)
    }
}

/// The different numbers, as they come first, and for each number its place among them. A search from the front: they are few.
fn codes_of(column: &[u64]) -> (Vec<u64>, Vec<u64>) {
    let mut codes = Vec::new();
    let mut places = Vec::with_capacity(column.len());
    for number in column {
        let known = codes.iter().position(|code| code == number);
        let place = known.unwrap_or(codes.len());
        if known.is_none() {
            codes.push(*number);
        }
        places.push(place as u64);
    }
    (codes, places)
}

impl Packed {
    /// Numbers from 0 to this one.
    fn up_to(most: u64) -> Self {
        let bits = u64::MAX.checked_shr(most.leading_zeros()).unwrap_or(0);
        Packed { at: 0, bits, base: 0, step: 1 }
    }

    fn of(column: &[u64]) -> Self {
        let (base, most) = column
            .iter()
            .fold((u64::MAX, 0), |(least, most), one| (least.min(*one), most.max(*one)));
        let mut step = most - base;
        for number in column {
            if step <= 1 {
                break;
            }
            if (number - base) % step != 0 {
                step = common_divisor(step, number - base);
            }
        }
        let step = step.max(1);
        Packed { base, step, ..Packed::up_to((most - base) / step) }
    }

    fn width(&self) -> u32 {
        self.bits.count_ones()
    }

    fn short(&self, number: u64) -> u64 {
        let above = number.wrapping_sub(self.base);
        // Most columns have none in common, and a division is slow.
        if self.step == 1 { above } else { above / self.step }
    }
}

/// The greatest one; of 0 and a number, that number.
fn common_divisor(mut one: u64, mut other: u64) -> u64 {
    while other != 0 {
        (one, other) = (other, one % other);
    }
    one
}

impl Sparse {
    fn of(column: &[u64]) -> Self {
        let mut sparse = Sparse::default();
        let mut numbers = Vec::new();
        for (place, number) in column.iter().copied().enumerate() {
            let (word, bit) = (place / WORD_BITS, place % WORD_BITS);
            if bit == 0 {
                sparse.before[word] = numbers.len() as u16;
            }
            if number != 0 {
                sparse.present[word] |= 1 << bit;
                numbers.push(number);
            }
        }
        sparse.numbers = numbers.into_boxed_slice();
        sparse
    }

    fn get(&self, place: usize) -> u64 {
        let (word, bit) = (place / WORD_BITS, place % WORD_BITS);
        let present = self.present[word];
        if present >> bit & 1 == 0 {
            return 0;
        }
        let before_it = (present & ((1 << bit) - 1)).count_ones() as usize;
        self.numbers[usize::from(self.before[word]) + before_it]
    }
}

/// Numbers one after the other, each in some of its lowest bits.
struct Bits {
    full: Vec<u64>,
    /// The word that is not full yet, and how many of its bits are taken: fewer than all.
    last: u64,
    taken: u32,
}

impl Bits {
    fn with_room_for(bits: usize) -> Self {
        let full = Vec::with_capacity(bits / WORD_BITS + 1 + WORDS_READ);
        Bits { full, last: 0, taken: 0 }
    }

    /// The number has no other bits than these; `width` is at least 1.
    fn add(&mut self, number: u64, width: u32) {
        self.last |= number << self.taken;
        self.taken += width;
        if self.taken >= u64::BITS {
            self.full.push(self.last);
            self.taken -= u64::BITS;
            // What did not fit; nothing, where the number's last bit was the word's.
            self.last = number.checked_shr(width - self.taken).unwrap_or(0);
        }
    }

    fn end(mut self) -> Box<[u64]> {
        self.full.push(self.last);
        self.full.extend([0; WORDS_READ]);
        self.full.into_boxed_slice()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Columns of every width, with and without a step in common, beside the rows that they were made of.
    #[test]
    fn every_number_comes_out_as_it_went_in() {
        let mut dice = 1_u64;
        for width in 0..=u64::BITS {
            let special = Columns { count: 5, coded: 1, sparse: (width % 2 == 0).then_some(4) };
            let most = u64::MAX.checked_shr(u64::BITS - width).unwrap_or(0);
            let mut random = || {
                dice = dice.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040);
                (dice ^ dice >> 32) & most
            };
            let mut rows = Vec::new();
            for place in 0..CHUNK_EVENTS as u64 {
                let code = random() % 7 * 0x1234_5678_9abc_def1 % most.max(1);
                let sparse = if place % 3 == 1 { random() } else { 0 };
                rows.extend([random(), code, random() / 1_000 * 1_000, 7, sparse]);
            }
            let sealed = Sealed::new(&rows, special);
            assert_eq!(sealed.rows().collect::<Vec<_>>(), rows, "width {width}");
            let (random, stepped) = (sealed.packed[0].width(), sealed.packed[2].width());
            assert!(random <= width && stepped <= width.saturating_sub(9), "{random}, {stepped}");
            assert_eq!(sealed.packed[3].width(), 0, "what is always the same takes no room");
        }
    }

    #[test]
    fn the_step_is_what_all_differences_share() {
        for (numbers, base, step, width) in [
            (&[5, 5, 5][..], 5, 1, 0),
            (&[100, 400, 1_000], 100, 300, 2),
            (&[0, u64::MAX], 0, u64::MAX, 1),
            (&[1, 0, u64::MAX], 0, 1, 64),
            (&[3, 10, 12], 3, 1, 4),
        ] {
            let packed = Packed::of(numbers);
            assert_eq!(
                (packed.base, packed.step, packed.width()),
                (base, step, width),
                "{numbers:?}"
            );
        }
    }
}
