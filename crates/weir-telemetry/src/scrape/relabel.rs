//! Relabelling: rules that change, keep or drop a set of labels, as Prometheus defines them. Pure.
//!
//! Source: <https://prometheus.io/docs/prometheus/latest/configuration/configuration/#relabel_config>, and Prometheus 3
//! where that leaves it open.

use regex::Regex;
use weir_model::{Relabel, RelabelAction};
use weir_signal::{LabelsBuilder, re2_whole};

/// Rules in the order in which they apply.
#[derive(Debug, Default)]
pub(crate) struct Rules(Vec<Rule>);

#[derive(Debug)]
struct Rule {
    model: Relabel,
    regex: Regex,
}

impl Rules {
    /// Compiles what was configured.
    ///
    /// # Errors
    /// Names the expression that is none.
    pub(crate) fn new(model: &[Relabel]) -> Result<Self, String> {
        let rule = |model: &Relabel| {
            let regex = re2_whole(&model.regex)
                .map_err(|error| format!("the regular expression `{}`: {error}", model.regex))?;
            Ok(Rule { model: model.clone(), regex })
        };
        model.iter().map(rule).collect::<Result<_, _>>().map(Self)
    }

    /// Applies all rules; false where one of them drops what has these labels.
    pub(crate) fn keep(&self, labels: &mut LabelsBuilder) -> bool {
        let mut value = String::new();
        self.0.iter().all(|rule| rule.keep(labels, &mut value))
    }
}

impl Rule {
    /// `value` is memory that is used again.
    fn keep(&self, labels: &mut LabelsBuilder, value: &mut String) -> bool {
        value.clear();
        for (at, name) in self.model.source_labels.iter().enumerate() {
            if at > 0 {
                value.push_str(&self.model.separator);
            }
            value.push_str(labels.get(name).unwrap_or_default());
        }
        let target = &*self.model.target_label;
        match self.model.action {
            RelabelAction::Keep => return self.regex.is_match(value),
            RelabelAction::Drop => return !self.regex.is_match(value),
            RelabelAction::KeepEqual => return labels.get(target).unwrap_or_default() == value,
            RelabelAction::DropEqual => return labels.get(target).unwrap_or_default() != value,
            RelabelAction::Replace => self.replace(labels, value),
            RelabelAction::Lowercase => labels.set(target, &each(value, char::to_lowercase)),
            RelabelAction::Uppercase => labels.set(target, &each(value, char::to_uppercase)),
            RelabelAction::HashMod => labels.set(target, &hash_mod(value, self.model.modulus).to_string()),
            RelabelAction::LabelMap => self.map(labels),
            RelabelAction::LabelDrop => self.without(labels, |matches| matches),
            RelabelAction::LabelKeep => self.without(labels, |matches| !matches),
        }
        true
    }

    fn replace(&self, labels: &mut LabelsBuilder, value: &str) {
        let Some(captures) = self.regex.captures(value) else { return };
        let expanded = |template: &str| {
            let mut out = String::new();
            captures.expand(template, &mut out);
            out
        };
        let target = expanded(&self.model.target_label);
        if !target.is_empty() {
            // Nothing as the result takes the label away.
            labels.set(&target, &expanded(&self.model.replacement));
        }
    }

    fn map(&self, labels: &mut LabelsBuilder) {
        let renamed = |(name, value): (&str, &str)| {
            let captures = self.regex.captures(name)?;
            let mut new = String::new();
            captures.expand(&self.model.replacement, &mut new);
            (!new.is_empty()).then(|| (new, value.to_owned()))
        };
        // In the order of names, so that of two that become the same one the result does not depend on the sender.
        let mut all: Vec<_> = labels.iter().collect();
        all.sort_unstable();
        let new: Vec<_> = all.into_iter().filter_map(renamed).collect();
        for (name, value) in new {
            labels.set(&name, &value);
        }
    }

    fn without(&self, labels: &mut LabelsBuilder, goes: impl Fn(bool) -> bool) {
        let gone = labels.iter().filter(|(name, _)| goes(self.regex.is_match(name)));
        let gone: Vec<String> = gone.map(|(name, _)| name.to_owned()).collect();
        for name in gone {
            labels.remove(&name);
        }
    }
}

/// Each character's other case where that is one character, as Go's `strings.ToLower` does it.
fn each<I: Iterator<Item = char>>(text: &str, case: impl Fn(char) -> I) -> String {
    let one = |c: char| {
        let mut cased = case(c);
        match (cased.next(), cased.next()) {
            (Some(only), None) => only,
            _ => c,
        }
    };
    text.chars().map(one).collect()
}

