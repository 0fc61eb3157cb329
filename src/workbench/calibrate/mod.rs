//! Runs a model over a sample of images to measure the values of its maps, and compares the resulting graph with it.
//!
//! A sample is read and decoded as a job reads and decodes it: the same input, preprocessing and packing. It is spread
//! evenly over the input, because inputs are sorted. It is held in memory, encoded, and nothing is written.

mod compared;
mod feeder;
mod options;
mod source;

use std::collections::BTreeMap;

use crate::engine::{Engine, Observer, OrtCpu, Runtime};
use crate::failure::{Exit, Failure};
use crate::job::ResolvedJob;
use crate::model::quantize::{Calibration, Histogram, Range, Ranges, Watched, to_int8, watch};
use crate::model::{Form, INPUT, Metadata, Precision};

use super::sampling::images::{Image, SampleSize};
pub use compared::Compared;
use feeder::Feeder;
pub use options::CalibrationOptions;
use source::Opened;

/// Images of a batch whose maps are all measured: 29 MB each for TResNet-M at 224.
const OBSERVED_AT_ONCE: usize = 8;

/// An int8 graph and how it compares with fp32.
#[derive(Debug)]
pub struct Quantized {
    /// The file's bytes.
    pub graph: Vec<u8>,
    /// Name or description of the network.
    pub arch: String,
    /// Where its ranges come from.
    pub calibration: Calibration,
    /// Its comparison with fp32, on images that the ranges did not see.
    pub compared: Compared,
    /// Images of the sample that gave no pixels.
    pub left_out: u64,
    /// Why there is no accuracy, where there is none.
    pub no_targets: Option<String>,
}

/// The largest magnitude of everything that a fp32 graph computes.
#[derive(Debug)]
pub struct Largest {
    /// By name.
    pub values: BTreeMap<String, f32>,
    /// Images that were measured.
    pub images: u64,
    /// Images of the sample that gave no pixels.
    pub left_out: u64,
}

/// Makes an int8 graph, and compares it.
///
/// # Errors
/// A model that is no fp32 network of ours, an input without images, and errors of reading and running.
pub async fn quantize(
    measuring: &CalibrationOptions<'_>,
    tell: &mut dyn FnMut(&str),
) -> Result<Quantized, Failure> {
    let opened = Opened::open(measuring, measuring.calibrate).await?;
    let fp32 = opened.fp32(Form::PLAIN)?;
    // refuses what cannot become int8 before anything is read
    let (watching, names) = watch(&fp32, Watched::Int8)?;
    let runtime = Runtime::load(measuring.onnxruntime)?;
    tell("reading the sample");
    let wanted = SampleSize { images: measuring.images, seed: measuring.seed };
    let (seen, others, mut left_out, no_targets) = match measuring.check {
        None => {
            let both = SampleSize { images: measuring.images + measuring.checks, ..wanted };
            let sample = opened.sample(both).await?;
            let (seen, others) = split(sample.images, measuring.images);
            (seen, others, sample.left_out, opened.no_targets.clone())
        }
        Some(check) => {
            let (seen, apart) = (opened.sample(wanted).await?, Opened::open(measuring, check).await?);
            let others = apart.sample(SampleSize { images: measuring.checks, ..wanted }).await?;
            let left_out = seen.left_out + others.left_out;
            (seen.images, others.images, left_out, apart.no_targets)
        }
    };
    if seen.is_empty() || others.is_empty() {
        return Err(Failure::new(
            Exit::Config,
            format!(
                "`{}` has too few images that can be read: one to measure ranges on and one to compare on are needed",
                measuring.calibrate
            ),
        ));
    }
    let job = &opened.job;
    let mut engine = opened.engine(&runtime, &fp32)?;
    let mut feeder = Feeder::new(job, &mut engine, OBSERVED_AT_ONCE)?;
    tell(&format!("measuring {} maps on {} images", names.len(), seen.len()));
    let observer =
        Observer::load(&runtime, &watching, opened.model.names().input, names, job.engine.cpu.threads)?;
    let (histograms, failed) = observe(observer, &mut feeder, &seen, &engine).await?;
    left_out += failed;
    let calibration =
        Calibration { method: "mse".to_owned(), images: seen.len() as u64 - failed, fp32_maps: Vec::new() };
    tell("choosing ranges");
    let graph = to_int8(&fp32, &ranges(&histograms, job), calibration.clone())?;
    tell(&format!("comparing on {} other images", others.len()));
    let mut int8 = opened.engine(&runtime, &graph)?;
    drop(feeder);
    // against the form that a fp32 job on a CPU has
    let mut engine = opened.engine(&runtime, &opened.fp32(Form::FOR_CPU)?)?;
    let rows = job.limits.batch_size.min(others.len());
    let mut feeder = Feeder::new(job, &mut engine, rows)?;
    let compared = compared::compare(&mut feeder, &others, rows, &mut engine, &mut int8).await?;
    left_out += compared.failed;
    Ok(Quantized { graph, arch: opened.model.arch(), calibration, compared, left_out, no_targets })
}

