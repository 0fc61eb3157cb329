//! A reader of the pickles that PyTorch writes, protocols 2 to 5.
//!
//! A pickle is a program for a stack machine. This machine knows the instructions that make plain data, and four
//! kinds of names ([`Global`]); a call makes a description of a tensor or an empty dictionary, never more. Any
//! other instruction or name ends it with an error.
//!
//! Every instruction makes at most one value and stores at most one index for each that it takes off the stack, so
//! one cap on instructions bounds values, stack, memo and time; lengths are held against what is left of the file
//! before anything is reserved.

use std::collections::HashMap;

use super::error::TorchError;
use super::value::{Global, Id, Storage, Value, View};
use crate::model::shorten::shorten;

/// Ten times what a training checkpoint of TResNet-XL with its optimizer takes.
const MAX_STEPS: usize = 1 << 20;
/// Axes of a tensor: convolutions have four.
const MAX_AXES: usize = 16;

/// All values of a pickle, and which of them is the result.
#[derive(Debug)]
pub(super) struct Heap<'a> {
    values: Vec<Value<'a>>,
    /// The value that the pickle stands for.
    pub root: Id,
}

impl<'a> Heap<'a> {
    /// A value by its index.
    pub(super) fn get(&self, id: Id) -> &Value<'a> {
        // the machine hands out indices of values that it made
        &self.values[id]
    }
}

/// Runs a pickle.
pub(super) fn read(bytes: &[u8]) -> Result<Heap<'_>, TorchError> {
    let mut machine = Machine {
        bytes,
        at: 0,
        instruction: 0,
        values: Vec::new(),
        stack: Vec::new(),
        marks: Vec::new(),
        memo: HashMap::new(),
    };
    for _ in 0..MAX_STEPS {
        if let Some(root) = machine.step()? {
            return Ok(Heap { values: machine.values, root });
        }
    }
    Err(TorchError::Limit { what: "instructions in its pickle", limit: MAX_STEPS as u64 })
}

struct Machine<'a> {
    bytes: &'a [u8],
    at: usize,
    /// Where the current instruction stands, for messages.
    instruction: usize,
    values: Vec<Value<'a>>,
    stack: Vec<Id>,
    /// Heights of the stack at each open mark.
    marks: Vec<usize>,
    memo: HashMap<u64, Id>,
}

impl<'a> Machine<'a> {
    /// One instruction; the result once the last one is reached.
    fn step(&mut self) -> Result<Option<Id>, TorchError> {
        self.instruction = self.at;
        let [opcode] = self.array()?;
        match opcode {
            // PROTO, FRAME
            0x80 => match self.array()? {
                [2..=5] => {}
                _ => return Err(self.damaged("a protocol other than 2 to 5")),
            },
            0x95 => drop(self.array::<8>()?),
            // STOP
            b'.' => return self.pop().map(Some),
            // MARK
            b'(' => self.marks.push(self.stack.len()),
            // NONE, NEWTRUE, NEWFALSE
            b'N' => self.push(Value::None),
            0x88 | 0x89 => self.push(Value::Other),
            // BININT, BININT1, BININT2, LONG1, BINFLOAT
            b'J' => {
                let bytes = self.array()?;
                self.push(Value::Int(i32::from_le_bytes(bytes).into()));
            }
            b'K' => {
                let [byte] = self.array()?;
                self.push(Value::Int(byte.into()));
            }
            b'M' => {
                let bytes = self.array()?;
                self.push(Value::Int(u16::from_le_bytes(bytes).into()));
            }
            0x8a => self.long()?,
            b'G' => {
                self.array::<8>()?;
                self.push(Value::Other);
            }
            // SHORT_BINUNICODE, BINUNICODE, BINUNICODE8
            0x8c => self.text(1)?,
            b'X' => self.text(4)?,
            0x8d => self.text(8)?,
            // SHORT_BINBYTES, BINBYTES, BINBYTES8, SHORT_BINSTRING, BINSTRING
            b'C' | b'U' => self.opaque(1)?,
            b'B' | b'T' => self.opaque(4)?,
            0x8e => self.opaque(8)?,
            // EMPTY_TUPLE, TUPLE1, TUPLE2, TUPLE3, TUPLE
            b')' => self.push(Value::Tuple(Vec::new())),
            0x85..=0x87 => {
                let mut items = Vec::new();
                for _ in 0x85..=opcode {
                    items.push(self.pop()?);
                }
                items.reverse();
                self.push(Value::Tuple(items));
            }
            b't' => {
                let items = self.pop_to_mark()?;
                self.push(Value::Tuple(items));
            }
            // EMPTY_LIST, APPEND, APPENDS: what a list holds is dropped
            b']' => self.push(Value::Other),
            b'a' => drop((self.pop()?, self.top()?)),
            b'e' => drop((self.pop_to_mark()?, self.top()?)),
            // EMPTY_DICT, SETITEM, SETITEMS
            b'}' => self.push(Value::Dict(Vec::new())),
            b's' => {
                let value = self.pop()?;
                let key = self.pop()?;
                self.set_items(&[key, value])?;
            }
            b'u' => {
                let items = self.pop_to_mark()?;
                self.set_items(&items)?;
            }
            // BINGET, LONG_BINGET
            b'h' => self.recall(1)?,
            b'j' => self.recall(4)?,
            // BINPUT, LONG_BINPUT, MEMOIZE
            b'q' => self.remember(1)?,
            b'r' => self.remember(4)?,
            0x94 => {
                let top = self.top()?;
                self.memo.insert(self.memo.len() as u64, top);
            }
            // GLOBAL, STACK_GLOBAL, REDUCE, BUILD, BINPERSID
            b'c' => {
                let (module, name) = (self.line()?, self.line()?);
                self.global(module, name)?;
            }
            0x93 => {
                let (name, module) = (self.pop()?, self.pop()?);
                let (module, name) = (self.as_text(module)?, self.as_text(name)?);
                self.global(module, name)?;
            }
            b'R' => self.reduce()?,
            b'b' => {
                // attributes of a dictionary: PyTorch keeps versions of modules there
                self.pop()?;
                let top = self.top()?;
                if !matches!(self.values[top], Value::Dict(_)) {
                    return Err(self.damaged("attributes are set on something other than a dictionary"));
                }
            }
            b'Q' => self.persistent()?,
            _ => return Err(TorchError::Opcode { opcode, at: self.instruction }),
        }
        Ok(None)
    }

