//! Reads what `torch.save` writes: since PyTorch 1.6 a zip of one pickle and the raw numbers of each storage, before
//! that a chain of pickles with the storages after them.
//!
//! A pickle can name any function and have it called, so a checkpoint from elsewhere is a program from elsewhere.
//! Here it is only ever data: [`pickle`] knows the names of tensors, storages and dictionaries, makes an inert value of
//! every other name and of what is built with it, and calls nothing. Weights that are, contain or are built with an
//! inert value are refused with its name; elsewhere in the file (the arguments of a training, its optimizer) it is
//! passed over.

mod archive;
mod calls;
mod chain;
mod choice;
pub(in crate::model) mod error;
mod legacy;
mod pickle;
mod read;
mod stack;
mod tensor;
#[cfg(test)]
mod tests;
mod value;

pub(super) use archive::is_zip;
pub(super) use legacy::{is_chain, legacy_format};
pub(super) use read::read;
