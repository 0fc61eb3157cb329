//! Resolves every default once: what is typed wins, then what an earlier run froze, then the model's own values.

use std::path::Path;
use std::sync::Arc;

use serde_json::json;

use crate::dataset::FolderRule;
use crate::dataset::manifest::{LaterTargets, ManifestRules};
use crate::dataset::parquet::TableColumns;
use crate::dataset::webdataset::ShardRules;
use crate::engine::Provider;
use crate::failure::Failure;
use crate::model::{Head, Precision, default_class_names};
use crate::output::{self, Activation, Embedding};
use crate::report::{Gate, GateError};
use crate::store::Uri;

use super::embedding_alone;
use super::engine::{default_precision, default_rows_per_part};
use super::error::JobError;
use super::fingerprint::{Components, fingerprint};
use super::frozen::{EarlierRun, Frozen, FrozenModel, SHARD_RULES};
use super::graph::HEAD_RULE;
use super::input::InputFacts;
use super::limits::{Limits, MAX_PART_BYTES};
use super::model::{LoadedModel, read_labels};
use super::preprocess;
use super::resolved::ResolvedJob;
use super::spec::{self, Format, JobSpec, ReportFormat, TargetsSpec};

/// The component of jobs whose manifest has targets under names that version 0.1.0 did not read.
const LATER_TARGETS: &str = "rules.manifest_targets";
/// The component of jobs that list a local disk, if another version than 0.1.0 began them.
const NAMES: &str = "rules.names";
/// The component of jobs whose images are in Parquet files, if another version than 0.1.0 began them.
const TABLES: &str = "rules.tables";
/// The components of the columns of such files.
const TABLE_COLUMNS: [&str; 2] = ["input.image_column", "input.key_column"];

