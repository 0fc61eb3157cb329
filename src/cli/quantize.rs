//! `model quantize`, and what `model import --calibrate` shares with it.

use std::path::{Path, PathBuf};

use clap::Args;
use serde_json::json;

use crate::failure::Failure;
use crate::model::quantize::{Calibration, HALF_LIMIT, to_half};
use crate::workbench::calibrate::{CalibrationOptions, Compared, Largest, Quantized, largest, quantize};

use super::global::GlobalArgs;
use super::print::{count, line};
use super::summary::Summary;
use super::{examples, files, pull};

/// Maps left in fp32 that are named; the rest is counted.
const SHOWN: usize = 5;

#[derive(Debug, Args)]
#[command(after_help = examples::MODEL_QUANTIZE)]
pub(super) struct QuantizeArgs {
    /// A checkpoint, an fp32 .onnx file that `model import` wrote, or hf://ORG/NAME
    #[arg(value_name = "MODEL")]
    model: PathBuf,
    /// Images like those that will be classified: a job file, or a folder (also s3://…); classes are its subfolders
    /// where these fit the model
    #[arg(long, value_name = "JOB|FOLDER")]
    calibrate: String,
    /// The file to write
    #[arg(short, long, value_name = "FILE")]
    output: PathBuf,
    /// Images whose maps are measured, spread evenly over the input
    #[arg(long, value_name = "N", default_value_t = 256, value_parser = clap::value_parser!(u64).range(1..=100_000))]
    images: u64,
    /// Images on which int8 is compared with fp32; none of them is one of the measured images
    #[arg(long, value_name = "N", default_value_t = 1000, value_parser = clap::value_parser!(u64).range(1..=1_000_000))]
    checks: u64,
    /// Take the images of the comparison from here, all of the sample's for the ranges
    #[arg(long, value_name = "JOB|FOLDER")]
    check: Option<String>,
    /// Side of the square input in pixels (default: the job's, or the model's own)
    #[arg(long, value_name = "N")]
    image_size: Option<u32>,
    /// timm's config.json (default: the one beside the weights)
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Another seed takes another evenly spread sample
    #[arg(long, value_name = "N", default_value_t = 0)]
    seed: u64,
}

pub(super) async fn run(arguments: &QuantizeArgs, global: &GlobalArgs) -> Result<Summary, Failure> {
    let located = pull::find(&arguments.model, global).await?;
    let measuring = CalibrationOptions {
        weights: None,
        model: &located.path,
        config: arguments.config.as_deref().or(located.config.as_deref()),
        image_size: arguments.image_size,
        calibrate: &arguments.calibrate,
        check: arguments.check.as_deref(),
        images: arguments.images as usize,
        checks: arguments.checks as usize,
        seed: arguments.seed,
        onnxruntime: global.onnxruntime.as_deref(),
    };
    let quantized = quantize(&measuring, &mut global.notes()).await?;
    files::write(&arguments.output, &quantized.graph)?;
    show(&arguments.output, &quantized);
    let Quantized { graph, arch, calibration, compared, left_out, no_targets } = &quantized;
    Ok(Summary::new(json!({
        "file": arguments.output,
        "arch": arch,
        "precision": "int8",
        "bytes": graph.len(),
        "calibration": calibration,
        "compared": compared,
        "agreement": compared.agreement(),
        "accuracy": compared.correct.map(|correct| {
            let (fp32, int8) = correct.accuracy();
            json!({ "images": correct.images, "fp32": fp32, "int8": int8 })
        }),
        "no_accuracy": no_targets.as_ref().filter(|_| compared.correct.is_none()),
        "left_out": left_out,
    })))
}

fn show(path: &Path, quantized: &Quantized) {
    let Quantized { graph, arch, calibration, compared, left_out, no_targets } = quantized;
    line(format!(
        "{}: {arch} int8, ranges by least squared error over {} images, {} bytes",
        path.display(),
        count(calibration.images),
        count(graph.len() as u64)
    ));
    let Compared { images, failed, cosine_mean, cosine_min, logits_error, .. } = compared;
    line(format!("on {} images that the ranges did not see:", count(images - failed.min(images))));
    let row = |what: &str, fp32: String, int8: String| line(format!("  {what:<26}{fp32:>10}{int8:>10}"));
    row("", "fp32".into(), "int8".into());
    row("same first class", String::new(), percent(compared.agreement()));
    match &compared.correct {
        Some(correct) => {
            let (fp32, int8) = correct.accuracy();
            row("top-1 accuracy", percent(fp32), percent(int8));
            if correct.images < *images {
                line(format!("    of {} images with a target", count(correct.images)));
            }
        }
        None => line(format!("  no accuracy: {}", no_targets.as_deref().unwrap_or("no image has a target"))),
    }
    row("cosine of embeddings", String::new(), format!("{cosine_mean:.5}"));
    row("  the least", String::new(), format!("{cosine_min:.5}"));
    row("difference of logits", String::new(), percent(*logits_error));
    row(
        "engine alone, images/s",
        format!("{:.1}", compared.fp32_images_per_s),
        format!("{:.1}", compared.images_per_s),
    );
    row("  by turns", String::new(), format!("{:.2} ×", compared.speed));
    if compared.non_finite > 0 {
        line(format!("  {} rows are not finite in int8", count(compared.non_finite)));
    }
    if *left_out > 0 {
        line(format!("{} images of the sample could not be read or decoded", count(*left_out)));
    }
}

fn percent(part: f64) -> String {
    format!("{:.2} %", 100.0 * part)
}

/// What the maps of a fp16 graph hold over a sample.
pub(super) struct Half {
    pub calibration: Calibration,
    /// The largest magnitude of all, with the map's name.
    pub most: (String, f32),
}

/// Measures which maps may exceed the range of fp16.
pub(super) async fn measure_half(
    measuring: &CalibrationOptions<'_>,
    global: &GlobalArgs,
) -> Result<Half, Failure> {
    let Largest { values, images, left_out } = largest(measuring, &mut global.notes()).await?;
    if left_out > 0 {
        line(format!("{} images of the sample could not be read or decoded", count(left_out)));
    }
    let most = values.iter().max_by(|a, b| a.1.total_cmp(b.1));
    let most = most.map(|(name, value)| (name.clone(), *value)).unwrap_or_default();
    let large = values.into_iter().filter(|(_, value)| *value > HALF_LIMIT).map(|(name, _)| name);
    let calibration = Calibration { method: "max".to_owned(), images, fp32_maps: large.collect() };
    Ok(Half { calibration, most })
}

impl Half {
    /// The fp16 graph in which these maps stay in fp32.
    ///
    /// # Errors
    /// A graph is none that this program built, or is not of its precision; the new graph exceeds 2 GiB.
    pub fn graph(&self, single: &[u8], half: &[u8]) -> Result<Vec<u8>, Failure> {
        Ok(to_half(single, half, self.calibration.clone())?)
    }

    /// Prints what was found.
    pub fn show(&self) {
        let Half { calibration: Calibration { images, fp32_maps, .. }, most: (name, most) } = self;
        line(format!("over {} images the largest value is {most:.1}, of `{name}`", count(*images)));
        if !fp32_maps.is_empty() {
            let more = fp32_maps.len().saturating_sub(SHOWN);
            let more = if more > 0 { format!(" and {more} more") } else { String::new() };
            let shown: Vec<&str> = fp32_maps.iter().take(SHOWN).map(String::as_str).collect();
            line(format!("stays in fp32, being larger than {HALF_LIMIT}: {}{more}", shown.join(", ")));
        }
    }
}
