//! Names among the endpoints: resolved before they are needed, and again as their records' time to live ends.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use hickory_resolver::TokioResolver;
use weir_model::{EndpointAddress, Model};

use crate::assemble::{Addresses, Name};
use crate::control::Gateway;

/// How long a change waits for names it brings. Their services answer 502 until the names are resolved.
const FIRST_WAIT: Duration = Duration::from_secs(2);

/// Bounds on the time between two look-ups of a name, whatever its time to live.
const AGAIN_MIN: Duration = Duration::from_secs(1);
const AGAIN_MAX: Duration = Duration::from_mins(5);

/// Pause after a look-up that failed. The addresses known until then stay in use.
const AGAIN_AFTER_FAILURE: Duration = Duration::from_secs(3);

pub(crate) fn wants_echo(model: &Model) -> bool {
    endpoints(model).any(|address| *address == EndpointAddress::Echo)
}

fn endpoints(model: &Model) -> impl Iterator<Item = &EndpointAddress> {
    model.services.values().flat_map(|service| &service.endpoints).map(|endpoint| &endpoint.address)
}

fn names(model: &Model) -> Vec<Name> {
    let mut names: Vec<Name> = endpoints(model)
        .filter_map(|address| match address {
            EndpointAddress::Name { host, port } => Some((host.clone(), *port)),
            EndpointAddress::Socket(_) | EndpointAddress::Echo => None,
        })
        .collect();
    names.sort();
    names.dedup();
    names
}

fn resolver() -> Option<&'static TokioResolver> {
    static RESOLVER: OnceLock<Option<TokioResolver>> = OnceLock::new();
    RESOLVER
        .get_or_init(|| match TokioResolver::builder_tokio().and_then(hickory_resolver::ResolverBuilder::build) {
            Ok(resolver) => Some(resolver),
            Err(error) => {
                tracing::warn!(%error, "name resolution is not available; only addresses and localhost work");
                None
            }
        })
        .as_ref()
}

/// Addresses of a name, in a stable order, and when to ask again.
async fn look_up(name: &Name) -> Result<(Vec<SocketAddr>, Instant), String> {
    let (host, port) = name;
    let lookup = resolver().ok_or("no resolver")?.lookup_ip(&**host).await.map_err(|e| e.to_string())?;
    let mut addresses: Vec<SocketAddr> = lookup.iter().map(|ip| SocketAddr::new(ip, *port)).collect();
    addresses.sort();
    addresses.dedup();
    let left = lookup.valid_until().saturating_duration_since(Instant::now());
    Ok((addresses, Instant::now() + left.clamp(AGAIN_MIN, AGAIN_MAX)))
}

/// Addresses of all names of a model, as far as they can be had soon.
pub(crate) async fn first(model: &Model) -> Addresses {
    missing(model, &HashMap::new()).await
}

/// Addresses of the names that are not among the `known` ones.
pub(crate) async fn missing(model: &Model, known: &Addresses) -> Addresses {
    let mut looked = tokio::task::JoinSet::new();
    for name in names(model).into_iter().filter(|name| !known.contains_key(name)) {
        looked.spawn(async move {
            let result = tokio::time::timeout(FIRST_WAIT, look_up(&name)).await;
            (name, result.unwrap_or_else(|_| Err("it took too long".into())))
        });
    }
    let mut found = HashMap::new();
    while let Some(Ok((name, result))) = looked.join_next().await {
        match result {
            Ok((addresses, _)) => {
                found.insert(name, addresses);
            }
            Err(error) => tracing::warn!("{} cannot be resolved: {error}", name.0),
        }
    }
    found
}

/// Keeps the addresses of the model in force fresh, for as long as the gateway runs.
pub(crate) async fn follow(gateway: Gateway) {
    let mut due: HashMap<Name, Instant> = HashMap::new();
    let mut known: Addresses = HashMap::new();
    loop {
        tokio::time::sleep(AGAIN_MIN).await;
        let wanted = names(&gateway.model());
        if wanted.is_empty() {
            continue;
        }
        due.retain(|name, _| wanted.contains(name));
        known.retain(|name, _| wanted.contains(name));
        let mut changed = false;
        for name in wanted {
            if due.get(&name).is_some_and(|at| *at > Instant::now()) {
                continue;
            }
            match look_up(&name).await {
                Ok((addresses, again)) => {
                    changed |= known.get(&name) != Some(&addresses);
                    known.insert(name.clone(), addresses);
                    due.insert(name, again);
                }
                Err(error) => {
                    tracing::warn!("{} cannot be resolved: {error}; its last addresses stay in use", name.0);
                    due.insert(name, Instant::now() + AGAIN_AFTER_FAILURE);
                }
            }
        }
        if changed && let Err(error) = gateway.readdress(known.clone()).await {
            tracing::warn!(%error, "new addresses could not be put in force");
            return;
        }
    }
}
