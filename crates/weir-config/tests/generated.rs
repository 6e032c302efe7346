//! Files that follow from the code: the JSON Schema and the reference's tables. With `WEIR_BLESS=1` they are written.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;
use weir_config::{Source, load, reference, schema};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// Compares a committed file with what the code says.
#[track_caller]
fn check(file: &str, expect: &str) {
    let path = root().join(file);
    if std::env::var_os("WEIR_BLESS").is_some() {
        fs::write(&path, expect).expect("valid");
    }
    let held = fs::read_to_string(&path).unwrap_or_default();
    assert!(
        held == expect,
        "{file} is out of date: run `WEIR_BLESS=1 cargo test -p weir-config --test generated`"
    );
}

#[test]
fn the_schema_is_what_the_code_says() {
    let text = serde_json::to_string_pretty(&schema()).unwrap() + "\n";
    check("docs/weir.schema.json", &text);
}

#[test]
fn the_reference_is_what_the_code_says() {
    let path = root().join("docs/configuration.md");
    let mut rest = fs::read_to_string(path).unwrap();
    let mut written = String::new();
    let tables = reference();
    let mut seen = Vec::new();
    while let Some((before, after)) =
        rest.split_once("<!-- table: ").map(|(b, a)| (b.to_owned(), a.to_owned()))
    {
        let (name, after) = after.split_once(" -->").unwrap();
        let (_, after) = after.split_once("<!-- end -->").unwrap();
        let (_, table) =
            tables.iter().find(|(n, _)| *n == name).unwrap_or_else(|| panic!("no object named {name}"));
        written.extend([&*before, "<!-- table: ", name, " -->\n", table, "<!-- end -->"]);
        seen.push(name.to_owned());
        rest = after.to_owned();
    }
    written.push_str(&rest);
    for (name, _) in &tables {
        assert!(seen.iter().any(|s| s == name), "docs/configuration.md has no table for `{name}`");
        // Other tables link to this heading.
        assert!(
            written.contains(&format!("\n## {name}\n")),
            "docs/configuration.md has no heading for `{name}`"
        );
    }
    check("docs/configuration.md", &written);
}

fn examples() -> Vec<PathBuf> {
    let mut files: Vec<PathBuf> = fs::read_dir(root().join("examples"))
        .expect("valid")
        .map(|entry| entry.expect("valid").path())
        .filter(|path| path.extension().is_some_and(|e| e == "yaml"))
        .collect();
    files.sort();
    assert!(files.len() >= 8);
    files
}

#[test]
fn every_example_is_valid_and_says_so_without_a_warning() {
    for file in examples() {
        let text = fs::read_to_string(&file).unwrap();
        let name = file.display().to_string();
        let source = Source { name: &name, text: &text, base: file.parent().unwrap() };
        let loaded = load(&source);
        let drawn = weir_config::render(&source, &loaded.diagnostics, weir_config::Style::Plain);
        assert!(loaded.diagnostics.is_empty(), "{drawn}");
        assert!(loaded.model.is_some());
    }
}

/// What an editor makes of YAML (core schema), by way of events.
fn json_of(text: &str) -> Value {
    use saphyr_parser::{Event, Parser, ScalarStyle};
    enum Open {
        List(Vec<Value>),
        Map(serde_json::Map<String, Value>, Option<String>),
    }
    let mut stack: Vec<Open> = Vec::new();
    let mut root = Value::Null;
    for event in Parser::new_from_str(text) {
        let value = match event.expect("valid").0 {
            Event::SequenceStart(..) => {
                stack.push(Open::List(Vec::new()));
                continue;
            }
            Event::MappingStart(..) => {
                stack.push(Open::Map(serde_json::Map::new(), None));
                continue;
            }
            Event::SequenceEnd | Event::MappingEnd => match stack.pop().expect("valid") {
                Open::List(items) => Value::Array(items),
                Open::Map(map, _) => Value::Object(map),
            },
            Event::Scalar(text, ScalarStyle::Plain, ..) => match &*text {
                "true" => true.into(),
                "false" => false.into(),
                "" | "~" | "null" => Value::Null,
                plain => plain
                    .parse::<u64>()
                    .map(Value::from)
                    .or_else(|_| plain.parse::<f64>().map(Value::from))
                    .unwrap_or_else(|_| plain.into()),
            },
            Event::Scalar(text, ..) => text.as_ref().into(),
            _ => continue,
        };
        match stack.last_mut() {
            None => root = value,
            Some(Open::List(items)) => items.push(value),
            Some(Open::Map(map, key)) => match key.take() {
                None => *key = Some(value.as_str().map_or_else(|| value.to_string(), str::to_owned)),
                Some(name) => {
                    map.insert(name, value);
                }
            },
        }
    }
    root
}

#[test]
fn the_schema_accepts_what_load_accepts() {
    let validator = jsonschema::validator_for(&schema()).unwrap();
    let check = |name: &str, text: &str| {
        let errors: Vec<String> =
            validator.iter_errors(&json_of(text)).map(|e| format!("{}: {e}", e.instance_path())).collect();
        assert!(errors.is_empty(), "{name}: {errors:#?}");
    };
    check("default", weir_config::embedded_default());
    for file in examples() {
        let text = fs::read_to_string(&file).unwrap();
        check(&file.display().to_string(), &text);
        let source = Source { name: "x", text: &text, base: Path::new("") };
        check("printed", &weir_config::print(&load(&source).model.unwrap()));
    }
}

#[test]
fn the_schema_refuses_slips() {
    let validator = jsonschema::validator_for(&schema()).unwrap();
    for bad in [
        "listeners: []",
        "version: 2",
        "version: 1\nservcies: {}",
        "version: 1\nlisteners: [{ name: a }]",
        "version: 1\nroutes: [{ name: a, timeouts: { request: 30 } }]",
        "version: 1\nservices: { a: { endpoints: [], balancer: random } }",
    ] {
        assert!(!validator.is_valid(&json_of(bad)), "{bad}");
    }
}