/// Measures everything that the fp32 graph computes over a sample.
///
/// # Errors
/// As [`quantize`].
pub async fn largest(
    measuring: &CalibrationOptions<'_>,
    tell: &mut dyn FnMut(&str),
) -> Result<Largest, Failure> {
    let opened = Opened::open(measuring, measuring.calibrate).await?;
    let fp32 = opened.fp32(Form::PLAIN)?;
    let (watching, names) = watch(&fp32, Watched::All)?;
    let runtime = Runtime::load(measuring.onnxruntime)?;
    tell("reading the sample");
    let sample = opened.sample(SampleSize { images: measuring.images, seed: measuring.seed }).await?;
    let mut engine = opened.engine(&runtime, &fp32)?;
    let mut feeder = Feeder::new(&opened.job, &mut engine, OBSERVED_AT_ONCE)?;
    tell(&format!("measuring {} maps on {} images", names.len(), sample.images.len()));
    let threads = opened.job.engine.cpu.threads;
    let observer = Observer::load(&runtime, &watching, opened.model.names().input, names, threads)?;
    let (histograms, failed) = observe(observer, &mut feeder, &sample.images, &engine).await?;
    Ok(Largest {
        values: histograms.into_iter().map(|(name, histogram)| (name, histogram.largest())).collect(),
        images: sample.images.len() as u64 - failed,
        left_out: sample.left_out + failed,
    })
}

impl Opened {
    fn fp32(&self, form: Form) -> Result<Vec<u8>, Failure> {
        let metadata: Metadata = self.job.metadata();
        Ok(self.model.graph(Precision::Fp32, self.job.image.image_size, form, &metadata)?.into_owned())
    }

    /// The CPU with a graph on it.
    fn engine(&self, runtime: &Runtime, graph: &[u8]) -> Result<OrtCpu, Failure> {
        Ok(OrtCpu::load(runtime, graph, self.model.names(), self.job.engine.cpu)?)
    }
}

/// What a sample's images are for: `first` of them spread over all, and the others. Where there are too few, half.
fn split(images: Vec<Image>, first: usize) -> (Vec<Image>, Vec<Image>) {
    let all = images.len();
    let first = if all < 2 * first { first.min(all / 2) } else { first };
    let (mut seen, mut others) = (Vec::new(), Vec::new());
    for (index, image) in images.into_iter().enumerate() {
        let is_first = (index + 1) * first / all > index * first / all;
        if is_first { &mut seen } else { &mut others }.push(image);
    }
    (seen, others)
}

async fn observe(
    mut observer: Observer,
    feeder: &mut Feeder,
    images: &[Image],
    engine: &OrtCpu,
) -> Result<(BTreeMap<String, Histogram>, u64), Failure> {
    let mut histograms: BTreeMap<String, Histogram> = BTreeMap::new();
    let mut failed = 0;
    for images in images.chunks(OBSERVED_AT_ONCE) {
        let mut batch = feeder.fill(images).await?;
        let good: Vec<bool> = batch.rows.iter().map(|row| row.error.is_none()).collect();
        failed += good.iter().filter(|good| !**good).count() as u64;
        observer.run(engine.spec(), &mut batch.slot, good.len(), &mut |name, values| {
            let histogram = histograms.entry(name.to_owned()).or_default();
            let rows = values.chunks_exact((values.len() / good.len()).max(1));
            rows.zip(&good).filter(|(_, good)| **good).for_each(|(row, _)| histogram.add(row));
        })?;
        feeder.give_back(batch);
    }
    if failed == images.len() as u64 {
        return Err(Failure::new(Exit::Config, "none of the sample's images can be decoded"));
    }
    match histograms.iter().find(|(_, histogram)| histogram.non_finite > 0) {
        Some((name, _)) => Err(Failure::new(
            Exit::Config,
            format!("`{name}` is not finite on some images in fp32 already; are the weights whole?"),
        )),
        None => Ok((histograms, failed)),
    }
}

/// Ranges of all maps; that of the input follows from how pixels are normalised.
fn ranges(histograms: &BTreeMap<String, Histogram>, job: &ResolvedJob) -> Ranges {
    let image = &job.image;
    let (mut low, mut high) = (0.0_f64, 0.0_f64);
    for (mean, std) in image.mean.iter().zip(&image.std) {
        low = low.min((0.0 - mean) / std);
        high = high.max((1.0 - mean) / std);
    }
    let mut ranges: Ranges =
        histograms.iter().map(|(name, histogram)| (name.clone(), histogram.range())).collect();
    ranges.insert(INPUT.to_owned(), Range { low, high });
    ranges
}