    fn damaged(&self, reason: &'static str) -> TorchError {
        TorchError::Pickle { at: self.instruction, reason }
    }

    fn take(&mut self, length: usize) -> Result<&'a [u8], TorchError> {
        let (taken, _) = self.bytes[self.at..].split_at_checked(length).ok_or(TorchError::CutShort)?;
        self.at += length;
        Ok(taken)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], TorchError> {
        self.take(N)?.try_into().map_err(|_| TorchError::CutShort)
    }

    /// An unsigned number of up to eight bytes.
    fn number(&mut self, bytes: usize) -> Result<u64, TorchError> {
        Ok(self.take(bytes)?.iter().rev().fold(0, |value, byte| value << 8 | u64::from(*byte)))
    }

    /// As many bytes as the number of `width` bytes in front of them says.
    fn counted(&mut self, width: usize) -> Result<&'a [u8], TorchError> {
        let length = self.number(width)?;
        self.take(usize::try_from(length).map_err(|_| TorchError::CutShort)?)
    }

    fn line(&mut self) -> Result<&'a str, TorchError> {
        let rest = &self.bytes[self.at..];
        let length = rest.iter().position(|byte| *byte == b'\n').ok_or(TorchError::CutShort)?;
        self.at += length + 1;
        std::str::from_utf8(&rest[..length]).map_err(|_| self.damaged("a name is not UTF-8"))
    }

    fn text(&mut self, width: usize) -> Result<(), TorchError> {
        let bytes = self.counted(width)?;
        let text = std::str::from_utf8(bytes).map_err(|_| self.damaged("a text is not UTF-8"))?;
        self.push(Value::Text(text));
        Ok(())
    }

    fn opaque(&mut self, width: usize) -> Result<(), TorchError> {
        self.counted(width)?;
        self.push(Value::Other);
        Ok(())
    }

    fn long(&mut self) -> Result<(), TorchError> {
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

    fn push(&mut self, value: Value<'a>) {
        self.stack.push(self.values.len());
        self.values.push(value);
    }

    /// The topmost value above the innermost mark.
    fn top(&self) -> Result<Id, TorchError> {
        let floor = self.marks.last().copied().unwrap_or_default();
        let above = self.stack.get(floor..).and_then(<[Id]>::last);
        above.copied().ok_or_else(|| self.damaged("it takes a value that is not there"))
    }

    fn pop(&mut self) -> Result<Id, TorchError> {
        let top = self.top()?;
        self.stack.pop();
        Ok(top)
    }

    fn pop_to_mark(&mut self) -> Result<Vec<Id>, TorchError> {
        let mark = self.marks.pop().ok_or_else(|| self.damaged("it takes a mark that is not there"))?;
        Ok(self.stack.split_off(mark))
    }

    fn recall(&mut self, width: usize) -> Result<(), TorchError> {
        let index = self.number(width)?;
        let id = self.memo.get(&index).ok_or_else(|| self.damaged("it recalls what it never stored"))?;
        self.stack.push(*id);
        Ok(())
    }

    fn remember(&mut self, width: usize) -> Result<(), TorchError> {
        let index = self.number(width)?;
        let top = self.top()?;
        self.memo.insert(index, top);
        Ok(())
    }

    /// Adds pairs of key and value to the dictionary on top.
    fn set_items(&mut self, items: &[Id]) -> Result<(), TorchError> {
        let top = self.top()?;
        let (pairs, odd) = items.as_chunks::<2>();
        match &mut self.values[top] {
            Value::Dict(dict) if odd.is_empty() => {
                dict.extend(pairs.iter().map(|[key, value]| (*key, *value)));
                Ok(())
            }
            _ => Err(self.damaged("keys and values go to no dictionary, or do not pair up")),
        }
    }

    fn global(&mut self, module: &str, name: &str) -> Result<(), TorchError> {
        let global = Global::named(module, name)
            .ok_or_else(|| TorchError::Global { name: shorten(&format!("{module}.{name}")) })?;
        self.push(Value::Global(global));
        Ok(())
    }

    fn reduce(&mut self) -> Result<(), TorchError> {
        let (arguments, callable) = (self.pop()?, self.pop()?);
        let arguments = self.as_tuple(arguments)?;
        match (&self.values[callable], arguments.as_slice()) {
            (Value::Global(Global::OrderedDict), []) => self.push(Value::Dict(Vec::new())),
            // storage, offset, shape, strides, then gradients, hooks and metadata
            (Value::Global(Global::RebuildTensor), [storage, offset, shape, strides, rest @ ..])
                if self.are_plain(rest) =>
            {
                let Value::Storage(storage) = self.values[*storage] else {
                    return Err(self.damaged("a tensor is made of something other than a storage"));
                };
                let (shape, strides) = (self.as_lengths(*shape)?, self.as_lengths(*strides)?);
                if shape.len() != strides.len() {
                    return Err(self.damaged("a tensor has not as many strides as axes"));
                }
                self.push(Value::Tensor(View { storage, offset: self.as_length(*offset)?, shape, strides }));
            }
            // tensor, gradients, hooks
            (Value::Global(Global::RebuildParameter), [tensor, _, _])
                if matches!(self.values[*tensor], Value::Tensor(_)) =>
            {
                self.stack.push(*tensor);
            }
            _ => return Err(self.damaged("a call does not fit what it calls")),
        }
        Ok(())
    }

    /// Whether a tensor's last arguments leave its values as they are. Metadata can say that the stored values are
    /// the negative of those meant.
    fn are_plain(&self, rest: &[Id]) -> bool {
        match rest {
            [_, _] => true,
            [_, _, metadata] => match &self.values[*metadata] {
                Value::Dict(entries) => entries.is_empty(),
                other => *other == Value::None,
            },
            _ => false,
        }
    }

    /// A reference to an entry of the archive: `("storage", class, key, device, length)`.
    fn persistent(&mut self) -> Result<(), TorchError> {
        let reference = self.pop()?;
        let parts = self.as_tuple(reference)?;
        let [kind, class, key, _, length] = parts.as_slice() else {
            return Err(self.damaged("a reference to a storage has not five parts"));
        };
        let (Value::Text("storage"), Value::Global(Global::Storage(element))) =
            (&self.values[*kind], &self.values[*class])
        else {
            return Err(self.damaged("a reference is not to a storage"));
        };
        let storage =
            Storage { element: *element, key: self.as_text(*key)?, length: self.as_length(*length)? };
        self.push(Value::Storage(storage));
        Ok(())
    }

    fn as_text(&self, id: Id) -> Result<&'a str, TorchError> {
        match self.values[id] {
            Value::Text(text) => Ok(text),
            _ => Err(self.damaged("a name is no text")),
        }
    }

    /// A copy: a caller goes on to change the values. Only short tuples are asked for.
    fn as_tuple(&self, id: Id) -> Result<Vec<Id>, TorchError> {
        match &self.values[id] {
            Value::Tuple(items) if items.len() <= MAX_AXES => Ok(items.clone()),
            _ => Err(self.damaged("a short tuple is missing")),
        }
    }

    fn as_length(&self, id: Id) -> Result<usize, TorchError> {
        match self.values[id] {
            Value::Int(value) => usize::try_from(value).map_err(|_| self.damaged("a length is negative")),
            _ => Err(self.damaged("a length is no whole number")),
        }
    }

    fn as_lengths(&self, id: Id) -> Result<Vec<usize>, TorchError> {
        self.as_tuple(id)?.into_iter().map(|item| self.as_length(item)).collect()
    }
}
