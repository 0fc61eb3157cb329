//! `[preprocess]`, resolved: what is typed, else what an earlier run froze, else the model's own values.

use crate::image;
use crate::model::Preprocessing;

use super::error::JobError;
use super::frozen::EarlierRun;
use super::mode::{self, ChosenMode};
use super::model::LoadedModel;
use super::spec::{self, JobSpec};

/// The component of a resized side that is stated in place of the crop share.
pub(super) const RESIZE_SIDE: &str = "preprocess.resize_side";

/// How an image is prepared for the network.
pub(super) struct ResolvedPreprocess {
    /// The image stage's options.
    pub image: image::Options,
    /// The same in the form of the graph's metadata.
    pub preprocessing: Preprocessing,
    /// The crop share by name: typed, frozen or the model's, also if a square that is not cropped ignores it.
    pub crop_pct: f64,
    /// Whether both sides are resized by timm's rule and cropped, which version 0.1.0 did not do.
    pub squash_is_timms: bool,
    /// What version 0.1.0, which began the job, ignored of its preprocessing: a sentence for a run that would go on.
    pub ignored_by_earlier: Option<String>,
    /// True if neither the model nor the job sets all of it, and TResNet's usual values were used.
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
        crop_mode: None,
        resize_side: earlier.value(RESIZE_SIDE),
        interpolation: earlier.value("preprocess.interpolation"),
        mean: earlier.value("preprocess.mean"),
        std: earlier.value("preprocess.std"),
    };
    let typed_values = Preprocessing {
        image_size: typed.image_size,
        crop_pct: typed.crop_pct,
        crop_mode: None,
        resize_side: None,
        interpolation: typed.interpolation.map(|filter| filter.as_str().to_owned()),
        mean: typed.mean,
        std: typed.std,
    };
    let said = typed_values.or(frozen);
    let is_assumed = model.assumes_preprocessing && !said.is_complete();
    if is_assumed && model.refused.is_some() {
        return Err(incomplete(model));
    }
    let chosen = said.or(model.preprocessing.clone());
    let (Some(image_size), Some(crop_pct), Some(interpolation), Some(mean), Some(std)) =
        (chosen.image_size, chosen.crop_pct, chosen.interpolation.clone(), chosen.mean, chosen.std)
    else {
        return Err(incomplete(model));
    };
    if let Some(fixed) = model.fixed_image_size().filter(|fixed| *fixed != image_size) {
        return Err(JobError::Mismatch(format!(
            "`preprocess.image_size` is {image_size}, but the ONNX graph takes {fixed}; import the weights with \
             `--image-size {image_size}`"
        )));
    }
    let interpolation = image::Interpolation::named(&interpolation).ok_or_else(|| {
        let known = image::Interpolation::ALL.map(image::Interpolation::as_str).join(", ");
        JobError::Mismatch(format!(
            "the model asks for the resampling filter `{interpolation}`; the filters are {known}: set \
             `preprocess.interpolation`"
        ))
    })?;
    let ChosenMode { mode, squash_is_timms, ignored_by_earlier } =
        mode::choose(typed, model.preprocessing.crop_mode.as_deref(), earlier)?;
    let frozen_text = |component: &str| earlier.value::<String>(component).unwrap_or_default();
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
    // both sides to the square itself
    let is_whole = mode == image::Mode::Squash && !squash_is_timms;
    let options = image::Options {
        image_size,
        crop_pct: if is_whole { 1.0 } else { crop_pct },
        resize_side: chosen.resize_side.filter(|_| !is_whole),
        mode,
        interpolation,
        exif,
        decode,
        rules: match earlier.is_of_first_version() {
            true => image::Rules::Earlier,
            false => image::Rules::Current,
        },
        mean,
        std,
        limits: limits(spec),
    };
    image::Decoder::new(options)?;
    let preprocessing = Preprocessing {
        crop_pct: Some(options.crop_pct),
        crop_mode: mode::name_of_timm(mode).map(str::to_owned),
        resize_side: options.resize_side,
        ..chosen
    };
    Ok(ResolvedPreprocess {
        image: options,
        preprocessing,
        crop_pct,
        squash_is_timms,
        ignored_by_earlier,
        is_assumed,
    })
}

fn limits(spec: &JobSpec) -> image::Limits {
    let defaults = image::Limits::default();
    image::Limits {
        max_encoded_bytes: spec.limits.max_encoded_bytes.map_or(defaults.max_encoded_bytes, |q| q.0),
        max_pixels: spec.limits.max_pixels.map_or(defaults.max_pixels, |q| q.0),
        max_scans: spec.limits.max_scans.unwrap_or(defaults.max_scans),
        decoder_warnings: match spec.limits.decoder_warnings {
            Some(spec::DecoderWarnings::Error) => image::DecoderWarnings::Error,
            _ => image::DecoderWarnings::Accept,
        },
    }
}

fn incomplete(model: &LoadedModel) -> JobError {
    let keys = "image_size, crop_pct, interpolation, mean and std in [preprocess]";
    JobError::Mismatch(match &model.refused {
        Some(reason) => format!("the model's preprocessing is not known: {reason}; give {keys}"),
        None => format!("the ONNX graph does not carry its preprocessing; give {keys}"),
    })
}
