//! A fresh instance for every call.

use std::time::Duration;

use wasmtime::{AsContextMut, InstancePre, ModuleExport, ResourceLimiter, Store};

use crate::engine::{Module, TICK};
use crate::guest::{Guest, Params, Results, stop};
use crate::meter::{GAS, MEMORY, STACK, START};
use crate::profile::Profile;
use crate::stop::Stop;

/// What an instance may use until it is dropped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Budget {
    /// Gas of all its calls together; more than `i64::MAX` counts as that. Not looked at without metering.
    pub gas: u64,
    /// Units of stack of calls within calls. Not looked at without metering.
    pub stack_units: u32,
    /// Bytes that memory may grow to; growing further fails as the guest's language says, without a trap. A part of
    /// the rules that nodes share, as is gas.
    pub memory_bytes: u64,
    /// Wall time from now on, to the next [`TICK`].
    pub time: Option<Duration>,
}

impl Budget {
    /// So much gas, the usual stack, memory as the module's limits allow, no clock.
    pub fn gas(gas: u64) -> Self {
        Self { gas, stack_units: 64 << 10, memory_bytes: u64::MAX, time: None }
    }
}

/// A module with its imports resolved, ready to be instantiated by the thousand.
pub struct Prepared<T: 'static> {
    pre: InstancePre<State<T>>,
    module: Module,
    gas: Option<ModuleExport>,
    stack: Option<ModuleExport>,
    start: Option<ModuleExport>,
    memory: Option<ModuleExport>,
}

/// A running guest. Dropping it gives its memory back to the pool, in its first state.
pub struct Instance<T: 'static> {
    store: Store<State<T>>,
    gas: u64,
}

/// What was to become an instance.
#[derive(Debug)]
pub struct Failed<T> {
    /// Why it did not.
    pub stop: Stop,
    /// What was charged nevertheless.
    pub gas_used: u64,
    /// The host's state.
    pub data: T,
}

/// What the engine keeps for one instance.
pub struct State<T> {
    pub(crate) data: T,
    pub(crate) handles: Handles,
    memory_bytes: u64,
}

#[derive(Clone, Copy, Default)]
pub(crate) struct Handles {
    pub(crate) instance: Option<wasmtime::Instance>,
    pub(crate) memory: Option<wasmtime::Memory>,
    pub(crate) gas: Option<wasmtime::Global>,
    pub(crate) stack: Option<wasmtime::Global>,
}

impl<T: Send> ResourceLimiter for State<T> {
    fn memory_growing(&mut self, _: usize, desired: usize, _: Option<usize>) -> wasmtime::Result<bool> {
        Ok(desired as u64 <= self.memory_bytes)
    }

    fn table_growing(&mut self, _: usize, _: usize, _: Option<usize>) -> wasmtime::Result<bool> {
        // Bounded by the module's limits.
        Ok(true)
    }
}

impl<T: Send + 'static> Prepared<T> {
    pub(crate) fn new(pre: InstancePre<State<T>>, module: Module) -> Self {
        let export = |name| module.wasmtime.get_export_index(name);
        let memory = export(MEMORY).or_else(|| export("memory"));
        Self { gas: export(GAS), stack: export(STACK), start: export(START), memory, pre, module }
    }

    /// The module.
    pub fn module(&self) -> &Module {
        &self.module
    }

    /// Makes an instance, charges for it, and runs the module's own start function.
    ///
    /// # Errors
    /// Whatever ends a call, and [`Backstop::Busy`](crate::Backstop) when the pool is empty.
    pub fn instantiate(&self, data: T, budget: &Budget) -> Result<Instance<T>, Box<Failed<T>>> {
        let state = State { data, handles: Handles::default(), memory_bytes: budget.memory_bytes };
        let mut store = Store::new(self.module.engine.wasmtime(), state);
        store.limiter(|state| state);
        let ticks =
            budget.time.map_or(u64::MAX / 2, |time| time.as_millis().div_ceil(TICK.as_millis()) as u64 + 1);
        store.set_epoch_deadline(ticks);
        let metered = self.module.engine.settings().profile == Profile::Deterministic;
        let gas = if metered { budget.gas.min(i64::MAX as u64) } else { 0 };
        let instantiated = self.pre.instantiate(&mut store);
        let mut instance = Instance { store, gas };
        let started =
            instantiated.map_err(stop).and_then(|wasmtime| self.start(&mut instance, wasmtime, budget));
        match started {
            Ok(()) => Ok(instance),
            Err(stop) => {
                let (data, gas_used) = instance.finish();
                Err(Box::new(Failed { stop, gas_used, data }))
            }
        }
    }

    fn start(
        &self,
        instance: &mut Instance<T>,
        wasmtime: wasmtime::Instance,
        budget: &Budget,
    ) -> Result<(), Stop> {
        let store = &mut instance.store;
        let mut export = |of: &Option<ModuleExport>| wasmtime.get_module_export(&mut *store, of.as_ref()?);
        let handles = Handles {
            instance: Some(wasmtime),
            memory: export(&self.memory).and_then(wasmtime::Extern::into_memory),
            gas: export(&self.gas).and_then(wasmtime::Extern::into_global),
            stack: export(&self.stack).and_then(wasmtime::Extern::into_global),
        };
        store.data_mut().handles = handles;
        let gas = instance.gas.cast_signed();
        let mut guest = instance.guest();
        guest.set_gas(gas);
        guest.set_stack(budget.stack_units.min(i32::MAX as u32).cast_signed());
        if self.start.is_some() {
            guest.call::<(), ()>(START, ())?;
        }
        Ok(())
    }
}

impl<T: Send + 'static> Instance<T> {
    /// The guest at rest, to be read, written, charged and called.
    pub fn guest(&mut self) -> Guest<'_, T> {
        Guest(self.store.as_context_mut())
    }

    /// Calls an export. After a [`Stop`] the guest may be in any state: read what is needed, then drop it.
    pub fn call<P: Params, R: Results>(&mut self, name: &str, params: P) -> Result<R, Stop> {
        self.guest().call(name, params)
    }

    /// Gas used so far, by starting and by all calls; all of the budget once it ran out. Zero without metering.
    pub fn gas_used(&mut self) -> u64 {
        let budget = self.gas;
        let left = self.guest().gas().map_or(budget, |left| left.max(0).cast_unsigned());
        budget - left
    }

    /// Ends the instance: the host's state and the gas used.
    pub fn finish(mut self) -> (T, u64) {
        let used = self.gas_used();
        (self.store.into_data().data, used)
    }
}
