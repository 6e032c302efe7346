//! Changes of an open store: judged first, then put in force at once.

use std::sync::Arc;

use tokio::sync::watch;
use tokio_rustls::TlsAcceptor;
use weir_model::{ScrapeJob, ServerTls, Telemetry};

use crate::caller::{Guard, GuardError};
use crate::engine::Engine;
use crate::open;
use crate::rules::Rules;
use crate::tls::{self, TlsError};

/// Why a change is not taken.
#[derive(Debug, thiserror::Error)]
pub enum ChangeError {
    /// Callers could not be told apart.
    #[error("the store's `access`: {0}")]
    Guard(#[from] GuardError),
    /// TLS cannot be set up.
    #[error("the store's `tls`: {0}")]
    Tls(#[from] TlsError),
}

/// The TLS of both kinds of doors; each connection takes what is there when it comes.
#[derive(Clone)]
pub(crate) struct DoorTls {
    pub(crate) http: Option<TlsAcceptor>,
    pub(crate) grpc: Option<TlsAcceptor>,
}

impl DoorTls {
    pub(crate) fn new(tls: Option<&ServerTls>) -> Result<Self, TlsError> {
        let acceptor = |alpn: &[&str]| tls.map(|tls| tls::acceptor(tls, alpn)).transpose();
        Ok(Self { http: acceptor(&["h2", "http/1.1"])?, grpc: acceptor(&["h2"])? })
    }
}

/// Takes changes of an open store. Clones take changes of the same one.
#[derive(Clone)]
pub struct Live {
    pub(crate) engine: Arc<Engine>,
    pub(crate) tls: watch::Sender<DoorTls>,
    pub(crate) jobs: watch::Sender<Vec<Arc<ScrapeJob>>>,
}

/// A change that was judged and is not in force yet.
pub struct Change {
    live: Live,
    rules: Rules,
    tls: DoorTls,
}

impl Live {
    /// Reads the tokens and certificates that `new` names, and judges it. Of `new`, [`Telemetry::while_running`] says what
    /// can change at all; `path`, addresses and `own` are not looked at.
    ///
    /// # Errors
    /// What is in force stays in force.
    pub fn judge(&self, new: &Arc<Telemetry>) -> Result<Change, ChangeError> {
        let guard = Guard::new(&new.access)?;
        let tls = DoorTls::new(new.tls.as_ref())?;
        Ok(Change { live: self.clone(), rules: Rules::new(new.clone(), guard), tls })
    }
}

impl Change {
    /// Puts it in force: for payloads, queries and connections that begin from now on. Scrape jobs that are as before go on
    /// undisturbed.
    pub fn put_in_force(self) {
        let Self { live, rules, tls } = self;
        let settings = rules.settings.clone();
        live.engine.store().change_settings(open::settings(&settings));
        live.engine.change_rules(rules);
        live.tls.send_replace(tls);
        live.jobs.send_if_modified(|jobs| {
            let changes = *jobs != settings.scrape;
            jobs.clone_from(&settings.scrape);
            changes
        });
    }
}
