//! TLS on the store's doors.

use std::sync::Arc;

use tokio_rustls::TlsAcceptor;
use weir_http::tls::{self, CertificateSpec, Pem, ServerSpec, TlsConfigError};
use weir_model::{ClientAuth, SecretRef, ServerTls};

/// Why TLS cannot be set up.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// A file cannot be read.
    #[error("{what} cannot be read: {error}")]
    Read {
        /// Which.
        what: String,
        /// What the operating system said.
        error: std::io::Error,
    },
    /// A variable is not set.
    #[error("{0} is not set")]
    NotSet(String),
    /// It is no certificate, no key, or they do not belong together.
    #[error(transparent)]
    Config(#[from] TlsConfigError),
}

/// What takes TLS connections for protocols, best first.
pub(crate) fn acceptor(model: &ServerTls, alpn: &[&str]) -> Result<TlsAcceptor, TlsError> {
    let certificates = model
        .certificates
        .iter()
        .map(|one| {
            Ok(CertificateSpec { cert: read(&one.cert)?, key: read(&one.key)?, hosts: one.hosts.clone() })
        })
        .collect::<Result<_, TlsError>>()?;
    let client_auth = match &model.client_auth {
        ClientAuth::None => tls::ClientAuth::None,
        ClientAuth::Optional(roots) => tls::ClientAuth::Optional(read(roots)?),
        ClientAuth::Required(roots) => tls::ClientAuth::Required(read(roots)?),
    };
    let config = tls::server_config(ServerSpec {
        certificates,
        client_auth,
        min_version: model.min_version,
        alpn: alpn.iter().map(|protocol| protocol.as_bytes().to_vec()).collect(),
        sessions: None,
    })?;
    for warning in config.warnings() {
        tracing::warn!("the store's door: {warning}");
    }
    Ok(TlsAcceptor::from(Arc::clone(&config.rustls())))
}

/// The bytes of a secret, with the words for where they came from.
pub(crate) fn read(secret: &SecretRef) -> Result<Pem, TlsError> {
    let origin = secret.to_string();
    let bytes = match secret {
        SecretRef::File(path) => {
            std::fs::read(path).map_err(|error| TlsError::Read { what: origin.clone(), error })?
        }
        SecretRef::Env(name) => {
            std::env::var_os(name).ok_or_else(|| TlsError::NotSet(origin.clone()))?.into_encoded_bytes()
        }
    };
    Ok(Pem { bytes, origin })
}
