//! A guest as its host sees it: memory, gas, exports.

use std::any::type_name;

use wasmtime::{AsContext, AsContextMut, StoreContextMut, Val};

use crate::instance::State;
use crate::stop::{Backstop, BadPointer, ExportError, Stop, Trap};

/// Values that cross the border.
pub trait Value: wasmtime::WasmTy {}
impl Value for i32 {}
impl Value for u32 {}
impl Value for i64 {}
impl Value for u64 {}
impl Value for f32 {}
impl Value for f64 {}

/// Parameters of an export: a tuple of [`Value`]s, or one.
pub trait Params: wasmtime::WasmParams {}
impl<P: wasmtime::WasmParams> Params for P {}

/// Results of an export: a tuple of [`Value`]s, one, or `()`.
pub trait Results: wasmtime::WasmResults {}
impl<R: wasmtime::WasmResults> Results for R {}

/// A guest at rest, or waiting in a host function. Whoever holds it may read and write its memory, charge it and call it.
pub struct Guest<'a, T: 'static>(pub(crate) StoreContextMut<'a, State<T>>);

impl<T: 'static> Guest<'_, T> {
    /// The host's own state.
    pub fn data(&self) -> &T {
        &self.0.data().data
    }

    /// The host's own state.
    pub fn data_mut(&mut self) -> &mut T {
        &mut self.0.data_mut().data
    }

    /// Gas that is left; without metering, `u64::MAX`.
    pub fn gas_left(&mut self) -> u64 {
        self.gas().map_or(u64::MAX, |gas| gas.max(0).cast_unsigned())
    }

    /// Takes gas off, before the work that it pays for.
    ///
    /// # Errors
    /// [`Stop::OutOfGas`] if less is left, and then nothing is.
    pub fn charge(&mut self, gas: u64) -> Result<(), Stop> {
        let Some(left) = self.gas() else { return Ok(()) };
        let rest = i64::try_from(gas).ok().and_then(|gas| left.checked_sub(gas)).filter(|rest| *rest >= 0);
        self.set_gas(rest.unwrap_or(-1));
        rest.map(|_| ()).ok_or(Stop::OutOfGas)
    }

    /// Bytes of the guest's memory now.
    pub fn memory_bytes(&self) -> u64 {
        self.0.data().handles.memory.map_or(0, |memory| memory.data_size(&self.0) as u64)
    }

    /// Lends bytes of the guest's memory.
    ///
    /// # Errors
    /// [`Stop::BadPointer`] if any of them is outside.
    pub fn read(&self, address: u32, length: u32) -> Result<&[u8], Stop> {
        let memory = self.0.data().handles.memory.map_or(&[][..], |memory| memory.data(self.0.as_context()));
        range(memory.len(), address, length).map(|range| &memory[range])
    }

    /// Lends bytes of the guest's memory, to be read or written, together with the host's state.
    ///
    /// # Errors
    /// As [`Guest::read`].
    pub fn memory_mut(&mut self, address: u32, length: u32) -> Result<(&mut [u8], &mut T), Stop> {
        let Some(memory) = self.0.data().handles.memory else {
            let data = &mut self.0.data_mut().data;
            return range(0, address, length).map(|_| (&mut [][..], data));
        };
        let (memory, state) = memory.data_and_store_mut(&mut self.0);
        let range = range(memory.len(), address, length)?;
        Ok((&mut memory[range], &mut state.data))
    }

    /// Writes into the guest's memory, all of `bytes` or nothing.
    ///
    /// # Errors
    /// As [`Guest::read`].
    pub fn write(&mut self, address: u32, bytes: &[u8]) -> Result<(), Stop> {
        let length = u32::try_from(bytes.len()).unwrap_or(u32::MAX);
        self.memory_mut(address, length)?.0.copy_from_slice(bytes);
        Ok(())
    }

    /// Reads a little-endian number.
    ///
    /// # Errors
    /// As [`Guest::read`].
    pub fn read_u32(&self, address: u32) -> Result<u32, Stop> {
        self.read(address, 4).map(|bytes| u32::from_le_bytes(std::array::from_fn(|i| bytes[i])))
    }

    /// Writes a little-endian number.
    ///
    /// # Errors
    /// As [`Guest::read`].
    pub fn write_u32(&mut self, address: u32, value: u32) -> Result<(), Stop> {
        self.write(address, &value.to_le_bytes())
    }

    /// Whether the guest exports a function of that name.
    pub fn has_function(&mut self, name: &str) -> bool {
        self.0.data().handles.instance.is_some_and(|instance| instance.get_func(&mut self.0, name).is_some())
    }

    /// Calls an export, on the gas and the stack that are left. From within a host function this enters the guest anew,
    /// while its outer call waits.
    pub fn call<P: Params, R: Results>(&mut self, name: &str, params: P) -> Result<R, Stop> {
        let instance = self.0.data().handles.instance;
        let Some(function) = instance.and_then(|instance| instance.get_func(&mut self.0, name)) else {
            return Err(Stop::Export(ExportError { name: name.to_owned(), asked: None }));
        };
        let Ok(function) = function.typed::<P, R>(&self.0) else {
            let asked = format!("{} → {}", type_name::<P>(), type_name::<R>());
            return Err(Stop::Export(ExportError { name: name.to_owned(), asked: Some(asked) }));
        };
        let stack = self.stack();
        let result = function.call(&mut self.0, params);
        let overflown = self.stack().is_some_and(|stack| stack < 0);
        // A trap leaves the frames of what it ended reserved; the caller's own frame stands.
        if result.is_err()
            && let Some(stack) = stack
        {
            self.set_stack(stack);
        }
        if self.gas().is_some_and(|gas| gas < 0) {
            return Err(Stop::OutOfGas);
        }
        result.map_err(|error| if overflown { Stop::StackOverflow } else { stop(error) })
    }

    pub(crate) fn gas(&mut self) -> Option<i64> {
        let gas = self.0.data().handles.gas?;
        gas.get(self.0.as_context_mut()).i64()
    }

    pub(crate) fn set_gas(&mut self, left: i64) {
        if let Some(gas) = self.0.data().handles.gas {
            // The global is mutable and of this type, since metering wrote it.
            let _ = gas.set(self.0.as_context_mut(), Val::I64(left));
        }
    }

    fn stack(&mut self) -> Option<i32> {
        let stack = self.0.data().handles.stack?;
        stack.get(self.0.as_context_mut()).i32()
    }

    pub(crate) fn set_stack(&mut self, left: i32) {
        if let Some(stack) = self.0.data().handles.stack {
            let _ = stack.set(self.0.as_context_mut(), Val::I32(left));
        }
    }
}

fn range(memory: usize, address: u32, length: u32) -> Result<std::ops::Range<usize>, Stop> {
    let end = u64::from(address) + u64::from(length);
    if end > memory as u64 {
        return Err(Stop::BadPointer(BadPointer { address, length, memory: memory as u64 }));
    }
    Ok(address as usize..end as usize)
}

/// A [`Stop`] on its way through the engine.
#[derive(Debug, thiserror::Error)]
#[error("a host function ended the call")]
pub(crate) struct Carried(pub(crate) Stop);

pub(crate) fn stop(error: wasmtime::Error) -> Stop {
    use wasmtime::Trap as T;
    let error = match error.downcast::<Carried>() {
        Ok(carried) => return carried.0,
        Err(error) => error,
    };
    if error.is::<wasmtime::PoolConcurrencyLimitError>() {
        return Stop::Backstop(Backstop::Busy);
    }
    match error.downcast_ref::<T>() {
        Some(T::UnreachableCodeReached) => Stop::Trap(Trap::Unreachable),
        Some(T::MemoryOutOfBounds) => Stop::Trap(Trap::MemoryOutOfBounds),
        Some(T::TableOutOfBounds) => Stop::Trap(Trap::TableOutOfBounds),
        Some(T::IndirectCallToNull) => Stop::Trap(Trap::NullCall),
        Some(T::BadSignature) => Stop::Trap(Trap::BadSignature),
        Some(T::IntegerDivisionByZero) => Stop::Trap(Trap::DivisionByZero),
        Some(T::IntegerOverflow) => Stop::Trap(Trap::IntegerOverflow),
        Some(T::BadConversionToInteger) => Stop::Trap(Trap::BadConversion),
        Some(T::StackOverflow) => Stop::Backstop(Backstop::NativeStack),
        Some(T::Interrupt) => Stop::Backstop(Backstop::Time),
        _ => Stop::Backstop(Backstop::Engine(format!("{error:#}"))),
    }
}
