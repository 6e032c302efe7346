//! What is written: the whole configuration, or one object of it.

use std::fmt::Write as _;
use std::sync::Arc;
use std::time::Duration;

use http_body_util::{BodyExt, LengthLimitError, Limited};
use hyper::body::{Body, Bytes, Incoming};
use hyper::header::{self, HeaderMap, HeaderValue};
use hyper::{Request, StatusCode};
use serde_json::json;
use weir_config::{Diagnostic, Source, Style};
use weir_model::{Model, Telemetry};

use super::Context;
use super::change_log::{report, took};
use super::etag::{Preconditions, Tag};
use super::read::aside;
use super::reply::{Refusal, Reply, Wanted, text};
use super::resource::{Deed, Kind, Resource};
use crate::control::Applied;

/// Largest body of a `PUT`.
const BODY_BYTES_MAX: usize = 64 << 20;

/// A body that has not arrived by then is given up.
const BODY_TIME_MAX: Duration = Duration::from_mins(1);

/// The name of what is sent here, in errors and as an object's origin.
const SOURCE: &str = "admin";

enum Edit {
    Whole(Bytes),
    Put(Kind, String, Bytes),
    Delete(Kind, String),
}

/// A change that was made.
struct Done {
    applied: Applied,
    /// Of what was put; `None` after a deletion.
    tag: Option<Tag>,
    created: bool,
    warnings: Vec<Diagnostic>,
    /// The text that was sent, for warnings.
    text: String,
    at_next_start: Vec<&'static str>,
}

pub(super) async fn write(
    context: &Arc<Context>,
    resource: Resource,
    deed: Deed,
    wanted: Wanted,
    request: Request<Incoming>,
) -> Result<Reply, Refusal> {
    let preconditions = Preconditions::of(request.headers())?;
    let edit = match (resource, deed) {
        (Resource::Config, Deed::Put) => Edit::Whole(body(request).await?),
        (Resource::Object(kind, name), Deed::Put) => Edit::Put(kind, name, body(request).await?),
        (Resource::Object(kind, name), Deed::Delete) => Edit::Delete(kind, name),
        _ => return Err(Refusal::new(StatusCode::METHOD_NOT_ALLOWED, "this can only be read")),
    };
    let context = context.clone();
    // In a task of its own: a client that goes away must not leave a change made by half. It is awaited right here, so
    // there are never more of them than connections.
    let made = tokio::spawn(async move { make(&context, edit, &preconditions).await }).await;
    let done = made.map_err(|error| {
        tracing::error!(%error, "an admin request failed");
        Refusal::new(StatusCode::INTERNAL_SERVER_ERROR, "this failed inside Weir; its log says more")
    })??;
    Ok(done.into_reply(wanted))
}

async fn body(request: Request<Incoming>) -> Result<Bytes, Refusal> {
    let too_large = || {
        let message = format!("a body may hold {} MiB; put the objects one by one", BODY_BYTES_MAX >> 20);
        Refusal::new(StatusCode::PAYLOAD_TOO_LARGE, message)
    };
    if let Some(coding) = coding(request.headers()) {
        let message = format!("the body is {coding:?}; send it as it is, without Content-Encoding");
        return Err(Refusal::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, message));
    }
    let body = request.into_body();
    if body.size_hint().lower() > BODY_BYTES_MAX as u64 {
        return Err(too_large());
    }
    let collected = tokio::time::timeout(BODY_TIME_MAX, Limited::new(body, BODY_BYTES_MAX).collect());
    match collected.await {
        Err(_) => {
            let message = format!("the body did not arrive within {} s", BODY_TIME_MAX.as_secs());
            let close = HeaderValue::from_static("close");
            Err(Refusal::new(StatusCode::REQUEST_TIMEOUT, message).with(header::CONNECTION, close))
        }
        Ok(Err(error)) if error.is::<LengthLimitError>() => Err(too_large()),
        Ok(Err(error)) => Err(Refusal::new(StatusCode::BAD_REQUEST, format!("the body broke off: {error}"))),
        Ok(Ok(whole)) => Ok(whole.to_bytes()),
    }
}

fn coding(headers: &HeaderMap) -> Option<&HeaderValue> {
    headers.get(header::CONTENT_ENCODING).filter(|coding| *coding != "identity")
}

async fn make(context: &Arc<Context>, edit: Edit, preconditions: &Preconditions) -> Result<Done, Refusal> {
    let done = match edit {
        Edit::Whole(body) => whole(context, body, preconditions).await,
        Edit::Put(kind, name, body) => put(context, kind, &name, body, preconditions).await,
        Edit::Delete(kind, name) => delete(context, kind, &name, preconditions).await,
    }?;
    report(&done.applied);
    Ok(done)
}

