//! A reader of the pickles that PyTorch writes, protocols 2 to 5.
//!
//! A pickle is a program for a stack machine. This machine knows the instructions that make plain data, and four
//! kinds of names ([`Global`](super::value::Global)); a call makes a description of a tensor, an empty dictionary or
//! an inert value, never more. Any other instruction ends it with an error.
//!
//! Every instruction makes at most one value and stores at most one index for each that it takes off the stack, so
//! one cap on instructions bounds values, stack, memo and time; lengths are checked against what is left of the file
//! before anything is reserved.

use super::error::TorchError;
use super::stack::Machine;
use super::value::{Id, Value};

/// Ten times what a training checkpoint of TResNet-XL with its optimizer takes.
const MAX_STEPS: usize = 1 << 20;
/// A hundred times the pickle of TResNet-XL's weights.
const MAX_BYTES: usize = 16 << 20;

/// All values of a pickle, and which of them is the result.
#[derive(Debug)]
pub(super) struct Heap<'a> {
    values: Vec<Value<'a>>,
    /// The value that the pickle describes.
    pub root: Id,
}

impl<'a> Heap<'a> {
    /// A value by its index.
    pub(super) fn get(&self, id: Id) -> &Value<'a> {
        // the machine hands out indices of values that it made
        &self.values[id]
    }

    /// All values, in the order in which they were made.
    pub(super) fn all(&self) -> &[Value<'a>] {
        &self.values
    }
}

/// Runs a pickle, which may end before `bytes` does.
pub(super) fn read(bytes: &[u8]) -> Result<Heap<'_>, TorchError> {
    if bytes.len() > MAX_BYTES {
        return Err(too_long());
    }
    first(bytes).map(|(heap, _)| heap)
}

/// Runs the pickle at the beginning of `bytes`, and returns how many of them it has.
pub(super) fn first(bytes: &[u8]) -> Result<(Heap<'_>, usize), TorchError> {
    let window = &bytes[..bytes.len().min(MAX_BYTES)];
    let mut machine = Machine::new(window);
    for _ in 0..MAX_STEPS {
        match machine.step() {
            Ok(None) => {}
            Ok(Some(root)) => return Ok((Heap { values: machine.values, root }, machine.at)),
            Err(TorchError::CutShort) if window.len() < bytes.len() => return Err(too_long()),
            Err(error) => return Err(error),
        }
    }
    Err(TorchError::Limit { what: "instructions in its pickle", limit: MAX_STEPS as u64 })
}

fn too_long() -> TorchError {
    TorchError::Limit { what: "bytes of pickle", limit: MAX_BYTES as u64 }
}

impl Machine<'_> {
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
            // MARK, POP, POP_MARK
            b'(' => self.marks.push(self.stack.len()),
            b'0' => drop(self.pop()?),
            b'1' => drop(self.pop_to_mark()?),
            // NONE, NEWTRUE, NEWFALSE
            b'N' => self.push(Value::None),
            0x88 | 0x89 => self.push(Value::Bool(opcode == 0x88)),
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
            // SHORT_BINBYTES, BINBYTES, BINBYTES8, BYTEARRAY8, SHORT_BINSTRING, BINSTRING
            b'C' | b'U' => self.opaque(1)?,
            b'B' | b'T' => self.opaque(4)?,
            0x8e | 0x96 => self.opaque(8)?,
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
            // EMPTY_LIST, APPEND, APPENDS
            b']' => self.push(Value::List(Vec::new())),
            b'a' => {
                let item = self.pop()?;
                self.append(&[item])?;
            }
            b'e' => {
                let items = self.pop_to_mark()?;
                self.append(&items)?;
            }
            // EMPTY_SET, ADDITEMS, FROZENSET: what a set holds is dropped
            0x8f => self.push(Value::Other),
            0x90 => drop((self.pop_to_mark()?, self.top()?)),
            0x91 => {
                self.pop_to_mark()?;
                self.push(Value::Other);
            }
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
            // GLOBAL, STACK_GLOBAL, REDUCE, NEWOBJ, NEWOBJ_EX, BUILD, BINPERSID
            b'c' => {
                let (module, name) = (self.line()?, self.line()?);
                self.global(module, name);
            }
            0x93 => {
                let (name, module) = (self.pop()?, self.pop()?);
                let (module, name) = (self.as_text(module)?, self.as_text(name)?);
                self.global(module, name);
            }
            b'R' => self.reduce()?,
            0x81 => self.new_object(false)?,
            0x92 => self.new_object(true)?,
            b'b' => self.build()?,
            b'Q' => self.persistent()?,
            _ => return Err(TorchError::Opcode { opcode, at: self.instruction }),
        }
        Ok(None)
    }
}
