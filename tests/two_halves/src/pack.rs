//! Coefficients in the form in which they would cross the bus; `image.h` describes it.

/// Bits of a coefficient's place.
const PLACE_BITS: u32 = 6;

/// The value of an entry that is in the next one.
const ESCAPE: i16 = -512;

/// Blocks of a component.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Region {
    pub left: u32,
    pub top: u32,
    pub across: u32,
    pub down: u32,
}

/// The blocks of a region, row by row.
pub(crate) struct Packed {
    /// Where each block's entries begin, and where the last ends.
    pub offsets: Vec<u32>,
    pub entries: Vec<u16>,
}

/// Packs blocks that come in the order of MCUs: within a row of MCUs, those of several rows in turn.
pub(crate) struct Packer {
    region: Region,
    packed: Packed,
    /// Rows that have begun and are not the first of them.
    later: Vec<Packed>,
    /// The first row that has begun.
    row: u32,
}

impl Packer {
    pub fn new(region: Region) -> Packer {
        let packed = Packed { offsets: Vec::new(), entries: Vec::new() };
        Packer { region, packed, later: Vec::new(), row: region.top }
    }

    /// Takes the next block of its row, which counts if it is in the region.
    pub fn add(&mut self, column: u32, row: u32, block: &[i16; 64]) {
        let Region { left, top, across, down } = self.region;
        if !(left..left + across).contains(&column) || !(top..top + down).contains(&row) {
            return;
        }
        // each row is whole before one begins that is below its MCUs
        while self.packed.offsets.len() as u32 == (self.row + 1 - top) * across {
            self.row += 1;
            if !self.later.is_empty() {
                let next = self.later.remove(0);
                let base = self.packed.entries.len() as u32;
                self.packed.offsets.extend(next.offsets.iter().map(|offset| offset + base));
                self.packed.entries.extend(next.entries);
            }
        }
        let behind = (row - self.row) as usize;
        while self.later.len() < behind {
            self.later.push(Packed { offsets: Vec::new(), entries: Vec::new() });
        }
        let to = if behind == 0 { &mut self.packed } else { &mut self.later[behind - 1] };
        to.offsets.push(to.entries.len() as u32);
        pack(block, &mut to.entries);
    }

    /// The region, if all of its blocks came.
    pub fn finish(mut self) -> Option<Packed> {
        for next in self.later {
            let base = self.packed.entries.len() as u32;
            self.packed.offsets.extend(next.offsets.iter().map(|offset| offset + base));
            self.packed.entries.extend(next.entries);
        }
        let blocks = self.region.across as usize * self.region.down as usize;
        self.packed.offsets.push(self.packed.entries.len() as u32);
        (self.packed.offsets.len() == blocks + 1).then_some(self.packed)
    }
}

fn pack(block: &[i16; 64], entries: &mut Vec<u16>) {
    // two for each coefficient but the first: most are 0, so the places of the others are found beforehand
    let mut packed = [0; 2 * 64 - 1];
    packed[0] = block[0].cast_unsigned();
    let mut count = 1;
    let mut places = (1..64).fold(0u64, |places, at| places | u64::from(block[at] != 0) << at);
    while places != 0 {
        let place = places.trailing_zeros() as u16;
        places &= places - 1;
        let value = block[usize::from(place)];
        if value > ESCAPE && value < -ESCAPE {
            packed[count] = (value << PLACE_BITS).cast_unsigned() | place;
            count += 1;
        } else {
            packed[count] = (ESCAPE << PLACE_BITS).cast_unsigned() | place;
            packed[count + 1] = value.cast_unsigned();
            count += 2;
        }
    }
    entries.extend_from_slice(&packed[..count]);
}
