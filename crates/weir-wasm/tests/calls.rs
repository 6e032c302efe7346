//! Guests are run, and their host is called.
#![allow(clippy::unwrap_used, reason = "a failed step is a failed test")]

use std::time::Duration;

use weir_wasm::{
    Backstop, Budget, Engine, Guest, LinkError, Linker, Prepared, Profile, Settings, Stop, Trap,
};

fn engine(profile: Profile) -> Engine {
    Engine::new(Settings { instances_max: 8, ..Settings::new(profile) }).unwrap()
}

/// What host functions of these tests keep.
#[derive(Debug, Default, PartialEq)]
struct Seen(Vec<Vec<u8>>);

#[derive(Debug, thiserror::Error)]
#[error("no")]
struct No;

fn linker(engine: &Engine) -> Linker<Seen> {
    let mut linker = Linker::new(engine);
    linker
        .function("env", "see", |guest: &mut Guest<'_, Seen>, at: u32, length: u32| {
            guest.charge(u64::from(length))?;
            let bytes = guest.read(at, length)?.to_vec();
            guest.data_mut().0.push(bytes);
            Ok(())
        })
        .function("env", "fail", |_: &mut Guest<'_, Seen>| -> Result<(), Stop> { Err(Stop::host(No)) })
        .function("env", "panic", |_: &mut Guest<'_, Seen>| -> Result<(), Stop> { panic!("as asked") })
        .function("env", "again", |guest: &mut Guest<'_, Seen>, n: u32| -> Result<u32, Stop> {
            guest.call("again", n.wrapping_sub(1))
        })
        .function("env", "try", |guest: &mut Guest<'_, Seen>| -> Result<u32, Stop> {
            Ok(u32::from(guest.call::<(), ()>("bad", ()).is_err()))
        });
    linker
}

fn prepare(engine: &Engine, wat: &str) -> Prepared<Seen> {
    linker(engine).prepare(&engine.load(&wat::parse_str(wat).unwrap()).unwrap()).unwrap()
}

/// Runs `main` of a module and compares the outcome in words, and whether all gas went.
#[track_caller]
fn check(wat: &str, expect: &str) {
    for profile in [Profile::Deterministic, Profile::Interruptible] {
        let engine = engine(profile);
        let prepared = prepare(&engine, wat);
        let budget = Budget { time: Some(Duration::from_secs(20)), ..Budget::gas(50_000_000) };
        let outcome = match prepared.instantiate(Seen::default(), &budget) {
            Ok(mut instance) => instance.call::<(), i64>("main", ()),
            Err(failed) => Err(failed.stop),
        };
        assert_eq!(format!("{outcome:?}"), expect, "{profile:?}");
    }
}

