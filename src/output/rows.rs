//! From the network's outputs to rows: activation, top-k, rank of the target, finite or not.

use std::borrow::Cow;
use std::cmp::Ordering;
use std::sync::Arc;

use arrow_array::builder::{
    FixedSizeBinaryBuilder, Float16Builder, Float32Builder, Int32Builder, Int64Builder, ListBuilder,
    StringBuilder,
};
use arrow_array::{ArrayRef, FixedSizeListArray, RecordBatch};
use arrow_buffer::NullBuffer;
use arrow_schema::{DataType, Field};
use half::f16;

use crate::sample::{ErrorKind, RowError, RowOutcome, Target, Value};

use super::{Activation, Embedding, Options, OutputError};

/// The network's outputs for one batch, row by row.
#[derive(Debug, Clone, Copy)]
pub struct Predictions<'a> {
    /// `[rows, C]`.
    pub logits: &'a [f32],
    /// `[rows, D]`.
    pub embedding: &'a [f32],
}

/// The best classes of one row.
struct Ranked {
    top: Vec<(i32, f32)>,
    target: Option<(f32, i32)>,
}

impl Options {
    /// One record batch for one batch of images. A row whose outputs are not finite becomes an error row.
    ///
    /// # Errors
    /// [`OutputError::Encode`] if a carried value is of another type than its column.
    pub fn record_batch(
        &self,
        rows: Vec<RowOutcome>,
        predictions: Predictions<'_>,
    ) -> Result<RecordBatch, OutputError> {
        let schema = self.schema();
        let n = rows.len();
        let mut row_id = Int64Builder::with_capacity(n);
        let mut key = StringBuilder::new();
        let mut etag = StringBuilder::new();
        let mut size = Int64Builder::with_capacity(n);
        let mut target = Int32Builder::with_capacity(n);
        let mut targets = ListBuilder::new(Int32Builder::new())
            .with_field(Arc::new(Field::new_list_field(DataType::Int32, false)));
        let mut status = StringBuilder::new();
        let mut error_kind = StringBuilder::new();
        let mut error_message = StringBuilder::new();
        let item = |kind: DataType| Arc::new(Field::new_list_field(kind, false));
        let mut index = ListBuilder::new(Int32Builder::new()).with_field(item(DataType::Int32));
        let mut prob = ListBuilder::new(Float32Builder::new()).with_field(item(DataType::Float32));
        let mut label = ListBuilder::new(StringBuilder::new()).with_field(item(DataType::Utf8));
        let mut target_prob = Float32Builder::with_capacity(n);
        let mut target_rank = Int32Builder::with_capacity(n);
        let mut width = Int32Builder::with_capacity(n);
        let mut height = Int32Builder::with_capacity(n);
        let mut format = StringBuilder::new();
        let mut hashes = FixedSizeBinaryBuilder::with_capacity(n, 16);
        let mut valid = Vec::with_capacity(n);

        let mut carried: Vec<Vec<Value>> = Vec::with_capacity(n);
        for (position, row) in rows.into_iter().enumerate() {
            let logits = &predictions.logits[position * self.classes..][..self.classes];
            let embedding = &predictions.embedding[position * self.dim..][..self.dim];
            let error = row.error.or_else(|| {
                if !(are_finite(logits) && are_finite(embedding)) {
                    return Some(RowError::new(ErrorKind::NonFinite, "the network's outputs are not finite"));
                }
                // a length of 1 always fits
                let narrow = self.embedding == Embedding::F16 && !self.normalize_embedding;
                let fits = !narrow || embedding.iter().all(|value| f16::from_f32(*value).is_finite());
                (!fits).then(|| RowError::new(ErrorKind::NonFinite, "the embedding is too large for f16"))
            });
            row_id.append_value(row.sample.row_id);
            key.append_value(&row.sample.key);
            etag.append_option(row.sample.etag.as_deref());
            size.append_option(row.sample.size.map(|size| size as i64));
            target.append_option(row.sample.target.as_ref().and_then(Target::class));
            let set = row.sample.target.as_ref().filter(|target| target.class().is_none());
            targets.append_option(set.map(|set| set.classes().iter().copied().map(Some)));
            status.append_value(if error.is_none() { "ok" } else { "error" });
            error_kind.append_option(error.as_ref().map(|error| error.kind.as_str()));
            error_message.append_option(error.as_ref().map(|error| error.message.as_str()));
            width.append_option(row.facts.map(|facts| facts.width as i32));
            height.append_option(row.facts.map(|facts| facts.height as i32));
            format.append_option(row.facts.map(|facts| facts.format));
            match row.content_hash {
                Some(hash) => {
                    hashes.append_value(hash).map_err(|error| OutputError::Encode(error.to_string()))?
                }
                None => hashes.append_null(),
            }
            valid.push(error.is_none());
            carried.push(row.sample.carried);
            if error.is_some() {
                index.append_null();
                prob.append_null();
                label.append_null();
                target_prob.append_null();
                target_rank.append_null();
                continue;
            }
            let ranked = self.rank(logits, row.sample.target.as_ref());
            for (class, probability) in &ranked.top {
                index.values().append_value(*class);
                prob.values().append_value(*probability);
                if let Some(labels) = &self.labels {
                    label.values().append_value(labels.get(*class as usize).map_or("", String::as_str));
                }
            }
            index.append(true);
            prob.append(true);
            label.append(self.labels.is_some());
            target_prob.append_option(ranked.target.map(|(probability, _)| probability));
            target_rank.append_option(ranked.target.map(|(_, rank)| rank));
        }

        let valid = NullBuffer::from(valid);
        let mut columns: Vec<ArrayRef> = vec![
            Arc::new(row_id.finish()),
            Arc::new(key.finish()),
            Arc::new(etag.finish()),
            Arc::new(size.finish()),
            Arc::new(target.finish()),
        ];
        if self.sets {
            columns.push(Arc::new(targets.finish()));
        }
        columns.extend([
            Arc::new(status.finish()) as ArrayRef,
            Arc::new(error_kind.finish()),
            Arc::new(error_message.finish()),
        ]);
        if self.classes > 0 {
            columns.extend([
                Arc::new(index.finish()) as ArrayRef,
                Arc::new(prob.finish()),
                Arc::new(label.finish()),
                Arc::new(target_prob.finish()),
                Arc::new(target_rank.finish()),
            ]);
        }
        columns.extend(self.embedding_column(predictions.embedding, &valid)?);
        if self.logits {
            columns.push(vectors(
                f32_values(predictions.logits, self.classes, &valid),
                self.classes,
                &valid,
            )?);
        }
        columns.extend([
            Arc::new(width.finish()) as ArrayRef,
            Arc::new(height.finish()),
            Arc::new(format.finish()),
        ]);
        if self.content_hash {
            columns.push(Arc::new(hashes.finish()));
        }
        for (position, column) in self.carried.iter().enumerate() {
            let values = carried.iter().map(|values| values.get(position));
            columns.push(column.array(values).map_err(|error| OutputError::Encode(error.to_string()))?);
        }
        RecordBatch::try_new(schema, columns).map_err(|error| OutputError::Encode(error.to_string()))
    }

