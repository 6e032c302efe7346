//! What is asked: a path and its parameters.

use std::fmt::Write as _;

/// A GET.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Request {
    path: String,
    params: Vec<(&'static str, String)>,
}

/// A parameter's value.
pub(crate) struct Value(String);

impl From<String> for Value {
    fn from(text: String) -> Self {
        Self(text)
    }
}

impl From<&str> for Value {
    fn from(text: &str) -> Self {
        Self(text.to_owned())
    }
}

impl From<i64> for Value {
    fn from(number: i64) -> Self {
        Self(number.to_string())
    }
}

impl Request {
    /// Of a path that needs no escapes.
    pub(crate) fn new(path: impl Into<String>) -> Self {
        Self { path: path.into(), params: Vec::new() }
    }

    /// With a parameter.
    pub(crate) fn with(mut self, name: &'static str, value: impl Into<Value>) -> Self {
        self.params.push((name, value.into().0));
        self
    }

    /// The text in a query language, where there is one.
    pub(super) fn query(&self) -> Option<&str> {
        self.params.iter().find(|(name, _)| matches!(*name, "query" | "q")).map(|(_, text)| text.as_str())
    }

    /// As HTTP sends it.
    pub(super) fn path_and_query(&self) -> String {
        let mut text = self.path.clone();
        for (index, (name, value)) in self.params.iter().enumerate() {
            text.push(if index == 0 { '?' } else { '&' });
            text.push_str(name);
            text.push('=');
            escape(&mut text, value);
        }
        text
    }
}

/// Appends a value as RFC 3986 lets it stand in a query.
fn escape(out: &mut String, value: &str) {
    for byte in value.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            out.push(char::from(byte));
        } else {
            let _ = write!(out, "%{byte:02X}");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_are_escaped() {
        let request = Request::new("/api/v1/query").with("query", "a{b=\"ü +&\"}").with("time", 1);
        assert_eq!(request.path_and_query(), "/api/v1/query?query=a%7Bb%3D%22%C3%BC%20%2B%26%22%7D&time=1");
        assert_eq!(request.query(), Some("a{b=\"ü +&\"}"));
        assert_eq!(Request::new("/ready").path_and_query(), "/ready");
    }
}
