//! `[preprocess]`, resolved: what is typed, else what an earlier run froze, else the model's own word.

use crate::image;
use crate::model::Preprocessing;

use super::error::JobError;
use super::frozen::EarlierRun;
use super::model::LoadedModel;
use super::spec::{self, JobSpec};

/// What becomes of an image before the network.
pub(super) struct ResolvedPreprocess {
    /// The image stage's options.
    pub image: image::Options,
    /// The same in the words of the graph's metadata.
    pub preprocessing: Preprocessing,
    /// True where nobody has said it all, and TResNet's usual values fill the gaps.
    pub is_assumed: bool,
}

/// Resolves it.
pub(super) fn resolve(
    spec: &JobSpec,
    model: &LoadedModel,
    earlier: &EarlierRun<'_>,
) -> Result<ResolvedPreprocess, JobError> {
    let typed = &spec.preprocess;
    let frozen = Preprocessing {
        image_size: earlier.value("preprocess.image_size"),
        crop_pct: earlier.value("preprocess.crop_pct"),
        interpolation: earlier.value("preprocess.interpolation"),
        mean: earlier.value("preprocess.mean"),
        std: earlier.value("preprocess.std"),
    };
    let typed_values = Preprocessing {
        image_size: typed.image_size,
        crop_pct: typed.crop_pct,
        interpolation: typed.interpolation.map(|filter| match filter {
            spec::Interpolation::Bilinear => "bilinear".to_owned(),
            spec::Interpolation::Bicubic => "bicubic".to_owned(),
        }),
        mean: typed.mean,
        std: typed.std,
    };
    let said = typed_values.or(frozen);
    let is_assumed = model.assumes_preprocessing && !said.is_complete();
    let chosen = said.or(model.preprocessing.clone());
    let Preprocessing {
        image_size: Some(image_size),
        crop_pct: Some(crop_pct),
        interpolation: Some(interpolation),
        mean: Some(mean),
        std: Some(std),
    } = chosen.clone()
    else {
        return Err(JobError::Mismatch(
            "the ONNX graph does not carry its preprocessing; give image_size, crop_pct, interpolation, mean and std \
             in [preprocess]"
                .into(),
        ));
    };
    if let Some(fixed) = model.fixed_image_size().filter(|fixed| *fixed != image_size) {
        return Err(JobError::Mismatch(format!(
            "`preprocess.image_size` is {image_size}, but the ONNX graph takes {fixed}; import the weights with \
             `--image-size {image_size}`"
        )));
    }
    let interpolation = match interpolation.as_str() {
        "bilinear" => image::Interpolation::Bilinear,
        "bicubic" => image::Interpolation::Bicubic,
        other => {
            return Err(JobError::Mismatch(format!(
                "the model asks for the resampling filter `{other}`; only bilinear and bicubic are known: set \
                 `preprocess.interpolation`"
            )));
        }
    };
    let frozen_text = |component: &str| earlier.value::<String>(component).unwrap_or_default();
    let mode = match typed.mode {
        Some(spec::Mode::Crop) => image::Mode::Crop,
        Some(spec::Mode::Squash) => image::Mode::Squash,
        None if frozen_text("preprocess.mode") == "squash" => image::Mode::Squash,
        None => image::Mode::Crop,
    };
    let exif = match typed.exif {
        Some(spec::Exif::Ignore) => image::Exif::Ignore,
        Some(spec::Exif::Apply) => image::Exif::Apply,
        None if frozen_text("preprocess.exif") == "apply" => image::Exif::Apply,
        None => image::Exif::Ignore,
    };
    let decode = match typed.decode {
        Some(spec::Decode::Exact) => image::Decode::Exact,
        Some(spec::Decode::Fast) => image::Decode::Fast,
        None if frozen_text("preprocess.decode") == "fast" => image::Decode::Fast,
        None => image::Decode::Exact,
    };
    let defaults = image::Limits::default();
    let options = image::Options {
        image_size,
        crop_pct,
        mode,
        interpolation,
        exif,
        decode,
        rules: match earlier.is_without("rules.formats") {
            true => image::Rules::Earlier,
            false => image::Rules::Current,
        },
        mean,
        std,
        limits: image::Limits {
            max_encoded_bytes: spec.limits.max_encoded_bytes.map_or(defaults.max_encoded_bytes, |q| q.0),
            max_pixels: spec.limits.max_pixels.map_or(defaults.max_pixels, |q| q.0),
            max_scans: spec.limits.max_scans.unwrap_or(defaults.max_scans),
            decoder_warnings: match spec.limits.decoder_warnings {
                Some(spec::DecoderWarnings::Error) => image::DecoderWarnings::Error,
                _ => image::DecoderWarnings::Accept,
            },
        },
    };
    image::Decoder::new(options)?;
    Ok(ResolvedPreprocess { image: options, preprocessing: chosen, is_assumed })
}