    /// Orders classes by logit, ties by index; probabilities in double precision, rounded once. Of a set of targets,
    /// the best one counts.
    fn rank(&self, logits: &[f32], target: Option<&Target>) -> Ranked {
        let odds = Odds::of(logits, self.activation);
        let classes = odds.best(self.top_k);
        let top = classes.into_iter().map(|class| (class as i32, odds.probability(class))).collect();
        Ranked { top, target: target.and_then(|target| odds.of_target(target)) }
    }

    fn embedding_column(&self, values: &[f32], valid: &NullBuffer) -> Result<Option<ArrayRef>, OutputError> {
        if self.embedding == Embedding::None {
            return Ok(None);
        }
        let mut values = Cow::Borrowed(values);
        if self.normalize_embedding {
            for row in values.to_mut().chunks_exact_mut(self.dim) {
                let length = row.iter().map(|value| f64::from(*value).powi(2)).sum::<f64>().sqrt();
                if length > 0.0 {
                    row.iter_mut().for_each(|value| *value = (f64::from(*value) / length) as f32);
                }
            }
        }
        let column = match self.embedding {
            Embedding::F16 => {
                let mut builder = Float16Builder::with_capacity(values.len());
                for (row, values) in values.chunks_exact(self.dim).enumerate() {
                    for value in values {
                        builder.append_value(if valid.is_valid(row) {
                            f16::from_f32(*value)
                        } else {
                            f16::ZERO
                        });
                    }
                }
                vectors(Arc::new(builder.finish()), self.dim, valid)?
            }
            _ => vectors(f32_values(&values, self.dim, valid), self.dim, valid)?,
        };
        Ok(Some(column))
    }
}

