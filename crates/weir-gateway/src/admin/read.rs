//! What is read: health, metrics, configuration, live state.

use std::sync::Arc;

use hyper::StatusCode;
use hyper::header::{self, HeaderMap};
use weir_emit::metrics;
use weir_http::mono_now;

use super::Context;
use super::etag::{Preconditions, Tag};
use super::reply::{Refusal, Reply, Wanted, json, reply, text};
use super::resource::{Kind, Resource};
use super::{chains, state, whole};
use crate::snapshot::Snapshot;

const INDEX: &str = "
GET    /healthz                 200 as long as the process lives
GET    /readyz                  200 when requests may be sent, else 503 and why
GET    /metrics                 for Prometheus
GET    /routes                  routes in force, in their order
GET    /services                services with their endpoints, breakers and load
GET    /listeners               listeners with their connections
GET    /chains                  chains that services stand on: heights, lag and verdict of each node
                                (JSON; tables with ?format=text or Accept: text/plain)
GET    /config                  the configuration in force, every default filled in
                                (YAML; JSON with ?format=json or Accept: application/json)
PUT    /config                  replaces it as a whole
GET    /config/routes/NAME      one route, as PUT takes it; so /config/services and /config/listeners
PUT    /config/routes/NAME      puts one in
DELETE /config/routes/NAME      takes one out

Writes need the header `Authorization: Bearer TOKEN`, or come over the Unix socket. Send the ETag of what you have
read as If-Match, so that you overwrite nobody's change; If-None-Match: * only creates.
";

pub(super) async fn read(
    context: &Arc<Context>,
    snapshot: Arc<Snapshot>,
    resource: Resource,
    wanted: Wanted,
    headers: &HeaderMap,
) -> Result<Reply, Refusal> {
    let preconditions = Preconditions::of(headers)?;
    Ok(match resource {
        Resource::Index => text(StatusCode::OK, format!("{}\n{INDEX}", context.build)),
        Resource::Alive => text(StatusCode::OK, "alive\n"),
        Resource::Ready => match context.readiness.why_not() {
            None => text(StatusCode::OK, "ready\n"),
            Some(why) => text(StatusCode::SERVICE_UNAVAILABLE, format!("not ready: {why}\n")),
        },
        Resource::Metrics => {
            let registry = context.gateway.registry().clone();
            reply(StatusCode::OK, metrics::CONTENT_TYPE, aside(move || registry.render()).await?)
        }
        Resource::Config => {
            let tag = context.revisions.tag(snapshot.version, &snapshot.model);
            if wanted == Wanted::Json {
                tagged(&tag.json(), &preconditions, || {
                    aside(move || json(StatusCode::OK, &whole::print_json(&snapshot.model)))
                })
                .await?
            } else {
                tagged(&tag, &preconditions, || {
                    aside(move || {
                        reply(StatusCode::OK, "application/yaml", weir_config::print(&snapshot.model))
                    })
                })
                .await?
            }
        }
        Resource::Object(kind, name) => {
            let printed = kind.print(&snapshot.model, &name).ok_or_else(|| {
                // The edit that can't be made knows the nearest name.
                match kind.delete(&snapshot.model, &name) {
                    Err(why) => Refusal::of_edit(StatusCode::NOT_FOUND, &why),
                    Ok(_) => {
                        Refusal::new(StatusCode::NOT_FOUND, format!("there is no {} {name:?}", kind.word()))
                    }
                }
            })?;
            tagged(&Tag::of(&printed), &preconditions, || async { Ok(json(StatusCode::OK, &printed)) })
                .await?
        }
        Resource::Chains if wanted == Wanted::Text => {
            text(StatusCode::OK, chains::table(&snapshot, mono_now()))
        }
        Resource::Chains => json(StatusCode::OK, &chains::json(&snapshot, mono_now())),
        Resource::State(kind) => aside(move || live(kind, &snapshot, wanted)).await?,
    })
}

fn live(kind: Kind, snapshot: &Snapshot, wanted: Wanted) -> Reply {
    let now = mono_now();
    if wanted == Wanted::Text {
        return text(StatusCode::OK, state::table(kind, snapshot, now));
    }
    json(StatusCode::OK, &state::json(kind, snapshot, now))
}

/// An answer with its tag, or 304 where the reader has it.
async fn tagged<F: Future<Output = Result<Reply, Refusal>>>(
    tag: &Tag,
    preconditions: &Preconditions,
    make: impl FnOnce() -> F,
) -> Result<Reply, Refusal> {
    let mut reply = if preconditions.is_not_modified(tag) {
        let mut reply = text(StatusCode::NOT_MODIFIED, "");
        reply.headers_mut().remove(header::CONTENT_TYPE);
        reply
    } else {
        make().await?
    };
    reply.headers_mut().insert(header::ETAG, tag.header());
    Ok(reply)
}

/// Runs what may take long (printing 50,000 routes) off the threads that serve control.
pub(super) async fn aside<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, Refusal> {
    tokio::task::spawn_blocking(work).await.map_err(|error| {
        tracing::error!(%error, "an admin request failed");
        Refusal::new(StatusCode::INTERNAL_SERVER_ERROR, "this failed inside Weir; its log says more")
    })
}
