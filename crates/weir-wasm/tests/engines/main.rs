//! Two engines run the same metered modules: results, traps, gas and memory agree.
//!
//! Modules come from `wasm-smith`, from one number each. `WEIR_WASM_MODULES=100000 cargo test --release -p weir-wasm --test
//! engines` is the long form; `WEIR_WASM_SEED` is the first number, which repeats a failure alone with
//! `WEIR_WASM_MODULES=1`.
#![allow(clippy::unwrap_used, reason = "a failed step is a failed test")]

mod nan;

use std::collections::BTreeMap;

use arbitrary::Unstructured;
use weir_wasm::{
    Budget, Engine, GAS, Guest, Limits, Linker, MEMORY, Profile, STACK, START, Settings, Stop, Trap, check,
    cost, meter,
};

const STACK_UNITS: u32 = 16 << 10;

/// What every module has: an entry of each kind of result.
const EXPORTS: &str = "(module (func (export \"long\") (param i32 i64) (result i64) i64.const 0)
    (func (export \"int\") (param f64) (result i32) i32.const 0)
    (func (export \"float\") (param f32 i32) (result f64) f64.const 0)
    (func (export \"single\") (param i64) (result f32) f32.const 0)
    (func (export \"nothing\")))";

/// What every module may import.
const IMPORTS: &str = "(module (import \"env\" \"mix\" (func (param i32 i64) (result i64)))
    (import \"env\" \"charge\" (func (param i32)))
    (import \"env\" \"left\" (func (result i64)))
    (import \"env\" \"poke\" (func (param i32) (result i32))))";

/// What an engine makes of a module.
#[derive(Debug, PartialEq)]
struct Run {
    /// What each entry gave, as bits or as the name of what stopped it, and the gas left then.
    calls: Vec<(Result<u64, String>, i64)>,
    memory: (usize, u64),
}

#[test]
fn wasmtime_and_wasmi_agree() {
    let number =
        |name, default| std::env::var(name).map_or(default, |value| value.parse().expect("a number"));
    let (first, count) = (number("WEIR_WASM_SEED", 1_u64), number("WEIR_WASM_MODULES", 300_u64));
    let engine = Engine::new(Settings { instances_max: 4, ..Settings::new(Profile::Deterministic) }).unwrap();
    let mut kinds = BTreeMap::<String, u64>::new();
    let mut refused = 0;
    let mut differ = 0;
    for seed in first..first + count {
        let wasm = module(seed);
        let checked = match check(&wasm, Profile::Deterministic, &Limits::default()) {
            Ok(checked) => checked,
            Err(refusal) => panic!("seed {seed}: {refusal}"),
        };
        let metered = meter(&checked);
        let gas = if seed.is_multiple_of(3) { 2_000_000 } else { 5_000_000 };
        let ours = on_wasmtime(&engine, &wasm, gas, seed);
        let theirs = on_wasmi(&nan::canonical(&metered), gas, seed);
        if ours != theirs {
            let path = std::env::temp_dir().join(format!("weir-wasm-{seed}.wasm"));
            std::fs::write(&path, &metered).unwrap();
            eprintln!("seed {seed} ({}):\nwasmtime {ours:?}\nwasmi    {theirs:?}", path.display());
            differ += 1;
        }
        refused += u64::from(ours.calls.len() < 2);
        for (outcome, _) in ours.calls {
            *kinds.entry(outcome.map_or_else(|stop| stop, |_| "value".to_owned())).or_default() += 1;
        }
    }
    assert_eq!(differ, 0, "modules that differ");
    println!("{count} modules from seed {first}, {refused} ended at their start: {kinds:?}");
    assert!(
        kinds.contains_key("value") && kinds.len() > 2 || count < 300,
        "what was drawn says little: {kinds:?}"
    );
}

fn module(seed: u64) -> Vec<u8> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut bytes = Vec::new();
    for _ in 0..1500 {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        bytes.extend_from_slice(&state.to_le_bytes());
    }
    let config = wasm_smith::Config {
        available_imports: Some(wat::parse_str(IMPORTS).unwrap()),
        exports: Some(wat::parse_str(EXPORTS).unwrap()),
        disallow_traps: seed.is_multiple_of(2),
        allow_start_export: seed.is_multiple_of(5),
        max_imports: 8,
        max_instructions: 400,
        max_memory32_bytes: 3 << 16,
        max_memories: 1,
        min_memories: 1,
        max_tables: 1,
        max_table_elements: 500,
        max_data_segments: 4,
        max_element_segments: 4,
        max_elements: 30,
        max_globals: 8,
        max_funcs: 12,
        min_funcs: 3,
        max_values: 6,
        bulk_memory_enabled: true,
        reference_types_enabled: false,
        exceptions_enabled: false,
        gc_enabled: false,
        memory64_enabled: false,
        multi_value_enabled: true,
        relaxed_simd_enabled: false,
        simd_enabled: false,
        tail_call_enabled: false,
        threads_enabled: false,
        shared_everything_threads_enabled: false,
        extended_const_enabled: false,
        custom_page_sizes_enabled: false,
        custom_descriptors_enabled: false,
        ..wasm_smith::Config::default()
    };
    wasm_smith::Module::new(config, &mut Unstructured::new(&bytes)).unwrap().to_bytes()
}

/// Arguments of the entries, from the seed.
fn arguments(seed: u64) -> (i32, i64, f32, f64) {
    let bits = seed.wrapping_mul(0xd129_42f0_8b3c_5a1d);
    (
        bits as i32,
        bits.rotate_left(17) as i64,
        f32::from_bits(bits as u32 & 0x7f7f_ffff),
        (bits as f64).sqrt(),
    )
}

fn hash(memory: &[u8]) -> (usize, u64) {
    let step = |hash: u64, byte: &u8| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
    (memory.len(), memory.iter().fold(0xcbf2_9ce4_8422_2325, step))
}

fn on_wasmtime(engine: &Engine, wasm: &[u8], gas: u64, seed: u64) -> Run {
    let mut linker = Linker::<()>::new(engine);
    linker
        .function("env", "mix", |_: &mut Guest<'_, ()>, a: i32, b: i64| Ok(b.rotate_left(7) ^ i64::from(a)))
        .function("env", "charge", |guest: &mut Guest<'_, ()>, n: u32| guest.charge(u64::from(n & 0xffff)))
        .function("env", "left", |guest: &mut Guest<'_, ()>| Ok(guest.gas_left()))
        .function("env", "poke", |guest: &mut Guest<'_, ()>, at: u32| {
            let value = guest.read_u32(at)?;
            guest.write_u32(at, value ^ 0x55)?;
            Ok(value)
        });
    let prepared = linker.prepare(&engine.load(wasm).unwrap()).unwrap();
    let budget = Budget { stack_units: STACK_UNITS, ..Budget::gas(gas) };
    let mut instance = match prepared.instantiate((), &budget) {
        Ok(instance) => instance,
        Err(failed) => {
            let left =
                if matches!(failed.stop, Stop::OutOfGas) { -1 } else { (gas - failed.gas_used) as i64 };
            return Run { calls: vec![(Err(name(&failed.stop)), left)], memory: (0, 0) };
        }
    };
    let (a, b, c, d) = arguments(seed);
    let mut calls = vec![(Ok(0), (gas - instance.gas_used()) as i64)];
    for entry in 0..5 {
        let outcome = match entry {
            0 => instance.call::<_, i64>("long", (a, b)).map(|value| value as u64),
            1 => instance.call::<_, i32>("int", d).map(|value| value as u64),
            2 => instance.call::<_, f64>("float", (c, a)).map(f64::to_bits),
            3 => instance.call::<_, f32>("single", b).map(|value| u64::from(value.to_bits())),
            _ => instance.call::<_, ()>("nothing", ()).map(|()| 0),
        };
        let out = matches!(outcome, Err(Stop::OutOfGas));
        calls.push((
            outcome.map_err(|stop| name(&stop)),
            if out { -1 } else { (gas - instance.gas_used()) as i64 },
        ));
        if out {
            break;
        }
    }
    let guest = instance.guest();
    let bytes = guest.memory_bytes();
    Run { calls, memory: hash(guest.read(0, bytes as u32).unwrap()) }
}

fn name(stop: &Stop) -> String {
    match stop {
        Stop::BadPointer(_) => "BadPointer".to_owned(),
        stop => format!("{stop:?}"),
    }
}

/// What wasmi's host functions end a call with.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
struct Ended(&'static str);
impl wasmi::errors::HostError for Ended {}

type Caller<'a> = wasmi::Caller<'a, ()>;

fn take(caller: &mut Caller<'_>, amount: i64) -> Result<(), wasmi::Error> {
    let gas = caller.get_export(GAS).and_then(wasmi::Extern::into_global).unwrap();
    let left = gas.get(&*caller).i64().unwrap() - amount;
    gas.set(&mut *caller, wasmi::Val::I64(if left < 0 { -1 } else { left })).unwrap();
    if left < 0 { Err(wasmi::Error::host(Ended("OutOfGas"))) } else { Ok(()) }
}

fn on_wasmi(metered: &[u8], gas: u64, seed: u64) -> Run {
    let mut config = wasmi::Config::default();
    config.set_max_recursion_depth(1 << 20).set_max_stack_height(64 << 20);
    let engine = wasmi::Engine::new(&config);
    let module = wasmi::Module::new(&engine, metered).unwrap();
    let mut store = wasmi::Store::new(&engine, ());
    let mut linker = wasmi::Linker::<()>::new(&engine);
    let border = cost::HOST_CALL as i64;
    linker
        .func_wrap("env", "mix", move |mut caller: Caller<'_>, a: i32, b: i64| {
            take(&mut caller, border).map(|()| b.rotate_left(7) ^ i64::from(a))
        })
        .unwrap()
        .func_wrap("env", "charge", move |mut caller: Caller<'_>, n: i32| {
            take(&mut caller, border).and_then(|()| take(&mut caller, i64::from(n & 0xffff)))
        })
        .unwrap()
        .func_wrap("env", "left", move |mut caller: Caller<'_>| -> Result<i64, wasmi::Error> {
            take(&mut caller, border)?;
            let gas = caller.get_export(GAS).and_then(wasmi::Extern::into_global).unwrap();
            Ok(gas.get(&caller).i64().unwrap())
        })
        .unwrap()
        .func_wrap("env", "poke", move |mut caller: Caller<'_>, at: i32| -> Result<i32, wasmi::Error> {
            take(&mut caller, border)?;
            let memory = caller.get_export(MEMORY).and_then(wasmi::Extern::into_memory).unwrap();
            let at = at as u32 as usize;
            let bytes = memory.data_mut(&mut caller).get_mut(at..at + 4);
            let bytes = bytes.ok_or_else(|| wasmi::Error::host(Ended("BadPointer")))?;
            let value = u32::from_le_bytes(bytes.try_into().unwrap());
            bytes.copy_from_slice(&(value ^ 0x55).to_le_bytes());
            Ok(value as i32)
        })
        .unwrap();
    let instance = match linker.instantiate_and_start(&mut store, &module) {
        Ok(instance) => instance,
        Err(error) => return Run { calls: vec![(Err(trap(&error)), gas as i64)], memory: (0, 0) },
    };
    let (left, stack) =
        (instance.get_global(&store, GAS).unwrap(), instance.get_global(&store, STACK).unwrap());
    left.set(&mut store, wasmi::Val::I64(gas as i64)).unwrap();
    let (a, b, c, d) = arguments(seed);
    let mut calls = Vec::new();
    for entry in [START, "long", "int", "float", "single", "nothing"] {
        let (params, mut results) = match entry {
            "long" => (vec![wasmi::Val::I32(a), wasmi::Val::I64(b)], vec![wasmi::Val::I64(0)]),
            "int" => (vec![wasmi::Val::F64(d.into())], vec![wasmi::Val::I32(0)]),
            "float" => {
                (vec![wasmi::Val::F32(c.into()), wasmi::Val::I32(a)], vec![wasmi::Val::F64(0.0.into())])
            }
            "single" => (vec![wasmi::Val::I64(b)], vec![wasmi::Val::F32(0.0.into())]),
            _ => (vec![], vec![]),
        };
        stack.set(&mut store, wasmi::Val::I32(STACK_UNITS as i32)).unwrap();
        let function = instance.get_func(&store, entry).unwrap();
        let outcome = function.call(&mut store, &params, &mut results);
        let gas_left = left.get(&store).i64().unwrap();
        let stop = match (&outcome, stack.get(&store).i32().unwrap()) {
            _ if gas_left < 0 => Some("OutOfGas".to_owned()),
            (Err(_), ..0) => Some("StackOverflow".to_owned()),
            (Err(error), _) => Some(trap(error)),
            (Ok(()), _) => None,
        };
        let started = entry != START;
        let value = match results.first() {
            Some(wasmi::Val::I32(value)) => i64::from(*value) as u64,
            Some(wasmi::Val::I64(value)) => *value as u64,
            Some(wasmi::Val::F32(value)) => u64::from(value.to_bits()),
            Some(wasmi::Val::F64(value)) => value.to_bits(),
            _ => 0,
        };
        let ended = stop.is_some();
        calls.push((stop.map_or(Ok(value), Err), gas_left.max(-1)));
        if ended && !started {
            return Run { calls, memory: (0, 0) };
        }
        if gas_left < 0 {
            break;
        }
    }
    let memory = instance.get_memory(&store, MEMORY).unwrap();
    Run { calls, memory: hash(memory.data(&store)) }
}

/// The same words for wasmi's traps.
fn trap(error: &wasmi::Error) -> String {
    use wasmi::TrapCode as T;
    if let Some(ended) = error.downcast_ref::<Ended>() {
        return ended.0.to_owned();
    }
    if let wasmi::errors::ErrorKind::Instantiation(
        wasmi::errors::InstantiationError::ElementSegmentDoesNotFit { .. },
    ) = error.kind()
    {
        return format!("{:?}", Stop::Trap(Trap::TableOutOfBounds));
    }
    if matches!(error.kind(), wasmi::errors::ErrorKind::Table(_)) {
        return format!("{:?}", Stop::Trap(Trap::TableOutOfBounds));
    }
    let code = error.as_trap_code();
    let trap = match code {
        Some(T::UnreachableCodeReached) => Trap::Unreachable,
        Some(T::MemoryOutOfBounds) => Trap::MemoryOutOfBounds,
        Some(T::TableOutOfBounds) => Trap::TableOutOfBounds,
        Some(T::IndirectCallToNull) => Trap::NullCall,
        Some(T::BadSignature) => Trap::BadSignature,
        Some(T::IntegerDivisionByZero) => Trap::DivisionByZero,
        Some(T::IntegerOverflow) => Trap::IntegerOverflow,
        Some(T::BadConversionToInteger) => Trap::BadConversion,
        _ => return format!("{error:?}"),
    };
    format!("{:?}", Stop::Trap(trap))
}
