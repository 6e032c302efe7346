//! How long does a fresh instance with a trivial call take, alone and with all cores busy?
//!
//! The guest is as compilers make them: seventeen pages, data above a stack of 1 MiB, a table; the call writes to its stack
//! and reads its data. It fails beyond 30 µs at the 99th percentile alone, and beyond 100 µs with every core at it.
#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a bench; what it prints is its result")]

use std::time::{Duration, Instant};

use weir_wasm::{Budget, Engine, Guest, Linker, Prepared, Profile, Settings};

const ROUNDS: usize = 100_000;
const ALONE_MAX: Duration = Duration::from_micros(30);
const BUSY_MAX: Duration = Duration::from_micros(100);

fn main() {
    let data = "d".repeat(10_000);
    let guest = format!(
        "(module (import \"env\" \"log\" (func $log (param i32 i32)))
           (memory (export \"memory\") 17) (table 20 funcref) (elem (i32.const 1) $f $f $f) (func $f)
           (global $sp (mut i32) (i32.const 1048576)) (data (i32.const 1048576) \"{data}\")
           (func (export \"main\") (param i32) (result i32) (local $sp i32)
             (global.set $sp (local.tee $sp (i32.sub (global.get $sp) (i32.const 16))))
             (i32.store (local.get $sp) (local.get 0)) (i32.store (i32.const 1048580) (local.get 0))
             (call $log (local.get $sp) (i32.const 4))
             (global.set $sp (i32.add (local.get $sp) (i32.const 16)))
             (i32.load (local.get $sp))))"
    );
    let guest = wat::parse_str(guest).unwrap();
    let empty =
        wat::parse_str("(module (func (export \"main\") (param i32) (result i32) local.get 0))").unwrap();
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let mut missed = false;
    for profile in [Profile::Deterministic, Profile::Interruptible] {
        for (name, wasm) in [("compiled like Rust", &guest), ("empty", &empty)] {
            let engine = Engine::new(Settings::new(profile)).unwrap();
            let mut linker = Linker::<u64>::new(&engine);
            linker.function("env", "log", |guest: &mut Guest<'_, u64>, at: u32, length: u32| {
                *guest.data_mut() += guest.read(at, length)?.len() as u64;
                Ok(())
            });
            let prepared = linker.prepare(&engine.load(wasm).unwrap()).unwrap();
            for (threads, most) in [(1, ALONE_MAX), (cores, BUSY_MAX)] {
                let times = calls(&prepared, threads);
                let at = |share: f64| times[((times.len() - 1) as f64 * share) as usize];
                let [p50, p99, p999] = [0.5, 0.99, 0.999].map(at);
                println!(
                    "{profile:?}, {name}, {threads} at a time: p50 {p50:?}, p99 {p99:?}, p99.9 {p999:?}"
                );
                missed |= p99 > most;
            }
        }
    }
    assert!(!missed, "beyond 30 µs alone or 100 µs with all cores busy");
}

fn calls(prepared: &Prepared<u64>, threads: usize) -> Vec<Duration> {
    let one = || {
        let mut times = Vec::with_capacity(ROUNDS);
        for round in 0..ROUNDS {
            let begun = Instant::now();
            let mut instance = prepared.instantiate(0, &Budget::gas(1 << 40)).unwrap();
            instance.call::<u32, u32>("main", round as u32).unwrap();
            drop(instance);
            times.push(begun.elapsed());
        }
        times
    };
    let mut times: Vec<_> = std::thread::scope(|scope| {
        let all: Vec<_> = (0..threads).map(|_| scope.spawn(one)).collect();
        all.into_iter().flat_map(|thread| thread.join().unwrap()).collect()
    });
    times.sort();
    times
}
