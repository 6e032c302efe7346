//! Entity tags, and the preconditions that name them (RFC 9110, sections 8.8.3 and 13.1).

use std::fmt;
use std::sync::{Mutex, PoisonError};

use hyper::StatusCode;
use hyper::header::{self, HeaderMap, HeaderName, HeaderValue};
use serde_json::Value;
use weir_model::Model;

use super::reply::Refusal;
use super::token::{hex, random};

/// What the tag of a JSON form ends in where there is a YAML form too; a precondition takes either.
const JSON_MARK: &str = "+json";

/// A strong entity tag.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Tag(String);

impl Tag {
    /// The tag of an object: a digest of its printed form, so that it is the same after a restart.
    pub(super) fn of(printed: &Value) -> Self {
        let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, printed.to_string().as_bytes());
        Self(hex(&digest.as_ref()[..16]))
    }

    /// The tag of the JSON form of what is YAML otherwise.
    pub(super) fn json(&self) -> Self {
        Self(format!("{}{JSON_MARK}", self.0))
    }

    pub(super) fn header(&self) -> HeaderValue {
        HeaderValue::try_from(self.to_string()).expect("hexadecimal digits, hyphens and a mark")
    }
}

impl fmt::Display for Tag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "\"{}\"", self.0)
    }
}

/// Tags of the whole configuration: the start and the snapshot's number. Printing 50,000 routes for a digest would take
/// longer than most changes. Snapshots that differ in resolved addresses only have the same model and get one tag.
pub(super) struct Revisions {
    start: String,
    seen: Mutex<Option<Seen>>,
}

/// A model, with the numbers of the first and the last snapshot that it was seen in.
struct Seen {
    model: Model,
    first: u64,
    last: u64,
}

impl Revisions {
    pub(super) fn new() -> std::io::Result<Self> {
        Ok(Self { start: hex(&random::<6>()?), seen: Mutex::new(None) })
    }

    pub(super) fn tag(&self, version: u64, model: &Model) -> Tag {
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        let number = match &mut *seen {
            Some(seen) if is_same(&seen.model, model) => {
                seen.last = seen.last.max(version);
                seen.first
            }
            // Asked late, for a model that is no longer in force.
            Some(seen) if version < seen.last => version,
            _ => {
                *seen = Some(Seen { model: model.clone(), first: version, last: version });
                version
            }
        };
        Tag(format!("{}-{number}", self.start))
    }
}

fn is_same(a: &Model, b: &Model) -> bool {
    a.routes.ptr_eq(&b.routes)
        && a.services.ptr_eq(&b.services)
        && a.listeners.ptr_eq(&b.listeners)
        && a.order == b.order
        && a.admin == b.admin
        && a.workers == b.workers
        && a.access_log == b.access_log
}

/// `If-Match` and `If-None-Match`.
#[derive(Debug)]
pub(super) struct Preconditions {
    if_match: Option<Tags>,
    if_none_match: Option<Tags>,
}

#[derive(Debug)]
enum Tags {
    Any,
    /// Without quotes and marks.
    These(Vec<String>),
}

/// RFC 9110, section 8.8.3.2.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Comparison {
    /// A weak tag equals none.
    Strong,
    Weak,
}

impl Preconditions {
    pub(super) fn of(headers: &HeaderMap) -> Result<Self, Refusal> {
        Ok(Self {
            if_match: tags(headers, &header::IF_MATCH, Comparison::Strong)?,
            if_none_match: tags(headers, &header::IF_NONE_MATCH, Comparison::Weak)?,
        })
    }

    /// Whether a write may go on where this is the tag of what is there.
    pub(super) fn check(&self, current: Option<&Tag>) -> Result<(), Refusal> {
        let failed = |message: String| Err(Refusal::new(StatusCode::PRECONDITION_FAILED, message));
        if let Some(tags) = &self.if_match
            && !tags.hold(current)
        {
            return failed(match current {
                Some(tag) => format!("it has changed since you read it and is {tag} now: read it again"),
                None => "it does not exist: leave If-Match out to create it".into(),
            });
        }
        if let Some(tags) = &self.if_none_match
            && tags.hold(current)
        {
            return failed("it exists already: leave If-None-Match out to replace it".into());
        }
        Ok(())
    }

