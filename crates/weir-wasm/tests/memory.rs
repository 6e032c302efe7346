//! Memory and tables stay in bounds and come back. Alone in its process, whose level it measures.
#![allow(clippy::unwrap_used, reason = "a failed step is a failed test")]

use weir_wasm::{Budget, Engine, Linker, Profile, Settings, Stop};

fn resident_bytes() -> u64 {
    let statm = std::fs::read_to_string("/proc/self/statm").unwrap();
    statm.split(' ').nth(1).unwrap().parse::<u64>().unwrap() * 4096
}

#[test]
fn memory_and_tables_stay_in_bounds_and_come_back() {
    let settings = Settings { instances_max: 4, ..Settings::new(Profile::Deterministic) };
    let engine = Engine::new(settings).unwrap();
    // Grows as far as it goes and touches every page; then the same of a table.
    let bomb = "(module (memory 1) (table 1 funcref) (func (export \"main\") (local $at i32)
        (loop $l (br_if $l (i32.ne (memory.grow (i32.const 1)) (i32.const -1))))
        (loop $l (drop (i32.const 0)) (br_if $l (i32.ne (table.grow (ref.null func) (i32.const 100)) (i32.const -1))))
        (loop $l (i32.store (local.get $at) (i32.const -1))
          (br_if $l (i32.lt_u (local.tee $at (i32.add (local.get $at) (i32.const 4096))) (i32.shl (memory.size) (i32.const 16)))))
        (if (i32.ne (memory.size) (i32.const 512)) (then (loop $never (br $never))))
        unreachable))";
    let module = engine.load(&wat::parse_str(bomb).unwrap()).unwrap();
    let prepared = Linker::<()>::new(&engine).prepare(&module).unwrap();
    let mut levels = Vec::new();
    for _ in 0..40 {
        let mut instance = prepared.instantiate((), &Budget::gas(1 << 40)).unwrap();
        let stop = instance.call::<(), ()>("main", ()).unwrap_err();
        assert!(matches!(stop, Stop::Trap(weir_wasm::Trap::Unreachable)), "{stop:?}");
        assert_eq!(instance.guest().memory_bytes(), 512 << 16);
        drop(instance);
        levels.push(resident_bytes());
    }
    let grown = levels[39].saturating_sub(levels[0]);
    assert!(grown < 8 << 20, "{grown} bytes more than after the first");
    // The budget may hold it lower; growing fails, and nothing traps.
    let low = Budget { memory_bytes: 3 << 16, ..Budget::gas(10_000_000) };
    let mut instance = prepared.instantiate((), &low).unwrap();
    assert!(matches!(instance.call::<(), ()>("main", ()).unwrap_err(), Stop::OutOfGas));
    assert_eq!(instance.guest().memory_bytes(), 3 << 16);
}
