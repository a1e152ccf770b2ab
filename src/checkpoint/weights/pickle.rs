//! A machine for the pickles of state dicts, which knows nothing else.
//!
//! A pickle is a program for a stack machine, and Python's machine calls whatever function a pickle names. This one has no
//! functions: the few names that a state dict needs are values of its own, any other is refused when it is named, called or not,
//! and so is every operation that `torch.save` does not use for state dicts. Values are indices into the machine's own lists:
//! nothing is nested, so nothing recurses and no cycle can leak.

use super::archive::shown;
use super::operation::{self, *};
use safetensors::tensor::Dtype;
use std::collections::BTreeMap;

/// A pickle has about a hundred bytes a tensor.
pub(super) const MAX_PICKLE_BYTES: usize = 16 << 20;
/// A pickle has about thirty operations a tensor; each makes at most one value, so this bounds stack and memo, too.
const MAX_OPERATIONS: usize = 1 << 20;
/// Tuples and dicts open at once; a state dict opens four.
const MAX_NESTING: usize = 64;
/// Names of tensors, storages and functions.
const MAX_STRING_BYTES: usize = 1 << 10;
/// Dimensions of a tensor.
const MAX_DIMENSIONS: usize = 8;
/// Tensors in one file; the largest BLOOM has 850 in all.
const MAX_TENSORS: usize = 1 << 16;

/// How to get weights that can be read.
const CURE: &str = "take the weights from where you trust them, as `model.safetensors` if there is one";

/// Values of one type in an entry of the archive.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Storage<'a> {
    /// The entry is `data/KEY`.
    pub(super) key: &'a str,
    pub(super) dtype: Dtype,
    /// How many values, as the pickle says.
    pub(super) elements: usize,
}

/// A tensor as a view of a storage, nothing of which is checked against the archive or each other.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct View<'a> {
    pub(super) storage: Storage<'a>,
    /// In elements.
    pub(super) offset: usize,
    pub(super) shape: Vec<usize>,
    /// In elements; as many as dimensions.
    pub(super) strides: Vec<usize>,
}

/// The tensors of the dict that a pickle makes, with their names; values that are no tensors are passed over.
pub(super) fn state_dict(pickle: &[u8]) -> Result<Vec<(&str, View<'_>)>, String> {
    if pickle.len() > MAX_PICKLE_BYTES {
        return Err(format!("has a pickle of {} bytes; at most {MAX_PICKLE_BYTES} are read", pickle.len()));
    }
    Machine::new(pickle).run()
}

/// The names that a state dict's pickle may use.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Global {
    OrderedDict,
    RebuildTensor,
    RebuildParameter,
    StorageType(Dtype),
}

impl Global {
    fn of(module: &str, name: &str) -> Option<Self> {
        let dtype = match (module, name) {
            ("collections", "OrderedDict") => return Some(Global::OrderedDict),
            ("torch._utils", "_rebuild_tensor_v2") => return Some(Global::RebuildTensor),
            ("torch._utils", "_rebuild_parameter") => return Some(Global::RebuildParameter),
            ("torch", "FloatStorage") => Dtype::F32,
            ("torch", "HalfStorage") => Dtype::F16,
            ("torch", "BFloat16Storage") => Dtype::BF16,
            ("torch", "DoubleStorage") => Dtype::F64,
            ("torch", "LongStorage") => Dtype::I64,
            ("torch", "IntStorage") => Dtype::I32,
            ("torch", "ShortStorage") => Dtype::I16,
            ("torch", "CharStorage") => Dtype::I8,
            ("torch", "ByteStorage") => Dtype::U8,
            ("torch", "BoolStorage") => Dtype::BOOL,
            _ => return None,
        };
        Some(Global::StorageType(dtype))
    }
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Value<'a> {
    None,
    Bool,
    Integer(i64),
    Float,
    Text(&'a str),
    /// Where in `items` it starts, and its length.
    Tuple(usize, usize),
    /// Which of `dicts`.
    Dict(usize),
    /// No value of interest is in a list.
    List,
    Global(Global),
    Storage(Storage<'a>),
    /// Which of `tensors`.
    Tensor(usize),
}

struct Machine<'a> {
    rest: &'a [u8],
    stack: Vec<Value<'a>>,
    /// Heights of the stack where marks lie.
    marks: Vec<usize>,
    memo: BTreeMap<u32, Value<'a>>,
    items: Vec<Value<'a>>,
    dicts: Vec<Vec<(Value<'a>, Value<'a>)>>,
    tensors: Vec<View<'a>>,
}

impl<'a> Machine<'a> {
    fn new(pickle: &'a [u8]) -> Self {
        Machine {
            rest: pickle,
            stack: Vec::new(),
            marks: Vec::new(),
            memo: BTreeMap::new(),
            items: Vec::new(),
            dicts: Vec::new(),
            tensors: Vec::new(),
        }
    }

