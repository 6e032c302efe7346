//! Host functions, by module and name.

use std::panic::{AssertUnwindSafe, catch_unwind};

use wasmtime::AsContextMut;

use crate::cost;
use crate::engine::{Engine, Module};
use crate::guest::{Carried, Guest, Value};
use crate::instance::{Prepared, State};
use crate::stop::Stop;

/// What a host function returns: a [`Value`] or nothing.
pub trait Answer: wasmtime::WasmRet {}
impl Answer for () {}
impl Answer for i32 {}
impl Answer for u32 {}
impl Answer for i64 {}
impl Answer for u64 {}
impl Answer for f32 {}
impl Answer for f64 {}

/// The functions that guests of an ABI may import. `T` is the host's state of one call.
pub struct Linker<T: 'static> {
    wasmtime: wasmtime::Linker<State<T>>,
    engine: Engine,
}

/// Why a module cannot be linked.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LinkError {
    /// The host has no such function.
    #[error("the module imports {module}.{name}, which this ABI does not have")]
    Unknown {
        /// The module imported from.
        module: String,
        /// The name imported.
        name: String,
    },
    /// The host's function has another type.
    #[error("the module does not fit the ABI: {0}")]
    Type(String),
}

/// A function of the host: a closure over [`Guest`] and up to twelve [`Value`]s that returns an [`Answer`] or a [`Stop`].
pub trait HostFunction<T: 'static, P, R>: Send + Sync + 'static {
    #[doc(hidden)]
    fn define(
        self,
        linker: &mut wasmtime::Linker<State<T>>,
        module: &str,
        name: &str,
    ) -> wasmtime::Result<()>;
}

macro_rules! host_functions {
    ($(($($p:ident)*))*) => {$(
        #[allow(non_snake_case, reason = "each parameter is named as its type")]
        impl<T, F, R, $($p),*> HostFunction<T, ($($p,)*), R> for F
        where
            T: 'static,
            F: Fn(&mut Guest<'_, T>, $($p),*) -> Result<R, Stop> + Send + Sync + 'static,
            R: Answer + 'static,
            $($p: Value + 'static,)*
        {
            fn define(self, linker: &mut wasmtime::Linker<State<T>>, module: &str, name: &str) -> wasmtime::Result<()> {
                linker.func_wrap(module, name, move |mut caller: wasmtime::Caller<'_, State<T>>, $($p: $p),*| {
                    enter(&mut caller, |guest| self(guest, $($p),*))
                })?;
                Ok(())
            }
        }
    )*};
}

host_functions! {
    () (A) (A B) (A B C) (A B C D) (A B C D E) (A B C D E G) (A B C D E G H) (A B C D E G H I) (A B C D E G H I J)
    (A B C D E G H I J K) (A B C D E G H I J K L) (A B C D E G H I J K L M)
}

/// Charges for the border, and keeps a panic on this side of it.
fn enter<T: 'static, R>(
    caller: &mut wasmtime::Caller<'_, State<T>>,
    function: impl FnOnce(&mut Guest<'_, T>) -> Result<R, Stop>,
) -> wasmtime::Result<R> {
    let mut guest = Guest(caller.as_context_mut());
    let charged = guest.charge(cost::HOST_CALL);
    let result = charged.and_then(|()| {
        // State that a panic left half changed is thrown away with the call.
        catch_unwind(AssertUnwindSafe(|| function(&mut guest))).unwrap_or_else(|panic| {
            let message = panic.downcast_ref::<&str>().map(|message| (*message).to_owned());
            let message = message.or_else(|| panic.downcast_ref::<String>().cloned());
            Err(Stop::HostPanic(message.unwrap_or_else(|| "no message".to_owned())))
        })
    });
    result.map_err(|stop| wasmtime::Error::new(Carried(stop)))
}

impl<T: Send + 'static> Linker<T> {
    /// Without any function.
    pub fn new(engine: &Engine) -> Self {
        Self { wasmtime: wasmtime::Linker::new(engine.wasmtime()), engine: engine.clone() }
    }

    /// Adds a function; one of the same names is replaced. Each call costs [`HOST_CALL`](cost::HOST_CALL) before it is
    /// made; what it does beyond it charges itself by [`Guest::charge`].
    pub fn function<P, R>(
        &mut self,
        module: &str,
        name: &str,
        function: impl HostFunction<T, P, R>,
    ) -> &mut Self {
        self.wasmtime.allow_shadowing(true);
        // Fails on a name that is taken, and that is allowed.
        let defined = function.define(&mut self.wasmtime, module, name);
        debug_assert!(defined.is_ok());
        self
    }

    /// Resolves a module's imports, once for all its calls.
    pub fn prepare(&self, module: &Module) -> Result<Prepared<T>, LinkError> {
        let pre = self.wasmtime.instantiate_pre(&module.wasmtime).map_err(|error| {
            match error.downcast_ref::<wasmtime::UnknownImportError>() {
                Some(unknown) => LinkError::Unknown {
                    module: unknown.module().to_owned(),
                    name: unknown.name().to_owned(),
                },
                None => LinkError::Type(format!("{error:#}")),
            }
        })?;
        Ok(Prepared::new(pre, module.clone()))
    }

    /// The engine whose modules it links.
    pub fn engine(&self) -> &Engine {
        &self.engine
    }
}
