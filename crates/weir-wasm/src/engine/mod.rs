//! Compiled code and where it runs.

mod artefact;
mod cache;
mod child;
mod trusted;

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use wasmtime::{Config, InstanceAllocationStrategy, PoolingAllocationConfig, Strategy, WasmFeatures};

use crate::check::check;
use crate::limits::{Limits, Refusal};
use crate::meter::meter;
use crate::profile::Profile;

pub use cache::CacheError;
pub use child::{ChildError, ChildLimits, child_main};

use artefact::Artefact;
use cache::Cache;

/// How long one tick of the wall clock's backstop is.
pub const TICK: Duration = Duration::from_millis(10);

/// What an engine is made of. Plain; change what differs from [`Settings::new`].
#[derive(Debug, Clone)]
pub struct Settings {
    /// The language of its guests.
    pub profile: Profile,
    /// Bounds on their structure.
    pub limits: Limits,
    /// Instances that may live at one time; one more is refused as [`Busy`](crate::Backstop::Busy). Address space is
    /// reserved for all of them (4 GiB each), memory is not.
    pub instances_max: u32,
    /// Bytes of native stack that a guest may use on the thread that calls it. The thread must have this and what host
    /// functions need: 2 MiB suit the value of [`Settings::new`]. In the deterministic profile the logical limit of
    /// [`Budget::stack_units`](crate::Budget) is met first.
    pub native_stack_bytes: usize,
    /// Bytes of each pooled memory that are copied back to their first state when an instance ends, instead of being
    /// given back to the system and faulted in again.
    pub memory_kept_bytes: usize,
    /// Who compiles.
    pub compiler: Compiler,
    /// Where compiled code is kept from one run to the next.
    pub cache: Option<CacheSettings>,
}

impl Settings {
    /// Two hundred instances, no cache, compilation in this process.
    pub fn new(profile: Profile) -> Self {
        Self {
            profile,
            limits: Limits::default(),
            instances_max: 200,
            native_stack_bytes: 1 << 20,
            memory_kept_bytes: 1 << 20,
            compiler: Compiler::InProcess,
            cache: None,
        }
    }
}

/// Who compiles.
#[derive(Debug, Clone)]
pub enum Compiler {
    /// The caller's thread: for modules that are trusted to be compiled, and for tests.
    InProcess,
    /// A process of its own, which ends with its limits. It must call [`child_main`].
    Child {
        /// What to run, by preference `/proc/self/exe`.
        program: PathBuf,
        /// Its arguments.
        arguments: Vec<String>,
        /// What it may use.
        limits: ChildLimits,
    },
}

/// Where compiled code is kept.
#[derive(Debug, Clone)]
pub struct CacheSettings {
    /// A directory of our own; made if it is missing. Whoever may write in it could have code run, so it is refused
    /// if others may.
    pub directory: PathBuf,
    /// Bytes of all entries; the least recently used go first.
    pub bytes_max: u64,
}

/// Why there is no engine.
#[derive(Debug, thiserror::Error)]
pub enum EngineError {
    /// The machine does not give what the settings ask for.
    #[error("the engine cannot be made; lower `instances_max` if address space is short: {0}")]
    Engine(String),
    /// The cache is not usable.
    #[error(transparent)]
    Cache(#[from] CacheError),
}

/// Why a module was not made ready.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// It breaks the rules; it would everywhere.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// The compiler failed on a module that the rules accept.
    #[error("the compiler refused the module: {0}")]
    Compiler(String),
    /// The compiling process failed.
    #[error(transparent)]
    Child(#[from] ChildError),
}

/// Compiles modules of one profile and holds the pool that their instances come from. Clones share it.
#[derive(Clone)]
pub struct Engine(Arc<Inner>);

struct Inner {
    wasmtime: wasmtime::Engine,
    settings: Settings,
    cache: Option<Cache>,
}

/// A compiled module. Clones share its code.
#[derive(Clone)]
pub struct Module {
    pub(crate) wasmtime: wasmtime::Module,
    pub(crate) engine: Engine,
}

impl Engine {
    /// Reserves the pool and starts the clock of the backstop, a thread that ends with the last clone.
    pub fn new(settings: Settings) -> Result<Self, EngineError> {
        let mut config = config(settings.profile);
        config.max_wasm_stack(settings.native_stack_bytes);
        config.allocation_strategy(InstanceAllocationStrategy::Pooling(pool(&settings)));
        let wasmtime = wasmtime::Engine::new(&config).map_err(|e| EngineError::Engine(format!("{e:#}")))?;
        let cache = settings
            .cache
            .as_ref()
            .map(|cache| Cache::open(cache, settings.profile, &wasmtime))
            .transpose()?;
        let weak = wasmtime.weak();
        std::thread::Builder::new()
            .name("weir-wasm-clock".to_owned())
            .spawn(move || {
                while let Some(engine) = weak.upgrade() {
                    engine.increment_epoch();
                    drop(engine);
                    std::thread::sleep(TICK);
                }
            })
            .map_err(|e| EngineError::Engine(format!("its clock needs a thread: {e}")))?;
        Ok(Self(Arc::new(Inner { wasmtime, settings, cache })))
    }

