//! The model in force: immutable, shared by all workers, cheap to make from the one before.

use std::net::SocketAddr;
use std::sync::Arc;

use weir_emit::access::AccessLog;
use weir_model::Model;
use weir_route::RouteTable;

use crate::chain::ChainLive;
use crate::live::{ListenerLive, RouteLive, ServiceLive};

/// Everything that a worker needs to serve a request.
#[derive(Debug)]
pub(crate) struct Snapshot {
    /// Counts up with each change.
    pub(crate) version: u64,
    pub(crate) model: Model,
    pub(crate) routes: RouteTable<Arc<RouteLive>>,
    /// By slot. A slot belongs to one service for as long as the service exists, under whatever definition.
    pub(crate) services: Vec<Option<Arc<ServiceLive>>>,
    pub(crate) listeners: Vec<Arc<ListenerLive>>,
    /// Where access records go.
    pub(crate) access: Arc<AccessLog>,
    /// Whether there are any.
    pub(crate) logs_requests: bool,
}

impl Snapshot {
    pub(crate) fn listeners(&self) -> impl Iterator<Item = &Arc<ListenerLive>> {
        self.listeners.iter()
    }

    /// The listener on an address. There are few listeners: a scan beats a table.
    pub(crate) fn listener_at(&self, address: SocketAddr) -> Option<&Arc<ListenerLive>> {
        self.listeners.iter().find(|l| l.model.address == address)
    }

    /// The chains that services stand on, by name.
    pub(crate) fn chains(&self) -> Vec<Arc<ChainLive>> {
        let mut chains: Vec<Arc<ChainLive>> =
            self.services.iter().flatten().filter_map(|service| service.chain.clone()).collect();
        chains.sort_by(|a, b| a.model.id.cmp(&b.model.id));
        chains.dedup_by(|a, b| a.model.id == b.model.id);
        chains
    }

    pub(crate) fn service(&self, slot: usize) -> Option<&Arc<ServiceLive>> {
        self.services.get(slot)?.as_ref()
    }
}
