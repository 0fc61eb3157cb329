//! Rows and part files of TResNet-M's widths, each made by one thread.

use tresnet_batch::dataset::PartEnd;
use tresnet_batch::output::{self, Activation, Embedding, Options, PartContext, PartFooter, Predictions};
use tresnet_batch::sample::RowOutcome;

use crate::clock::thread_nanos;
use crate::locks::{BATCH, sample};
use crate::support::median;
use crate::table::{Row, Scales};

const CLASSES: usize = 1000;
const DIM: usize = 2048;

/// Numbers of −1…1 that do not compress.
fn noise(count: usize) -> Vec<f32> {
    let mut state = 1_u32;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 17;
        state ^= state << 5;
        (state >> 8) as f32 / (1 << 23) as f32 - 1.0
    };
    (0..count).map(|_| next()).collect()
}

pub fn options(embedding: Embedding) -> Options {
    Options {
        top_k: 5,
        embedding,
        normalize_embedding: false,
        logits: false,
        content_hash: false,
        activation: Activation::Softmax,
        classes: CLASSES,
        dim: DIM,
        labels: None,
        sets: false,
        carried: Vec::new(),
    }
}

/// The making of rows and of parts of `rows_per_part` rows.
pub fn measure(runs: usize, rows_per_part: usize) -> Vec<Row> {
    let kinds = [
        (Embedding::None, "rows of a batch, no embedding", "encoding of a part, no embedding"),
        (
            Embedding::F16,
            "rows of a batch, 2048 halves of embedding",
            "encoding of a part, 2048 halves of embedding",
        ),
        (
            Embedding::F32,
            "rows of a batch, 2048 floats of embedding",
            "encoding of a part, 2048 floats of embedding",
        ),
    ];
    let logits = noise(BATCH * CLASSES);
    let batches = rows_per_part / BATCH;
    let embedding = noise(batches * BATCH * DIM);
    let mut measured = Vec::new();
    for (kind, making, encoding) in kinds {
        let options = options(kind);
        let context = PartContext { schema: options.schema(), pairs: Vec::new(), compress: true };
        let (mut made, mut encoded) = (Vec::new(), Vec::new());
        for _ in 0..runs {
            let mut rows = Vec::with_capacity(batches);
            let mut spent = 0;
            for embedding in embedding.chunks(BATCH * DIM) {
                let outcome =
                    || RowOutcome { sample: sample(), facts: None, error: None, content_hash: None };
                let outcomes = (0..BATCH).map(|_| outcome()).collect();
                let before = thread_nanos();
                rows.push(
                    options.record_batch(outcomes, Predictions { logits: &logits, embedding }).unwrap(),
                );
                spent += thread_nanos() - before;
            }
            made.push(spent as f64 / (batches * BATCH) as f64);
            let end = PartEnd { rows: (batches * BATCH) as u32, ..PartEnd::default() };
            let before = thread_nanos();
            let part = output::encode(&context, PartFooter { end, ..PartFooter::default() }, &rows).unwrap();
            encoded.push((thread_nanos() - before) as f64 / (batches * BATCH) as f64);
            assert_eq!(part.ok as usize, batches * BATCH);
        }
        measured.push(Row { what: making, nanos: median(made), together: None, scales: Scales::Cores });
        measured.push(Row { what: encoding, nanos: median(encoded), together: None, scales: Scales::Parts });
    }
    measured
}
