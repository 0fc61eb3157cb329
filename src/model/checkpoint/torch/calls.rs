//! What would run something if a pickle were executed: names, calls, objects and their attributes. Here a call makes a
//! description of a tensor or an empty dictionary. With a name that is not on the list it makes an inert value.

use super::error::TorchError;
use super::stack::{MAX_AXES, Machine};
use super::value::{Global, Id, Name, Storage, Value, View};

impl<'a> Machine<'a> {
    /// A name: one of the list, or an inert value.
    pub(super) fn global(&mut self, module: &'a str, name: &'a str) {
        self.push(match Global::named(module, name) {
            Some(global) => Value::Global(global),
            None => Value::Inert(Name { module, name }),
        });
    }

    /// A call of the value below its arguments.
    pub(super) fn reduce(&mut self) -> Result<(), TorchError> {
        let (arguments, callable) = (self.pop()?, self.pop()?);
        if let Some(name) = self.inert_among(&[callable, arguments]) {
            self.push(Value::Inert(name));
            return Ok(());
        }
        let arguments = self.as_tuple(arguments)?;
        if let Some(name) = self.inert_among(&arguments) {
            self.push(Value::Inert(name));
            return Ok(());
        }
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

    /// An object of the class below its arguments. No class on the list is made in this way.
    pub(super) fn new_object(&mut self, has_keywords: bool) -> Result<(), TorchError> {
        if has_keywords {
            self.pop()?;
        }
        let (_, class) = (self.pop()?, self.pop()?);
        let name = self.as_inert(class).ok_or_else(|| self.damaged("an object is made of no inert class"))?;
        self.push(Value::Inert(name));
        Ok(())
    }

    /// Sets the attributes of the value below. PyTorch keeps versions of modules in those of a dictionary.
    pub(super) fn build(&mut self) -> Result<(), TorchError> {
        let attributes = self.pop()?;
        let top = self.top()?;
        match (&self.values[top], self.as_inert(attributes)) {
            (Value::Inert(_), _) | (Value::Dict(_), None) => Ok(()),
            (Value::Dict(_), Some(name)) => {
                self.values[top] = Value::Inert(name);
                Ok(())
            }
            _ => Err(self.damaged("attributes are set on something other than a dictionary")),
        }
    }

    /// Adds pairs of key and value to the dictionary on top.
    pub(super) fn set_items(&mut self, items: &[Id]) -> Result<(), TorchError> {
        let top = self.top()?;
        let (pairs, odd) = items.as_chunks::<2>();
        match &mut self.values[top] {
            Value::Dict(dict) if odd.is_empty() => {
                dict.extend(pairs.iter().map(|[key, value]| (*key, *value)));
                Ok(())
            }
            Value::Inert(_) if odd.is_empty() => Ok(()),
            _ => Err(self.damaged("keys and values go to no dictionary, or do not pair up")),
        }
    }

    /// Adds items to the list on top.
    pub(super) fn append(&mut self, items: &[Id]) -> Result<(), TorchError> {
        let top = self.top()?;
        match &mut self.values[top] {
            Value::List(list) => list.extend(items),
            Value::Inert(_) => {}
            _ => return Err(self.damaged("items go to no list")),
        }
        Ok(())
    }

    /// Returns whether a tensor's last arguments leave its values as they are. Metadata can declare the stored values
    /// to be the negative of the tensor's.
    fn are_plain(&self, rest: &[Id]) -> bool {
        let is_short = |hooks: &Id| match &self.values[*hooks] {
            Value::Dict(entries) => entries.len() <= MAX_AXES,
            _ => true,
        };
        match rest {
            [_, hooks] => is_short(hooks),
            [_, hooks, metadata] => {
                is_short(hooks)
                    && match &self.values[*metadata] {
                        Value::Dict(entries) => entries.is_empty(),
                        other => *other == Value::None,
                    }
            }
            _ => false,
        }
    }

    /// A reference to a storage: `("storage", class, key, device, length)`, in files of before PyTorch 1.6 with a sixth
    /// part, which is none. Those refer to classes of modules, too: `("module", class, file, source)`.
    pub(super) fn persistent(&mut self) -> Result<(), TorchError> {
        let reference = self.pop()?;
        let parts = self.as_tuple(reference)?;
        if let Some(name) = self.inert_among(&parts) {
            self.push(Value::Inert(name));
            return Ok(());
        }
        let (kind, class, key, length) = match parts.as_slice() {
            [kind, class, key, _, length] => (*kind, *class, *key, *length),
            [kind, class, key, _, length, whole] if self.values[*whole] == Value::None => {
                (*kind, *class, *key, *length)
            }
            _ => return Err(self.damaged("a reference to a storage has not five parts")),
        };
        let (Value::Text("storage"), Value::Global(Global::Storage(element))) =
            (&self.values[kind], &self.values[class])
        else {
            return Err(self.damaged("a reference is not to a storage"));
        };
        let storage = Storage { element: *element, key: self.as_text(key)?, length: self.as_length(length)? };
        self.push(Value::Storage(storage));
        Ok(())
    }
}
