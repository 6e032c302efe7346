//! Values of a field, gathered from segments.

use std::collections::BTreeMap;

use weir_signal::Value;

use super::nested;

/// Different values, ascending as text, of which the first `limit` are kept. Of those that are written alike, one is.
#[derive(Debug, Clone, Default)]
pub struct Values {
    limit: usize,
    found: BTreeMap<Box<str>, Value>,
}

impl Values {
    /// None yet.
    pub fn new(limit: usize) -> Self {
        Self { limit, found: BTreeMap::new() }
    }

    /// Adds a value.
    pub fn add(&mut self, value: Value) {
        let text = match &value {
            Value::String(text) => text.clone(),
            other => other.to_string().into(),
        };
        if self.may_take(&text) {
            // Which of those that are written alike stays does not depend on which came first.
            let held = self.found.entry(text).or_insert_with(|| value.clone());
            if rank(&value) < rank(held) {
                *held = value;
            }
            if self.found.len() > self.limit {
                self.found.pop_last();
            }
        }
    }

    /// Adds a text.
    pub fn add_text(&mut self, text: &str) {
        if self.may_take(text) && !matches!(self.found.get(text), Some(Value::String(_))) {
            self.add(Value::String(text.into()));
        }
    }

    fn may_take(&self, text: &str) -> bool {
        self.found.len() < self.limit || self.found.last_key_value().is_some_and(|(last, _)| text <= &**last)
    }

    /// The values, in order.
    pub fn into_values(self) -> Vec<Value> {
        self.found.into_values().collect()
    }
}

/// An order of all values, texts first.
fn rank(value: &Value) -> Vec<u8> {
    let mut bytes = Vec::new();
    if !matches!(value, Value::String(_)) {
        nested::encode(value, 0, &mut bytes);
    }
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_ones_are_kept_whatever_their_order() {
        let all = [Value::Int(5), Value::String("5".into()), Value::Bool(true), Value::String("a".into())];
        for first in 0..4 {
            let mut values = Values::new(2);
            all.iter().cycle().skip(first).take(4).for_each(|value| values.add(value.clone()));
            values.add_text("b");
            assert_eq!(values.into_values(), [Value::String("5".into()), Value::String("a".into())]);
        }
    }
}
