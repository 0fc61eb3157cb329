//! What PyTorch wrote before 1.6: five pickles one after the other, then the numbers of each storage.
//!
//! The pickles are a magic number, the version of the format, facts about the machine, the value itself, and the list
//! of the storages in the order in which they follow. A storage is its length and its values; their type is only in the
//! references of the fourth pickle.

use std::collections::HashMap;

use super::error::TorchError;
use super::pickle::{self, Heap};
use super::value::{Storage, Value};
use crate::model::shorten::shorten;

/// The only version of the format.
const VERSION: i64 = 1001;

/// A file as its value and its storages by their keys.
#[derive(Debug)]
pub(super) struct Chain<'a> {
    pub heap: Heap<'a>,
    pub storages: HashMap<&'a str, &'a [u8]>,
}

impl<'a> Chain<'a> {
    /// Reads the pickles, and finds each storage.
    pub(super) fn open(bytes: &'a [u8]) -> Result<Self, TorchError> {
        let mut rest = bytes;
        let mut next = || {
            let (heap, length) = pickle::first(rest)?;
            rest = &rest[length..];
            Ok(heap)
        };
        next()?;
        let version: Heap<'_> = next()?;
        if version.get(version.root) != &Value::Int(VERSION) {
            return Err(damaged(format!("its version is not {VERSION}")));
        }
        check_byte_order(&next()?)?;
        let heap = next()?;
        let keys = next()?;
        let storages = storages(&heap, &keys, rest)?;
        Ok(Self { heap, storages })
    }
}

fn check_byte_order(machine: &Heap<'_>) -> Result<(), TorchError> {
    let Value::Dict(facts) = machine.get(machine.root) else {
        return Err(damaged("it has no facts about the machine that wrote it"));
    };
    let is_key = |key: &usize| machine.get(*key) == &Value::Text("little_endian");
    match facts.iter().find(|(key, _)| is_key(key)).map(|(_, value)| machine.get(*value)) {
        Some(Value::Bool(true)) => Ok(()),
        Some(Value::Bool(false)) => Err(TorchError::ByteOrder { order: "big".to_owned() }),
        _ => Err(damaged("it does not have the byte order of its numbers")),
    }
}

/// The bytes of each storage, which follow in the order of `keys`.
fn storages<'a>(
    heap: &Heap<'a>,
    keys: &Heap<'a>,
    mut rest: &'a [u8],
) -> Result<HashMap<&'a str, &'a [u8]>, TorchError> {
    let mut named: HashMap<&str, Storage<'_>> = HashMap::new();
    for value in heap.all() {
        if let Value::Storage(storage) = value
            && named.insert(storage.key, *storage).is_some_and(|other| other != *storage)
        {
            return Err(damaged(format!("it has two storages called `{}`", shorten(storage.key))));
        }
    }
    let Value::List(order) = keys.get(keys.root) else { return Err(damaged("it has no list of storages")) };
    let mut storages = HashMap::new();
    for key in order {
        let Value::Text(key) = keys.get(*key) else { return Err(damaged("the key of a storage is no text")) };
        let Some(storage) = named.get(key) else {
            return Err(damaged(format!("the type of its storage `{}` is not known", shorten(key))));
        };
        let cut = || damaged(format!("it ends within its storage `{}`", shorten(key)));
        let (length, values) = rest.split_first_chunk::<8>().ok_or_else(cut)?;
        if usize::try_from(u64::from_le_bytes(*length)) != Ok(storage.length) {
            return Err(damaged(format!(
                "its storage `{}` has another length than its pickle",
                shorten(key)
            )));
        }
        let size = storage.length.checked_mul(storage.element.size()).ok_or_else(cut)?;
        let (data, after) = values.split_at_checked(size).ok_or_else(cut)?;
        if storages.insert(*key, data).is_some() {
            return Err(damaged(format!("its storage `{}` is listed twice", shorten(key))));
        }
        rest = after;
    }
    Ok(storages)
}

fn damaged(reason: impl Into<String>) -> TorchError {
    TorchError::Chain { reason: reason.into() }
}
