//! The query interfaces without a server: a store's folder is asked as HTTP is asked, and answers the same.

use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use http::{Method, Request};
use http_body_util::BodyExt;
use weir_model::{Permission, Telemetry};
use weir_signal::Tenant;
use weir_store::Recovery;

use crate::caller::{Caller, Guard};
use crate::engine::Engine;
use crate::http::{Answer, Asked, route, text};
use crate::open::{StoreOpenError, open_read_only};
use crate::query;

/// A store's folder that is only read, also while another process writes it. What it answers is what was on the disk
/// when it was opened.
pub struct Local {
    engine: Arc<Engine>,
    caller: Caller,
}

impl Local {
    /// Opens a folder, for one tenant. `telemetry` says what a query may cost.
    ///
    /// Blocks while the log is read.
    pub fn open(
        folder: &Path,
        tenant: Tenant,
        telemetry: &Arc<Telemetry>,
    ) -> Result<(Self, Recovery), StoreOpenError> {
        let (store, recovery) = open_read_only(folder, telemetry)?;
        // Nobody is let in through it: the caller is whoever may read the folder.
        let guard = Guard::new(&[]).expect("no token has to be read for nobody");
        let engine = Engine::new(store, telemetry.clone(), guard);
        Ok((Self { engine, caller: Caller { tenant, may: Permission::Read } }, recovery))
    }

    /// The status and the body that an HTTP server answers a GET of this path and query with.
    pub async fn get(&self, path_and_query: &str) -> (u16, Bytes) {
        let answer = self.answer(path_and_query).await;
        let status = answer.status().as_u16();
        match answer.into_body().collect().await {
            Ok(body) => (status, body.to_bytes()),
            Err(error) => (500, format!("{error}\n").into()),
        }
    }

    async fn answer(&self, path_and_query: &str) -> Answer {
        let Ok(request) = Request::get(path_and_query).body(()) else {
            return text(400, "this is no path with a query\n");
        };
        let (parts, ()) = request.into_parts();
        let (engine, caller) = (&self.engine, &self.caller);
        match route(&Method::GET, parts.uri.path()) {
            Asked::Prometheus(rest) => query::prometheus::answer(engine, caller, rest, &parts, &[]).await,
            Asked::Jaeger(rest) => query::jaeger::answer(engine, caller, rest, &parts, &[]).await,
            Asked::Tempo(rest) => query::tempo::answer(engine, caller, rest, &parts, &[]).await,
            Asked::Loki(rest) => query::loki::answer(engine, caller, rest, &parts, &[]).await,
            _ => text(404, format!("nothing can be asked at {}\n", parts.uri.path())),
        }
    }
}

/// A time as every query interface takes it, in milliseconds since 1970: seconds since 1970, with a fraction, or RFC 3339.
pub fn time_ms(text: &str) -> Option<i64> {
    query::params::time_ms(text)
}

/// Milliseconds since 1970 as RFC 3339 in UTC.
pub fn rfc3339(time_ms: i64) -> String {
    weir_signal::rfc3339_ms(time_ms)
}
