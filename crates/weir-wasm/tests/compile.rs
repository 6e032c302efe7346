//! Compilation in a process of its own, and the cache. The process is this program, called again.
#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a failed step is a failed test; it is its own harness"
)]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use weir_wasm::{
    Budget, CacheError, CacheSettings, ChildError, ChildLimits, Compiler, Engine, EngineError, Linker,
    LoadError, Module, Profile, Settings, child_main,
};

fn main() -> ExitCode {
    if std::env::args().nth(1).as_deref() == Some("compile-here") {
        return child_main();
    }
    let tests: &[(&str, fn())] = &[
        ("a_child_compiles", a_child_compiles),
        ("a_child_ends_with_its_limits", a_child_ends_with_its_limits),
        ("an_answer_that_is_none_is_refused", an_answer_that_is_none_is_refused),
        ("code_is_kept_and_damage_is_compiled_again", code_is_kept_and_damage_is_compiled_again),
        ("the_cache_is_bounded", the_cache_is_bounded),
        ("a_directory_that_others_may_write_is_refused", a_directory_that_others_may_write_is_refused),
    ];
    for (name, test) in tests {
        test();
        println!("test {name} ... ok");
    }
    ExitCode::SUCCESS
}

fn settings() -> Settings {
    Settings { instances_max: 2, ..Settings::new(Profile::Deterministic) }
}

fn child(program: &str, arguments: &[&str], limits: ChildLimits) -> Compiler {
    let arguments = arguments.iter().map(|argument| (*argument).to_owned()).collect();
    Compiler::Child { program: PathBuf::from(program), arguments, limits }
}

fn here(limits: ChildLimits) -> Compiler {
    child("/proc/self/exe", &["compile-here"], limits)
}

fn seven(module: &Module) -> u32 {
    let prepared = Linker::<()>::new(module.engine()).prepare(module).unwrap();
    prepared.instantiate((), &Budget::gas(1 << 20)).unwrap().call::<(), u32>("main", ()).unwrap()
}

fn wasm(extra: &str) -> Vec<u8> {
    wat::parse_str(format!("(module (func (export \"main\") (result i32) i32.const 7) {extra})")).unwrap()
}

fn a_child_compiles() {
    for profile in [Profile::Deterministic, Profile::Interruptible] {
        let settings = Settings { compiler: here(ChildLimits::default()), profile, ..settings() };
        let engine = Engine::new(settings).unwrap();
        assert_eq!(seven(&engine.load(&wasm("")).unwrap()), 7);
    }
}

fn a_child_ends_with_its_limits() {
    // Much to compile, though within the structural limits.
    let body =
        "(if (i32.wrap_i64 (local.get 0)) (then (local.set 1 (i64.mul (local.get 0) (i64.const 77)))))"
            .repeat(4000);
    let large = wasm(&format!("(func (param i64) (local i64) {body})").repeat(12));
    for limits in [
        ChildLimits { memory_bytes: 24 << 20, ..ChildLimits::default() },
        ChildLimits { cpu_seconds: 0, ..ChildLimits::default() },
    ] {
        let engine = Engine::new(Settings { compiler: here(limits), ..settings() }).unwrap();
        match engine.load(&large) {
            Err(LoadError::Child(ChildError::Killed { limits: told, .. })) => assert_eq!(told, limits),
            Err(LoadError::Child(ChildError::Refused(message))) => {
                assert!(message.contains("memory"), "{message}");
            }
            Err(other) => panic!("{limits:?}: {other}"),
            Ok(_) => panic!("{limits:?}: compiled"),
        }
    }
}

fn an_answer_that_is_none_is_refused() {
    for (program, arguments) in
        [("/bin/true", &[][..]), ("/bin/false", &[]), ("/bin/echo", &["code"]), ("/bin/cat", &[])]
    {
        let compiler = child(program, arguments, ChildLimits::default());
        let engine = Engine::new(Settings { compiler, ..settings() }).unwrap();
        let error = engine.load(&wasm("")).err().unwrap();
        assert!(matches!(error, LoadError::Child(ChildError::Answer { .. })), "{program}: {error}");
    }
    let engine =
        Engine::new(Settings { compiler: child("/nowhere", &[], ChildLimits::default()), ..settings() })
            .unwrap();
    assert!(matches!(engine.load(&wasm("")), Err(LoadError::Child(ChildError::Io(_)))));
}

