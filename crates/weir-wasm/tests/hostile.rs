//! Modules made to harm: each ends as a typed refusal or stop, in bounded time, and memory returns to its level.
#![allow(clippy::unwrap_used, reason = "a failed step is a failed test")]

use std::fmt::Write;
use std::time::{Duration, Instant};

use weir_wasm::{
    Backstop, Budget, Engine, Limit, Limits, LinkError, Linker, LoadError, Profile, Refusal, Settings, Stop,
    check, meter,
};

fn engine() -> Engine {
    Engine::new(Settings { instances_max: 4, ..Settings::new(Profile::Deterministic) }).unwrap()
}

/// Runs `main`, on gas for well under a second; tells what stopped it.
fn run(engine: &Engine, wat: &str) -> Stop {
    let module = engine.load(&wat::parse_str(wat).unwrap()).unwrap();
    let prepared = Linker::<()>::new(engine).prepare(&module).unwrap();
    let budget = Budget { time: Some(Duration::from_mins(1)), ..Budget::gas(100_000_000) };
    match prepared.instantiate((), &budget) {
        Ok(mut instance) => {
            let stop = instance.call::<(), ()>("main", ()).expect_err("it stops");
            assert!(instance.gas_used() > 0);
            stop
        }
        Err(failed) => {
            assert!(failed.gas_used > 0 || matches!(failed.stop, Stop::Trap(_)));
            failed.stop
        }
    }
}

#[test]
fn what_never_ends_runs_out_of_gas() {
    let engine = engine();
    for body in [
        "(loop $l (br $l))",
        "(loop $l (br_if $l (i32.const 1)))",
        "(loop $l (drop (memory.grow (i32.const 0))) (br $l))",
        "(loop $l (memory.fill (i32.const 0) (i32.const 1) (i32.const 65536)) (br $l))",
        "(loop $l (memory.copy (i32.const 0) (i32.const 1) (i32.const 65535)) (br $l))",
        "(loop $l (drop (i32.const 1)) (br_table $l $l (i32.const 7)))",
        "(loop $l (call $leaf) (br $l))",
        "(loop $l (drop (table.grow (ref.null func) (i32.const 1))) (br $l))",
        "(loop $l (table.fill (i32.const 0) (ref.null func) (i32.const 10)) (br $l))",
    ] {
        let wat =
            format!("(module (memory 1) (table 10 funcref) (func $leaf) (func (export \"main\") {body}))");
        let stop = run(&engine, &wat);
        assert!(matches!(stop, Stop::OutOfGas), "{body}: {stop:?}");
    }
    let start = "(module (func $s (loop $l (br $l))) (start $s))";
    assert!(matches!(run(&engine, start), Stop::OutOfGas));
}

