//! What Weir says in its log about its own verdicts.

use weir_model::ServiceId;
use weir_traffic::Transition;

/// A breaker changed its state.
pub(crate) fn breaker(service: &ServiceId, endpoint: Option<&str>, transition: Option<Transition>) {
    let Some(transition) = transition else { return };
    said(service, endpoint, transition);
}

#[cold]
fn said(service: &ServiceId, endpoint: Option<&str>, transition: Transition) {
    let whose = match endpoint {
        Some(endpoint) => format!("service {service}, endpoint {endpoint}"),
        None => format!("service {service}"),
    };
    match transition {
        Transition::Opened { by_probe: false } => {
            tracing::warn!("{whose}: breaker opened: too many failures");
        }
        Transition::Opened { by_probe: true } => {
            tracing::warn!("{whose}: breaker opened again: a probe failed");
        }
        Transition::HalfOpened => tracing::info!("{whose}: breaker half-open: probes pass"),
        Transition::Closed => tracing::info!("{whose}: breaker closed: probes succeeded"),
    }
}