async fn whole(context: &Arc<Context>, body: Bytes, preconditions: &Preconditions) -> Result<Done, Refusal> {
    let (text, base) = (utf8(body, &context.base)?, context.base.clone());
    let (text, loaded) = aside(move || {
        let loaded = weir_config::load(&Source { name: SOURCE, text: &text, base: &base });
        (text, loaded)
    })
    .await?;
    let Some(new) = loaded.model else {
        let source = Source { name: SOURCE, text: &text, base: &context.base };
        return Err(Refusal::diagnosed(StatusCode::UNPROCESSABLE_ENTITY, &source, &loaded.diagnostics));
    };
    let (mut put, mut at_next_start) = (None, Vec::new());
    let change = |current: &Model| {
        let tag = context.revisions.tag(context.gateway.version(), current);
        preconditions.check(Some(&tag))?;
        let mut model = weir_config::keep_unchanged(current, new);
        at_next_start = waits(current, &model);
        let (store, of_store) = Telemetry::while_running(current.store.as_ref(), model.store.take());
        at_next_start.extend(of_store);
        model.store = store;
        put = Some(model.clone());
        Ok::<_, Refusal>(model)
    };
    let applied = context.gateway.change(change).await?;
    let tag = put.map(|model| context.revisions.tag(applied.version, &model));
    Ok(Done { applied, tag, created: false, warnings: loaded.diagnostics, text, at_next_start })
}

async fn put(
    context: &Arc<Context>,
    kind: Kind,
    name: &str,
    body: Bytes,
    preconditions: &Preconditions,
) -> Result<Done, Refusal> {
    let text = utf8(body, &context.base)?;
    let (mut tag, mut created) = (None, false);
    let change = |current: &Model| {
        let before = kind.print(current, name).map(|printed| Tag::of(&printed));
        preconditions.check(before.as_ref())?;
        let source = Source { name: SOURCE, text: &text, base: &context.base };
        let model = kind
            .put(current, name, &source)
            .map_err(|wrong| Refusal::diagnosed(StatusCode::UNPROCESSABLE_ENTITY, &source, &wrong))?;
        created = before.is_none();
        tag = kind.print(&model, name).map(|printed| Tag::of(&printed));
        Ok::<_, Refusal>(model)
    };
    let applied = context.gateway.change(change).await?;
    Ok(Done { applied, tag, created, warnings: Vec::new(), text, at_next_start: Vec::new() })
}

async fn delete(
    context: &Arc<Context>,
    kind: Kind,
    name: &str,
    preconditions: &Preconditions,
) -> Result<Done, Refusal> {
    let change = |current: &Model| {
        let before = kind.print(current, name).map(|printed| Tag::of(&printed));
        if before.is_some() {
            preconditions.check(before.as_ref())?;
        }
        let status = if before.is_some() { StatusCode::CONFLICT } else { StatusCode::NOT_FOUND };
        kind.delete(current, name).map_err(|why| Refusal::of_edit(status, &why))
    };
    let applied = context.gateway.change(change).await?;
    let (warnings, text, at_next_start) = (Vec::new(), String::new(), Vec::new());
    Ok(Done { applied, tag: None, created: false, warnings, text, at_next_start })
}

/// A body as text. What is not even that is unreadable rather than invalid.
fn utf8(body: Bytes, base: &std::path::Path) -> Result<String, Refusal> {
    String::from_utf8(body.into()).map_err(|error| {
        let wrong = weir_config::load_bytes(SOURCE, error.as_bytes(), base).diagnostics;
        let text = String::from_utf8_lossy(error.as_bytes());
        Refusal::diagnosed(StatusCode::BAD_REQUEST, &Source { name: SOURCE, text: &text, base }, &wrong)
    })
}

/// Settings that differ and are not taken up while running.
fn waits(old: &Model, new: &Model) -> Vec<&'static str> {
    let admin = |m: &Model| (m.admin.address, m.admin.socket.clone(), m.admin.token_file.clone());
    let mut waits = Vec::new();
    if admin(old) != admin(new) {
        waits.push("the admin interface's address, socket and token_file");
    }
    if old.workers != new.workers {
        waits.push("workers");
    }
    waits
}

impl Done {
    fn into_reply(self, wanted: Wanted) -> Reply {
        let Self { applied, tag, created, warnings, text: sent, at_next_start } = self;
        let status = if created { StatusCode::CREATED } else { StatusCode::OK };
        let source = Source { name: SOURCE, text: &sent, base: std::path::Path::new("") };
        let tag_text = tag.as_ref().map(ToString::to_string);
        let mut reply = if wanted == Wanted::Json {
            let value = json!({
                "version": applied.version,
                "changes": applied.changes,
                "took_ms": (applied.took.as_secs_f64() * 1e6).round() / 1e3,
                "etag": tag_text,
                "warnings": weir_config::to_json(&source, &warnings),
                "at_next_start": at_next_start,
            });
            super::reply::json(status, &value)
        } else {
            let mut words = weir_config::render(&source, &warnings, Style::Plain);
            for change in &applied.changes {
                let _ = writeln!(words, "{change}");
            }
            if applied.changes.is_empty() {
                words.push_str("nothing changed\n");
            }
            for setting in at_next_start {
                let _ = writeln!(words, "{setting} will be taken up at the next start");
            }
            let _ = write!(words, "live in {} · version {}", took(applied.took), applied.version);
            if let Some(tag) = &tag_text {
                let _ = write!(words, " · ETag {tag}");
            }
            text(status, words + "\n")
        };
        if let Some(tag) = tag {
            reply.headers_mut().insert(header::ETAG, tag.header());
        }
        reply
    }
}
