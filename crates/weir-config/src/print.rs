//! The model as text, with every default filled in.

use std::sync::Arc;

use serde_json::Value;
use weir_model::{Chain, Listener, Model, Route, Service};

use crate::form::{Form, Object, obj, via};
use crate::objects::{ChainText, Document, RouteText};
use crate::out::Out;

/// The whole as YAML, with every default filled in: `load` of it is the same model. Routes stand in the order of
/// their ranks, listeners and services in that of their names. File names are written as they were joined, so the
/// text belongs where they lead to the same files.
pub fn print(model: &Model) -> String {
    obj().write(&Document::of(model)).yaml()
}

/// A route as `PUT /config/routes/NAME` takes it.
pub fn print_route(route: &Route) -> Value {
    route_out(route).json()
}

/// A service as `PUT /config/services/NAME` takes it.
pub fn print_service(service: &Service) -> Value {
    service_out(service).json()
}

/// A listener as `PUT /config/listeners/NAME` takes it.
pub fn print_listener(listener: &Listener) -> Value {
    listener_out(listener).json()
}

/// A chain, as a configuration takes it.
pub fn print_chain(chain: &Chain) -> Value {
    chain_out(chain).json()
}

/// What is remembered, as `store` in a configuration takes it.
pub fn print_store(store: &weir_model::Telemetry) -> Value {
    obj().write(store).json()
}

pub(crate) fn route_out(route: &Route) -> Out {
    via::<RouteText>().write(route)
}

pub(crate) fn service_out(service: &Service) -> Out {
    obj().write(service)
}

pub(crate) fn chain_out(chain: &Chain) -> Out {
    via::<ChainText>().write(chain)
}

pub(crate) fn listener_out(listener: &Listener) -> Out {
    obj().write(listener)
}

/// The settings that belong to no listener, route or service.
pub(crate) fn settings_out(model: &Model) -> Out {
    let settings = Document {
        admin: model.admin.clone(),
        workers: model.workers,
        access_log: model.access_log.clone(),
        store: model.store.clone(),
        order: model.order,
        ..Document::blank()
    };
    obj().write(&settings)
}

impl Document {
    fn of(model: &Model) -> Self {
        let mut listeners: Vec<Arc<Listener>> = model.listeners.values().cloned().collect();
        listeners.sort_by(|a, b| a.id.cmp(&b.id));
        let mut services: Vec<Arc<Service>> = model.services.values().cloned().collect();
        services.sort_by(|a, b| a.id.cmp(&b.id));
        let mut chains: Vec<Arc<Chain>> = model.chains.values().cloned().collect();
        chains.sort_by(|a, b| a.id.cmp(&b.id));
        let mut routes: Vec<Arc<Route>> = model.routes.values().cloned().collect();
        routes.sort_by(|a, b| (a.rank, &a.id).cmp(&(b.rank, &b.id)));
        Self {
            admin: model.admin.clone(),
            workers: model.workers,
            access_log: model.access_log.clone(),
            store: model.store.clone(),
            order: model.order,
            listeners,
            services,
            chains,
            routes,
            ..Self::blank()
        }
    }
}