/// The last eight bytes of the value's MD5, modulo `modulus` (0 counts as 1).
fn hash_mod(value: &str, modulus: u64) -> u64 {
    let hash = u128::from_be_bytes(md5::compute(value).0);
    hash as u64 % modulus.max(1)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use proptest::prelude::*;
    use weir_signal::Labels;

    use super::*;

    fn rule(
        action: RelabelAction,
        sources: &[&str],
        regex: &str,
        target: &str,
        replacement: &str,
    ) -> Relabel {
        Relabel {
            source_labels: sources.iter().map(|&name| Arc::from(name)).collect(),
            separator: ";".into(),
            regex: regex.into(),
            modulus: 1000,
            target_label: target.into(),
            replacement: replacement.into(),
            action,
        }
    }

    fn relabelled(input: &[(&str, &str)], rules: &[Relabel]) -> Option<Vec<(String, String)>> {
        let mut builder = LabelsBuilder::new();
        for (name, value) in input {
            builder.push(name, value);
        }
        let kept = Rules::new(rules).unwrap().keep(&mut builder);
        let labels = builder.build().unwrap();
        kept.then(|| labels.iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect())
    }

    /// `expect` is what is there afterwards beside `input`, with labels that went away as empty; `None` is dropped.
    #[track_caller]
    fn check(input: &[(&str, &str)], rules: &[Relabel], expect: Option<&[(&str, &str)]>) {
        let expect = expect.map(|changes| {
            let mut all: std::collections::BTreeMap<_, _> = input.iter().copied().collect();
            all.extend(changes.iter().copied());
            let all = all.into_iter().filter(|(_, value)| !value.is_empty());
            all.map(|(name, value)| (name.to_owned(), value.to_owned())).collect::<Vec<_>>()
        });
        assert_eq!(relabelled(input, rules), expect, "{input:?} {rules:?}");
    }

    use RelabelAction::{
        Drop, DropEqual, HashMod, Keep, KeepEqual, LabelDrop, LabelKeep, LabelMap, Lowercase, Replace,
        Uppercase,
    };

    #[test]
    fn replace() {
        let abc = [("a", "foo"), ("b", "bar"), ("c", "baz")];
        check(&abc, &[rule(Replace, &["a"], "f(.*)", "d", "ch${1}-ch${1}")], Some(&[("d", "choo-choo")]));
        let two = [
            rule(Replace, &["a", "b"], "f(.*);(.*)r", "a", "b${1}${2}m"),
            rule(Replace, &["c", "a"], "(b).*b(.*)ba(.*)", "d", "$1$2$2$3"),
        ];
        check(&abc, &two, Some(&[("a", "boobam"), ("d", "boooom")]));
        check(&[("a", "abc")], &[rule(Replace, &["a"], ".*(b).*", "d", "$1")], Some(&[("d", "b")]));
        // No match, no change.
        check(&[("a", "boo")], &[rule(Replace, &["a"], "f", "b", "bar")], Some(&[]));
        // A result of nothing takes the label away.
        let gone = [rule(Replace, &["a"], "(f).*", "$1", "$2")];
        check(&[("a", "foo"), ("f", "baz")], &gone, Some(&[("f", "")]));
        // Targets from the match; none where it has no name.
        let split = |regex, target, replacement| [rule(Replace, &["a"], regex, target, replacement)];
        let name = [("a", "some-name-value")];
        check(&name, &split("some-([^-]+)-([^,]+)", "${1}", "${2}"), Some(&[("name", "value")]));
        check(&name, &split("some-([^-]+)-([^,]+)", "${1}", "${3}"), Some(&[]));
        check(&name, &split("some-([^-]+)-([^,]+)", "${3}", "${1}"), Some(&[]));
        // Line ends are characters; names may be any.
        let lines = [("a", "line1\nline2"), ("utf-8.label", "x")];
        check(&lines, &split("line1.*line2", "d", "match${1}"), Some(&[("d", "match")]));
        check(&lines, &split("line1.*line2", "utf-8.other${1}", "m"), Some(&[("utf-8.other", "m")]));
        let named = split("(line1).*(?<second>line2)", "label_$1", "val_$second");
        check(&lines, &named, Some(&[("label_line1", "val_line2")]));
        // Without sources: always.
        check(&[("a", "1")], &[rule(Replace, &[], "(.*)", "env", "prod")], Some(&[("env", "prod")]));
        check(&[("a", "1")], &[rule(Replace, &[], "(.*)", "a", "")], Some(&[("a", "")]));
    }

    #[test]
    fn a_life_like_use_of_replace() {
        let tags = [("__meta_sd_tags", "path:/secret,job:some-job,label:foo=bar")];
        let from_tags =
            |regex, target, replacement| rule(Replace, &["__meta_sd_tags"], regex, target, replacement);
        let rules = [
            from_tags("(?:.+,|^)path:(/[^,]+).*", "__metrics_path__", "${1}"),
            from_tags("(?:.+,|^)job:([^,]+).*", "job", "${1}"),
            from_tags("(?:.+,|^)label:([^=]+)=([^,]+).*", "${1}", "${2}"),
        ];
        check(&tags, &rules, Some(&[("__metrics_path__", "/secret"), ("job", "some-job"), ("foo", "bar")]));
        // Prometheus' bug 12283: a label that went away and came back is there.
        let ports = [("__meta_name", "foo"), ("__meta_port", "9091")];
        let rules = [
            rule(LabelDrop, &[], "^__meta_name$", "", ""),
            rule(Replace, &["__meta_port"], "(.+)", "__meta_name", "metrics"),
            rule(Keep, &["__meta_name"], "^metrics$", "", ""),
        ];
        check(&ports, &rules, Some(&[("__meta_name", "metrics")]));
    }

    #[test]
    fn keep_and_drop() {
        let foo = [("a", "foo")];
        check(&foo, &[rule(Drop, &["a"], ".*o.*", "", "")], None);
        check(&foo, &[rule(Drop, &["a"], ".*o.*", "", ""), rule(Replace, &["a"], "f", "d", "x")], None);
        check(&foo, &[rule(Drop, &["a"], "no-match", "", "")], Some(&[]));
        check(&foo, &[rule(Drop, &["a"], "f|o", "", "")], Some(&[]));
        check(&foo, &[rule(Keep, &["a"], "no-match", "", "")], None);
        check(&foo, &[rule(Keep, &["a"], "f.*", "", "")], Some(&[]));
        check(&foo, &[rule(Keep, &["gone"], "", "", "")], Some(&[]));
    }

    #[test]
    fn keepequal_and_dropequal() {
        let ports = [("__tmp_port", "1234"), ("__port1", "1234"), ("__port2", "5678")];
        check(&ports, &[rule(KeepEqual, &["__tmp_port"], "(.*)", "__port1", "$1")], Some(&[]));
        check(&ports, &[rule(KeepEqual, &["__tmp_port"], "(.*)", "__port2", "$1")], None);
        check(&ports, &[rule(DropEqual, &["__tmp_port"], "(.*)", "__port1", "$1")], None);
        check(&ports, &[rule(DropEqual, &["__tmp_port"], "(.*)", "__port2", "$1")], Some(&[]));
    }

    #[test]
    fn hashmod() {
        check(&[("c", "baz")], &[rule(HashMod, &["c"], "(.*)", "d", "$1")], Some(&[("d", "976")]));
        check(&[("a", "foo\nbar")], &[rule(HashMod, &["a"], "(.*)", "b", "$1")], Some(&[("b", "734")]));
    }

    #[test]
    fn labelmap_labeldrop_labelkeep() {
        let some = [("a", "foo"), ("b1", "bar"), ("b2", "baz")];
        let map = [rule(LabelMap, &[], "(b.*)", "", "bar_${1}")];
        check(&some, &map, Some(&[("bar_b1", "bar"), ("bar_b2", "baz")]));
        let meta =
            [("a", "foo"), ("__meta_my_bar", "aaa"), ("__meta_my_baz", "bbb"), ("__meta_other", "ccc")];
        let map = [rule(LabelMap, &[], "__meta_(my.*)", "", "${1}")];
        check(&meta, &map, Some(&[("my_bar", "aaa"), ("my_baz", "bbb")]));
        check(&some, &[rule(LabelMap, &[], "b.", "", "same")], Some(&[("same", "baz")]));
        check(&some, &[rule(LabelKeep, &[], "(b.*)", "", "$1")], Some(&[("a", "")]));
        check(&some, &[rule(LabelDrop, &[], "(b.*)", "", "$1")], Some(&[("b1", ""), ("b2", "")]));
    }

    #[test]
    fn lowercase_and_uppercase() {
        let rules =
            [rule(Uppercase, &["foo"], "(.*)", "up", "$1"), rule(Lowercase, &["foo"], "(.*)", "down", "$1")];
        check(&[("foo", "bAr123Fooé")], &rules, Some(&[("up", "BAR123FOOÉ"), ("down", "bar123fooé")]));
    }

    #[test]
    fn what_does_not_compile_is_named() {
        let error = Rules::new(&[rule(Keep, &["a"], "a(", "", "")]).unwrap_err();
        assert!(error.contains("`a(`"), "{error}");
    }

    proptest! {
        /// Labels stay a set of labels, whatever rules say; only rules that drop, drop.
        #[test]
        fn no_rule_breaks_labels(
            input in prop::collection::btree_map("[a-d]{1,2}", "[a-c]{0,3}", 0..4),
            actions in prop::collection::vec((0_usize..11, "[a-d]{1,2}", "(a|b|\\.|\\*|\\(c\\)){0,3}", "[a-d]{1,2}", "[a$1]{0,3}"), 0..4),
        ) {
            let all = [Replace, Keep, Drop, KeepEqual, DropEqual, HashMod, LabelMap, LabelDrop, LabelKeep, Lowercase, Uppercase];
            let rules: Vec<_> = actions.iter().filter_map(|(action, source, regex, target, replacement)| {
                re2_whole(regex).ok()?;
                Some(rule(all[*action], &[source], regex, target, replacement))
            }).collect();
            let mut builder = LabelsBuilder::new();
            for (name, value) in &input {
                builder.push(name, value);
            }
            let kept = Rules::new(&rules).unwrap().keep(&mut builder);
            let labels = builder.build().unwrap();
            prop_assert!(Labels::from_encoded(labels.as_encoded()).is_some());
            prop_assert!(kept || rules.iter().any(|rule| matches!(rule.action, Keep | Drop | KeepEqual | DropEqual)));
        }
    }
}
