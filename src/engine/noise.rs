//! An engine that computes nothing: it measures everything around it.

use super::contract::Submission;
use super::{Engine, EngineError, EngineSpec, Failed, Outputs, Slot};

/// Numbers that are drawn side by side, by instructions for several at a time.
const LANES: usize = 16;

/// Fills its outputs with seeded noise of the true widths. Zeros would compress to nothing and make the later stages
/// look free.
#[derive(Debug)]
pub struct NoiseEngine {
    spec: EngineSpec,
    lanes: [u32; LANES],
    done: Option<(Slot, Outputs)>,
}

impl NoiseEngine {
    /// An engine of these shapes; equal seeds give equal noise.
    pub fn new(spec: EngineSpec, seed: u64) -> NoiseEngine {
        let mut state = seed;
        // a lane of zero would stay there
        let lanes = std::array::from_fn(|_| (split_mix(&mut state) >> 32) as u32 | 1);
        NoiseEngine { spec: EngineSpec { depth: 1, ..spec }, lanes, done: None }
    }

    /// Numbers of −1…1, by an xorshift generator a lane (Marsaglia 2003): the engine is to cost next to nothing.
    fn fill(&mut self, values: &mut [f32]) {
        for chunk in values.chunks_mut(LANES) {
            for lane in &mut self.lanes {
                *lane ^= *lane << 13;
                *lane ^= *lane >> 17;
                *lane ^= *lane << 5;
            }
            let numbers = self.lanes.map(|lane| (lane >> 8) as i32 as f32 / (1 << 23) as f32 - 1.0);
            chunk.copy_from_slice(&numbers[..chunk.len()]);
        }
    }
}

/// SplitMix64 (Steele, Lea, Flood 2014).
fn split_mix(state: &mut u64) -> u64 {
    *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mut z = *state;
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
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
        let submission = Submission { slot: &slot, outputs: &outputs, rows, computed: rows };
        if let Some(why) = submission.refusal(&self.spec, usize::from(self.done.is_some())) {
            return Err(Box::new(Failed { slot, outputs, error: EngineError::Run(why) }));
        }
        self.fill(&mut outputs.logits[..rows * self.spec.classes]);
        self.fill(&mut outputs.embedding[..rows * self.spec.dim]);
        self.done = Some((slot, outputs));
        Ok(())
    }

    fn finish(&mut self) -> Option<(Slot, Outputs, Result<(), EngineError>)> {
        self.done.take().map(|(slot, outputs)| (slot, outputs, Ok(())))
    }
}
