//! Answers: as text for people, as JSON for programs.

use http_body_util::Full;
use hyper::body::Bytes;
use hyper::header::{self, HeaderMap, HeaderName, HeaderValue};
use hyper::{Response, StatusCode, Uri};
use serde_json::{Value, json};
use weir_config::{Diagnostic, Severity, Source, Style};
use weir_http::BindError;

use crate::control::GatewayError;

pub(super) type Reply = Response<Full<Bytes>>;

/// In which form an answer is wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Wanted {
    Text,
    Json,
    /// Whatever is usual.
    Any,
}

impl Wanted {
    /// From `?format=text|json`, else from `Accept`.
    pub(super) fn of(uri: &Uri, headers: &HeaderMap) -> Self {
        let query = uri.query().unwrap_or_default();
        match query.split('&').find_map(|pair| pair.strip_prefix("format=")) {
            Some("text") => return Self::Text,
            Some("json") => return Self::Json,
            _ => {}
        }
        let (mut text, mut json) = (0.0_f32, 0.0_f32);
        let accept = headers.get_all(header::ACCEPT).into_iter().filter_map(|value| value.to_str().ok());
        for range in accept.flat_map(|value| value.split(',')) {
            let mut parts = range.split(';').map(str::trim);
            let kind = parts.next().unwrap_or_default().to_ascii_lowercase();
            let weight = parts.find_map(|p| p.strip_prefix("q=")).and_then(|q| q.parse().ok()).unwrap_or(1.0);
            if kind == "application/json" {
                json = weight;
            } else if kind.starts_with("text/") || kind == "application/yaml" {
                text = text.max(weight);
            }
        }
        match (text, json) {
            (text, json) if json > text => Self::Json,
            (text, _) if text > 0.0 => Self::Text,
            _ => Self::Any,
        }
    }
}

/// An answer with a body of this media type.
pub(super) fn reply(status: StatusCode, media_type: &'static str, body: impl Into<Bytes>) -> Reply {
    let mut reply = Response::new(Full::new(body.into()));
    *reply.status_mut() = status;
    let headers = reply.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(media_type));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(header::VARY, HeaderValue::from_static("accept"));
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    reply
}

pub(super) fn text(status: StatusCode, body: impl Into<Bytes>) -> Reply {
    reply(status, "text/plain; charset=utf-8", body)
}

pub(super) fn json(status: StatusCode, value: &Value) -> Reply {
    reply(status, "application/json", format!("{value:#}\n"))
}

/// Why a request is not answered as it was meant, and what to do.
#[derive(Debug)]
pub(super) struct Refusal {
    status: StatusCode,
    /// One line; more where there are diagnostics.
    message: String,
    /// For programs.
    diagnostics: Option<Value>,
    header: Option<Box<(HeaderName, HeaderValue)>>,
}

impl Refusal {
    pub(super) fn new(status: StatusCode, message: impl Into<String>) -> Self {
        Self { status, message: message.into(), diagnostics: None, header: None }
    }

    pub(super) fn with(self, name: HeaderName, value: HeaderValue) -> Self {
        Self { header: Some(Box::new((name, value))), ..self }
    }

    /// What is wrong with a text that was sent, as `weir check` says it.
    pub(super) fn diagnosed(status: StatusCode, source: &Source<'_>, diagnostics: &[Diagnostic]) -> Self {
        let errors = diagnostics.iter().filter(|d| d.severity == Severity::Error).count();
        let drawn = weir_config::render(source, diagnostics, Style::Plain);
        let plural = if errors == 1 { "" } else { "s" };
        Self {
            status,
            message: format!("{drawn}{errors} error{plural}; nothing has changed"),
            diagnostics: Some(weir_config::to_json(source, diagnostics)),
            header: None,
        }
    }

    /// What is wrong with an edit as such, without a place in a text.
    pub(super) fn of_edit(status: StatusCode, diagnostics: &[Diagnostic]) -> Self {
        let said = diagnostics.iter().map(|d| match &d.help {
            Some(help) => format!("{}: {help}", d.message),
            None => d.message.clone(),
        });
        Self::new(status, said.collect::<Vec<_>>().join("; "))
    }

    pub(super) fn status(&self) -> StatusCode {
        self.status
    }

    pub(super) fn into_reply(self, wanted: Wanted) -> Reply {
        let mut reply = match (wanted, self.diagnostics) {
            (Wanted::Json, Some(diagnostics)) => json(
                self.status,
                &json!({ "error": "the configuration is not valid", "diagnostics": diagnostics }),
            ),
            (Wanted::Json, None) => json(self.status, &json!({ "error": self.message })),
            _ => text(self.status, format!("{}\n", self.message)),
        };
        if let Some((name, value)) = self.header.map(|header| *header) {
            reply.headers_mut().insert(name, value);
        }
        reply
    }
}

impl From<GatewayError> for Refusal {
    fn from(error: GatewayError) -> Self {
        let status = match &error {
            GatewayError::Bind(bind) => return Self::new(StatusCode::CONFLICT, cannot_bind(bind)),
            GatewayError::Assemble(_) | GatewayError::AccessLog(_) => StatusCode::UNPROCESSABLE_ENTITY,
            GatewayError::Stopping => StatusCode::SERVICE_UNAVAILABLE,
            _ => StatusCode::INTERNAL_SERVER_ERROR,
        };
        Self::new(status, format!("{error}; nothing has changed"))
    }
}

fn cannot_bind(error: &BindError) -> String {
    let remedy = match error.source.kind() {
        std::io::ErrorKind::AddrInUse => "choose another address, or stop who holds it",
        std::io::ErrorKind::AddrNotAvailable => "choose an address of this machine, or 0.0.0.0 for all",
        std::io::ErrorKind::PermissionDenied => "choose a port above 1023, or grant CAP_NET_BIND_SERVICE",
        _ => "choose another address",
    };
    format!("{error}: {}; {remedy}; nothing has changed", error.source)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn forms() {
        #[track_caller]
        fn check(uri: &str, accept: Option<&str>, expected: Wanted) {
            let mut headers = HeaderMap::new();
            if let Some(accept) = accept {
                headers.insert(header::ACCEPT, accept.parse().unwrap());
            }
            assert_eq!(Wanted::of(&uri.parse().unwrap(), &headers), expected, "{uri} {accept:?}");
        }
        check("/routes", None, Wanted::Any);
        check("/routes", Some("*/*"), Wanted::Any);
        check("/routes", Some("application/json"), Wanted::Json);
        check("/routes", Some("text/plain"), Wanted::Text);
        check("/routes", Some("text/html,application/xhtml+xml,*/*;q=0.8"), Wanted::Text);
        check("/routes", Some("text/plain;q=0.5, application/json"), Wanted::Json);
        check("/routes", Some("application/json;q=0.1, text/plain"), Wanted::Text);
        check("/routes?x=1&format=text", Some("application/json"), Wanted::Text);
        check("/routes?format=json", None, Wanted::Json);
    }
}