#[test]
fn recursion_ends_by_the_logical_stack() {
    let engine = engine();
    let mut many = String::new();
    for index in 0..300 {
        let _ = write!(
            many,
            "(local.set {index} (i64.add (local.get {}) (i64.const {index})))",
            (index + 7) % 300
        );
    }
    let mut kept = String::new();
    for index in 0..2000 {
        let _ = write!(kept, "(i64.mul (local.get 0) (i64.const {}))", index * 2 + 3);
    }
    let sum = "i64.add ".repeat(1999);
    for function in [
        "(func $f (call $f))".to_owned(),
        "(func $f (param i32) (call $f (local.get 0)) (call $f (local.get 0)))".to_owned(),
        // Many locals alive across the call.
        format!("(func $f (local{}) {many} (call $f) {many} {})", " i64".repeat(300), "(drop (local.get 7))"),
        // Values that a compiler may keep across the call rather than compute again.
        format!("(func $f (param i64) (result i64) {kept} {sum} (call $f) {kept} {sum} i64.add)"),
    ] {
        let arguments = match function.contains("(param i64)") {
            true => "(drop (call $f (i64.const 3)))",
            false if function.contains("(param i32)") => "(call $f (i32.const 1))",
            false => "(call $f)",
        };
        let stop = run(&engine, &format!("(module {function} (func (export \"main\") {arguments}))"));
        assert!(matches!(stop, Stop::StackOverflow), "{}: {stop:?}", &function[..40.min(function.len())]);
    }
    let indirect = "(module (type $t (func)) (table 1 funcref) (elem (i32.const 0) $f)
        (func $f (call_indirect (type $t) (i32.const 0))) (func (export \"main\") (call $f)))";
    assert!(matches!(run(&engine, indirect), Stop::StackOverflow));
}

#[test]
fn segments_out_of_range_trap_before_anything_runs() {
    let engine = engine();
    let data = "(module (memory 1) (data (i32.const 65535) \"ab\") (func (export \"main\")))";
    assert!(matches!(run(&engine, data), Stop::Trap(weir_wasm::Trap::MemoryOutOfBounds)));
    let elements = "(module (table 1 funcref) (func $f) (elem (i32.const 1) $f) (func (export \"main\")))";
    assert!(matches!(run(&engine, elements), Stop::Trap(weir_wasm::Trap::TableOutOfBounds)));
}

#[test]
fn a_host_that_lacks_a_function_says_which() {
    let engine = engine();
    let module = engine.load(&wat::parse_str("(module (import \"env\" \"sudo\" (func)))").unwrap()).unwrap();
    let error = Linker::<()>::new(&engine).prepare(&module).err().unwrap();
    assert_eq!(error, LinkError::Unknown { module: "env".to_owned(), name: "sudo".to_owned() });
}

#[test]
fn others_are_untouched_by_a_hostile_call() {
    let engine = engine();
    let module = engine
        .load(&wat::parse_str("(module (func (export \"main\") (result i32) i32.const 3))").unwrap())
        .unwrap();
    let prepared = Linker::<()>::new(&engine).prepare(&module).unwrap();
    std::thread::scope(|scope| {
        scope.spawn(|| {
            for _ in 0..5 {
                let wat = "(module (func (export \"main\") (loop $l (br $l))))";
                assert!(matches!(run(&engine, wat), Stop::OutOfGas));
            }
        });
        for _ in 0..2000 {
            let mut instance = prepared.instantiate((), &Budget::gas(100_000)).unwrap();
            assert_eq!(instance.call::<(), u32>("main", ()).unwrap(), 3);
        }
    });
}

/// What takes longest to compile of what the limits accept.
#[test]
fn compile_bombs_are_refused_or_compile_in_seconds() {
    let engine = engine();
    let blocks = |depth: usize| format!("{}{}", "(block ".repeat(depth), ")".repeat(depth));
    let table = |targets: usize| format!("(block (br_table {} (i32.const 1)))", "0 ".repeat(targets));
    let locals = |n: usize| format!("(local {})", "i64 ".repeat(n));
    let mut spread = String::new();
    for index in 0..900 {
        let _ = write!(
            spread,
            "(if (i32.wrap_i64 (local.get {index})) (then (local.set {} (i64.add (local.get {}) (local.get {index})))))",
            (index * 7) % 1000,
            (index * 3) % 1000
        );
    }
    let refusal = |body: &str| {
        let wasm = wat::parse_str(format!("(module (func {body}))")).unwrap();
        match engine.load(&wasm) {
            Err(LoadError::Refused(Refusal::TooMany { limit, .. })) => Some(limit),
            Err(other) => panic!("{other}"),
            Ok(_) => None,
        }
    };
    assert_eq!(refusal(&table(10_000 + 1)), Some(Limit::BranchTargets));
    assert_eq!(refusal(&blocks(1001)), Some(Limit::Nesting));
    assert_eq!(refusal(&locals(5001)), Some(Limit::Locals));
    assert_eq!(
        refusal(&format!("{} {}", locals(5000), "(block (br 0))".repeat(1001))),
        Some(Limit::LiveRanges)
    );
    assert_eq!(refusal(&"nop ".repeat(262_144)), Some(Limit::BodyBytes));
    for accepted in [table(9_999), blocks(1000), locals(5000), format!("{} {spread}", locals(1000))] {
        let begun = Instant::now();
        assert_eq!(refusal(&accepted), None);
        println!("{:>6} ms  {}…", begun.elapsed().as_millis(), &accepted[..30]);
        assert!(begun.elapsed() < Duration::from_mins(1));
    }
}

#[test]
fn what_is_beyond_a_limit_is_named() {
    let refusal = |wat: &str, limits: &Limits| {
        check(&wat::parse_str(wat).unwrap(), Profile::Deterministic, limits).unwrap_err().to_string()
    };
    let usual = Limits::default();
    let small =
        Limits { functions: 1, exports: 1, globals: 1, types: 1, data_segments: 1, name_bytes: 5, ..usual };
    for (wat, limits, expect) in [
        ("(module (memory 513))", &usual, "513 pages of memory, and at most 512 are allowed"),
        (
            "(module (table 10001 funcref))",
            &usual,
            "10001 elements of a table, and at most 10000 are allowed",
        ),
        ("(module (func) (func))", &small, "2 functions, and at most 1 are allowed"),
        ("(module (func (export \"a\") (export \"b\")))", &small, "2 exports, and at most 1 are allowed"),
        (
            "(module (global i32 (i32.const 1)) (global i32 (i32.const 1)))",
            &small,
            "2 globals, and at most 1 are allowed",
        ),
        ("(module (type (func)) (type (func (param i32))))", &small, "2 types, and at most 1 are allowed"),
        ("(module (func (export \"longer\")))", &small, "6 bytes of a name, and at most 5 are allowed"),
        (
            "(module (import \"e\" \"m\" (memory 1)))",
            &usual,
            "imports e.m, which is no function; define it in the module",
        ),
        (
            "(module (func (export \"weir:gas\")))",
            &usual,
            "names that begin with \"weir:\" are the host's own, choose another",
        ),
    ] {
        let text = refusal(wat, limits);
        assert!(text.ends_with(expect), "{wat}: {text}");
        assert!(text.starts_with("at byte "), "{text}");
    }
    let imports = format!("(module {})", "(import \"e\" \"f\" (func))".repeat(101));
    assert!(refusal(&imports, &usual).ends_with("101 imports, and at most 100 are allowed"));
    let body = "(module (import \"e\" \"f\" (func)) (func) (func (local i32 i64 i32)))";
    let text = refusal(body, &Limits { locals: 2, ..usual });
    assert!(text.starts_with("function 2, at byte "), "{text}");
}

#[test]
fn what_the_profile_does_not_speak_is_refused() {
    let accepts =
        |wat: &str, profile| check(&wat::parse_str(wat).unwrap(), profile, &Limits::default()).is_ok();
    for (wat, deterministic, interruptible) in [
        ("(module (func (drop (f64.sqrt (f64.const 2)))))", true, true),
        ("(module (func (drop (i32.extend8_s (i32.const 2)))))", true, true),
        ("(module (func (drop (i32.trunc_sat_f64_s (f64.const 2)))))", true, true),
        ("(module (memory 1) (func (memory.fill (i32.const 0) (i32.const 0) (i32.const 0))))", true, true),
        ("(module (func (drop (v128.const i64x2 0 0))))", false, true),
        (
            "(module (func (drop (i8x16.relaxed_swizzle (v128.const i64x2 0 0) (v128.const i64x2 0 0)))))",
            false,
            false,
        ),
        ("(module (memory 1 1 shared))", false, false),
        ("(module (memory i64 1))", false, false),
        ("(module (memory 1) (memory 1))", false, false),
        ("(module (func $f return_call $f))", false, false),
        ("(module (tag (param i32)))", false, false),
        ("(module (func (param externref)))", false, false),
        ("(module (type (struct)))", false, false),
    ] {
        assert_eq!(accepts(wat, Profile::Deterministic), deterministic, "{wat}");
        assert_eq!(accepts(wat, Profile::Interruptible), interruptible, "{wat}");
    }
}

#[test]
fn whatever_is_cut_or_changed_is_refused_or_still_valid_once_metered() {
    let wasm = wat::parse_str(
        "(module (import \"e\" \"f\" (func)) (memory 1) (table 2 funcref) (global (mut i32) (i32.const 1))
           (func $a (param i32) (result i32 i32) (block (br_if 0 (local.get 0)) (call 0)) local.get 0 local.get 0)
           (func (export \"b\") (drop (call $a (i32.const 1))) drop) (start 0)
           (elem (i32.const 0) $a) (data (i32.const 0) \"abc\"))",
    )
    .unwrap();
    let validate = |wasm: &[u8]| {
        if let Ok(checked) = check(wasm, Profile::Deterministic, &Limits::default()) {
            let mut validator = wasmparser::Validator::new();
            validator.validate_all(&meter(&checked)).unwrap();
        }
    };
    for end in 0..wasm.len() {
        validate(&wasm[..end]);
        for value in [0, 1, 0x0b, 0x40, 0x7f, 0x80, 0xff] {
            let mut changed = wasm.clone();
            changed[end] = value;
            validate(&changed);
        }
    }
}

#[test]
fn a_pool_that_is_used_up_is_said_to_be() {
    let engine = engine();
    let module = engine.load(&wat::parse_str("(module (memory 1))").unwrap()).unwrap();
    let prepared = Linker::<()>::new(&engine).prepare(&module).unwrap();
    let held: Vec<_> = (0..4).map(|_| prepared.instantiate((), &Budget::gas(1 << 20)).unwrap()).collect();
    let failed = prepared.instantiate((), &Budget::gas(1 << 20)).err().unwrap();
    assert!(matches!(failed.stop, Stop::Backstop(Backstop::Busy)));
    drop(held);
    assert!(prepared.instantiate((), &Budget::gas(1 << 20)).is_ok());
}
