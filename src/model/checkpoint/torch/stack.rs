//! The parts of a pickle's stack machine that every instruction needs: the bytes that it reads, stack, marks and memo.

use std::collections::HashMap;

use super::error::TorchError;
use super::value::{Id, Name, Value};

/// Axes of a tensor: convolutions have four.
pub(super) const MAX_AXES: usize = 16;

/// A pickle's stack machine, between two instructions.
pub(super) struct Machine<'a> {
    pub(super) bytes: &'a [u8],
    pub(super) at: usize,
    /// Position of the current instruction, for messages.
    pub(super) instruction: usize,
    pub(super) values: Vec<Value<'a>>,
    pub(super) stack: Vec<Id>,
    /// Heights of the stack at each open mark.
    pub(super) marks: Vec<usize>,
    pub(super) memo: HashMap<u64, Id>,
}

impl<'a> Machine<'a> {
    /// A machine at the first instruction of `bytes`.
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        Machine {
            bytes,
            at: 0,
            instruction: 0,
            values: Vec::new(),
            stack: Vec::new(),
            marks: Vec::new(),
            memo: HashMap::new(),
        }
    }

    pub(super) fn damaged(&self, reason: &'static str) -> TorchError {
        TorchError::Pickle { at: self.instruction, reason }
    }

    pub(super) fn take(&mut self, length: usize) -> Result<&'a [u8], TorchError> {
        let (taken, _) = self.bytes[self.at..].split_at_checked(length).ok_or(TorchError::CutShort)?;
        self.at += length;
        Ok(taken)
    }

    pub(super) fn array<const N: usize>(&mut self) -> Result<[u8; N], TorchError> {
        self.take(N)?.try_into().map_err(|_| TorchError::CutShort)
    }

    /// An unsigned number of up to eight bytes.
    pub(super) fn number(&mut self, bytes: usize) -> Result<u64, TorchError> {
        Ok(self.take(bytes)?.iter().rev().fold(0, |value, byte| value << 8 | u64::from(*byte)))
    }

    /// Reads bytes whose length is a number of `width` bytes before them.
    pub(super) fn counted(&mut self, width: usize) -> Result<&'a [u8], TorchError> {
        let length = self.number(width)?;
        self.take(usize::try_from(length).map_err(|_| TorchError::CutShort)?)
    }

    pub(super) fn line(&mut self) -> Result<&'a str, TorchError> {
        let rest = &self.bytes[self.at..];
        let length = rest.iter().position(|byte| *byte == b'\n').ok_or(TorchError::CutShort)?;
        self.at += length + 1;
        std::str::from_utf8(&rest[..length]).map_err(|_| self.damaged("a name is not UTF-8"))
    }

    pub(super) fn text(&mut self, width: usize) -> Result<(), TorchError> {
        let bytes = self.counted(width)?;
        // Python keeps bytes that are no text in half characters
        self.push(std::str::from_utf8(bytes).map_or(Value::Other, Value::Text));
        Ok(())
    }

    pub(super) fn opaque(&mut self, width: usize) -> Result<(), TorchError> {
        self.counted(width)?;
        self.push(Value::Other);
        Ok(())
    }

    pub(super) fn long(&mut self) -> Result<(), TorchError> {
        let bytes = self.counted(1)?;
        let negative = bytes.last().is_some_and(|byte| byte & 0x80 != 0);
        let mut whole = if negative { [0xff; 8] } else { [0; 8] };
        let value = match whole.get_mut(..bytes.len()) {
            Some(low) => {
                low.copy_from_slice(bytes);
                Value::Int(i64::from_le_bytes(whole))
            }
            None => Value::Other,
        };
        self.push(value);
        Ok(())
    }

    pub(super) fn push(&mut self, value: Value<'a>) {
        self.stack.push(self.values.len());
        self.values.push(value);
    }

    /// The topmost value above the innermost mark.
    pub(super) fn top(&self) -> Result<Id, TorchError> {
        let floor = self.marks.last().copied().unwrap_or_default();
        let above = self.stack.get(floor..).and_then(<[Id]>::last);
        above.copied().ok_or_else(|| self.damaged("it takes a value that is not there"))
    }

    pub(super) fn pop(&mut self) -> Result<Id, TorchError> {
        let top = self.top()?;
        self.stack.pop();
        Ok(top)
    }

    pub(super) fn pop_to_mark(&mut self) -> Result<Vec<Id>, TorchError> {
        let mark = self.marks.pop().ok_or_else(|| self.damaged("it takes a mark that is not there"))?;
        Ok(self.stack.split_off(mark))
    }

    pub(super) fn recall(&mut self, width: usize) -> Result<(), TorchError> {
        let index = self.number(width)?;
        let id = self.memo.get(&index).ok_or_else(|| self.damaged("it recalls what it never stored"))?;
        self.stack.push(*id);
        Ok(())
    }

    pub(super) fn remember(&mut self, width: usize) -> Result<(), TorchError> {
        let index = self.number(width)?;
        let top = self.top()?;
        self.memo.insert(index, top);
        Ok(())
    }

    /// The name of an inert value.
    pub(super) fn as_inert(&self, id: Id) -> Option<Name<'a>> {
        match self.values[id] {
            Value::Inert(name) => Some(name),
            _ => None,
        }
    }

    /// The first of a few values that is inert, or that is a short tuple or dictionary with an inert value in it.
    pub(super) fn inert_among(&self, ids: &[Id]) -> Option<Name<'a>> {
        ids.iter().find_map(|id| match &self.values[*id] {
            Value::Inert(name) => Some(*name),
            Value::Tuple(items) if items.len() <= MAX_AXES => {
                items.iter().find_map(|item| self.as_inert(*item))
            }
            Value::Dict(entries) if entries.len() <= MAX_AXES => {
                entries.iter().find_map(|(key, value)| self.as_inert(*key).or_else(|| self.as_inert(*value)))
            }
            _ => None,
        })
    }

    pub(super) fn as_text(&self, id: Id) -> Result<&'a str, TorchError> {
        match self.values[id] {
            Value::Text(text) => Ok(text),
            _ => Err(self.damaged("a name is no text")),
        }
    }

    /// A copy: a caller changes the values afterwards. Only short tuples are asked for.
    pub(super) fn as_tuple(&self, id: Id) -> Result<Vec<Id>, TorchError> {
        match &self.values[id] {
            Value::Tuple(items) if items.len() <= MAX_AXES => Ok(items.clone()),
            _ => Err(self.damaged("a short tuple is missing")),
        }
    }

    pub(super) fn as_length(&self, id: Id) -> Result<usize, TorchError> {
        match self.values[id] {
            Value::Int(value) => usize::try_from(value).map_err(|_| self.damaged("a length is negative")),
            _ => Err(self.damaged("a length is no whole number")),
        }
    }

    pub(super) fn as_lengths(&self, id: Id) -> Result<Vec<usize>, TorchError> {
        self.as_tuple(id)?.into_iter().map(|item| self.as_length(item)).collect()
    }
}
