//! How each convolution of a network is computed, as a set that a form can hold.

/// How one convolution is computed, with the bias, sum and activation after it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Way {
    /// Our operator, with all of its epilogue. cuDNN compiles an engine with a LeakyReLU when it is asked for it.
    Fused,
    /// Our operator, but a LeakyReLU is left to the next operator, or is a separate one. cuDNN has ready-made engines for
    /// what is left: bias; bias and ReLU; sum, bias and ReLU.
    Apart,
    /// ONNX's operators.
    Stock,
}

/// Convolutions whose way can be chosen. A TResNet has at most 128.
const CHOSEN: usize = 256;
const WORD: usize = 64;

/// The way of each convolution, by its position in
/// [`Architecture::convolutions`](crate::model::Architecture::convolutions). Those after the first 256 are computed by
/// ONNX's operators.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Ways {
    fused: [u64; CHOSEN / WORD],
    apart: [u64; CHOSEN / WORD],
}

impl Ways {
    /// The same way for all.
    pub const fn all(way: Way) -> Ways {
        let (all, none) = ([u64::MAX; CHOSEN / WORD], [0; CHOSEN / WORD]);
        match way {
            Way::Fused => Ways { fused: all, apart: none },
            Way::Apart => Ways { fused: none, apart: all },
            Way::Stock => Ways { fused: none, apart: none },
        }
    }

    /// The same with another way for one convolution. A position after the first 256 keeps ONNX's operators.
    #[must_use]
    pub fn with(mut self, position: usize, way: Way) -> Ways {
        let bit = 1 << (position % WORD);
        for (set, of) in [(&mut self.fused, Way::Fused), (&mut self.apart, Way::Apart)] {
            if let Some(word) = set.get_mut(position / WORD) {
                *word = if way == of { *word | bit } else { *word & !bit };
            }
        }
        self
    }

    /// The way of a convolution.
    pub fn at(&self, position: usize) -> Way {
        let has =
            |set: &[u64]| set.get(position / WORD).is_some_and(|word| word >> (position % WORD) & 1 == 1);
        match (has(&self.fused), has(&self.apart)) {
            (true, _) => Way::Fused,
            (false, true) => Way::Apart,
            (false, false) => Way::Stock,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_convolution_has_the_way_that_it_was_given_last() {
        let ways = [Way::Fused, Way::Apart, Way::Stock];
        for first in ways {
            for second in ways {
                let chosen = Ways::all(first).with(63, second).with(64, Way::Stock).with(64, second);
                assert_eq!([62, 63, 64, 65].map(|at| chosen.at(at)), [first, second, second, first]);
            }
        }
        let beyond = Ways::all(Way::Fused).with(CHOSEN, Way::Fused);
        assert_eq!((beyond.at(CHOSEN - 1), beyond.at(CHOSEN)), (Way::Fused, Way::Stock));
    }
}