    fn run(mut self) -> Result<Vec<(&'a str, View<'a>)>, String> {
        for _ in 0..MAX_OPERATIONS {
            let operation = self.byte()?;
            if operation == STOP {
                return self.finish();
            }
            self.step(operation)?;
        }
        Err(format!("has a pickle of more than {MAX_OPERATIONS} operations; {CURE}"))
    }

    fn step(&mut self, operation: u8) -> Result<(), String> {
        match operation {
            // The version, and how many bytes follow: of no use here.
            PROTO => self.take(1).map(|_| ()),
            FRAME => self.take(8).map(|_| ()),
            MARK if self.marks.len() < MAX_NESTING => {
                self.marks.push(self.stack.len());
                Ok(())
            }
            MARK => Err(format!("has a pickle nested more than {MAX_NESTING} deep; {CURE}")),
            NONE => self.push(Value::None),
            NEWTRUE | NEWFALSE => self.push(Value::Bool),
            BININT => {
                let value = i32::from_le_bytes(self.array()?);
                self.push(Value::Integer(value.into()))
            }
            BININT1 => {
                let value = self.byte()?;
                self.push(Value::Integer(value.into()))
            }
            BININT2 => {
                let value = u16::from_le_bytes(self.array()?);
                self.push(Value::Integer(value.into()))
            }
            LONG1 => self.long(),
            BINFLOAT => {
                self.take(8)?;
                self.push(Value::Float)
            }
            BINUNICODE => {
                let length = u32::from_le_bytes(self.array()?);
                self.text(length.into())
            }
            SHORT_BINUNICODE => {
                let length = self.byte()?;
                self.text(length.into())
            }
            BINUNICODE8 => {
                let length = u64::from_le_bytes(self.array()?);
                self.text(length)
            }
            EMPTY_TUPLE => self.push(Value::Tuple(0, 0)),
            TUPLE1 => self.push_tuple_of(1),
            TUPLE2 => self.push_tuple_of(2),
            TUPLE3 => self.push_tuple_of(3),
            TUPLE => {
                let items = self.pop_to_mark()?;
                self.push_tuple(items)
            }
            EMPTY_DICT => self.push_dict(),
            SETITEM => {
                let items = self.pop_many(2)?;
                self.set(items)
            }
            SETITEMS => {
                let items = self.pop_to_mark()?;
                self.set(items)
            }
            EMPTY_LIST => self.push(Value::List),
            APPEND => {
                self.pop()?;
                self.top_list()
            }
            APPENDS => {
                self.pop_to_mark()?;
                self.top_list()
            }
            BINPUT => {
                let index = self.byte()?;
                self.put(index.into())
            }
            LONG_BINPUT => {
                let index = u32::from_le_bytes(self.array()?);
                self.put(index)
            }
            MEMOIZE => {
                let index = u32::try_from(self.memo.len()).map_err(|_| malformed())?;
                self.put(index)
            }
            BINGET => {
                let index = self.byte()?;
                self.get(index.into())
            }
            LONG_BINGET => {
                let index = u32::from_le_bytes(self.array()?);
                self.get(index)
            }
            GLOBAL => {
                let (module, name) = (self.line()?, self.line()?);
                self.global(module, name)
            }
            STACK_GLOBAL => match self.pop_many(2)?.as_slice() {
                [Value::Text(module), Value::Text(name)] => self.global(module, name),
                _ => Err(malformed()),
            },
            INST => {
                let (module, name) = (self.line()?, self.line()?);
                Err(refused_name(module, name))
            }
            REDUCE => self.reduce(),
            BUILD => self.build(),
            BINPERSID => self.persistent(),
            other => {
                let operation = operation::foreign(other);
                Err(format!("has a pickle with the operation {operation}, which no state dict needs; {CURE}"))
            }
        }
    }

    // --- Reading ------------------------------------------------------------------------------------------------------

    fn take(&mut self, n: usize) -> Result<&'a [u8], String> {
        let (taken, rest) = self.rest.split_at_checked(n).ok_or_else(|| "has a pickle that is cut off".to_string())?;
        self.rest = rest;
        Ok(taken)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], String> {
        self.take(N)?.try_into().map_err(|_| malformed())
    }