impl ResolvedJob {
    /// Resolves a job. `provider` is the one that will compute, as far as is known, and decides defaults; `frozen` is
    /// the job that is frozen on the output, if there is one.
    ///
    /// # Errors
    /// Keys of the job file do not fit together, the model or the targets; a number is outside its range. A file of
    /// class names cannot be read; an address is invalid, or the output is in the input.
    pub fn resolve(
        spec: &JobSpec,
        file: &Path,
        model: &LoadedModel,
        provider: Provider,
        frozen: Option<&Frozen>,
        observed: &InputFacts,
    ) -> Result<ResolvedJob, Failure> {
        spec.input.check()?;
        let earlier = EarlierRun(frozen);
        let classes = model.classes()?;
        let dim = model.dim()?;
        let precision = precision(spec, model, provider, &earlier)?;
        let gates =
            spec.report.require.iter().map(|gate| Gate::parse(gate)).collect::<Result<Vec<_>, GateError>>();
        let gates = gates.map_err(|error| JobError::Mismatch(format!("[report] require: {error}")))?;
        if classes == 0 {
            embedding_alone::check(spec, &gates)?;
        }
        let preprocess = preprocess::resolve(spec, model, &earlier)?;
        let image = preprocess.image;
        let labels = match &spec.input.classes {
            Some(typed) => Some(read_labels(typed, classes)?),
            None if model.has_later_names && earlier.is_of_first_version() => default_class_names(classes),
            None => model.labels.clone(),
        };
        let head = model.head();
        let has_earlier_head = head.is_some() && earlier.is_without(HEAD_RULE);
        let own_activation = match head.filter(|_| !has_earlier_head) {
            Some(Head::Sigmoid) => Activation::Sigmoid,
            Some(Head::Softmax) | None => Activation::Softmax,
        };
        let outputs = Outputs { classes, dim, own_activation };
        let mut rows = row_options(spec, outputs, labels.clone(), &earlier)?;
        rows.carried.clone_from(&observed.carried);
        let truth = spec.input.truth(observed, rows.activation);
        rows.sets = truth.as_ref().is_some_and(|truth| truth.sets.is_some());
        check_truth(spec, classes, &rows)?;
        let wide = rows.embedding != Embedding::None || rows.logits;
        let rows_per_part = spec
            .output
            .rows_per_part
            .or_else(|| earlier.value("output.rows_per_part"))
            .unwrap_or_else(|| default_rows_per_part(provider, wide));
        for (key, zero) in
            [("output.rows_per_part", rows_per_part == 0), ("input.limit", spec.input.limit == Some(0))]
        {
            if zero {
                return Err(JobError::Mismatch(format!("`{key}` is 0; it is at least 1")).into());
            }
        }
        if spec.job.price_per_hour.is_some_and(|price| !price.is_finite() || price < 0.0) {
            return Err(JobError::Mismatch("`job.price_per_hour` is a number, 0 or more".into()).into());
        }
        let part_bytes = u64::from(rows_per_part) * rows.row_bytes();
        if part_bytes > MAX_PART_BYTES {
            return Err(JobError::Mismatch(format!(
                "a part of {rows_per_part} rows would take about {} MiB, more than {} MiB; set `output.rows_per_part` \
                 to {} or less",
                part_bytes >> 20,
                MAX_PART_BYTES >> 20,
                MAX_PART_BYTES / rows.row_bytes()
            ))
            .into());
        }
        // resolved: the same words from another folder may mean other images
        let (folder, pattern) = spec.input.address();
        let input = Uri::parse(folder).map_err(JobError::from)?;
        if Uri::parse(&spec.output.uri).map_err(JobError::from)?.is_within(&input) {
            return Err(JobError::Mismatch(format!(
                "`output.uri` is in `input.uri` ({input}): its files would be among the images; take a folder \
                 outside it"
            ))
            .into());
        }
        let is_remote = matches!(input, Uri::Remote { .. });
        let is_listed_disk = !is_remote && spec.input.is_listed();
        let engine = super::engine::resolve(spec, model, precision)?;
        let limits = Limits::resolve(spec, &image, engine.batch.size_before_tuning())?;
        let targets = spec.input.targets;
        let folder_targets = targets == TargetsSpec::Folder
            || targets.folder_rule().is_some() && spec.input.format == Format::Folder;
        if spec.input.targets == TargetsSpec::None && gates.iter().any(|gate| needs_targets(gate.metric())) {
            return Err(JobError::Mismatch(
                "[report] require names an accuracy, but `[input] targets` is \"none\"".into(),
            )
            .into());
        }
        let mut job = ResolvedJob {
            name: spec.name(file),
            price_per_hour: spec.job.price_per_hour,
            input: match pattern {
                Some(pattern) => format!("{input}/{pattern}"),
                None => input.to_string(),
            },
            any_extension: spec.input.extensions == spec::Extensions::Any,
            limit: spec.input.limit,
            sorted_listing: spec.input.listing == spec::Listing::Sort,
            has_earlier_keys: is_remote && earlier.is_without("rules.keys"),
            has_earlier_head,
            has_earlier_folders: spec.input.is_listed() && earlier.is_without("rules.folders"),
            has_earlier_names: is_listed_disk && earlier.is_without(NAMES),
            shard_rules: match earlier.is_without(SHARD_RULES) {
                true => ShardRules::SameAsEarlier,
                false => ShardRules::Current,
            },
            manifest_rules: ManifestRules {
                skips_duplicates: spec.input.skips_duplicates(),
                later_targets: match observed.has_later_targets {
                    false => LaterTargets::Unread,
                    true if earlier.is_without(LATER_TARGETS) => LaterTargets::Refused,
                    true => LaterTargets::Read,
                },
            },
            table: table_columns(spec, &earlier, observed),
            has_earlier_tables: spec.input.format == Format::Parquet && earlier.is_without(TABLES),
            exclude_done: spec.input.exclude_done.clone().unwrap_or_default(),
            format: spec.input.format,
            folder_targets,
            truth,
            targets: spec.input.targets,
            model_path: spec.model.path.clone().into(),
            model: FrozenModel {
                arch: model.arch(),
                sha256: model.sha256().to_owned(),
                precision: precision.as_str().to_owned(),
                classes,
                dim,
                labels,
                weights: model.chosen().map(|taken| taken.set.as_str().to_owned()),
                parameters: model.parameters(),
                hub: model.origin.clone(),
            },
            precision,
            image,
            preprocessing: preprocess.preprocessing,
            crop_pct: preprocess.crop_pct,
            squash_is_timms: preprocess.squash_is_timms,
            ignored_by_earlier: preprocess.ignored_by_earlier,
            assumes_preprocessing: preprocess.is_assumed,
            assumes_weights: spec.model.weights.is_none() && model.chosen().is_some(),
            engine,
            limits,
            output: spec.output.uri.clone(),
            rows,
            rows_per_part,
            compress: spec.output.compression.unwrap_or(spec::Compression::Zstd) == spec::Compression::Zstd,
            report_formats: spec
                .report
                .formats
                .clone()
                .unwrap_or_else(|| vec![ReportFormat::Json, ReportFormat::Markdown]),
            gates,
            components: Components::new(),
            fingerprint: String::new(),
        };
        job.components = job.name_components(model);
        if is_remote && !job.has_earlier_keys {
            job.components.insert("rules.keys".into(), json!("raw"));
        }
        if spec.input.is_listed() && !job.has_earlier_folders {
            job.components.insert("rules.folders".into(), json!("visible"));
        }
        if is_listed_disk && !job.has_earlier_names {
            job.components.insert(NAMES.into(), json!("rows"));
        }
        if let Some(head) = head.filter(|_| !has_earlier_head) {
            job.components.insert(HEAD_RULE.into(), json!(head.as_str()));
        }
        if job.format == Format::Webdataset && job.shard_rules == ShardRules::Current {
            job.components.insert(SHARD_RULES.into(), json!("joined"));
        }
        if job.manifest_rules.later_targets == LaterTargets::Read {
            job.components.insert(LATER_TARGETS.into(), json!("class"));
        }
        if job.format == Format::Parquet && !job.has_earlier_tables {
            job.components.insert(TABLES.into(), json!("paths"));
        }
        for (key, column) in TABLE_COLUMNS.into_iter().zip([&job.table.image, &job.table.key]) {
            if let Some(column) = column {
                job.components.insert(key.into(), json!(column));
            }
        }
        spec.input.name_components(observed, &mut job.components);
        job.fingerprint = fingerprint(&job.components);
        Ok(job)
    }
}

