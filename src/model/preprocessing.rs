//! How an image becomes a network's input, in timm's words.

/// How an image becomes the network's input, as far as a source defines it. Sources are joined with
/// [`or`](Self::or), the most specific one first.
#[derive(Debug, Default, Clone, PartialEq)]
pub struct Preprocessing {
    /// Side of the square input in pixels.
    pub image_size: Option<u32>,
    /// Part of the resized side that the crop keeps, above 0 and at most 1.
    pub crop_pct: Option<f64>,
    /// timm's crop mode by its lower-case name: `center`, `squash` or `border`; the image stage checks whether it is
    /// known. `None` is `center`.
    pub crop_mode: Option<String>,
    /// The resized side in pixels, where a source states it in place of `crop_pct`. It belongs to its `image_size`.
    pub resize_side: Option<u32>,
    /// Resampling filter by its lower-case name, such as `bilinear`; the image stage checks whether it is known.
    pub interpolation: Option<String>,
    /// Subtracted from each of R, G and B, after they are scaled to 0..1.
    pub mean: Option<[f64; 3]>,
    /// What each is divided by then; not zero.
    pub std: Option<[f64; 3]>,
}

impl Preprocessing {
    /// Returns what timm and the authors evaluate TResNet with by default.
    pub fn tresnet() -> Self {
        Self {
            image_size: Some(224),
            crop_pct: Some(0.875),
            interpolation: Some("bilinear".to_owned()),
            mean: Some([0.0; 3]),
            std: Some([1.0; 3]),
            ..Self::default()
        }
    }

    /// Takes from `other` what is not defined here. A resized side is not taken beside another crop share or image
    /// size.
    #[must_use]
    pub fn or(self, other: Self) -> Self {
        let is_same_square = self.image_size.is_none_or(|size| other.image_size == Some(size));
        let fits = self.crop_pct.is_none() && is_same_square;
        Self {
            image_size: self.image_size.or(other.image_size),
            crop_pct: self.crop_pct.or(other.crop_pct),
            crop_mode: self.crop_mode.or(other.crop_mode),
            resize_side: self.resize_side.or(other.resize_side.filter(|_| fits)),
            interpolation: self.interpolation.or(other.interpolation),
            mean: self.mean.or(other.mean),
            std: self.std.or(other.std),
        }
    }

    /// Returns whether everything is defined, as a foreign graph needs. A crop mode has a default.
    pub fn is_complete(&self) -> bool {
        self.image_size.is_some()
            && self.crop_pct.is_some()
            && self.interpolation.is_some()
            && self.mean.is_some()
            && self.std.is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_resized_side_is_left_where_the_crop_share_or_the_square_is_another() {
        let stated = Preprocessing {
            image_size: Some(224),
            crop_pct: Some(0.875),
            resize_side: Some(256),
            ..Preprocessing::default()
        };
        for (first, side) in [
            (Preprocessing::default(), Some(256)),
            (Preprocessing { image_size: Some(224), ..Preprocessing::default() }, Some(256)),
            (Preprocessing { image_size: Some(384), ..Preprocessing::default() }, None),
            (Preprocessing { crop_pct: Some(0.875), ..Preprocessing::default() }, None),
            (Preprocessing { resize_side: Some(240), ..Preprocessing::default() }, Some(240)),
        ] {
            assert_eq!(first.clone().or(stated.clone()).resize_side, side, "{first:?}");
        }
    }
}