/// The logits of one image, as probabilities and as an order.
pub struct Odds<'a> {
    logits: &'a [f32],
    activation: Activation,
    highest: f64,
    total: f64,
}

impl<'a> Odds<'a> {
    /// Of a value a class.
    pub fn of(logits: &'a [f32], activation: Activation) -> Odds<'a> {
        let highest = f64::from(logits.iter().copied().fold(f32::NEG_INFINITY, f32::max));
        let total = logits.iter().map(|logit| (f64::from(*logit) - highest).exp()).sum();
        Odds { logits, activation, highest, total }
    }

    /// Probability of the best class of a target, and its rank from 1; `None` if it has no class.
    pub fn of_target(&self, target: &Target) -> Option<(f32, i32)> {
        let classes = target.classes().iter().filter_map(|class| usize::try_from(*class).ok());
        let classes = classes.filter(|class| *class < self.logits.len());
        let class = classes.min_by(|a, b| self.better(*a, *b))?;
        let ahead = (0..self.logits.len()).filter(|other| self.better(*other, class).is_lt()).count();
        Some((self.probability(class), ahead as i32 + 1))
    }

    /// The best classes, at most `k`, the best first.
    fn best(&self, k: usize) -> Vec<usize> {
        let k = k.min(self.logits.len());
        let mut best: Vec<usize> = (0..k).collect();
        best.sort_unstable_by(|a, b| self.better(*a, *b));
        let Some(mut last) = best.last().copied() else { return best };
        for class in k..self.logits.len() {
            if self.better(class, last).is_lt() {
                let place = best.partition_point(|other| self.better(*other, class).is_lt());
                best[place..].rotate_right(1);
                best[place] = class;
                last = best[k - 1];
            }
        }
        best
    }

    fn probability(&self, class: usize) -> f32 {
        let logit = f64::from(self.logits[class]);
        match self.activation {
            Activation::Softmax => ((logit - self.highest).exp() / self.total) as f32,
            Activation::Sigmoid => (1.0 / (1.0 + (-logit).exp())) as f32,
        }
    }

    fn better(&self, a: usize, b: usize) -> Ordering {
        self.logits[b].total_cmp(&self.logits[a]).then(a.cmp(&b))
    }
}

/// Checks without a branch, so that many values are checked in a step.
fn are_finite(values: &[f32]) -> bool {
    values.iter().fold(true, |finite, value| finite & value.is_finite())
}

/// The values of valid rows; zeros under null rows, so that equal rows are equal bytes.
fn f32_values(values: &[f32], width: usize, valid: &NullBuffer) -> ArrayRef {
    let mut builder = Float32Builder::with_capacity(values.len());
    for (row, values) in values.chunks_exact(width).enumerate() {
        if valid.is_valid(row) {
            builder.append_slice(values);
        } else {
            builder.append_value_n(0.0, width);
        }
    }
    Arc::new(builder.finish())
}

fn vectors(values: ArrayRef, width: usize, valid: &NullBuffer) -> Result<ArrayRef, OutputError> {
    let field = Arc::new(Field::new_list_field(values.data_type().clone(), false));
    let array = FixedSizeListArray::try_new(field, width as i32, values, Some(valid.clone()))
        .map_err(|error| OutputError::Encode(error.to_string()))?;
    Ok(Arc::new(array))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sample::Sample;
    use arrow_array::Array;
    use arrow_array::cast::AsArray;
    use arrow_array::types::{Float32Type, Int32Type};

    fn options(activation: Activation) -> Options {
        Options {
            top_k: 2,
            embedding: Embedding::F32,
            normalize_embedding: false,
            logits: true,
            content_hash: false,
            activation,
            classes: 3,
            dim: 2,
            labels: Some(Arc::new(vec!["a".into(), "b".into(), "c".into()])),
            sets: false,
            carried: Vec::new(),
        }
    }

    fn row(target: Option<i32>) -> RowOutcome {
        let target = target.map(Target::Class);
        let sample =
            Sample { row_id: 0, key: "k".into(), etag: None, size: None, target, carried: Vec::new() };
        RowOutcome { sample, facts: None, error: None, content_hash: None }
    }

    #[test]
    fn ties_go_to_the_lower_class_and_ranks_agree_with_the_list() {
        let batch = options(Activation::Softmax)
            .record_batch(
                vec![row(Some(2)), row(Some(1))],
                Predictions { logits: &[1.0, 1.0, 3.0, 0.5, 0.5, 0.5], embedding: &[1.0, 2.0, 3.0, 4.0] },
            )
            .unwrap();
        let index = batch.column_by_name("index").unwrap().as_list::<i32>();
        assert_eq!(index.value(0).as_primitive::<Int32Type>().values(), &[2, 0]);
        assert_eq!(index.value(1).as_primitive::<Int32Type>().values(), &[0, 1]);
        let rank = batch.column_by_name("target_rank").unwrap().as_primitive::<Int32Type>();
        assert_eq!(rank.values(), &[1, 2]);
        let prob = batch.column_by_name("prob").unwrap().as_list::<i32>();
        let first = prob.value(1).as_primitive::<Float32Type>().value(0);
        assert!((first - 1.0 / 3.0).abs() < 1e-7);
    }

    #[test]
    fn the_best_classes_are_the_first_of_all_in_their_order() {
        // few different values, so that ties are everywhere
        let logits: Vec<f32> = (0..200_u32).map(|i| (i.wrapping_mul(2_654_435_761) >> 27) as f32).collect();
        let odds = Odds::of(&logits, Activation::Softmax);
        let mut all: Vec<usize> = (0..logits.len()).collect();
        all.sort_by(|a, b| odds.better(*a, *b));
        for k in [0, 1, 2, 5, 199, 200, 1000] {
            assert_eq!(odds.best(k), all[..k.min(200)], "{k}");
        }
    }

    #[test]
    fn without_classes_a_row_has_its_embedding_and_no_column_of_a_class() {
        let alone =
            Options { classes: 0, top_k: 0, logits: false, labels: None, ..options(Activation::Softmax) };
        let batch = alone
            .record_batch(
                vec![row(None), row(None)],
                Predictions { logits: &[], embedding: &[1.0, 2.0, f32::INFINITY, 4.0] },
            )
            .unwrap();
        for column in ["index", "prob", "label", "target_prob", "target_rank", "logits"] {
            assert!(batch.column_by_name(column).is_none(), "{column}");
        }
        let status = batch.column_by_name("status").unwrap().as_string::<i32>();
        assert_eq!((status.value(0), status.value(1)), ("ok", "error"));
        let embedding = batch.column_by_name("embedding").unwrap().as_fixed_size_list();
        assert_eq!(embedding.value(0).as_primitive::<Float32Type>().values(), &[1.0, 2.0]);
        assert!(embedding.is_null(1));
    }

    #[test]
    fn a_row_that_is_not_finite_is_an_error_row_with_null_predictions() {
        let batch = options(Activation::Sigmoid)
            .record_batch(
                vec![row(None), row(None)],
                Predictions { logits: &[f32::NAN, 0.0, 0.0, 0.0, 1.0, 2.0], embedding: &[0.0; 4] },
            )
            .unwrap();
        let kind = batch.column_by_name("error_kind").unwrap().as_string::<i32>();
        assert_eq!(kind.value(0), "non_finite");
        assert!(kind.is_null(1));
        assert!(batch.column_by_name("logits").unwrap().is_null(0));
        let prob = batch.column_by_name("prob").unwrap().as_list::<i32>();
        let best = prob.value(1).as_primitive::<Float32Type>().value(0);
        assert!((best - 0.880_797).abs() < 1e-6);
    }
}