/// The columns of Parquet files: what is typed, then what an earlier run froze, then what the first file shows.
fn table_columns(spec: &JobSpec, earlier: &EarlierRun<'_>, observed: &InputFacts) -> TableColumns {
    if earlier.0.is_none() {
        return observed.table.clone();
    }
    let [image, key] = TABLE_COLUMNS.map(|component| earlier.value(component));
    let typed = spec.input.table_columns();
    TableColumns { image: typed.image.or(image), key: typed.key.or(key) }
}

fn precision(
    spec: &JobSpec,
    model: &LoadedModel,
    provider: Provider,
    earlier: &EarlierRun<'_>,
) -> Result<Precision, JobError> {
    let typed = spec.model.precision.map(|typed| match typed {
        spec::Precision::Fp32 => Precision::Fp32,
        spec::Precision::Fp16 => Precision::Fp16,
        spec::Precision::Int8 => Precision::Int8,
    });
    if let Some(fixed) = model.fixed_precision() {
        return match typed {
            Some(typed) if typed != fixed => Err(JobError::Mismatch(format!(
                "`model.precision` is {}, but the ONNX graph is {}; leave the key out or import the weights anew",
                typed.as_str(),
                fixed.as_str()
            ))),
            _ => Ok(fixed),
        };
    }
    if typed == Some(Precision::Int8) {
        return Err(JobError::Mismatch(
            "`model.precision` is int8, which takes ranges measured on images: make a graph with `tresnet-batch model \
             quantize WEIGHTS --calibrate JOB -o int8.onnx`, and let `model.path` name it"
                .into(),
        ));
    }
    let frozen = earlier.value::<String>("model.precision").and_then(|name| name.parse().ok());
    // the earlier model was an int8 graph: its ranges are not in the weights, and the fingerprint will differ
    let frozen = frozen.filter(|frozen| *frozen != Precision::Int8);
    Ok(typed.or(frozen).unwrap_or_else(|| default_precision(provider)))
}

