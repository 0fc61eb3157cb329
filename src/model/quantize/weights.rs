//! A convolution's factors in eight bits, with one step an output channel.

/// The largest factor in steps; −128 is left out, so that zero is the middle.
const MOST: f32 = 127.0;
/// The bias is added in 32 bits; a power of two below their end leaves room for what it is added to.
const MOST_BIAS: f64 = (1_u32 << 30) as f64;

/// Factors and bias as integers.
pub(super) struct QuantizedWeights {
    /// In steps of their channel.
    pub factors: Vec<i8>,
    /// The step of each output channel.
    pub steps: Vec<f32>,
    /// In steps of the channel times steps of the input.
    pub bias: Option<Vec<i32>>,
    /// What a step of each channel's bias is.
    pub bias_steps: Vec<f32>,
}

/// Rounds the factors of `outputs` channels; the input comes in steps of `input_step`.
pub(super) fn quantize(
    factors: &[f32],
    outputs: usize,
    bias: Option<&[f32]>,
    input_step: f32,
) -> QuantizedWeights {
    let length = (factors.len() / outputs.max(1)).max(1);
    let steps: Vec<f32> = factors
        .chunks(length)
        .enumerate()
        .map(|(channel, factors)| {
            let bias = bias.map_or(0.0, |bias| bias[channel]);
            step(factors).max(least_step(bias, input_step))
        })
        .collect();
    let in_steps = |value: f32, step: f32| (value / step).round_ties_even().clamp(-MOST, MOST);
    #[allow(clippy::cast_possible_truncation)]
    let rounded = |value: &f32, step: f32| in_steps(*value, step) as i8;
    let channels = factors.chunks(length).zip(&steps);
    let bias_steps: Vec<f32> = steps.iter().map(|step| step * input_step).collect();
    #[allow(clippy::cast_possible_truncation)]
    let bias = bias.map(|bias| {
        let scaled = bias.iter().zip(&bias_steps).map(|(bias, step)| f64::from(*bias) / f64::from(*step));
        scaled.map(|steps| steps.round_ties_even() as i32).collect()
    });
    QuantizedWeights {
        factors: channels
            .flat_map(|(factors, step)| factors.iter().map(move |f| rounded(f, *step)))
            .collect(),
        steps,
        bias,
        bias_steps,
    }
}

/// The step of one channel: its largest factor over 127, or a little more where that makes every factor a whole number
/// of steps, as it does for the anti-alias filter's 1, 2 and 4.
fn step(factors: &[f32]) -> f32 {
    let magnitudes = factors.iter().map(|factor| factor.abs()).filter(|factor| *factor > 0.0);
    let (least, most) =
        magnitudes.fold((f32::INFINITY, 0.0_f32), |(least, most), f| (least.min(f), most.max(f)));
    if most == 0.0 {
        return 0.0;
    }
    let exact = least / (MOST * least / most).floor();
    let is_whole = |factor: &f32| {
        let steps = factor / exact;
        (steps - steps.round()).abs() < 1e-4
    };
    if exact.is_finite() && factors.iter().all(is_whole) { exact } else { most / MOST }
}

/// The step below which a channel's bias would not fit. It also serves a channel without a factor.
fn least_step(bias: f32, input_step: f32) -> f32 {
    let least = f64::from(bias.abs()) / (MOST_BIAS * f64::from(input_step));
    #[allow(clippy::cast_possible_truncation)]
    let least = least as f32;
    least.max(f32::MIN_POSITIVE * 1e8)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_channel_has_its_own_step_and_zero_stays_zero() {
        let weights = quantize(&[1.0, -0.6, 0.0, 100.0, 50.3, -100.0], 2, Some(&[0.25, -3.0]), 0.1);
        assert_eq!(weights.factors, [127, -76, 0, 127, 64, -127]);
        assert_eq!(weights.steps, [1.0 / 127.0, 100.0 / 127.0]);
        assert_eq!(weights.bias.unwrap(), [318, -38]);
    }

    #[test]
    fn the_filter_is_held_exactly() {
        let filter = [1.0, 2.0, 1.0, 2.0, 4.0, 2.0, 1.0, 2.0, 1.0].map(|factor: f32| factor / 16.0);
        let weights = quantize(&filter, 1, None, 0.1);
        assert_eq!(weights.factors, [31, 62, 31, 62, 124, 62, 31, 62, 31]);
        assert_eq!(weights.factors.iter().map(|f| f32::from(*f)).sum::<f32>() * weights.steps[0], 1.0);
    }

    #[test]
    fn a_channel_without_factors_keeps_its_bias() {
        let weights = quantize(&[0.0, 0.0, 1e-12, 0.0], 2, Some(&[5.0, -5.0]), 1e-3);
        assert_eq!(weights.factors, [0, 0, 0, 0]);
        for ((bias, step), expected) in weights.bias.unwrap().iter().zip(&weights.bias_steps).zip([5.0, -5.0])
        {
            assert!((f64::from(*bias) * f64::from(*step) - expected).abs() < 1e-5, "{bias} × {step}");
        }
    }
}
