//! Decodes one image into its row, in this process or in one apart. What an image does to its decoder is data.

pub(crate) mod child;
pub(crate) mod fault;
mod frame;
pub mod isolate;
mod line;

use crate::failure::Failure;
use crate::image::{self, Decoder};
use crate::job::JobError;
use crate::tensor::{Layout, RowMut};

use super::shutdown::Shutdown;

use self::fault::{Decoded, guarded};
use self::isolate::{Apart, Isolation};

/// The decoder of one worker. The rows are the same, to the bit, whichever it is.
pub enum Decoding {
    /// On the calling thread.
    Here(Box<Decoder>),
    /// In a process that may die.
    Apart(Box<Apart>),
}

impl Decoding {
    /// A decoder for these options.
    ///
    /// # Errors
    /// The options are invalid; the decode process does not start.
    pub fn new(options: image::Options, isolation: &Isolation) -> Result<Decoding, Failure> {
        // the options are checked here in either case
        let decoder = Decoder::new(options).map_err(JobError::from)?;
        Ok(match isolation {
            Isolation::Off => Decoding::Here(Box::new(decoder)),
            Isolation::Process(program) => Decoding::Apart(Box::new(Apart::new(program.clone(), options)?)),
        })
    }

    /// The same decoder, which ends with the run: a process that hangs is killed when the run is given up.
    pub(crate) fn ending_with(mut self, shutdown: &Shutdown) -> Decoding {
        if let Decoding::Apart(apart) = &mut self {
            apart.end_with(shutdown.clone());
        }
        self
    }

    /// Decodes an image into `row`. Where the image fails, the row may hold anything.
    ///
    /// # Errors
    /// If no decoder can be started; this is no fault of the image.
    pub fn decode(&mut self, bytes: &[u8], layout: Layout, row: RowMut<'_>) -> Result<Decoded, Failure> {
        match self {
            Decoding::Here(decoder) => Ok(guarded(bytes, || decoder.decode_into(bytes, layout, row)).into()),
            Decoding::Apart(apart) => apart.decode(bytes, layout, row),
        }
    }

    /// The process that decodes, if it is another one.
    pub fn process(&self) -> Option<u32> {
        match self {
            Decoding::Here(_) => None,
            Decoding::Apart(apart) => apart.process(),
        }
    }
}