#[test]
fn values_come_back() {
    check("(module (func (export \"main\") (result i64) i64.const 7))", "Ok(7)");
    check(
        "(module (func $f (param i32) (result i64 i32) local.get 0 i64.extend_i32_u i32.const 1 return)
         (func (export \"main\") (result i64) (call $f (i32.const 5)) drop))",
        "Ok(5)",
    );
    // Several values through the block that a metered function is wrapped in.
    check(
        "(module (func $g (param i32)) (func $f (param i32) (result i64 i32)
           (call $g (i32.const 1))
           (block (result i64 i32) i64.const 8 i32.const 2 (br_if 0 (local.get 0)) (br 1)))
         (func (export \"main\") (result i64) (call $f (i32.const 0)) drop (call $f (i32.const 1)) drop i64.add))",
        "Ok(16)",
    );
}

#[test]
fn traps_are_told_apart() {
    let main = |body: &str| {
        format!(
            "(module (memory 1) (table 2 funcref) (type $t (func)) (func $f (param i32)) (elem (i32.const 0) $f)
               (func (export \"main\") (result i64) {body} i64.const 0))"
        )
    };
    check(&main("unreachable"), "Err(Trap(Unreachable))");
    check(&main("(drop (i32.load (i32.const 65533)))"), "Err(Trap(MemoryOutOfBounds))");
    check(&main("(call_indirect (type $t) (i32.const 2))"), "Err(Trap(TableOutOfBounds))");
    check(&main("(call_indirect (type $t) (i32.const 1))"), "Err(Trap(NullCall))");
    check(&main("(call_indirect (type $t) (i32.const 0))"), "Err(Trap(BadSignature))");
    check(&main("(drop (i32.div_u (i32.const 1) (i32.const 0)))"), "Err(Trap(DivisionByZero))");
    check(&main("(drop (i32.div_s (i32.const 0x80000000) (i32.const -1)))"), "Err(Trap(IntegerOverflow))");
    check(&main("(drop (i32.trunc_f32_s (f32.const nan)))"), "Err(Trap(BadConversion))");
}

#[test]
fn the_host_is_called() {
    let see = |at: u64| {
        format!(
            "(module (import \"env\" \"see\" (func $see (param i32 i32))) (memory 1) (export \"memory\" (memory 0))
               (data (i32.const 8) \"abc\")
               (func (export \"main\") (result i64) (call $see (i32.const {at}) (i32.const 3)) i64.const 1))"
        )
    };
    check(&see(65533), "Ok(1)");
    check(&see(65534), "Err(BadPointer(BadPointer { address: 65534, length: 3, memory: 65536 }))");
    check(&see(0xffff_ffff), "Err(BadPointer(BadPointer { address: 4294967295, length: 3, memory: 65536 }))");
    let engine = engine(Profile::Deterministic);
    let prepared = prepare(&engine, &see(8));
    let mut instance = prepared.instantiate(Seen::default(), &Budget::gas(1_000_000)).unwrap();
    instance.call::<(), i64>("main", ()).unwrap();
    let (seen, gas) = instance.finish();
    assert_eq!(seen, Seen(vec![b"abc".to_vec()]));
    assert!(gas > 203, "{gas}");
}

#[test]
fn the_host_fails_without_harm() {
    let calls = |name: &str| {
        format!(
            "(module (import \"env\" \"{name}\" (func $f))
               (func (export \"main\") (result i64) (call $f) i64.const 1))"
        )
    };
    check(&calls("fail"), "Err(Host(No))");
    check(&calls("panic"), "Err(HostPanic(\"as asked\"))");
}

#[test]
fn a_guest_is_entered_again_on_the_same_gas_and_stack() {
    let again = "(module (import \"env\" \"again\" (func $again (param i32) (result i32)))
        (func (export \"again\") (param i32) (result i32)
          (if (result i32) (local.get 0) (then (call $again (local.get 0))) (else (i32.const 9))))
        (func (export \"main\") (result i64) (i64.extend_i32_u (call $again (i32.const 50)))))";
    check(again, "Ok(9)");
    let engine = engine(Profile::Deterministic);
    let prepared = prepare(&engine, again);
    let mut used = Vec::new();
    for _ in 0..2 {
        let mut instance = prepared.instantiate(Seen::default(), &Budget::gas(1_000_000)).unwrap();
        let begun = instance.gas_used();
        assert_eq!(instance.call::<u32, u32>("again", 50).unwrap(), 9);
        used.push(instance.gas_used() - begun);
    }
    assert_eq!(used[0], used[1]);
    assert!(used[0] > 50 * 200);
    let tight = Budget { stack_units: 200, ..Budget::gas(1_000_000) };
    let mut instance = prepared.instantiate(Seen::default(), &tight).unwrap();
    let outcome = instance.call::<u32, u32>("again", 50);
    assert!(matches!(outcome, Err(Stop::StackOverflow)), "{outcome:?}");
    // What the trap left reserved is free again.
    assert_eq!(instance.call::<u32, u32>("again", 1).unwrap(), 9);
}

#[test]
fn a_trap_that_the_host_caught_leaves_the_guest_whole() {
    check(
        "(module (import \"env\" \"try\" (func $try (result i32)))
           (func $deep (param i32) (if (local.get 0) (then (call $deep (i32.sub (local.get 0) (i32.const 1))))
              (else unreachable)))
           (func (export \"bad\") (call $deep (i32.const 100)))
           (func (export \"main\") (result i64) (local $n i32) (local $sum i32)
             (loop $l (local.set $sum (i32.add (local.get $sum) (call $try)))
               (br_if $l (i32.lt_u (local.tee $n (i32.add (local.get $n) (i32.const 1))) (i32.const 1000))))
             (i64.extend_i32_u (local.get $sum))))",
        "Ok(1000)",
    );
}

#[test]
fn gas_is_exact() {
    let engine = engine(Profile::Deterministic);
    let prepared = prepare(
        &engine,
        "(module (func (export \"main\") (param i32) (result i32)
           (loop $l (br_if $l (local.tee 0 (i32.sub (local.get 0) (i32.const 1))))) (local.get 0)))",
    );
    let run = |gas, n: u32| {
        let mut instance = prepared.instantiate(Seen::default(), &Budget::gas(gas)).unwrap();
        let begun = instance.gas_used();
        let outcome = instance.call::<u32, u32>("main", n);
        (outcome, instance.gas_used() - begun, begun)
    };
    let (_, once, begun) = run(1_000_000, 1);
    let (_, thrice, _) = run(1_000_000, 3);
    let round = (thrice - once) / 2;
    let (outcome, used, _) = run(begun + once + 99 * round, 100);
    assert_eq!((outcome.unwrap(), used), (0, once + 99 * round));
    let (outcome, used, _) = run(begun + once + 99 * round - 1, 100);
    assert!(matches!(outcome, Err(Stop::OutOfGas)), "{outcome:?}");
    assert_eq!(used, once + 99 * round - 1);
}

#[test]
fn a_nan_has_one_pattern() {
    let engine = engine(Profile::Deterministic);
    for (float, bits, nan) in [("f64", "i64", 0x7ff8_0000_0000_0000_u64), ("f32", "i32", 0x7fc0_0000)] {
        let odd = format!("({float}.reinterpret_{bits} (global.get $odd))");
        let (odd_bits, infinity) =
            if float == "f64" { ("0xfff0000000000055", "inf") } else { ("0xff800055", "inf") };
        for operation in [
            format!("({float}.add {odd} ({float}.const 1))"),
            format!("({float}.sub ({float}.const {infinity}) ({float}.const {infinity}))"),
            format!("({float}.mul ({float}.const 0) ({float}.const {infinity}))"),
            format!("({float}.div (global.get $zero) (global.get $zero))"),
            format!("({float}.sqrt ({float}.const -1))"),
            format!("({float}.min {odd} ({float}.const 1))"),
            format!("({float}.max ({float}.const 1) {odd})"),
            format!("({float}.nearest {odd})"),
            format!("({float}.floor {odd})"),
            if float == "f64" {
                "(f64.promote_f32 (f32.const -nan:0x5))"
            } else {
                "(f32.demote_f64 (f64.const -nan:0x5))"
            }
            .to_owned(),
        ] {
            let wat = format!(
                "(module (global $odd (mut {bits}) ({bits}.const {odd_bits})) (global $zero (mut {float}) ({float}.const 0))
                   (func (export \"main\") (result {bits}) ({bits}.reinterpret_{float} {operation})))"
            );
            let mut instance =
                prepare(&engine, &wat).instantiate(Seen::default(), &Budget::gas(1 << 20)).unwrap();
            let value = match bits {
                "i64" => instance.call::<(), u64>("main", ()).unwrap(),
                _ => instance.call::<(), u32>("main", ()).unwrap().into(),
            };
            assert_eq!(value, nan, "{operation}: {value:x}");
        }
    }
}

#[test]
fn no_instance_sees_another() {
    for profile in [Profile::Deterministic, Profile::Interruptible] {
        let engine = engine(profile);
        let prepared = prepare(
            &engine,
            "(module (memory (export \"memory\") 3) (data (i32.const 5) \"\\07\") (global $g (mut i32) (i32.const 1))
               (func (export \"main\") (param i32) (result i32)
                 (i32.load8_u (local.get 0)) (i32.add (global.get $g))
                 (i32.store8 (local.get 0) (i32.const 99)) (global.set $g (i32.const 50))))",
        );
        for address in [5, 4096, 65536 + 7, 3 * 65536 - 1, 5, 4096, 65536 + 7, 3 * 65536 - 1] {
            let mut instance = prepared.instantiate(Seen::default(), &Budget::gas(10_000_000)).unwrap();
            let value = instance.call::<u32, u32>("main", address).unwrap();
            assert_eq!(value, if address == 5 { 8 } else { 1 }, "{profile:?} {address}");
        }
    }
}

#[test]
fn the_clock_and_the_pool_are_backstops() {
    let engine = engine(Profile::Interruptible);
    let prepared =
        prepare(&engine, "(module (func (export \"main\") (result i64) (loop $l (br $l)) i64.const 1))");
    let budget = Budget { time: Some(Duration::from_millis(30)), ..Budget::gas(0) };
    let mut held = Vec::new();
    for _ in 0..8 {
        held.push(prepared.instantiate(Seen::default(), &budget).unwrap());
    }
    let failed = prepared.instantiate(Seen(vec![vec![1]]), &budget).err().unwrap();
    assert!(matches!(failed.stop, Stop::Backstop(Backstop::Busy)), "{:?}", failed.stop);
    assert_eq!(failed.data, Seen(vec![vec![1]]));
    let outcome = held[0].call::<(), i64>("main", ());
    assert!(matches!(outcome, Err(Stop::Backstop(Backstop::Time))), "{outcome:?}");
    assert!(!outcome.unwrap_err().is_deterministic());
}

#[test]
fn links_and_exports_are_checked() {
    let engine = engine(Profile::Deterministic);
    let load = |wat: &str| engine.load(&wat::parse_str(wat).unwrap()).unwrap();
    let unknown = load("(module (import \"env\" \"nothing\" (func)))");
    let error = linker(&engine).prepare(&unknown).err().unwrap();
    assert_eq!(error, LinkError::Unknown { module: "env".to_owned(), name: "nothing".to_owned() });
    let other = load("(module (import \"env\" \"see\" (func (param i64))))");
    assert!(matches!(linker(&engine).prepare(&other), Err(LinkError::Type(_))));
    let prepared = prepare(&engine, "(module (func (export \"main\") (param i32)))");
    let mut instance = prepared.instantiate(Seen::default(), &Budget::gas(1_000_000)).unwrap();
    let error = instance.call::<(), ()>("none", ()).unwrap_err();
    assert_eq!(error.to_string(), "the guest exports no function \"none\"");
    let error = instance.call::<(), ()>("main", ()).unwrap_err();
    assert_eq!(error.to_string(), "the guest exports \"main\", but not as () → ()");
    assert!(matches!(Stop::from(Trap::Unreachable), Stop::Trap(_)));
}
