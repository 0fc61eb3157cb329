//! How a graph computes its network: choices that leave the function as it is, and that a provider may like or not.

use super::ways::{Way, Ways};

/// One way of drawing the network. Every form gives the same function; which is quickest depends on the provider,
/// and is measured (`bench engine --table forms`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Form {
    /// How the stem reads the image.
    pub stem: Stem,
    /// How the image comes in.
    pub pixels: Pixels,
    /// How the anti-alias filter is drawn.
    pub blur: Blur,
    /// How a mean over space is drawn.
    pub mean: Mean,
    /// How the classifier of a network in half precision is drawn.
    pub classifier: Classifier,
    /// Channels are filled up with zeros to a multiple of this; 1 leaves them.
    pub channel_multiple: usize,
    /// Whose operators compute the layers.
    pub operators: Operators,
}

/// Whose operators compute the layers before the classifier.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Operators {
    /// ONNX's, on maps of `[batch, channels, height, width]`.
    #[default]
    Stock,
    /// Those of the domain `tresnet`, on maps of `[batch, height, width, channels]`. Rows come packed whatever the form's
    /// stem is, and channels are filled up to a multiple of eight at least.
    Own(Own),
}

/// Which layers our own operators compute. The others are drawn as transposition, ONNX's operator, transposition back: on
/// CUDA the passes of ONNX Runtime that choose a layout remove the two.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Own {
    /// How each convolution is computed.
    pub convolutions: Ways,
    /// The anti-alias filter, with the activation before it.
    pub blur: bool,
    /// Squeeze-and-excitation, with the activation before it, or the sum after it.
    pub squeeze_excite: bool,
}

/// The stem: squares of 4×4 pixels become channels, and a 3×3 convolution reads them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Stem {
    /// The operator `SpaceToDepth`, then the convolution.
    SpaceToDepth,
    /// One convolution of 12×12 pixels, stride 4 and padding 4, on the image itself.
    Strided,
    /// Rows come packed as [`Layout::SpaceToDepth`](crate::tensor::Layout::SpaceToDepth), `[h / 4, w / 4, 48]`: the
    /// rearrangement costs nothing, and a transposition is what is left.
    Packed,
}

/// The elements of the input.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Pixels {
    /// Normalised, in the graph's precision.
    Normalised,
    /// Bytes; the graph divides by 255 and normalises, in f32.
    Bytes,
}

/// The anti-alias filter `[1, 2, 1] ⊗ [1, 2, 1] / 16` of stride 2 over a reflected edge.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Blur {
    /// `Pad` on the edges that the filter reads beyond, then a depthwise convolution.
    Convolution,
    /// `Pad` on all four edges, then the convolution: a control.
    PaddedAround,
    /// Two average pools of 2×2, of stride 1 and then 2. The second counts no padding, and that is the reflection: the
    /// mean of the first two pixels is what the reflected filter makes of them. It pads those edges only that a window
    /// reads beyond.
    Pools,
    /// The same pools with the same windows, but padding is written on all four edges: cuDNN's pooling takes no other,
    /// and without it ONNX Runtime takes a generic kernel on maps with even sides.
    PoolsPaddedAround,
}

/// A mean over all of a map.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Mean {
    /// `GlobalAveragePool`; on CUDA a pooling of cuDNN's, with a window as large as the map.
    GlobalPool,
    /// `ReduceMean`; on CUDA a reduction of cuDNN's.
    Reduce,
    /// `AveragePool` with a window as large as the map: the paper's slow way, a control.
    Window,
}

/// The classifier of a network in half precision. Features, bias and logits are f32 in both.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Classifier {
    /// One `Gemm`. Where a session lets tensor cores multiply f32, they round its weights to 11 significant bits (TF32).
    Whole,
    /// Two `Gemm`s, whose weights add up to the layer's and have 11 significant bits each. Features that come from
    /// halves have no more either, so TF32 rounds nothing and the logits have the accuracy of f32.
    Split,
}

impl Form {
    /// Plain operators, for any reader of ONNX.
    pub const PLAIN: Form = Form {
        stem: Stem::SpaceToDepth,
        pixels: Pixels::Normalised,
        blur: Blur::Convolution,
        mean: Mean::GlobalPool,
        classifier: Classifier::Whole,
        channel_multiple: 1,
        operators: Operators::Stock,
    };

    /// For ONNX Runtime's CPU provider: without `Pad`, which has no blocked layout there. No form is faster than another
    /// beyond the noise, and this one takes the least memory (docs/performance.md).
    pub const FOR_CPU: Form = Form { blur: Blur::Pools, ..Form::PLAIN };

    /// For ONNX Runtime's CUDA provider: rows come packed as its interleaved maps are laid out, so that only a
    /// transposition in name is left; channels fill tensor cores, which take eight at a time; pools instead of a
    /// depthwise convolution, which cuDNN is said to be slow at in half precision; a reduction for means, because a
    /// pooling over a whole map has too few outputs to fill a GPU. Reasoned, not measured on a GPU
    /// (docs/decisions/0051-forms-on-cuda.md).
    pub const FOR_CUDA: Form = Form {
        stem: Stem::Packed,
        blur: Blur::PoolsPaddedAround,
        mean: Mean::Reduce,
        classifier: Classifier::Split,
        channel_multiple: 8,
        ..Form::PLAIN
    };

    /// For ONNX Runtime's CUDA provider with our own operators wherever there is one.
    pub const OWN_FOR_CUDA: Form = Form { operators: Operators::Own(Own::ALL), ..Form::FOR_CUDA };
}

impl Own {
    /// All that there is an operator for.
    pub const ALL: Own = Own { convolutions: Ways::all(Way::Fused), blur: true, squeeze_excite: true };

    /// No operator of ours; maps are laid out for them all the same.
    pub const NONE: Own = Own { convolutions: Ways::all(Way::Stock), blur: false, squeeze_excite: false };
}

impl Default for Form {
    fn default() -> Form {
        Form::PLAIN
    }
}
