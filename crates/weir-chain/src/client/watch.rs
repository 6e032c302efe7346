//! How a chain's nodes are, for whoever picks one and submits nothing.

use std::fmt;
use std::sync::Arc;

use arc_swap::ArcSwap;

use super::ClientSettings;
use super::monitor::Monitor;
use crate::health::{Health, HealthRules};
use crate::node::Node;

/// A set of nodes that are asked how they are, and nothing else. Dropping it stops that.
pub struct Watch {
    monitor: Monitor,
}

impl Watch {
    /// Begins to ask. Within a tokio runtime.
    pub fn start(settings: &ClientSettings, nodes: Vec<Arc<dyn Node>>) -> Self {
        let rules = HealthRules {
            max_lag: settings.max_lag,
            chain_id: settings.chain_id.clone(),
            finality: settings.finality,
        };
        Self { monitor: Monitor::start(nodes.into(), rules, settings.poll, settings.status_timeout) }
    }

    /// The table, as it is published: a load costs no lock. Endpoints stand in the order of the nodes.
    pub fn table(&self) -> Arc<ArcSwap<Health>> {
        self.monitor.table()
    }
}

impl fmt::Debug for Watch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Watch").field("health", &self.monitor.table().load()).finish()
    }
}
