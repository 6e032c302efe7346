//! Configuration files.

use std::path::Path;

use weir_config::{Severity, Source, load_bytes, print, render};

use crate::Target;
use crate::breed::hash;

pub(crate) const TARGET: Target = Target {
    name: "config",
    words: &[
        "version: 1\n",
        "listeners:\n",
        "routes:\n",
        "services:\n",
        "matches:",
        "path:",
        "prefix: /",
        "exact: /",
        "regex: '",
        "service: ",
        "endpoints: [",
        "timeouts: ",
        "30s",
        "breaker: ",
        "rate_limits: [",
        "burst: ",
        "&a ",
        "*a",
        "<<: ",
        "!!str ",
        "- ",
        "{ ",
        " }",
        "[ ",
        " ]",
        "'",
        "\"",
        "\\u0000",
        "|\n  ",
        "? ",
        "---\n",
        "...\n",
        "# ",
        "\t",
        "none",
        "18446744073709551616",
        "-1",
        "1e999",
        "tls: ",
        "hosts: [",
        "\"*.a\"",
        "weight: ",
        "backends: ",
        "name: ",
    ],
    run,
};

fn run(input: &[u8]) -> u64 {
    let base = Path::new("");
    let loaded = load_bytes("fuzz", input, base);
    let errors = loaded.diagnostics.iter().filter(|d| d.severity == Severity::Error).count();
    assert_eq!(loaded.model.is_none(), errors > 0, "a model exactly where there is no error");
    let text = String::from_utf8_lossy(input);
    let source = Source { name: "fuzz", text: &text, base };
    let shown = render(&source, &loaded.diagnostics, weir_config::Style::Plain);
    assert!(loaded.diagnostics.is_empty() || !shown.is_empty(), "an error that nobody sees");
    if let Some(model) = loaded.model {
        let printed = print(&model);
        let again = load_bytes("printed", printed.as_bytes(), base);
        let Some(again) = again.model else {
            panic!("what was printed is refused: {:?}\n{printed}", again.diagnostics);
        };
        assert_eq!(print(&again), printed, "printing changes the configuration");
        return hash(b"accepted") ^ printed.lines().count().min(200) as u64;
    }
    // Messages name what stands in the text; only what is said of it tells outcomes apart.
    let kinds = |message: &str| message.split(['`', '"', '\'']).step_by(2).collect::<String>();
    hash(loaded.diagnostics.iter().map(|d| kinds(&d.message)).collect::<String>().as_bytes())
}