    fn byte(&mut self) -> Result<u8, String> {
        self.array().map(|[byte]| byte)
    }

    fn line(&mut self) -> Result<&'a str, String> {
        let end = self.rest.iter().take(MAX_STRING_BYTES).position(|byte| *byte == b'\n').ok_or_else(malformed)?;
        let line = self.take(end)?;
        self.take(1)?;
        std::str::from_utf8(line).map_err(|_| malformed())
    }

    fn text(&mut self, length: u64) -> Result<(), String> {
        match usize::try_from(length) {
            Ok(length) if length <= MAX_STRING_BYTES => {
                let text = std::str::from_utf8(self.take(length)?).map_err(|_| malformed())?;
                self.push(Value::Text(text))
            }
            _ => Err(format!("has a pickle with a string of {length} bytes; at most {MAX_STRING_BYTES} are read")),
        }
    }

    /// A signed number in as few bytes as hold it.
    fn long(&mut self) -> Result<(), String> {
        let length = self.byte()?;
        let bytes = self.take(length.into())?;
        let negative = bytes.last().is_some_and(|byte| byte & 0x80 != 0);
        let mut wide = if negative { [0xff; 8] } else { [0; 8] };
        wide.get_mut(..bytes.len()).ok_or_else(malformed)?.copy_from_slice(bytes);
        self.push(Value::Integer(i64::from_le_bytes(wide)))
    }

    // --- Stack and memo -----------------------------------------------------------------------------------------------

    fn push(&mut self, value: Value<'a>) -> Result<(), String> {
        self.stack.push(value);
        Ok(())
    }

    fn push_tuple(&mut self, items: Vec<Value<'a>>) -> Result<(), String> {
        let tuple = Value::Tuple(self.items.len(), items.len());
        self.items.extend(items);
        self.push(tuple)
    }

    fn push_tuple_of(&mut self, n: usize) -> Result<(), String> {
        let items = self.pop_many(n)?;
        self.push_tuple(items)
    }

    fn push_dict(&mut self) -> Result<(), String> {
        self.dicts.push(Vec::new());
        self.push(Value::Dict(self.dicts.len() - 1))
    }

    fn pop(&mut self) -> Result<Value<'a>, String> {
        let top = self.top()?;
        self.stack.pop();
        Ok(top)
    }

    /// The last `n` values, the first of them first.
    fn pop_many(&mut self, n: usize) -> Result<Vec<Value<'a>>, String> {
        let mut values: Vec<Value<'a>> = (0..n).map(|_| self.pop()).collect::<Result<_, _>>()?;
        values.reverse();
        Ok(values)
    }

    fn pop_to_mark(&mut self) -> Result<Vec<Value<'a>>, String> {
        let height = self.marks.pop().filter(|height| *height <= self.stack.len()).ok_or_else(malformed)?;
        Ok(self.stack.split_off(height))
    }

    /// Nothing below the last mark counts.
    fn top(&self) -> Result<Value<'a>, String> {
        let floor = self.marks.last().copied().unwrap_or(0);
        self.stack.get(floor..).and_then(<[_]>::last).copied().ok_or_else(malformed)
    }

    fn top_list(&self) -> Result<(), String> {
        if self.top()? == Value::List {
            Ok(())
        } else {
            Err(malformed())
        }
    }

    fn put(&mut self, index: u32) -> Result<(), String> {
        let top = self.top()?;
        self.memo.insert(index, top);
        Ok(())
    }

    fn get(&mut self, index: u32) -> Result<(), String> {
        let value = self.memo.get(&index).copied().ok_or_else(malformed)?;
        self.push(value)
    }

    /// A tuple's items.
    fn tuple(&self, value: Value<'a>) -> Result<&[Value<'a>], String> {
        match value {
            Value::Tuple(start, length) => {
                start.checked_add(length).and_then(|end| self.items.get(start..end)).ok_or_else(malformed)
            }
            _ => Err(malformed()),
        }
    }

    fn is_empty_dict(&self, value: Value<'a>) -> bool {
        matches!(value, Value::Dict(dict) if self.dicts.get(dict).is_some_and(Vec::is_empty))
    }

    // --- What the names mean ------------------------------------------------------------------------------------------

    fn global(&mut self, module: &str, name: &str) -> Result<(), String> {
        let global = Global::of(module, name).ok_or_else(|| refused_name(module, name))?;
        self.push(Value::Global(global))
    }

    fn set(&mut self, items: Vec<Value<'a>>) -> Result<(), String> {
        let Value::Dict(dict) = self.top()? else { return Err(malformed()) };
        let dict = self.dicts.get_mut(dict).ok_or_else(malformed)?;
        for pair in items.chunks(2) {
            match pair {
                [key, value] => dict.push((*key, *value)),
                _ => return Err(malformed()),
            }
        }
        Ok(())
    }

    /// A call, of which there are three.
    fn reduce(&mut self) -> Result<(), String> {
        let arguments = self.pop()?;
        let function = self.pop()?;
        let arguments = self.tuple(arguments)?;
        match (function, arguments) {
            (Value::Global(Global::OrderedDict), []) => self.push_dict(),
            (Value::Global(Global::RebuildParameter), [tensor @ Value::Tensor(_), Value::Bool, hooks])
                if self.is_empty_dict(*hooks) =>
            {
                let tensor = *tensor;
                self.push(tensor)
            }
            (Value::Global(Global::RebuildTensor), arguments) => {
                let view = self.view(arguments)?;
                if self.tensors.len() >= MAX_TENSORS {
                    return Err(format!("has a pickle of more than {MAX_TENSORS} tensors; {CURE}"));
                }
                self.tensors.push(view);
                self.push(Value::Tensor(self.tensors.len() - 1))
            }
            _ => Err(malformed()),
        }
    }

    /// The arguments of `_rebuild_tensor_v2`: storage, offset, shape, strides, requires_grad, hooks, and maybe metadata.
    fn view(&self, arguments: &[Value<'a>]) -> Result<View<'a>, String> {
        let [Value::Storage(storage), Value::Integer(offset), shape, strides, Value::Bool, hooks, more @ ..] =
            arguments
        else {
            return Err(malformed());
        };
        // Metadata says that values are to be negated or conjugated.
        let plain = self.is_empty_dict(*hooks)
            && match more {
                [] | [Value::None] => true,
                [metadata] => self.is_empty_dict(*metadata),
                _ => false,
            };
        let (shape, strides) = (self.sizes(*shape)?, self.sizes(*strides)?);
        if !plain || shape.len() != strides.len() {
            return Err(malformed());
        }
        Ok(View { storage: *storage, offset: size(*offset)?, shape, strides })
    }

    fn sizes(&self, tuple: Value<'a>) -> Result<Vec<usize>, String> {
        let items = self.tuple(tuple)?;
        if items.len() > MAX_DIMENSIONS {
            return Err(format!(
                "has a pickle with a tensor of {} dimensions; at most {MAX_DIMENSIONS} are read",
                items.len()
            ));
        }
        let one = |item: &Value| if let Value::Integer(n) = item { size(*n) } else { Err(malformed()) };
        items.iter().map(one).collect()
    }

    /// The attributes of an object. A module's state dict has one, `_metadata`, which holds versions of layers.
    fn build(&mut self) -> Result<(), String> {
        self.pop()?;
        match self.top()? {
            Value::Dict(_) => Ok(()),
            _ => Err(format!("has a pickle that gives attributes to something else than a dict; {CURE}")),
        }
    }

    /// `("storage", type, key, device, elements)`.
    fn persistent(&mut self) -> Result<(), String> {
        let id = self.pop()?;
        let storage = match self.tuple(id)? {
            [Value::Text("storage"), Value::Global(Global::StorageType(dtype)), Value::Text(key), Value::Text(_), Value::Integer(n)] => {
                Storage { key, dtype: *dtype, elements: size(*n)? }
            }
            _ => return Err(malformed()),
        };
        self.push(Value::Storage(storage))
    }

    fn finish(mut self) -> Result<Vec<(&'a str, View<'a>)>, String> {
        let Value::Dict(dict) = self.pop()? else {
            return Err("holds no state dict; save it with `torch.save(model.state_dict(), path)`".into());
        };
        let dict = self.dicts.get(dict).ok_or_else(malformed)?;
        let tensor = |(key, value): &(Value<'a>, Value<'a>)| match (key, value) {
            (Value::Text(name), Value::Tensor(tensor)) => Some((*name, self.tensors.get(*tensor)?.clone())),
            _ => None,
        };
        Ok(dict.iter().filter_map(tensor).collect())
    }
}

fn size(n: i64) -> Result<usize, String> {
    usize::try_from(n).map_err(|_| malformed())
}

fn malformed() -> String {
    "has a pickle that is damaged or not a state dict's; download it again, or save it with \
     `torch.save(model.state_dict(), path)`"
        .into()
}

fn refused_name(module: &str, name: &str) -> String {
    let (module, name) = (shown(module), shown(name));
    format!("has a pickle that names `{module}.{name}`, which no state dict needs; nothing of it was run; {CURE}")
}
