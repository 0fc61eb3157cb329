//! Parquet files with bytes changed at random, read as inputs: each gives images or an error, never a crash.

use std::collections::BTreeMap;

use tresnet_batch::dataset::parquet::{ParquetOptions, scan};
use tresnet_batch::dataset::{CarriedColumn, TargetNames, Truth};
use tresnet_batch::store::Location;

use crate::support::root;

/// Of each seed.
const MUTANTS: usize = 400;

/// SplitMix64 (Steele, Lea, Flood 2014).
struct Random(u64);

impl Random {
    fn below(&mut self, most: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ (z >> 31)) % most as u64) as usize
    }
}

/// A few bytes are changed, and half of the time all of them in the last half, where the footer is.
fn mutant(seed: &[u8], random: &mut Random) -> Vec<u8> {
    let mut file = seed.to_vec();
    let from = random.below(2) * file.len() / 2;
    for _ in 0..1 + random.below(4) {
        let at = from + random.below(file.len() - 8 - from);
        file[at] = match random.below(4) {
            0 => file[at] ^ 1 << random.below(8),
            1 => 0xff,
            2 => 0,
            _ => random.below(256) as u8,
        };
    }
    file
}

#[tokio::test]
async fn a_parquet_file_with_changed_bytes_is_images_or_an_error() {
    let input = Location::in_memory("mutants").unwrap();
    let options = |carried: bool, sets: bool| {
        let names = TargetNames::new(7, None);
        ParquetOptions {
            targets: Some(Truth::Beside(if sets { names.with_sets() } else { names })),
            carried: carried.then(|| CarriedColumn::text("camera")).into_iter().collect(),
            ..ParquetOptions::new(1000)
        }
    };
    let mut random = Random(22);
    let mut ends = BTreeMap::<String, usize>::new();
    for item in std::fs::read_dir(root().join("tests/fuzz/seeds/parquet")).unwrap() {
        let path = item.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap();
        let options = options(name.starts_with("carried"), name.starts_with("sets"));
        // the first byte chooses options of the fuzz target
        let seed = std::fs::read(&path).unwrap().split_off(1);
        for number in 0..=MUTANTS {
            let file = if number == 0 { seed.clone() } else { mutant(&seed, &mut random) };
            let size = file.len() as u64;
            input.overwrite("a.parquet", file.into()).await.unwrap();
            let end = match scan(&input, "a.parquet", size, &options, |_| ()).await {
                Ok(_) => "images".to_owned(),
                Err(error) if error.to_string().contains("panicked") => {
                    println!("{name}: {error}");
                    "panic".to_owned()
                }
                Err(_) => "error".to_owned(),
            };
            *ends.entry(end).or_default() += 1;
        }
    }
    println!("{ends:?}");
    assert!(ends["images"] > 0 && ends["error"] > 0, "{ends:?}");
}
