//! Reads what `torch.save` writes since PyTorch 1.6: a zip of one pickle and the raw numbers of each storage.
//!
//! A pickle can name any function and have it called, so a checkpoint from elsewhere is a program from elsewhere.
//! Here it is only ever data: [`pickle`] refuses every name but those of tensors, storages and dictionaries, and
//! calls nothing. A file that keeps more than weights (its optimizer is fine, its whole model or the arguments of
//! its training are not) is refused with the name that gave it away.

mod archive;
pub(in crate::model) mod error;
mod legacy;
mod pickle;
mod read;
mod tensor;
#[cfg(test)]
mod tests;
mod value;

pub(super) use archive::is_zip;
pub(super) use legacy::legacy_format;
pub(super) use read::read;
