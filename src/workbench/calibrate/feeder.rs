//! Decodes images into the rows of a batch, on as many threads as a job would.

use bytes::Bytes;

use crate::engine::{Engine, EngineError, Ready, RowSlot, SlotPool};
use crate::failure::{Exit, Failure};
use crate::ids::AttemptId;
use crate::job::ResolvedJob;
use crate::pipeline::decode::Decoding;
use crate::pipeline::decode::fault::{Decoded, Fault};
use crate::pipeline::decode::isolate::Isolation;
use crate::sample::ImageFacts;
use crate::tensor::Layout;

use crate::workbench::sampling::images::Image;

/// One slot, and the decoders that fill it.
pub(super) struct Feeder {
    pool: SlotPool,
    layout: Layout,
    decoders: Vec<Decoding>,
}

impl Feeder {
    /// For batches of `rows` images as an engine takes them.
    ///
    /// # Errors
    /// The engine has no memory for such a batch; the options of images are invalid.
    pub fn new(job: &ResolvedJob, engine: &mut dyn Engine, rows: usize) -> Result<Feeder, Failure> {
        let (slot, _) = engine.allocate(rows)?;
        let decoders = (0..job.limits.decode_threads).map(|_| Decoding::new(job.image, &Isolation::Off));
        let decoders = decoders.collect::<Result<Vec<_>, _>>()?;
        Ok(Feeder { pool: SlotPool::new(vec![slot], 1), layout: engine.spec().layout, decoders })
    }

    /// Decodes images, no more than a batch. Those that fail become rows of zeros that are marked as failed.
    ///
    /// # Errors
    /// There are more `images` than rows in a batch; a decode thread panics.
    pub async fn fill(&mut self, images: &[Image]) -> Result<Ready, Failure> {
        let gone = || Failure::from(EngineError::Run("the batch was lost".to_owned()));
        let mut filling = self.pool.begin(AttemptId::default(), 0).ok_or_else(gone)?;
        let many = self.decoders.len();
        let mut shares: Vec<Vec<(RowSlot, &Bytes)>> = (0..many).map(|_| Vec::new()).collect();
        for (position, (sample, bytes)) in images.iter().enumerate() {
            let row = filling.row(sample.clone()).ok_or_else(gone)?;
            shares[position % many].push((row, bytes));
        }
        filling.seal();
        let layout = self.layout;
        let failure = std::thread::scope(|scope| {
            let workers: Vec<_> = self
                .decoders
                .iter_mut()
                .zip(shares)
                .map(|(decoder, share)| scope.spawn(move || decode(decoder, layout, share)))
                .collect();
            let ended = workers.into_iter().map(|worker| {
                worker.join().unwrap_or_else(|_| Err(Failure::new(Exit::Bug, "a decode thread panicked")))
            });
            ended.collect::<Vec<_>>().into_iter().find_map(Result::err)
        });
        match failure {
            Some(failure) => Err(failure),
            None => self.pool.ready().try_recv().map_err(|_| gone()),
        }
    }

    /// The batch is done with.
    pub fn give_back(&self, batch: Ready) {
        self.pool.give_back(batch.slot);
    }
}

fn decode(decoder: &mut Decoding, layout: Layout, share: Vec<(RowSlot, &Bytes)>) -> Result<(), Failure> {
    for (mut row, bytes) in share {
        match row.write(|pixels| decoder.decode(bytes, layout, pixels)) {
            Some(Ok(Decoded::Pixels(source))) => {
                let (width, height, format) = (source.width, source.height, source.format.as_str());
                row.done(ImageFacts { width, height, format });
            }
            Some(Ok(Decoded::Fault(Fault { error, .. }))) => {
                let key = row.sample_mut().map(|sample| sample.key.clone());
                tracing::warn!(key, "left out of the sample: {}", error.message);
                row.fail(None, error);
            }
            Some(Err(failure)) => {
                row.abandon();
                return Err(failure);
            }
            None => {}
        }
    }
    Ok(())
}
