//! Patterns that were checked when they were read: hosts and regular expressions.

use std::fmt;
use std::sync::Arc;

/// A host that a route serves, in lower case and without a port.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum HostPattern {
    /// This name only.
    Exact(Arc<str>),
    /// Any name, at any depth, below this suffix (held without `*.`), but not the suffix itself.
    Wildcard(Arc<str>),
}

/// Why a text is no host pattern.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HostPatternError {
    /// Nothing was written.
    #[error("a host may not be empty")]
    Empty,
    /// A port was written.
    #[error("a host is written without a port")]
    Port,
    /// `*` elsewhere than as the first label.
    #[error("'*' is allowed only as the whole first label, as in *.example.com")]
    Star,
    /// A character that host names don't have.
    #[error("a host may hold letters, digits, '-', '_' and '.' only (or be an IP address)")]
    Character,
}

impl HostPattern {
    /// Reads `api.example.com`, `*.example.org`, `192.0.2.1` or `[2001:db8::1]`; letters are lowered.
    pub fn parse(text: &str) -> Result<Self, HostPatternError> {
        let lower = text.to_ascii_lowercase();
        if lower.is_empty() {
            return Err(HostPatternError::Empty);
        }
        if lower.starts_with('[') && lower.ends_with(']') {
            return match lower[1..lower.len() - 1].parse::<std::net::Ipv6Addr>() {
                Ok(_) => Ok(Self::Exact(lower.into())),
                Err(_) => Err(HostPatternError::Character),
            };
        }
        if lower.contains(':') {
            return Err(HostPatternError::Port);
        }
        let (name, wildcard) = match lower.strip_prefix("*.") {
            Some(suffix) => (suffix, true),
            None => (lower.as_str(), false),
        };
        if name.contains('*') {
            return Err(HostPatternError::Star);
        }
        let label =
            |l: &str| !l.is_empty() && l.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_".contains(&b));
        if !name.split('.').all(label) {
            return Err(HostPatternError::Character);
        }
        Ok(if wildcard { Self::Wildcard(name.into()) } else { Self::Exact(name.into()) })
    }

    /// Whether `host` (lower case, no port) is covered.
    pub fn covers(&self, host: &str) -> bool {
        match self {
            Self::Exact(name) => &**name == host,
            Self::Wildcard(suffix) => {
                host.strip_suffix(&**suffix).is_some_and(|rest| rest.len() > 1 && rest.ends_with('.'))
            }
        }
    }
}

impl fmt::Display for HostPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Exact(name) => f.write_str(name),
            Self::Wildcard(suffix) => write!(f, "*.{suffix}"),
        }
    }
}

/// A regular expression that has to match the whole of a value (a path, a header, a query value).
///
/// Syntax is that of the `regex` crate without Unicode classes: values on the wire are bytes, and `\d` means
/// `[0-9]`. Two patterns are equal when their texts are. A clone shares the compiled form.
#[derive(Clone)]
pub struct Pattern {
    text: Arc<str>,
    regex: regex::bytes::Regex,
}

/// Why a text is no pattern.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct PatternError(String);

impl Pattern {
    /// Largest compiled size, in bytes.
    const COMPILED_BYTES_MAX: usize = 256 * 1024;

    /// Compiles a pattern, anchored at both ends.
    pub fn new(text: &str) -> Result<Self, PatternError> {
        // Compiled without the anchors first, so that a stray parenthesis cannot escape the group below.
        let build = |source: &str| {
            regex::bytes::RegexBuilder::new(source)
                .unicode(false)
                .size_limit(Self::COMPILED_BYTES_MAX)
                .dfa_size_limit(Self::COMPILED_BYTES_MAX)
                .build()
        };
        let explain = |e: regex::Error| match e {
            regex::Error::CompiledTooBig(_) => PatternError("the pattern is too large once compiled".into()),
            other => PatternError(other.to_string().lines().last().unwrap_or("not a pattern").trim().into()),
        };
        build(text).map_err(explain)?;
        let regex = build(&format!("^(?:{text})$")).map_err(explain)?;
        Ok(Self { text: text.into(), regex })
    }

    /// The text as it was written.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Whether the whole of `value` matches.
    #[inline]
    pub fn matches(&self, value: &[u8]) -> bool {
        self.regex.is_match(value)
    }

    /// The compiled, anchored form, for replacements with groups.
    pub fn regex(&self) -> &regex::bytes::Regex {
        &self.regex
    }
}

impl PartialEq for Pattern {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text
    }
}
impl Eq for Pattern {}

impl fmt::Debug for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "/{}/", self.text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts() {
        #[track_caller]
        fn check(pattern: &str, host: &str, covered: bool) {
            assert_eq!(HostPattern::parse(pattern).unwrap().covers(host), covered, "{pattern} {host}");
        }
        check("api.example.com", "api.example.com", true);
        check("API.example.com", "api.example.com", true);
        check("*.example.org", "a.example.org", true);
        check("*.example.org", "b.a.example.org", true);
        check("*.example.org", "example.org", false);
        check("*.example.org", ".example.org", false);
        check("*.example.org", "aexample.org", false);
        check("[::1]", "[::1]", true);
        for (bad, why) in [
            ("", HostPatternError::Empty),
            ("a:80", HostPatternError::Port),
            ("a.*.b", HostPatternError::Star),
            ("*", HostPatternError::Star),
            ("a..b", HostPatternError::Character),
            ("a b", HostPatternError::Character),
        ] {
            assert_eq!(HostPattern::parse(bad), Err(why), "{bad}");
        }
    }

    #[test]
    fn patterns_match_the_whole_value() {
        let pattern = Pattern::new(r"/v\d+/orders(/.*)?").unwrap();
        assert!(pattern.matches(b"/v1/orders"));
        assert!(pattern.matches(b"/v12/orders/7"));
        assert!(!pattern.matches(b"/x/v1/orders"));
        assert!(!pattern.matches(b"/v1/ordersx"));
        assert!(Pattern::new("a|b").unwrap().matches(b"b"));
        assert!(!Pattern::new("a|b").unwrap().matches(b"bc"));
        assert!(Pattern::new("a)(b").is_err());
        assert!(Pattern::new("(").is_err());
    }
}
