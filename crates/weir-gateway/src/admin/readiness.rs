//! Whether requests should be sent here, for whoever decides that.

use std::sync::{Arc, PoisonError, RwLock};

/// What `/readyz` answers. Clones are the same; it begins as not ready.
#[derive(Clone, Debug)]
pub struct Readiness {
    why_not: Arc<RwLock<Option<String>>>,
}

impl Default for Readiness {
    fn default() -> Self {
        Self { why_not: Arc::new(RwLock::new(Some("starting".into()))) }
    }
}

impl Readiness {
    /// Every listener is open.
    pub fn ready(&self) {
        self.set(None);
    }

    /// Requests should go elsewhere, for this reason.
    pub fn not_ready(&self, why: &str) {
        self.set(Some(why.into()));
    }

    /// Why requests should go elsewhere; `None` when they need not.
    pub fn why_not(&self) -> Option<String> {
        self.why_not.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn set(&self, why_not: Option<String>) {
        *self.why_not.write().unwrap_or_else(PoisonError::into_inner) = why_not;
    }
}
