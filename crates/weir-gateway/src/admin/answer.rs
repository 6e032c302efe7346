//! One request, from its head to its answer.

use std::sync::Arc;

use hyper::Request;
use hyper::body::Incoming;

use super::guard::{self, Door};
use super::read::read;
use super::reply::{Refusal, Reply, Wanted};
use super::resource::{Deed, Resource};
use super::{Context, write};

pub(super) async fn answer(context: &Arc<Context>, door: Door, request: Request<Incoming>) -> Reply {
    let wanted = Wanted::of(request.uri(), request.headers());
    match serve(context, door, wanted, request).await {
        Ok(reply) => reply,
        Err(refusal) => refusal.into_reply(wanted),
    }
}

async fn serve(
    context: &Arc<Context>,
    door: Door,
    wanted: Wanted,
    request: Request<Incoming>,
) -> Result<Reply, Refusal> {
    let snapshot = context.gateway.snapshot();
    guard::admit(door, &snapshot.model.admin.hosts, request.uri(), request.headers())?;
    let resource = Resource::find(request.uri().path())?;
    let deed = resource.deed(request.method())?;
    if deed == Deed::Read {
        return read(context, snapshot, resource, wanted, request.headers()).await;
    }
    let called = format!("{} {}", request.method(), request.uri().path());
    guard::authorize(door, &context.token, request.headers())
        .inspect_err(|refusal| tracing::debug!("admin: {called} refused: {}", refusal.status()))?;
    write::write(context, resource, deed, wanted, request)
        .await
        .inspect_err(|refusal| tracing::info!("admin: {called} refused: {}", refusal.status()))
}
