//! Archives made by hand and cut, bent and lied about.

mod apart;
mod archives;
mod members;
mod packed;
mod rules;

use super::*;
use crate::sample::ErrorKind;

/// A header for a member; `bend` changes it before its checksum is written.
fn header(name: &str, kind: u8, size: u64, bend: impl FnOnce(&mut [u8; 512])) -> [u8; 512] {
    let mut block = [0; 512];
    block[..name.len()].copy_from_slice(name.as_bytes());
    block[124..135].copy_from_slice(format!("{size:011o}").as_bytes());
    block[156] = kind;
    block[257..265].copy_from_slice(b"ustar\x0000");
    bend(&mut block);
    block[148..156].fill(b' ');
    let sum: u32 = block.iter().map(|byte| u32::from(*byte)).sum();
    block[148..155].copy_from_slice(format!("{sum:06o}\0").as_bytes());
    block
}

fn member(name: &str, kind: u8, bytes: &[u8]) -> Vec<u8> {
    let mut member = header(name, kind, bytes.len() as u64, |_| {}).to_vec();
    member.extend_from_slice(bytes);
    member.resize(member.len().next_multiple_of(512), 0);
    member
}

fn file(name: &str, bytes: &[u8]) -> Vec<u8> {
    member(name, b'0', bytes)
}

fn archive(members: &[Vec<u8>]) -> Vec<u8> {
    [members.concat(), vec![0; 1024]].concat()
}

const LIMITS: ShardLimits = ShardLimits { image_bytes: 1000, text_bytes: 100 };

/// The class of an image, from wherever it is.
const CLASS: Asked = Asked { class: true, columns: false, txt: false };

fn scanned_for(asked: Asked, bytes: &[u8], window: usize) -> (Vec<ShardImage>, Result<Scanned, TarError>) {
    let mut images = Vec::new();
    let end = scan(bytes, window, LIMITS, asked, |image| images.push(image));
    (images, end)
}

fn scanned(bytes: &[u8], window: usize) -> (Vec<ShardImage>, Result<Scanned, TarError>) {
    scanned_for(Asked::default(), bytes, window)
}

fn read(bytes: &[u8]) -> (Vec<ShardImage>, Result<Scanned, TarError>) {
    scanned(bytes, bytes.len())
}

/// Images with their class, or the kind of their error.
fn classes(images: &[ShardImage]) -> Vec<(&str, String)> {
    let class = |image: &ShardImage| match (&image.bytes, &image.texts.cls) {
        (Err(error), _) => error.kind.to_string(),
        (Ok(_), Some(Ok(class))) => String::from_utf8_lossy(class).into_owned(),
        (Ok(_), Some(Err(why))) => why.clone(),
        (Ok(_), None) => "none".into(),
    };
    images.iter().map(|image| (image.name.as_str(), class(image))).collect()
}

fn names(images: &[ShardImage]) -> Vec<&str> {
    images.iter().map(|image| image.name.as_str()).collect()
}

/// Numbers below `n`, by SplitMix64.
fn numbers(mut state: u64) -> impl FnMut(usize) -> usize {
    move |n| {
        state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (state ^ (state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        ((z ^ (z >> 29)) % n as u64) as usize
    }
}