    /// What it was made of.
    pub fn settings(&self) -> &Settings {
        &self.0.settings
    }

    /// Makes a module ready: from the cache, or checked, metered and compiled.
    pub fn load(&self, wasm: &[u8]) -> Result<Module, LoadError> {
        let limits = &self.0.settings.limits;
        if let Some(cache) = &self.0.cache
            && let Some(artefact) = cache.get(wasm, limits)
            && let Ok(module) = self.module(&artefact)
        {
            return Ok(module);
        }
        let checked = check(wasm, self.0.settings.profile, limits)?;
        let metered = meter(&checked);
        let artefact = match &self.0.settings.compiler {
            Compiler::InProcess => {
                Artefact::compile(&self.0.wasmtime, &metered).map_err(LoadError::Compiler)?
            }
            Compiler::Child { program, arguments, limits } => {
                child::compile(program, arguments, limits, self.0.settings.profile, &metered)?
            }
        };
        let module = self.module(&artefact).map_err(LoadError::Compiler)?;
        if let Some(cache) = &self.0.cache {
            cache.put(wasm, limits, &artefact);
        }
        Ok(module)
    }

    /// Bytes that compiled code in the cache takes; zero without a cache.
    pub fn cache_bytes(&self) -> u64 {
        self.0.cache.as_ref().map_or(0, Cache::bytes)
    }

    fn module(&self, artefact: &Artefact) -> Result<Module, String> {
        let wasmtime = trusted::module(&self.0.wasmtime, artefact).map_err(|e| format!("{e:#}"))?;
        Ok(Module { wasmtime, engine: self.clone() })
    }

    pub(crate) fn wasmtime(&self) -> &wasmtime::Engine {
        &self.0.wasmtime
    }
}

impl Module {
    /// The functions asked of the host, by module and name.
    pub fn imports(&self) -> impl Iterator<Item = (&str, &str)> {
        self.wasmtime.imports().map(|import| (import.module(), import.name()))
    }

    /// The names exported by the guest.
    pub fn exports(&self) -> impl Iterator<Item = &str> {
        self.wasmtime
            .exports()
            .map(|export| export.name())
            .filter(|name| !name.starts_with(crate::check::RESERVED))
    }

    /// Whether the guest exports a function of that name.
    pub fn has_function(&self, name: &str) -> bool {
        matches!(self.wasmtime.get_export(name), Some(wasmtime::ExternType::Func(_)))
    }

    /// The engine that it runs on.
    pub fn engine(&self) -> &Engine {
        &self.engine
    }
}

impl fmt::Debug for Engine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Engine").field("settings", &self.0.settings).finish_non_exhaustive()
    }
}

impl fmt::Debug for Module {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Module").finish_non_exhaustive()
    }
}

/// What compiled code depends on. The compiling process uses the same, so that its code is taken here.
fn config(profile: Profile) -> Config {
    let mut config = Config::new();
    config.strategy(Strategy::Cranelift);
    // The check has refused these already; the engine shall not know them either.
    for feature in [
        WasmFeatures::TAIL_CALL,
        WasmFeatures::MULTI_MEMORY,
        WasmFeatures::MEMORY64,
        WasmFeatures::RELAXED_SIMD,
        WasmFeatures::EXTENDED_CONST,
        WasmFeatures::SIMD,
    ] {
        config.wasm_features(feature, profile.features().contains(feature));
    }
    config.cranelift_nan_canonicalization(profile == Profile::Deterministic);
    config.epoch_interruption(true);
    config.wasm_backtrace_max_frames(None);
    config.native_unwind_info(false);
    config.generate_address_map(false);
    config.table_lazy_init(true);
    config.memory_init_cow(true);
    config
}

fn pool(settings: &Settings) -> PoolingAllocationConfig {
    let mut pool = PoolingAllocationConfig::new();
    pool.total_core_instances(settings.instances_max)
        .total_memories(settings.instances_max)
        .total_tables(settings.instances_max)
        .max_memories_per_module(1)
        .max_tables_per_module(settings.limits.tables as u32)
        .table_elements(settings.limits.table_elements as usize)
        .max_memory_size((settings.limits.memory_pages << 16) as usize)
        .max_core_instance_size(1 << 20)
        .linear_memory_keep_resident(settings.memory_kept_bytes)
        .table_keep_resident(settings.limits.table_elements as usize * 8)
        .pagemap_scan(wasmtime::Enabled::Auto)
        .max_unused_warm_slots(settings.instances_max);
    pool
}
