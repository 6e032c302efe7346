//! Does gas follow time? Measures the worst sequence known for each class of instruction, and host calls.
//!
//! `cargo bench -p weir-wasm --bench costs` prints picoseconds per gas, worst first; `-- --write` writes them to
//! `bench/wasm/costs.json` as well. It fails where a sequence takes more than three times the median, which is the promise
//! of the cost table.
#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a bench; what it prints is its result")]

use std::fmt::Write;
use std::time::{Duration, Instant};

use serde_json::json;
use weir_wasm::{Budget, Engine, Guest, Linker, Prepared, Profile, Settings, cost};

/// How far the worst may be from the median.
const RATIO_MAX: f64 = 3.0;
/// How often a sequence stands in the loop's body, so that the loop itself hardly counts.
const UNROLLED: usize = 64;

struct Case {
    name: &'static str,
    wat: String,
    /// Whether an instance is made for each round, and counts.
    fresh: bool,
}

fn main() {
    let engine = Engine::new(Settings { instances_max: 4, ..Settings::new(Profile::Deterministic) }).unwrap();
    let mut linker = Linker::<u64>::new(&engine);
    linker.function("env", "nothing", |_: &mut Guest<'_, u64>| Ok(())).function(
        "env",
        "read",
        |guest: &mut Guest<'_, u64>, at: u32| {
            let byte = u64::from(guest.read(at, 8)?[0]);
            *guest.data_mut() += byte;
            Ok(())
        },
    );
    let mut measured: Vec<(f64, &str, f64)> = Vec::new();
    for case in cases() {
        let module =
            engine.load(&wat::parse_str(&case.wat).unwrap_or_else(|e| panic!("{}: {e}", case.name))).unwrap();
        let prepared = linker.prepare(&module).unwrap();
        let (time, gas) = measure(&prepared, &case);
        let picoseconds = time.as_nanos() as f64 * 1000.0 / gas as f64;
        measured.push((picoseconds, case.name, gas as f64));
    }
    measured.sort_by(|a, b| b.0.total_cmp(&a.0));
    let median = measured[measured.len() / 2].0;
    for (picoseconds, name, _) in &measured {
        println!("{picoseconds:8.1} ps/gas {:5.2} × median  {name}", picoseconds / median);
    }
    let (worst, name, _) = measured[0];
    println!(
        "median {median:.1} ps/gas; worst {name}, {:.2} × median; {} sequences",
        worst / median,
        measured.len()
    );
    if std::env::args().any(|argument| argument == "--write") {
        let cases: Vec<_> = measured
            .iter()
            .map(|(ps, name, _)| json!({ "sequence": name, "ps_per_gas": round(*ps), "of_median": round(ps / median) }))
            .collect();
        let cpu = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
        let cpu = cpu
            .lines()
            .find_map(|line| line.strip_prefix("model name"))
            .map(|name| name.trim_matches([' ', '\t', ':']));
        let written = json!({
            "cost_version": cost::VERSION, "cpu": cpu, "median_ps_per_gas": round(median),
            "worst_of_median": round(worst / median), "sequences": cases,
        });
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../bench/wasm/costs.json");
        std::fs::create_dir_all(concat!(env!("CARGO_MANIFEST_DIR"), "/../../bench/wasm")).unwrap();
        std::fs::write(path, serde_json::to_string_pretty(&written).unwrap() + "\n").unwrap();
    }
    assert!(worst <= RATIO_MAX * median, "{name} takes {:.2} × the median; raise its price", worst / median);
}

fn round(value: f64) -> f64 {
    (value * 100.0).round() / 100.0
}

/// The least time of several runs, with the gas of one.
fn measure(prepared: &Prepared<u64>, case: &Case) -> (Duration, u64) {
    let budget = Budget::gas(1 << 50);
    let mut best: Option<(f64, Duration, u64)> = None;
    for _ in 0..9 {
        let (time, gas) = if case.fresh {
            let begun = Instant::now();
            let mut gas = 0;
            for _ in 0..20 {
                let mut instance = prepared.instantiate(0, &budget).unwrap();
                instance.call::<u32, ()>("main", 1).unwrap();
                gas += instance.finish().1;
            }
            (begun.elapsed(), gas)
        } else {
            let mut instance = prepared.instantiate(0, &budget).unwrap();
            instance.call::<(), ()>("setup", ()).unwrap();
            instance.call::<u32, ()>("main", 10).unwrap();
            let mut rounds = 100;
            loop {
                let before = instance.gas_used();
                let begun = Instant::now();
                instance.call::<u32, ()>("main", rounds).unwrap();
                let time = begun.elapsed();
                if time > Duration::from_millis(8) || rounds > 1 << 28 {
                    break (time, instance.gas_used() - before);
                }
                rounds *= 4;
            }
        };
        let each = time.as_secs_f64() / gas as f64;
        if best.is_none_or(|(least, ..)| each < least) {
            best = Some((each, time, gas));
        }
    }
    best.map(|(_, time, gas)| (time, gas)).unwrap()
}

