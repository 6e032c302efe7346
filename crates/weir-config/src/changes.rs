//! What changed between two models, in words.

use std::collections::BTreeSet;
use std::sync::Arc;

use weir_model::{CowMap, Id, Kind, Model};

use crate::out::Out;
use crate::print::{chain_out, listener_out, route_out, service_out, settings_out};

/// One line per changed object: `route orders: timeout 30s → 5s`, `service x: endpoint 127.0.0.1:9000 added`,
/// `listener web removed`. Settings first, then listeners, chains, services and routes by name. Objects that are the same
/// `Arc` are not looked into, so after [`crate::keep_unchanged`] this costs little more than what changed.
pub fn changes(old: &Model, new: &Model) -> Vec<String> {
    let mut lines = Vec::new();
    let mut settings = Vec::new();
    differ(&settings_out(old), &settings_out(new), &mut Vec::new(), &mut settings);
    if !settings.is_empty() {
        lines.push(settings.join(", "));
    }
    objects(&old.listeners, &new.listeners, listener_out, |_, _| None, &mut lines);
    objects(&old.chains, &new.chains, chain_out, |_, _| None, &mut lines);
    objects(&old.services, &new.services, service_out, |_, _| None, &mut lines);
    let moved = |a: &weir_model::Route, b: &weir_model::Route| {
        (a.rank != b.rank).then(|| "moved in the order".to_owned())
    };
    objects(&old.routes, &new.routes, route_out, moved, &mut lines);
    lines
}

fn objects<K: Kind, T>(
    old: &CowMap<Id<K>, Arc<T>>,
    new: &CowMap<Id<K>, Arc<T>>,
    out: fn(&T) -> Out,
    beside: impl Fn(&T, &T) -> Option<String>,
    lines: &mut Vec<String>,
) {
    let word = K::WORD;
    let (gone, put) = new.changed_since(old, Arc::ptr_eq);
    let names: BTreeSet<&Id<K>> = gone.into_iter().chain(put.into_iter().map(|(id, _)| id)).collect();
    for id in names {
        match (old.get(id), new.get(id)) {
            (None, Some(_)) => lines.push(format!("{word} {id} added")),
            (Some(_), None) => lines.push(format!("{word} {id} removed")),
            (Some(before), Some(after)) => {
                let mut words = Vec::new();
                differ(&out(before), &out(after), &mut Vec::new(), &mut words);
                words.extend(beside(before, after));
                if !words.is_empty() {
                    lines.push(format!("{word} {id}: {}", words.join(", ")));
                }
            }
            (None, None) => {}
        }
    }
}

/// Longest text of a value in a line.
const VALUE_CHARS_MAX: usize = 60;

fn short(value: &Out) -> String {
    let text = match value {
        Out::Text(text) => text.clone(),
        Out::Map(entries) => {
            match entries.iter().find(|(key, _)| matches!(&**key, "address" | "service" | "name")) {
                // An endpoint or a backend is told by its name, and by its weight where that says something.
                Some((_, Out::Text(name))) => match entries.iter().find(|(key, _)| key == "weight") {
                    Some((_, Out::Int(weight))) if *weight != 1 => format!("{name} (weight {weight})"),
                    _ => name.clone(),
                },
                _ => value.flow(),
            }
        }
        other => other.flow(),
    };
    if text.chars().count() <= VALUE_CHARS_MAX {
        return text;
    }
    text.chars().take(VALUE_CHARS_MAX - 1).chain(['…']).collect()
}

/// The keys that lead to a value, as words: `timeouts.request` is a timeout, a list's item is named in the singular.
fn words(path: &[&str]) -> String {
    match path {
        ["timeouts", "request"] => "timeout".into(),
        ["timeouts", name] => format!("{} timeout", name.replace('_', " ")),
        ["limits", name] => format!("{} limit", name.replace('_', " ")),
        _ => path.join(" ").replace('_', " "),
    }
}

fn singular(word: &str) -> String {
    match word.strip_suffix('s') {
        _ if word.ends_with("matches") => word[..word.len() - 2].to_owned(),
        Some(one) => one.to_owned(),
        None => word.to_owned(),
    }
}

/// Adds what differs between two values, as words.
fn differ<'a>(old: &'a Out, new: &'a Out, path: &mut Vec<&'a str>, said: &mut Vec<String>) {
    match (old, new) {
        _ if old == new => {}
        (Out::Map(before), Out::Map(after)) => {
            for (key, value) in before {
                path.push(key);
                match after.iter().find(|(k, _)| k == key) {
                    Some((_, now)) => differ(value, now, path, said),
                    None => said.push(format!("{} {} removed", words(path), short(value))),
                }
                path.pop();
            }
            for (key, value) in after.iter().filter(|(key, _)| before.iter().all(|(k, _)| k != key)) {
                path.push(key);
                said.push(format!("{} {} added", words(path), short(value)));
                path.pop();
            }
        }
        (Out::List(before), Out::List(after)) => lists(before, after, path, said),
        _ => said.push(format!("{} {} → {}", words(path), short(old), short(new))),
    }
}

fn lists(before: &[Out], after: &[Out], path: &[&str], said: &mut Vec<String>) {
    let one = singular(&words(path));
    let id = |value: &Out| match value {
        Out::Map(entries) => entries
            .iter()
            .find(|(key, _)| matches!(&**key, "address" | "service"))
            .map(|(_, name)| short(name)),
        _ => None,
    };
    let gone: Vec<&Out> = before.iter().filter(|v| !after.contains(v)).collect();
    let come: Vec<&Out> = after.iter().filter(|v| !before.contains(v)).collect();
    for value in &gone {
        // The same endpoint or backend with another weight, or the only item of two lists of one, is a change.
        let partner = come.iter().find(|v| id(v).is_some() && id(v) == id(value));
        match partner {
            Some(now) => {
                let mut inner = Vec::new();
                differ(value, now, &mut Vec::new(), &mut inner);
                let name = id(value).unwrap_or_default();
                said.extend(inner.into_iter().map(|words| format!("{one} {name} {words}")));
            }
            None if gone.len() == 1 && come.len() == 1 && id(value).is_none() => match (value, come[0]) {
                (Out::Map(_), Out::Map(_)) => {
                    let mut inner = Vec::new();
                    differ(value, come[0], &mut Vec::new(), &mut inner);
                    said.extend(inner.into_iter().map(|words| format!("{one} {words}")));
                }
                _ => said.push(format!("{one} {} → {}", short(value), short(come[0]))),
            },
            None => said.push(format!("{one} {} removed", short(value))),
        }
    }
    for value in &come {
        let changed = gone.iter().any(|v| id(v).is_some() && id(v) == id(value));
        let only = gone.len() == 1 && come.len() == 1 && id(gone[0]).is_none();
        if !changed && !only {
            said.push(format!("{one} {} added", short(value)));
        }
    }
    if gone.is_empty() && come.is_empty() {
        said.push(format!("{} in another order", words(path)));
    }
}
