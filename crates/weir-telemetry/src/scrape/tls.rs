//! TLS towards targets: whom to trust, and what to show.

use std::sync::{Arc, Mutex, PoisonError};

use rustls::ClientConfig;
use weir_http::tls::{ClientSpec, Pem, VerifyServer, client_config};
use weir_model::{ScrapeTls, SecretRef, TlsVersion};

use crate::tls::{TlsError, read};

/// What a job's TLS was made from.
type Sources = (Option<Pem>, Option<(Pem, Pem)>);

/// TLS of a job. Its files are read for each new connection; where they are as before, so is what was made of them, with
/// the sessions it knows.
#[derive(Debug)]
pub(super) struct Tls {
    model: ScrapeTls,
    made: Mutex<Option<(Sources, Arc<ClientConfig>)>>,
}

impl Tls {
    pub(super) fn new(model: ScrapeTls) -> Self {
        Self { model, made: Mutex::default() }
    }

    /// The name that is asked for and verified, where it is not the target's own.
    pub(super) fn server_name(&self) -> Option<&str> {
        self.model.server_name.as_deref()
    }

    /// For a new connection.
    ///
    /// # Errors
    /// A file is not there, or holds something else.
    pub(super) fn config(&self) -> Result<Arc<ClientConfig>, TlsError> {
        let roots = self.model.ca.as_ref().map(read).transpose()?;
        let pair = |(cert, key): &(SecretRef, SecretRef)| Ok::<_, TlsError>((read(cert)?, read(key)?));
        let sources = (roots, self.model.identity.as_ref().map(pair).transpose()?);
        let mut made = self.made.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((known, config)) = &*made
            && *known == sources
        {
            return Ok(Arc::clone(config));
        }
        let verify = match &sources.0 {
            _ if self.model.insecure => VerifyServer::Insecure,
            Some(roots) => VerifyServer::Roots(roots.clone()),
            None => VerifyServer::SystemRoots,
        };
        let config = client_config(ClientSpec {
            verify,
            client_certificate: sources.1.clone(),
            min_version: TlsVersion::V1_2,
            alpn: vec![b"http/1.1".to_vec()],
        })?;
        for warning in config.warnings() {
            tracing::warn!("TLS towards scraped targets: {warning}");
        }
        let config = config.rustls();
        *made = Some((sources, Arc::clone(&config)));
        Ok(config)
    }
}