    /// Whether a reader has it already.
    pub(super) fn is_not_modified(&self, current: &Tag) -> bool {
        self.if_none_match.as_ref().is_some_and(|tags| tags.hold(Some(current)))
    }
}

impl Tags {
    fn hold(&self, current: Option<&Tag>) -> bool {
        match (self, current) {
            (_, None) => false,
            (Self::Any, Some(_)) => true,
            (Self::These(tags), Some(current)) => {
                let current = current.0.strip_suffix(JSON_MARK).unwrap_or(&current.0);
                tags.iter().any(|tag| tag == current)
            }
        }
    }
}

fn tags(headers: &HeaderMap, name: &HeaderName, comparison: Comparison) -> Result<Option<Tags>, Refusal> {
    let mut all = Vec::new();
    for value in headers.get_all(name) {
        let value = value.to_str().unwrap_or_default().trim();
        if value == "*" {
            return Ok(Some(Tags::Any));
        }
        for item in value.split(',').map(str::trim).filter(|item| !item.is_empty()) {
            let (is_weak, quoted) = item.strip_prefix("W/").map_or((false, item), |rest| (true, rest));
            let tag = quoted.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')).ok_or_else(|| {
                let message = format!("an entity tag stands in quotes, as in `{name}: \"{item}\"`");
                Refusal::new(StatusCode::BAD_REQUEST, message)
            })?;
            if !is_weak || comparison == Comparison::Weak {
                all.push(tag.strip_suffix(JSON_MARK).unwrap_or(tag).to_owned());
            }
        }
    }
    Ok(headers.contains_key(name).then_some(Tags::These(all)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn preconditions() {
        #[track_caller]
        fn check(name: HeaderName, value: &str, current: Option<&str>, expected: Option<u16>) {
            let mut headers = HeaderMap::new();
            headers.insert(name, value.parse().unwrap());
            let current = current.map(|tag| Tag(tag.into()));
            let refused = Preconditions::of(&headers).and_then(|p| p.check(current.as_ref())).err();
            assert_eq!(refused.map(|r| r.status().as_u16()), expected, "{value} {current:?}");
        }
        check(header::IF_MATCH, "\"a\"", Some("a"), None);
        check(header::IF_MATCH, "\"b\", \"a+json\"", Some("a"), None);
        check(header::IF_MATCH, "\"b\"", Some("a"), Some(412));
        check(header::IF_MATCH, "W/\"a\"", Some("a"), Some(412));
        check(header::IF_MATCH, "\"a\"", None, Some(412));
        check(header::IF_MATCH, "*", Some("a"), None);
        check(header::IF_MATCH, "*", None, Some(412));
        check(header::IF_MATCH, "a", Some("a"), Some(400));
        check(header::IF_NONE_MATCH, "*", Some("a"), Some(412));
        check(header::IF_NONE_MATCH, "*", None, None);
        check(header::IF_NONE_MATCH, "\"a\"", Some("a"), Some(412));
        check(header::IF_NONE_MATCH, "W/\"a\"", Some("a"), Some(412));
        check(header::IF_NONE_MATCH, "\"b\"", Some("a"), None);
    }

    #[test]
    fn one_tag_for_one_model() {
        let text = weir_config::embedded_default();
        let load = || {
            let source = weir_config::Source { name: "test", text, base: std::path::Path::new("") };
            weir_config::load(&source).model.unwrap()
        };
        let (a, b) = (load(), load());
        let revisions = Revisions::new().unwrap();
        let first = revisions.tag(1, &a);
        assert_eq!(revisions.tag(2, &a.clone()), first, "an address changed, the model did not");
        let second = revisions.tag(5, &b);
        assert_ne!(second, first);
        assert_eq!(revisions.tag(3, &b), second, "asked late");
        assert_ne!(revisions.tag(2, &a), second, "a model that is gone");
        assert_eq!(revisions.tag(6, &b), second);
        assert_ne!(Revisions::new().unwrap().tag(1, &a), first, "another start");
    }
}
