//! Untrained weights with a network's true shapes: for benchmarks, and to try a machine before the real weights are
//! there.

use std::collections::BTreeMap;

use super::weights::{Checkpoint, Tensor};
use crate::model::architecture::Architecture;
use crate::model::design::StemDesign;
use crate::model::error::ModelError;
use crate::model::file::sha256_hex;

impl Checkpoint {
    /// Random weights; equal seeds give equal ones. Convolutions keep the variance of what they read (He 2015), each
    /// block's last batch norm has a small scale, so that activations stay in the range of half precision however
    /// deep the network is; no scale, shift, mean or variance has its neutral value. The hash is that of the file
    /// that [`to_safetensors`](Self::to_safetensors) makes of them.
    ///
    /// # Errors
    ///
    /// Those of writing the file's bytes, which are hashed.
    pub fn random(
        architecture: &Architecture,
        stem: StemDesign,
        seed: u64,
    ) -> Result<Checkpoint, ModelError> {
        let mut noise = Noise(seed);
        let mut tensors: BTreeMap<String, Tensor> = BTreeMap::new();
        for (name, mut shape) in architecture.tensors() {
            if name == "body.conv1.conv.weight" && stem == StemDesign::Convolution7 {
                shape = vec![shape[0], 3, 7, 7];
            }
            let (centre, spread) = distribution(&name, &shape);
            let values = (0..shape.iter().product()).map(|_| centre + spread * noise.next()).collect();
            tensors.insert(name, Tensor { shape, values });
        }
        let mut checkpoint = Checkpoint { tensors, sha256: String::new() };
        checkpoint.sha256 = sha256_hex(&checkpoint.to_safetensors()?);
        Ok(checkpoint)
    }
}

/// Centre and half width of the even distribution of a tensor's values.
fn distribution(name: &str, shape: &[usize]) -> (f32, f32) {
    let last = |part: &str| name.rsplit('.').next() == Some(part);
    if name.contains(".bn.") {
        return match () {
            () if last("bias") || last("running_mean") => (0.0, 0.1),
            () if last("weight") && ends_a_block(name) => (0.25, 0.1),
            // of scales, and of variances
            () => (1.0, 0.2),
        };
    }
    if last("bias") {
        return (0.0, 0.1);
    }
    let read: usize = shape.iter().skip(1).product();
    // an even distribution of half width a has the variance a² / 3
    (0.0, (3.0 * 2.0 / read.max(1) as f32).sqrt())
}

/// Whether a batch norm may be the last of its block's branch. That of a Bottleneck's second convolution is not, but
/// small does no harm there.
fn ends_a_block(name: &str) -> bool {
    name.contains(".conv2.bn.") || name.contains(".conv3.bn.")
}

/// SplitMix64 (Steele, Lea, Flood 2014), mapped to −1…1.
struct Noise(u64);

impl Noise {
    fn next(&mut self) -> f32 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ (z >> 31)) >> 40) as f32 / (1 << 23) as f32 - 1.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn random_weights_are_read_back_as_the_network_that_they_were_made_for() {
        let architecture = Architecture { width: 8, ..Architecture::named("tresnet_v2_l", 7).unwrap() };
        let made = Checkpoint::random(&architecture, StemDesign::SpaceToDepth, 3).unwrap();
        let read = Checkpoint::parse("x.safetensors".as_ref(), &made.to_safetensors().unwrap()).unwrap();
        assert_eq!(read, made);
        assert_eq!(Architecture::infer(&read).unwrap(), architecture);
        let other = Checkpoint::random(&architecture, StemDesign::SpaceToDepth, 4).unwrap();
        assert_ne!(other.sha256, made.sha256);
    }
}