/// An engine that compiles nothing, so that what it loads was kept.
fn reader(directory: &Path, bytes_max: u64) -> Engine {
    let cache = Some(CacheSettings { directory: directory.to_owned(), bytes_max });
    Engine::new(Settings { cache, compiler: child("/bin/false", &[], ChildLimits::default()), ..settings() })
        .unwrap()
}

fn writer(directory: &Path, bytes_max: u64) -> Engine {
    let cache = Some(CacheSettings { directory: directory.to_owned(), bytes_max });
    Engine::new(Settings { cache, ..settings() }).unwrap()
}

fn code_is_kept_and_damage_is_compiled_again() {
    let directory = tempfile::tempdir().unwrap();
    let directory = directory.path().join("code");
    assert!(reader(&directory, 1 << 30).load(&wasm("")).is_err());
    seven(&writer(&directory, 1 << 30).load(&wasm("")).unwrap());
    assert_eq!(seven(&reader(&directory, 1 << 30).load(&wasm("")).unwrap()), 7);
    // Another module, and the same under other limits, is another entry.
    assert!(reader(&directory, 1 << 30).load(&wasm("(func)")).is_err());
    let entry = || {
        let mut entries = fs::read_dir(&directory).unwrap().map(|entry| entry.unwrap().path());
        entries.find(|path| path.extension().is_some_and(|e| e == "code")).unwrap()
    };
    let whole = fs::read(entry()).unwrap();
    for at in [0, 31, 32, 100, whole.len() / 2, whole.len() - 1] {
        let mut damaged = whole.clone();
        damaged[at] ^= 1;
        fs::write(entry(), &damaged).unwrap();
        assert!(reader(&directory, 1 << 30).load(&wasm("")).is_err(), "byte {at}");
        seven(&writer(&directory, 1 << 30).load(&wasm("")).unwrap());
    }
    for length in [0, 1, 31, 32, 33, whole.len() - 1] {
        fs::write(entry(), &whole[..length]).unwrap();
        seven(&writer(&directory, 1 << 30).load(&wasm("")).unwrap());
        assert_eq!(seven(&reader(&directory, 1 << 30).load(&wasm("")).unwrap()), 7);
    }
    // Sealed with another secret, as by whoever can write here but not read it.
    fs::write(directory.join("secret"), [9; 32]).unwrap();
    assert!(reader(&directory, 1 << 30).load(&wasm("")).is_err());
}

fn the_cache_is_bounded() {
    let directory = tempfile::tempdir().unwrap();
    let size = {
        let engine = writer(&directory.path().join("a"), 1 << 30);
        engine.load(&wasm("")).unwrap();
        engine.cache_bytes()
    };
    let bound = size * 3 + size / 2;
    let engine = writer(&directory.path().join("b"), bound);
    for index in 0..8 {
        engine.load(&wasm(&format!("(global i32 (i32.const {index}))"))).unwrap();
        assert!(engine.cache_bytes() <= bound);
    }
    assert!(engine.cache_bytes() > size);
    // The last is there, the first is not.
    let reader = reader(&directory.path().join("b"), bound);
    assert!(reader.load(&wasm("(global i32 (i32.const 7))")).is_ok());
    assert!(reader.load(&wasm("(global i32 (i32.const 0))")).is_err());
}

fn a_directory_that_others_may_write_is_refused() {
    use std::os::unix::fs::PermissionsExt;
    let directory = tempfile::tempdir().unwrap();
    fs::set_permissions(directory.path(), fs::Permissions::from_mode(0o777)).unwrap();
    let cache = Some(CacheSettings { directory: directory.path().to_owned(), bytes_max: 1 });
    let error = Engine::new(Settings { cache, ..settings() }).err().unwrap();
    assert!(matches!(error, EngineError::Cache(CacheError::Open { .. })), "{error}");
}
