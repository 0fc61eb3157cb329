//! See `image`: the decoder's paths are those that it has in the program.

#[allow(dead_code)] // what it hands back to libjpeg in the program
#[path = "../../../../../src/image/jpeg/huffman/mod.rs"]
mod huffman;

use crate::pack::{Packed, Packer, Region};
use huffman::{BLOCKS, Block, Definition, Kind, Member, Position, Scan, Wanted};

/// A component of a scan: the blocks that an MCU has of it, its tables, and the needed region.
#[derive(Clone, Copy)]
pub(crate) struct Part {
    pub horizontal: u32,
    pub vertical: u32,
    pub dc: u8,
    pub ac: u8,
    pub region: Region,
}

/// The decoder, kept from file to file.
pub(crate) struct Codes(Scan);

impl Codes {
    pub fn new() -> Codes {
        Codes(Scan::new())
    }

    /// Table `number` of the next scan, of DC coefficients or of the others.
    pub fn define(&mut self, is_dc: bool, number: usize, counts: [u8; 17], symbols: [u8; 256]) {
        let kind = if is_dc { Kind::Dc } else { Kind::Ac };
        self.0.define(kind, number, &Definition { counts, symbols });
    }

    /// Reads the codes of a scan of `across` MCUs a row, as far as they are needed, and packs the regions of its parts.
    /// Returns `None` if libjpeg has to read the scan.
    pub fn pack(&mut self, codes: &[u8], parts: &[Part], across: u32) -> Option<Vec<Packed>> {
        let mut members = Vec::new();
        for (component, part) in (0..).zip(parts) {
            let member = Member { component, dc: part.dc, ac: part.ac };
            members.resize(members.len() + (part.horizontal * part.vertical) as usize, member);
        }
        self.0.consists_of(&members);
        self.0.take_over(&Position { read: 0, bits: 0, left: 0, dc: [0; huffman::COMPONENTS] });
        let columns = span(parts.iter().map(|part| (part.region.left, part.region.across, part.horizontal)));
        let rows = span(parts.iter().map(|part| (part.region.top, part.region.down, part.vertical)));
        let mut packers: Vec<Packer> = parts.iter().map(|part| Packer::new(part.region)).collect();
        let mut blocks: [Block; BLOCKS] = [[0; 64]; BLOCKS];
        let blocks = &mut blocks[..members.len()];
        for row in 0..rows.1 {
            for column in 0..across {
                if row < rows.0 || column < columns.0 || column >= columns.1 {
                    self.0.mcu(codes, Wanted::Nothing, &mut []).ok()?;
                    continue;
                }
                blocks.fill([0; 64]);
                self.0.mcu(codes, Wanted::All, blocks).ok()?;
                let mut blocks = blocks.iter();
                for (part, packer) in parts.iter().zip(&mut packers) {
                    for y in 0..part.vertical {
                        for (x, block) in (0..part.horizontal).zip(&mut blocks) {
                            packer.add(column * part.horizontal + x, row * part.vertical + y, block);
                        }
                    }
                }
            }
        }
        packers.into_iter().map(Packer::finish).collect()
    }
}

/// The MCUs that have the needed blocks: the first, and the end.
fn span(parts: impl Iterator<Item = (u32, u32, u32)> + Clone) -> (u32, u32) {
    let first = parts.clone().map(|(first, _, of_mcu)| first / of_mcu).min().unwrap_or(0);
    (first, parts.map(|(first, count, of_mcu)| (first + count).div_ceil(of_mcu)).max().unwrap_or(0))
}
