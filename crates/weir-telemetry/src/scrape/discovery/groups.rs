//! Lists of targets in the form of Prometheus' `file_sd`: groups of addresses with labels, in JSON or YAML. Pure.

use serde_json::Value;
use weir_signal::{Labels, LabelsBuilder};

use super::yaml;
use crate::scrape::target::ADDRESS;

/// The label that says which file a target is from.
const FILE: &str = "__meta_filepath";

/// The targets of a file's text; its name decides between JSON and YAML.
///
/// # Errors
/// What the text should be is none, or not such a list, with the place in it.
pub(super) fn read(path: &str, text: &[u8]) -> Result<Vec<Labels>, String> {
    let json = path.rsplit('.').next().is_some_and(|end| end.eq_ignore_ascii_case("json"));
    let value = if json {
        serde_json::from_slice(text).map_err(|error| format!("no JSON: {error}"))?
    } else {
        let text = std::str::from_utf8(text).map_err(|_| "not UTF-8".to_owned())?;
        yaml::value(text)?
    };
    let mut targets = Vec::new();
    match &value {
        Value::Null => {}
        Value::Array(groups) => {
            for (at, group) in groups.iter().enumerate() {
                read_group(path, group, &mut targets)
                    .map_err(|error| format!("group {}: {error}", at + 1))?;
            }
        }
        _ => {
            return Err(
                "expected a list of groups: `[{\"targets\": [\"host:port\"], \"labels\": {}}]`".to_owned()
            );
        }
    }
    Ok(targets)
}

fn read_group(path: &str, group: &Value, targets: &mut Vec<Labels>) -> Result<(), String> {
    let Value::Object(group) = group else { return Err("expected `targets` and `labels`".to_owned()) };
    let mut labels = LabelsBuilder::new();
    let mut addresses: &[Value] = &[];
    for (key, value) in group {
        match (key.as_str(), value) {
            ("targets" | "labels", Value::Null) => {}
            ("targets", Value::Array(list)) => addresses = list,
            ("labels", Value::Object(map)) => {
                for (name, value) in map {
                    let Value::String(value) = value else {
                        return Err(format!("label `{name}`: expected a text in quotes"));
                    };
                    labels.push(name, value);
                }
            }
            ("targets", _) => return Err("`targets`: expected a list of `host:port`".to_owned()),
            ("labels", _) => return Err("`labels`: expected names and values".to_owned()),
            (other, _) => return Err(format!("`{other}` is not known; a group has `targets` and `labels`")),
        }
    }
    for address in addresses {
        let Value::String(address) = address else {
            return Err(format!("target `{address}`: expected `host:port` in quotes"));
        };
        let mut labels = labels.clone();
        labels.set(ADDRESS, address);
        labels.set(FILE, path);
        targets.push(labels.build().map_err(|error| error.to_string())?);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[track_caller]
    fn check(path: &str, text: &str, expect: Result<&[&str], &str>) {
        let found = read(path, text.as_bytes());
        match (&found, expect) {
            (Ok(found), Ok(expect)) => {
                assert_eq!(found.iter().map(ToString::to_string).collect::<Vec<_>>(), expect, "{text}");
            }
            (Err(error), Err(part)) => assert!(error.contains(part), "{error}"),
            _ => panic!("{found:?} for {expect:?}"),
        }
    }

    #[test]
    fn groups_of_both_kinds_are_read() {
        let expect: &[&str] = &[
            r#"{__address__="a:1", __meta_filepath="f.EXT", env="prod", shard="7"}"#,
            r#"{__address__="b:2", __meta_filepath="f.EXT", env="prod", shard="7"}"#,
            r#"{__address__="c:3", __meta_filepath="f.EXT"}"#,
        ];
        let of = |end: &str| expect.iter().map(|labels| labels.replace("EXT", end)).collect::<Vec<_>>();
        let json = "[\n\t{\"targets\": [\"a:1\", \"b:2\"], \"labels\": {\"env\": \"prod\", \"shard\": \"7\"}},\n\t{\"targets\": [\"c:3\"]}]";
        let (json_expect, yaml_expect) = (of("json"), of("yml"));
        check("f.json", json, Ok(&json_expect.iter().map(String::as_str).collect::<Vec<_>>()));
        let yaml = "- targets: [a:1, 'b:2']\n  labels:\n    env: prod\n    shard: 7\n- targets:\n    - c:3\n  labels:\n";
        check("f.yml", yaml, Ok(&yaml_expect.iter().map(String::as_str).collect::<Vec<_>>()));
        let anchored = "- targets: [a:1]\n  labels: &l {env: prod}\n- targets: [b:1]\n  labels: *l\n";
        check(
            "f.yaml",
            anchored,
            Ok(&[
                r#"{__address__="a:1", __meta_filepath="f.yaml", env="prod"}"#,
                r#"{__address__="b:1", __meta_filepath="f.yaml", env="prod"}"#,
            ]),
        );
        check("f.yaml", "", Ok(&[]));
        check("f.json", "[]", Ok(&[]));
    }

    #[test]
    fn what_is_no_list_of_groups_says_where() {
        check("f.json", "[{]", Err("no JSON"));
        check("f.json", "{\"targets\": []}", Err("a list of groups"));
        check("f.json", "[{}, {\"target\": []}]", Err("group 2: `target` is not known"));
        check("f.json", "[{\"targets\": [1]}]", Err("target `1`"));
        check("f.json", "[{\"labels\": {\"a\": 1}}]", Err("label `a`"));
        check("f.yml", "- targets: {a: b}\n", Err("`targets`: expected"));
        check("f.yml", "a: b: c", Err("no YAML"));
        check("f.yml", "- targets: [a", Err("no YAML"));
    }

    proptest! {
        #[test]
        fn no_text_panics(text in "[\\[\\]{}a-c:,\"' \n&*-]{0,40}") {
            for path in ["f.json", "f.yaml"] {
                let _ = read(path, text.as_bytes());
            }
        }
    }
}