/// What the model gives.
struct Outputs {
    classes: usize,
    dim: usize,
    /// What makes probabilities of its logits, if nothing else is typed.
    own_activation: Activation,
}

fn row_options(
    spec: &JobSpec,
    outputs: Outputs,
    labels: Option<Vec<String>>,
    earlier: &EarlierRun<'_>,
) -> Result<output::Options, JobError> {
    let Outputs { classes, dim, own_activation } = outputs;
    let typed = &spec.output;
    let top_k = typed.top_k.unwrap_or(5);
    if top_k == 0 || typed.top_k.is_some_and(|k| k > classes) {
        return Err(JobError::Mismatch(format!(
            "`output.top_k` is {top_k}; it goes from 1 to the {classes} classes"
        )));
    }
    let embedding = match typed.embedding {
        Some(embedding) => embedding,
        None if dim == 0 => Embedding::None,
        None => Embedding::F32,
    };
    if embedding != Embedding::None && dim == 0 {
        return Err(JobError::Mismatch(
            "the ONNX graph has no output `embedding`; set `output.embedding = \"none\"`, or name the tensor with the pooled \
             features by `model.embedding`"
                .into(),
        ));
    }
    let carried = spec.input.carry_columns.as_deref().unwrap_or_default();
    if typed.content_hash == Some(true) && carried.iter().any(|name| name == output::CONTENT_HASH) {
        return Err(JobError::Mismatch(
            "`input.carry_columns` names `content_hash`, which is a column of the output itself with \
             `output.content_hash = true`; rename it in the input"
                .into(),
        ));
    }
    let activation = typed.activation.unwrap_or(own_activation);
    // what their figures are made of
    let wants_logits = scored_classes(spec).is_some() || spec.input.is_multi_label(activation);
    Ok(output::Options {
        top_k: top_k.min(classes),
        embedding,
        normalize_embedding: typed.normalize_embedding.unwrap_or(false),
        logits: typed.logits.or_else(|| earlier.value("output.logits")).unwrap_or(wants_logits),
        content_hash: typed.content_hash.unwrap_or(false),
        activation,
        classes,
        dim,
        labels: labels.map(Arc::new),
        sets: false,
        carried: Vec::new(),
    })
}

/// The classes among which alone images are scored.
fn scored_classes(spec: &JobSpec) -> Option<&'static [i32]> {
    spec.input.targets.folder_rule().and_then(FolderRule::among)
}

/// Refuses a model or rows that the targets' convention has no figures for.
fn check_truth(spec: &JobSpec, classes: usize, rows: &output::Options) -> Result<(), JobError> {
    let targets = spec.input.targets;
    if targets.is_imagenet() && classes != crate::classes::imagenet_1k().len() {
        return Err(JobError::Mismatch(format!(
            "`input.targets` is \"{}\", whose targets are ImageNet-1k's 1000 classes, but the model has {classes}",
            targets.as_str()
        )));
    }
    if scored_classes(spec).is_some() && !rows.logits {
        return Err(JobError::Mismatch(format!(
            "`output.logits` is false, but images of `targets = \"{}\"` are scored among its 200 classes, which takes \
             logits; leave the key out",
            targets.as_str()
        )));
    }
    Ok(())
}

fn needs_targets(metric: &str) -> bool {
    metric.starts_with("top1") && metric != "top1_prob"
        || metric.starts_with("top5")
        || metric.starts_with("macro")
        || ["f1_macro", "ece", "nll", "brier"].contains(&metric)
}
