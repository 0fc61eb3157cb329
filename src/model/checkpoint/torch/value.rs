//! What a pickle's instructions may make: plain data, descriptions of tensors, and inert values. Nothing here can run.

use std::fmt;

use crate::model::checkpoint::floats::Float;
use crate::model::shorten::shorten;

/// Index of a value in its [`Heap`](super::pickle::Heap). Values refer to each other by index, so a deep or circular
/// structure costs no recursion, neither to build nor to drop.
pub(super) type Id = usize;

/// One value. Text borrows from the pickle, so that no instruction can multiply it.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Value<'a> {
    None,
    Bool(bool),
    Int(i64),
    Text(&'a str),
    Tuple(Vec<Id>),
    List(Vec<Id>),
    /// In the order of insertion; an `OrderedDict` too.
    Dict(Vec<(Id, Id)>),
    Global(Global),
    Storage(Storage<'a>),
    Tensor(View<'a>),
    /// A class or function that is not on the list, or anything that a pickle makes with one. It is never called, it
    /// keeps nothing of what is put into it, and whatever is built from it is inert as well.
    Inert(Name<'a>),
    /// A float, long integer, set or byte string: it may be in a checkpoint, and no weight needs it.
    Other,
}

/// Module and name of a class or function.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Name<'a> {
    pub module: &'a str,
    pub name: &'a str,
}

impl fmt::Display for Name<'_> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        // either may be as long as the pickle
        let short = |text: &str| text.chars().take(80).collect::<String>();
        out.write_str(&shorten(&format!("{}.{}", short(self.module), short(self.name))))
    }
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
    /// Counters, indices and the like, by PyTorch's name and with the bytes of one value: known, so that they can be
    /// passed over or refused by name.
    Others(&'static str, usize),
}

impl Element {
    /// Bytes of one value.
    pub(super) fn size(self) -> usize {
        match self {
            Element::Weights(float) => float.size(),
            Element::Others(_, size) => size,
        }
    }

    fn of_storage(class: &str) -> Option<Self> {
        Some(match class {
            "DoubleStorage" => Element::Weights(Float::F64),
            "FloatStorage" => Element::Weights(Float::F32),
            "HalfStorage" => Element::Weights(Float::F16),
            "BFloat16Storage" => Element::Weights(Float::Bf16),
            "LongStorage" => Element::Others("int64", 8),
            "IntStorage" => Element::Others("int32", 4),
            "ShortStorage" => Element::Others("int16", 2),
            "CharStorage" => Element::Others("int8", 1),
            "ByteStorage" => Element::Others("uint8", 1),
            "BoolStorage" => Element::Others("bool", 1),
            "ComplexFloatStorage" => Element::Others("complex64", 8),
            "ComplexDoubleStorage" => Element::Others("complex128", 16),
            "QInt8Storage" => Element::Others("qint8", 1),
            "QUInt8Storage" => Element::Others("quint8", 1),
            "QInt32Storage" => Element::Others("qint32", 4),
            _ => return None,
        })
    }
}

/// Where numbers are: an entry of the archive, or one of the storages after the pickles of an older file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Storage<'a> {
    pub element: Element,
    /// Its name: of the entry below `data/`.
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
