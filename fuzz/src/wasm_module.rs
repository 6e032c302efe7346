//! Modules of WebAssembly. What is accepted is valid once it is metered, and is refused when it comes back: the names of
//! the instrumentation are taken.

use std::fmt::Write as _;

use wasmparser::{Validator, WasmFeatures};
use weir_wasm::{Limits, Profile, Refusal, check, meter};

use crate::Target;
use crate::breed::hash;

pub(crate) const TARGET: Target = Target {
    name: "wasm_module",
    words: &[
        "\0asm\u{1}\0\0\0",
        "\u{1}\u{4}\u{1}\u{60}\0\0",
        "\u{1}\u{6}\u{1}\u{60}\u{1}\u{7f}\u{1}\u{7e}",
        "\u{3}\u{2}\u{1}\0",
        "\u{5}\u{3}\u{1}\0\u{1}",
        "\u{4}\u{4}\u{1}\u{70}\0\u{2}",
        "\u{7}\u{5}\u{1}\u{1}a\0\0",
        "\u{a}\u{4}\u{1}\u{2}\0\u{b}",
        "\u{2}\u{40}",
        "\u{3}\u{40}",
        "\u{4}\u{7f}",
        "\u{5}",
        "\u{b}",
        "\u{c}\0",
        "\u{d}\0",
        "\u{e}\u{1}\0\0",
        "\u{f}",
        "\u{10}\0",
        "\u{20}\0",
        "\u{41}\u{2a}",
        "\u{28}\u{2}\0",
        "\u{3f}\0",
    ],
    run,
};

fn run(input: &[u8]) -> u64 {
    let mut outcome = String::new();
    for profile in [Profile::Deterministic, Profile::Interruptible] {
        match check(input, profile, &Limits::default()) {
            Ok(checked) => {
                let metered = meter(&checked);
                let valid = Validator::new_with_features(WasmFeatures::default()).validate_all(&metered);
                assert!(valid.is_ok(), "{:?}", valid.err());
                if profile == Profile::Deterministic {
                    assert!(matches!(
                        check(&metered, profile, &Limits::default()),
                        Err(Refusal::ReservedName { .. })
                    ));
                }
                let (imports, exports) = (checked.imports().len(), checked.exports().len().min(3));
                let _ = write!(outcome, "{imports} {exports} ");
            }
            // Which rule, but not where.
            Err(Refusal::Invalid { message, .. }) => outcome += message.split(':').next().unwrap_or_default(),
            Err(Refusal::TooMany { limit, .. }) => outcome += &limit.to_string(),
            Err(refusal) => {
                let _ = write!(outcome, "{:?}", std::mem::discriminant(&refusal));
            }
        }
    }
    hash(outcome.as_bytes())
}