/// A module whose `main` runs `step` over and over, `UNROLLED` at a time. Locals: `$a`, `$b` of `i64`, `$p` and `$q` of
/// `i32`, `$x` and `$y` of `f64`, `$f` and `$g` of `f32`; there are globals, a table and a full memory.
fn unrolled(name: &'static str, step: &str) -> Case {
    with(name, "", "", step, UNROLLED)
}

fn with(name: &'static str, items: &str, setup: &str, step: &str, times: usize) -> Case {
    let body = format!("{step}\n").repeat(times);
    let wat = format!(
        "(module (import \"env\" \"nothing\" (func $nothing)) (import \"env\" \"read\" (func $read (param i32)))
          (memory (export \"memory\") 512) (table 1000 2000 funcref) (type $t (func)) (type $u (func (param i64) (result i64)))
          (global $g64 (mut i64) (i64.const 3)) (global $g32 (mut i32) (i32.const 3)) (global $y64 (mut f64) (f64.const 0.999999)) (global $y32 (mut f32) (f32.const 0.99999))
          (data $bytes \"{}\") (elem declare func $nothing) {items}
          (func (export \"setup\") (local $p i32) (local $q i32) {setup})
          (func (export \"main\") (param $n i32) (local $a i64) (local $b i64) (local $p i32) (local $q i32)
            (local $x f64) (local $y f64) (local $f f32) (local $g f32)
            (local.set $a (i64.const 0x7edcba9876543211)) (local.set $b (global.get $g64)) (local.set $q (i32.add (global.get $g32) (i32.const 0x2545f491)))
            (local.set $x (f64.const 1.000001)) (local.set $y (global.get $y64)) (local.set $f (f32.const 1.00001)) (local.set $g (global.get $y32))
            (loop $main {body} (br_if $main (local.tee $n (i32.sub (local.get $n) (i32.const 1)))))
            (global.set $g64 (i64.xor (i64.xor (local.get $a) (local.get $b)) (i64.reinterpret_f64 (f64.add (local.get $x) (f64.promote_f32 (local.get $f))))))
            (global.set $g32 (i32.xor (local.get $p) (local.get $q)))))",
        "x".repeat(65536)
    );
    Case { name, wat, fresh: false }
}

/// A number that no branch predictor knows, in `$q`.
const CHANCE: &str = "(local.set $q (i32.xor (local.get $q) (i32.shl (local.get $q) (i32.const 13))))
    (local.set $q (i32.xor (local.get $q) (i32.shr_u (local.get $q) (i32.const 17))))
    (local.set $q (i32.xor (local.get $q) (i32.shl (local.get $q) (i32.const 5))))";

/// Each line of memory points to another, so that all are visited in an order that looks like chance.
const CHASE: &str = "(loop $l
    (i32.store (i32.shl (local.get $p) (i32.const 6))
      (i32.shl (i32.and (i32.add (i32.mul (local.get $p) (i32.const 279597)) (i32.const 74321)) (i32.const 0x7ffff)) (i32.const 6)))
    (br_if $l (i32.lt_u (local.tee $p (i32.add (local.get $p) (i32.const 1))) (i32.const 0x80000))))";

fn cases() -> Vec<Case> {
    let mut cases = vec![
        unrolled("local moves", "(local.set $a (local.get $b)) (local.set $b (i64.const 7))"),
        unrolled("global chain", "(global.set $g64 (i64.add (global.get $g64) (i64.const 1)))"),
        unrolled("add chain", "(local.set $a (i64.add (local.get $a) (local.get $b)))"),
        unrolled("shift chain", "(local.set $a (i64.rotl (local.get $a) (local.get $b)))"),
        unrolled("count bits chain", "(local.set $a (i64.add (i64.popcnt (local.get $a)) (local.get $b)))"),
        unrolled(
            "leading zeros chain",
            "(local.set $a (i64.add (i64.clz (local.get $a)) (i64.ctz (local.get $a))))",
        ),
        unrolled(
            "compare chain",
            "(local.set $a (i64.extend_i32_u (i64.lt_s (local.get $a) (local.get $b))))",
        ),
        unrolled(
            "sign extension chain",
            "(local.set $a (i64.extend8_s (i64.add (local.get $a) (local.get $b))))",
        ),
        unrolled(
            "select chain",
            "(local.set $a (select (local.get $b) (local.get $a) (i64.eqz (local.get $a))))",
        ),
        unrolled("multiply chain", "(local.set $a (i64.mul (local.get $a) (local.get $b)))"),
        unrolled(
            "64-bit division chain",
            "(local.set $a (i64.div_s (i64.or (local.get $a) (i64.const 0x7000000000000000)) (local.get $b)))",
        ),
        unrolled(
            "64-bit remainder chain",
            "(local.set $a (i64.rem_u (i64.const -1) (i64.or (local.get $a) (i64.const 3))))",
        ),
        unrolled(
            "32-bit division chain",
            "(local.set $p (i32.div_u (i32.const -1) (i32.or (local.get $p) (i32.const 3))))",
        ),
        unrolled(
            "32-bit remainder chain",
            "(local.set $p (i32.rem_s (i32.const 0x7fffffff) (i32.or (local.get $p) (i32.const 3))))",
        ),
        unrolled("float add chain", "(local.set $x (f64.add (local.get $x) (local.get $y)))"),
        unrolled("float multiply chain", "(local.set $x (f64.mul (local.get $x) (local.get $y)))"),
        unrolled("single multiply chain", "(local.set $f (f32.mul (local.get $f) (local.get $g)))"),
        with(
            "subnormal multiply",
            "",
            "",
            "(local.set $x (f64.mul (f64.const 1e-160) (f64.add (f64.const 1e-155) (f64.mul (local.get $x) (f64.const 1e-155)))))",
            UNROLLED,
        ),
        unrolled("NaN chain", "(local.set $x (f64.add (f64.const nan) (local.get $x)))"),
        unrolled("float min chain", "(local.set $x (f64.min (local.get $x) (local.get $y)))"),
        unrolled("float max chain", "(local.set $f (f32.max (local.get $f) (local.get $g)))"),
        unrolled("copysign chain", "(local.set $x (f64.copysign (local.get $x) (f64.neg (local.get $x))))"),
        unrolled("float abs and neg", "(local.set $x (f64.neg (f64.abs (local.get $x))))"),
        unrolled("nearest chain", "(local.set $x (f64.nearest (local.get $x)))"),
        unrolled("ceil and floor chain", "(local.set $f (f32.ceil (f32.floor (local.get $f))))"),
        unrolled(
            "float compare chain",
            "(local.set $x (f64.convert_i32_u (f64.lt (local.get $x) (local.get $y))))",
        ),
        unrolled(
            "truncate and convert chain",
            "(local.set $x (f64.convert_i64_s (i64.trunc_f64_s (local.get $x))))",
        ),
        unrolled(
            "unsigned truncate and convert",
            "(local.set $x (f64.convert_i64_u (i64.trunc_f64_u (f64.abs (local.get $x)))))",
        ),
        unrolled(
            "saturating truncate chain",
            "(local.set $x (f64.convert_i64_u (i64.trunc_sat_f64_u (local.get $x))))",
        ),
        unrolled(
            "promote and demote chain",
            "(local.set $f (f32.demote_f64 (f64.promote_f32 (local.get $f))))",
        ),
        unrolled(
            "reinterpret chain",
            "(local.set $x (f64.reinterpret_i64 (i64.xor (i64.reinterpret_f64 (local.get $x)) (i64.const 1))))",
        ),
        unrolled("float division chain", "(local.set $x (f64.div (local.get $y) (local.get $x)))"),
        unrolled("square root chain", "(local.set $x (f64.sqrt (local.get $x)))"),
        unrolled("loads in cache", "(local.set $p (i32.load (i32.and (local.get $p) (i32.const 0xfff))))"),
        with("loads that miss", "", CHASE, "(local.set $p (i32.load (local.get $p)))", UNROLLED),
        unrolled(
            "stores in cache",
            "(i64.store (i32.const 64) (local.get $a)) (i64.store8 (i32.const 99) (local.get $a))",
        ),
        unrolled(
            "store and load forwarded",
            "(i64.store (i32.const 64) (local.get $a)) (local.set $a (i64.load (i32.const 64)))",
        ),
        unrolled(
            "store and wider load",
            "(i32.store8 (i32.const 67) (local.get $p)) (local.set $p (i32.load (i32.const 64)))",
        ),
        with(
            "stores that miss",
            "",
            CHASE,
            &format!("{CHANCE} (i32.store (i32.and (local.get $q) (i32.const 0x1fffffc)) (local.get $q))"),
            16,
        ),
        with(
            "loads across pages",
            "",
            CHASE,
            &format!(
                "{CHANCE} (local.set $a (i64.add (local.get $a) (i64.load (i32.or (i32.const 4093) (i32.and (local.get $q) (i32.const 0x1ffdfff))))))"
            ),
            16,
        ),
        unrolled("chance alone", CHANCE),
        with(
            "a branch nobody can predict",
            "",
            "",
            &format!(
                "{CHANCE} (block $o (br_if $o (i32.and (local.get $q) (i32.const 64))) (local.set $a (i64.add (local.get $a) (local.get $b))))"
            ),
            16,
        ),
        with(
            "an if nobody can predict",
            "",
            "",
            &format!(
                "{CHANCE} (if (i32.and (local.get $q) (i32.const 64)) (then (local.set $a (i64.mul (local.get $a) (local.get $b)))) (else (local.set $b (i64.const 5))))"
            ),
            16,
        ),
        unrolled("blocks", "(block $o (br_if $o (local.get $p)) (local.set $a (i64.const 1)))"),
        with(
            "br_table, predicted",
            "",
            "",
            "(block $a (block $b (block $c (br_table $a $b $c (local.get $p))) (local.set $a (i64.const 1))) (local.set $b (i64.const 3)))",
            UNROLLED,
        ),
        with("an empty loop", "", "", "", 1),
        with("calls of a leaf", "(func $leaf)", "", "(call $leaf)", UNROLLED),
        with(
            "calls of a leaf with a value",
            "(func $leaf (param i64) (result i64) (i64.add (local.get 0) (i64.const 1)))",
            "",
            "(local.set $a (call $leaf (local.get $a)))",
            UNROLLED,
        ),
        with(
            "calls within calls",
            "(func $leaf) (func $one (call $leaf)) (func $two (call $one)) (func $three (call $two))",
            "",
            "(call $three)",
            UNROLLED,
        ),
        with(
            "recursion",
            "(func $deep (param i32) (if (local.get 0) (then (call $deep (i32.sub (local.get 0) (i32.const 1))))))",
            "",
            "(call $deep (i32.const 1000))",
            1,
        ),
        with(
            "fibonacci",
            "(func $fib (param i32) (result i32) (if (result i32) (i32.lt_u (local.get 0) (i32.const 2)) (then (local.get 0)) (else (i32.add (call $fib (i32.sub (local.get 0) (i32.const 1))) (call $fib (i32.sub (local.get 0) (i32.const 2)))))))",
            "",
            "(drop (call $fib (i32.const 15)))",
            1,
        ),
        with(
            "a call with many locals",
            &format!(
                "(func $leaf (local {}) (local.set 7 (i64.const 1)) (global.set $g64 (local.get 3)) (call $end)) (func $end)",
                "i64 ".repeat(200)
            ),
            "",
            "(call $leaf)",
            16,
        ),
        with(
            "indirect calls",
            "(func $leaf) (elem (i32.const 0) $leaf)",
            "",
            "(call_indirect (type $t) (i32.const 0))",
            UNROLLED,
        ),
        unrolled("memory.size", "(local.set $p (i32.add (local.get $p) (memory.size)))"),
        unrolled("memory.grow by nothing", "(drop (memory.grow (i32.const 0)))"),
        unrolled("memory.fill of nothing", "(memory.fill (local.get $p) (i32.const 0) (i32.const 0))"),
        with(
            "memory.fill of 64 KiB",
            "",
            CHASE,
            "(memory.fill (i32.const 0) (i32.const 0) (i32.const 65536))",
            1,
        ),
        with(
            "memory.fill of all",
            "",
            CHASE,
            "(memory.fill (i32.const 0) (i32.const 0) (i32.const 0x2000000))",
            1,
        ),
        unrolled("memory.copy of one byte", "(memory.copy (i32.const 5) (i32.const 77) (i32.const 1))"),
        with(
            "memory.copy of 64 KiB",
            "",
            CHASE,
            "(memory.copy (i32.const 1) (i32.const 0) (i32.const 65536))",
            1,
        ),
        with(
            "memory.copy of half",
            "",
            CHASE,
            "(memory.copy (i32.const 0x1000000) (i32.const 7) (i32.const 0xfffff0))",
            1,
        ),
        with(
            "memory.init of 64 KiB",
            "",
            "",
            "(memory.init $bytes (i32.const 3) (i32.const 0) (i32.const 65536))",
            1,
        ),
        unrolled("table.get and set", "(table.set (i32.const 5) (table.get (i32.const 6)))"),
        unrolled("table.size", "(local.set $p (i32.add (local.get $p) (table.size)))"),
        unrolled("ref.func", "(local.set $p (ref.is_null (ref.func $nothing))) (drop (ref.null func))"),
        with("table.fill", "", "", "(table.fill (i32.const 0) (ref.null func) (i32.const 1000))", 1),
        with("table.copy", "", "", "(table.copy (i32.const 0) (i32.const 1) (i32.const 999))", 1),
        with(
            "table.init",
            &format!("(func $leaf) (elem $e func {})", "$leaf ".repeat(1000)),
            "",
            "(table.init $e (i32.const 0) (i32.const 0) (i32.const 1000))",
            1,
        ),
        unrolled("table.grow by nothing", "(drop (table.grow (ref.null func) (i32.const 0)))"),
        unrolled("data.drop", "(data.drop $bytes)"),
        unrolled("a host call", "(call $nothing)"),
        unrolled("a host call that reads memory", "(call $read (i32.const 64))"),
    ];
    // Elements that are called in an order nobody can predict, each a function of its own.
    let mut many = String::new();
    let mut names = String::new();
    for index in 0..500 {
        let _ = write!(
            many,
            "(func $f{index} (param i64) (result i64) (i64.xor (local.get 0) (i64.const {index})))"
        );
        let _ = write!(names, "$f{index} ");
    }
    let items = format!("{many} (elem (i32.const 0) {names})");
    let step = format!(
        "{CHANCE} (local.set $a (call_indirect (type $u) (local.get $a) (i32.rem_u (local.get $q) (i32.const 500))))"
    );
    cases.push(with("indirect calls of anything", &items, "", &step, 8));
    // A table of branches with targets in no order.
    let targets = 64;
    let mut blocks = format!(
        "{CHANCE} (br_table {} (i32.and (i32.shr_u (local.get $q) (i32.const 7)) (i32.const 63)))",
        (0..targets).map(|target| target.to_string()).collect::<Vec<_>>().join(" ")
    );
    for index in 0..targets {
        blocks = format!(
            "(block {blocks}) (local.set $a (i64.add (local.get $a) (i64.const {index}))) (br {})",
            targets - 1 - index
        );
    }
    // The last `br` leaves the outermost block.
    cases.push(with("br_table nobody can predict", "", "", &format!("(block {blocks})"), 1));
    // Code that no cache holds: thousands of functions, called once in a round.
    let mut cold = String::new();
    let mut calls = String::new();
    for index in 0..3000 {
        let _ = write!(
            cold,
            "(func $c{index} (param i64) (result i64) (local.get 0) {})",
            format!("(i64.const {}) i64.xor (i64.const 3) i64.rotl ", index * 77_777_777_777_u64).repeat(20)
        );
        let _ = write!(calls, "(local.set $a (call $c{} (local.get $a)))", index * 1237 % 3000);
    }
    cases.push(with("code that no cache holds", &cold, "", &calls, 1));
    let fresh = |name, wat: &str| Case { name, wat: wat.to_owned(), fresh: true };
    cases.extend([
        fresh("a fresh instance", "(module (func (export \"main\") (param i32)))"),
        fresh("a fresh instance with memory and data", "(module (memory 17) (data (i32.const 1048576) \"abc\") (table 100 funcref) (func (export \"main\") (param i32) (i32.store (i32.const 1048000) (local.get 0))))"),
        fresh("memory, every page touched", "(module (memory 512) (func (export \"main\") (param i32) (local $p i32) (loop $l (i32.store (local.get $p) (i32.const 1)) (br_if $l (i32.lt_u (local.tee $p (i32.add (local.get $p) (i32.const 4096))) (i32.const 0x2000000))))))"),
        fresh("memory grown, every page touched", "(module (memory 1) (func (export \"main\") (param i32) (local $p i32) (loop $l (drop (memory.grow (i32.const 1))) (br_if $l (i32.lt_u (memory.size) (i32.const 512)))) (loop $l (i32.store (local.get $p) (i32.const 1)) (br_if $l (i32.lt_u (local.tee $p (i32.add (local.get $p) (i32.const 4096))) (i32.const 0x2000000))))))"),
        fresh("table grown and called", &format!("(module (type $t (func)) (func $leaf) (table 2000 funcref) (elem (i32.const 0) {}) (func (export \"main\") (param i32) (local $p i32) (loop $l (call_indirect (type $t) (local.get $p)) (br_if $l (i32.lt_u (local.tee $p (i32.add (local.get $p) (i32.const 1))) (i32.const 2000))))))", "$leaf ".repeat(2000))),
    ]);
    cases
}
