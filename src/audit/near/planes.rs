//! The first 64 signs of many images, turned so that a step compares one sign of 128 images with a query's.
//!
//! The differing signs are added up in binary numbers that are spread over words, one bit of each in a word, by carry-save
//! adders (H. S. Warren, *Hacker's Delight*, second edition, section 5-1): about three operations an image, without
//! instructions that only some machines have.

/// Images of a block.
pub const LANES: usize = 64 * WIDTH;

const WIDTH: usize = 2;

/// One bit of each image of a block.
type Lanes = [u64; WIDTH];

/// The signs of a query: all ones or all zeros for each.
pub struct Query([u64; 64]);

impl Query {
    pub fn new(signs: u64) -> Query {
        Query(std::array::from_fn(|bit| 0_u64.wrapping_sub(signs >> bit & 1)))
    }
}

/// Blocks of [`LANES`] images; the last one is filled up with zeros.
#[derive(Debug, Default)]
pub struct Planes {
    blocks: Vec<[Lanes; 64]>,
    images: usize,
}

impl Planes {
    pub fn push(&mut self, signs: u64) {
        let lane = self.images % LANES;
        if lane == 0 {
            self.blocks.push([[0; WIDTH]; 64]);
        }
        if let Some(block) = self.blocks.last_mut() {
            for (bit, plane) in block.iter_mut().enumerate() {
                plane[lane / 64] |= (signs >> bit & 1) << (lane % 64);
            }
        }
        self.images += 1;
    }

    pub fn blocks(&self) -> usize {
        self.blocks.len()
    }

    /// The images of a block that differ from the query in at most `most` of 64 signs, `most` < 64: a bit each.
    pub fn near(&self, block: usize, query: &Query, most: u32) -> Lanes {
        let mut near = near(&self.blocks[block], query, most);
        let images = (self.images - block * LANES).min(LANES);
        for (word, lanes) in near.iter_mut().enumerate() {
            let here = images.saturating_sub(64 * word);
            if here < 64 {
                *lanes &= (1 << here) - 1;
            }
        }
        near
    }
}

/// Adds three bits of each lane: their sum and their carry.
fn add(a: Lanes, b: Lanes, c: Lanes) -> (Lanes, Lanes) {
    let half: Lanes = std::array::from_fn(|lane| a[lane] ^ b[lane]);
    let sum = std::array::from_fn(|lane| half[lane] ^ c[lane]);
    (sum, std::array::from_fn(|lane| (a[lane] & b[lane]) | (half[lane] & c[lane])))
}

fn near(planes: &[Lanes; 64], query: &Query, most: u32) -> Lanes {
    const NONE: Lanes = [0; WIDTH];
    // bits of the number of differing signs, the lowest first
    let mut count = [NONE; 7];
    for (planes, signs) in planes.as_chunks::<8>().0.iter().zip(query.0.as_chunks::<8>().0) {
        let differs = |at: usize| -> Lanes { std::array::from_fn(|lane| planes[at][lane] ^ signs[at]) };
        let (ones, a) = add(count[0], differs(0), differs(1));
        let (ones, b) = add(ones, differs(2), differs(3));
        let (twos, c) = add(count[1], a, b);
        let (ones, a) = add(ones, differs(4), differs(5));
        let (ones, b) = add(ones, differs(6), differs(7));
        let (twos, d) = add(twos, a, b);
        let (fours, mut carry) = add(count[2], c, d);
        (count[0], count[1], count[2]) = (ones, twos, fours);
        for bit in &mut count[3..] {
            (*bit, carry) = add(*bit, carry, NONE);
        }
    }
    // compares the numbers with `most` from the lowest bit up
    let mut more = NONE;
    for (bit, lanes) in count.iter().enumerate() {
        for (more, lanes) in more.iter_mut().zip(lanes) {
            *more = if most >> bit & 1 == 1 { *more & lanes } else { *more | lanes };
        }
    }
    more.map(|lanes| !lanes)
}

#[cfg(test)]
mod tests {
    use super::super::super::random::Random;
    use super::*;

    #[test]
    fn the_near_images_are_those_whose_signs_differ_in_few_places() {
        let mut random = Random::new(7);
        let images: Vec<u64> = (0..300).map(|_| random.next() & random.next()).collect();
        let mut planes = Planes::default();
        images.iter().for_each(|signs| planes.push(*signs));
        assert_eq!(planes.blocks(), 3);
        for query in [0, u64::MAX, images[5], random.next()] {
            for most in [0, 5, 16, 31, 32, 63] {
                let mut found = Vec::new();
                for block in 0..planes.blocks() {
                    let near = planes.near(block, &Query::new(query), most);
                    found.extend(
                        (0..LANES)
                            .filter(|lane| near[lane / 64] >> (lane % 64) & 1 == 1)
                            .map(|lane| block * LANES + lane),
                    );
                }
                let expected: Vec<usize> =
                    (0..images.len()).filter(|at| (images[*at] ^ query).count_ones() <= most).collect();
                assert_eq!(found, expected, "{query:x} {most}");
            }
        }
    }
}
