//! What can be asked for.

use hyper::header::{self, HeaderValue};
use hyper::{Method, StatusCode};
use serde_json::Value;
use weir_config::{Diagnostic, Source};
use weir_model::Model;

use super::reply::Refusal;

/// What a path names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Resource {
    Index,
    Alive,
    Ready,
    Metrics,
    /// The whole configuration.
    Config,
    /// One object of it, by its name.
    Object(Kind, String),
    /// How the nodes of chains are.
    Chains,
    /// The live state of all objects of a kind.
    State(Kind),
}

/// A kind of object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Listener,
    Route,
    Service,
}

/// What is to be done with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Deed {
    Read,
    Put,
    Delete,
}

impl Resource {
    pub(super) fn find(path: &str) -> Result<Self, Refusal> {
        let none = || {
            Refusal::new(
                StatusCode::NOT_FOUND,
                format!("there is nothing at {path}; GET / lists what there is"),
            )
        };
        let inner = path.strip_prefix('/').ok_or_else(none)?;
        let parts: Vec<&str> = inner.strip_suffix('/').unwrap_or(inner).split('/').collect();
        Ok(match parts[..] {
            [""] => Self::Index,
            ["healthz"] => Self::Alive,
            ["readyz"] => Self::Ready,
            ["metrics"] => Self::Metrics,
            ["chains"] => Self::Chains,
            ["config"] => Self::Config,
            ["config", kind, name] => {
                Self::Object(Kind::of_plural(kind).ok_or_else(none)?, decode(name).ok_or_else(none)?)
            }
            [kind] => Self::State(Kind::of_plural(kind).ok_or_else(none)?),
            _ => return Err(none()),
        })
    }

    /// What a method asks for here.
    pub(super) fn deed(&self, method: &Method) -> Result<Deed, Refusal> {
        let (allowed, writable) = match self {
            Self::Config => ("GET, HEAD, PUT", &[Deed::Put][..]),
            Self::Object(..) => ("GET, HEAD, PUT, DELETE", &[Deed::Put, Deed::Delete][..]),
            _ => ("GET, HEAD", &[][..]),
        };
        let deed = match *method {
            Method::GET | Method::HEAD => return Ok(Deed::Read),
            Method::PUT => Some(Deed::Put),
            Method::DELETE => Some(Deed::Delete),
            _ => None,
        };
        deed.filter(|deed| writable.contains(deed)).ok_or_else(|| {
            Refusal::new(StatusCode::METHOD_NOT_ALLOWED, format!("{method} is not for this; use {allowed}"))
                .with(header::ALLOW, HeaderValue::from_static(allowed))
        })
    }
}

impl Kind {
    fn of_plural(word: &str) -> Option<Self> {
        match word {
            "listeners" => Some(Self::Listener),
            "routes" => Some(Self::Route),
            "services" => Some(Self::Service),
            _ => None,
        }
    }

    pub(super) fn word(self) -> &'static str {
        match self {
            Self::Listener => "listener",
            Self::Route => "route",
            Self::Service => "service",
        }
    }

    /// An object as a `PUT` takes it.
    pub(super) fn print(self, model: &Model, name: &str) -> Option<Value> {
        match self {
            Self::Listener => model.listeners.get(name).map(|listener| weir_config::print_listener(listener)),
            Self::Route => model.routes.get(name).map(|route| weir_config::print_route(route)),
            Self::Service => model.services.get(name).map(|service| weir_config::print_service(service)),
        }
    }

    pub(super) fn put(
        self,
        model: &Model,
        name: &str,
        source: &Source<'_>,
    ) -> Result<Model, Vec<Diagnostic>> {
        match self {
            Self::Listener => weir_config::put_listener(model, name, source),
            Self::Route => weir_config::put_route(model, name, source),
            Self::Service => weir_config::put_service(model, name, source),
        }
    }

    pub(super) fn delete(self, model: &Model, name: &str) -> Result<Model, Vec<Diagnostic>> {
        match self {
            Self::Listener => weir_config::delete_listener(model, name),
            Self::Route => weir_config::delete_route(model, name),
            Self::Service => weir_config::delete_service(model, name),
        }
    }
}

/// A path segment without its percent-encoding; `None` where that is broken or no UTF-8.
fn decode(segment: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(segment.len());
    let mut rest = segment.as_bytes();
    while let Some((&first, after)) = rest.split_first() {
        if first != b'%' {
            bytes.push(first);
            rest = after;
            continue;
        }
        let (digits, after) = after.split_at_checked(2)?;
        let digit = |at: usize| char::from(digits[at]).to_digit(16);
        bytes.push((digit(0)? * 16 + digit(1)?) as u8);
        rest = after;
    }
    String::from_utf8(bytes).ok().filter(|name| !name.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths() {
        #[track_caller]
        fn check(path: &str, expected: Option<&Resource>) {
            assert_eq!(Resource::find(path).ok().as_ref(), expected, "{path}");
        }
        let object = |kind, name: &str| Resource::Object(kind, name.into());
        check("/", Some(&Resource::Index));
        check("/config", Some(&Resource::Config));
        check("/config/", Some(&Resource::Config));
        check("/routes", Some(&Resource::State(Kind::Route)));
        check("/config/routes/orders", Some(&object(Kind::Route, "orders")));
        check("/config/services/a%C3%A9%2f", Some(&object(Kind::Service, "aé/")));
        check("/config/listeners/web/", Some(&object(Kind::Listener, "web")));
        check("/config/routes", None);
        check("/config/routes/", None);
        check("/config/routes/%zz", None);
        check("/config/routes/%f", None);
        check("/config/routes/%ff", None);
        check("/config/filters/a", None);
        check("/config/routes/a/b", None);
        check("/nothing", None);
        check("*", None);
    }

    #[test]
    fn methods() {
        #[track_caller]
        fn check(path: &str, method: &Method, expected: Option<Deed>) {
            assert_eq!(Resource::find(path).unwrap().deed(method).ok(), expected, "{method} {path}");
        }
        check("/metrics", &Method::HEAD, Some(Deed::Read));
        check("/metrics", &Method::PUT, None);
        check("/config", &Method::PUT, Some(Deed::Put));
        check("/config", &Method::DELETE, None);
        check("/config/routes/a", &Method::DELETE, Some(Deed::Delete));
        check("/config/routes/a", &Method::POST, None);
        check("/config/routes/a", &Method::OPTIONS, None);
    }
}
