//! What a pickle's instructions may make: plain data, and descriptions of tensors. Nothing here can run.

use crate::model::checkpoint::floats::Float;

/// Index of a value in its [`Heap`](super::pickle::Heap). Values refer to each other by index, so a deep or circular
/// structure costs no recursion, neither to build nor to drop.
pub(super) type Id = usize;

/// One value. Text borrows from the pickle, so that no instruction can multiply it.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Value<'a> {
    None,
    Int(i64),
    Text(&'a str),
    Tuple(Vec<Id>),
    /// In the order of insertion; an `OrderedDict` too.
    Dict(Vec<(Id, Id)>),
    Global(Global),
    Storage(Storage<'a>),
    Tensor(View<'a>),
    /// A list, flag, float, long integer or byte string: it may stand in a checkpoint, and no weight needs it.
    Other,
}

/// The functions and classes that a pickle may name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Global {
    OrderedDict,
    RebuildTensor,
    RebuildParameter,
    Storage(Element),
}

impl Global {
    /// The allow-list.
    pub(super) fn named(module: &str, name: &str) -> Option<Self> {
        match (module, name) {
            ("collections", "OrderedDict") => Some(Global::OrderedDict),
            ("torch._utils", "_rebuild_tensor_v2") => Some(Global::RebuildTensor),
            ("torch._utils", "_rebuild_parameter") => Some(Global::RebuildParameter),
            ("torch", _) => Element::of_storage(name).map(Global::Storage),
            _ => None,
        }
    }
}

/// What a storage holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Element {
    Weights(Float),
    /// Counters and indices, by PyTorch's name: known, so that they can be passed over or refused by name.
    Integers(&'static str),
}

impl Element {
    fn of_storage(class: &str) -> Option<Self> {
        Some(match class {
            "DoubleStorage" => Element::Weights(Float::F64),
            "FloatStorage" => Element::Weights(Float::F32),
            "HalfStorage" => Element::Weights(Float::F16),
            "BFloat16Storage" => Element::Weights(Float::Bf16),
            "LongStorage" => Element::Integers("int64"),
            "IntStorage" => Element::Integers("int32"),
            "ShortStorage" => Element::Integers("int16"),
            "CharStorage" => Element::Integers("int8"),
            "ByteStorage" => Element::Integers("uint8"),
            "BoolStorage" => Element::Integers("bool"),
            _ => return None,
        })
    }
}

/// Where numbers lie: an entry of the archive.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Storage<'a> {
    pub element: Element,
    /// Name of the entry below `data/`.
    pub key: &'a str,
    /// How many values it holds.
    pub length: usize,
}

/// A tensor as a view of a storage. Offset and strides count values.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct View<'a> {
    pub storage: Storage<'a>,
    pub offset: usize,
    pub shape: Vec<usize>,
    pub strides: Vec<usize>,
}
