//! What can be wrong with a PyTorch checkpoint, apart from its tensors being those of another network.

use thiserror::Error;

use crate::model::checkpoint::weights::WeightSet;

/// Why a `.pth` is refused. Names that come from the file are shortened.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum TorchError {
    /// The zip around the pickle contradicts itself.
    #[error("its zip archive is damaged or cut short: {reason}")]
    Archive {
        /// The contradiction.
        reason: String,
    },
    /// An entry that was packed again.
    #[error(
        "its entry `{entry}` is {how}, where PyTorch stores entries as they are: save it again with torch.save"
    )]
    Packed {
        /// Its name in the archive.
        entry: String,
        /// What was done to it.
        how: &'static str,
    },
    /// A zip of something else.
    #[error("it is a zip archive with {found} entries called `…/data.pkl` instead of one")]
    NoPickle {
        /// How many there are.
        found: usize,
    },
    /// Numbers in the other order.
    #[error("its numbers are `{order}`-endian: save it again on a little-endian machine")]
    ByteOrder {
        /// The file's word for it.
        order: String,
    },
    /// The pickle makes weights with a function or class that no weights need.
    #[error(
        "its pickle asks for `{name}` to make {part}; the name is not on the list of what weights need, and nothing was \
         executed: save the model's state_dict alone"
    )]
    Global {
        /// Module and name.
        name: String,
        /// What is made with it.
        part: String,
    },
    /// A file of before PyTorch 1.6 that contradicts itself.
    #[error("its chain of pickles and storages is damaged or cut short: {reason}")]
    Chain {
        /// The contradiction.
        reason: String,
    },
    /// `model.weights` chooses what the file does not have.
    #[error("`model.weights` is \"{wanted}\", and it {}: leave the key out", match wanted {
        WeightSet::Ema => format!("holds averaged weights under none of {}", quoted(.keys)),
        WeightSet::Raw => format!("holds averaged weights only ({})", quoted(.keys)),
    })]
    NoSet {
        /// What was asked for.
        wanted: WeightSet,
        /// The keys of averaged weights.
        keys: Vec<String>,
    },
    /// An instruction that PyTorch does not write.
    #[error("its pickle has the instruction 0x{opcode:02x} at byte {at}, which PyTorch does not write")]
    Opcode {
        /// The instruction.
        opcode: u8,
        /// Its position in bytes.
        at: usize,
    },
    /// The pickle ends inside an instruction, or without its last one.
    #[error("its pickle is cut short")]
    CutShort,
    /// Instructions that make no sense in this order.
    #[error("its pickle is damaged at byte {at}: {reason}")]
    Pickle {
        /// Position of the instruction in bytes.
        at: usize,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// Larger than any checkpoint of this family.
    #[error("it holds more than {limit} {what}, the most that is read")]
    Limit {
        /// What there is too much of.
        what: &'static str,
        /// The cap.
        limit: u64,
    },
    /// Several sets of weights in one file.
    #[error("it holds weights under {}: save the ones that you mean alone", quoted(.keys))]
    Several {
        /// Their keys.
        keys: Vec<String>,
    },
    /// No set of weights where one is looked for.
    #[error("its entry `{entry}` is no tensor: weights are looked for under {}, else at the top", quoted(.wrappers))]
    NoTensor {
        /// The first key that holds something else.
        entry: String,
        /// The keys under which weights are looked for.
        wrappers: Vec<String>,
    },
    /// The pickle holds no dictionary.
    #[error("it holds no dictionary of tensors: save the model's state_dict")]
    NoDictionary,
    /// A tensor that its storage cannot hold.
    #[error("its tensor `{tensor}` is damaged: {reason}")]
    Tensor {
        /// Its name.
        tensor: String,
        /// The contradiction.
        reason: String,
    },
}

fn quoted(keys: &[String]) -> String {
    keys.iter().map(|key| format!("`{key}`")).collect::<Vec<_>>().join(", ")
}
