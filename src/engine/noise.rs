//! An engine that computes nothing: it measures everything around it.

use super::{Engine, EngineError, EngineSpec, Failed, Outputs, Slot};

/// Fills its outputs with seeded noise of the true widths. Zeros would compress to nothing and make the
/// stages behind it look free.
#[derive(Debug)]
pub struct NoiseEngine {
    spec: EngineSpec,
    state: u64,
    done: Option<(Slot, Outputs)>,
}

impl NoiseEngine {
    /// An engine of these shapes; equal seeds give equal noise.
    pub fn new(spec: EngineSpec, seed: u64) -> NoiseEngine {
        NoiseEngine { spec: EngineSpec { depth: 1, ..spec }, state: seed, done: None }
    }

    /// SplitMix64 (Steele, Lea, Flood 2014).
    fn next(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.state;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// Numbers of about −1…1, two of each draw.
    fn fill(&mut self, values: &mut [f32]) {
        let number = |bits: u64| (bits >> 40) as f32 / (1 << 23) as f32 - 1.0;
        for pair in values.chunks_mut(2) {
            let draw = self.next();
            pair.iter_mut().zip([draw, draw << 32]).for_each(|(value, bits)| *value = number(bits));
        }
    }
}

impl Engine for NoiseEngine {
    fn spec(&self) -> &EngineSpec {
        &self.spec
    }

    fn provider(&self) -> &str {
        "noise"
    }

    fn allocate(&mut self, capacity: usize) -> Result<(Slot, Outputs), EngineError> {
        Ok((Slot::on_heap(&self.spec, capacity), Outputs::new(&self.spec, capacity)))
    }

    fn submit(&mut self, slot: Slot, mut outputs: Outputs, rows: usize) -> Result<(), Box<Failed>> {
        self.fill(&mut outputs.logits[..rows * self.spec.classes]);
        self.fill(&mut outputs.embedding[..rows * self.spec.dim]);
        self.done = Some((slot, outputs));
        Ok(())
    }

    fn finish(&mut self) -> Option<(Slot, Outputs, Result<(), EngineError>)> {
        self.done.take().map(|(slot, outputs)| (slot, outputs, Ok(())))
    }
}
