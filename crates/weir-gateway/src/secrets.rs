//! From references to secrets to TLS configurations. The bytes of a secret live here and in the TLS library only.

use std::path::PathBuf;
use std::sync::Arc;

use weir_http::tls::{
    self, CertificateSpec, ClientSpec, ClientTlsConfig, Pem, ServerSpec, ServerTlsConfig, Sessions,
    TlsConfigError,
};
use weir_model::{ClientAuth, ClientTls, Model, Proof, SecretRef, ServerTls, VerifyServer};

/// Why a secret, or what was made of it, can't be used.
#[derive(Debug, thiserror::Error)]
pub enum SecretError {
    /// The file can't be read.
    #[error("{what} cannot be read: {source}")]
    Read {
        /// Which secret.
        what: String,
        /// What the operating system said.
        source: std::io::Error,
    },
    /// The environment variable is not set.
    #[error("{what} is not set")]
    NotSet {
        /// Which secret.
        what: String,
    },
    /// It is no certificate, no key, or they do not belong together.
    #[error(transparent)]
    Tls(#[from] TlsConfigError),
}

fn read(secret: &SecretRef) -> Result<Pem, SecretError> {
    let what = secret.to_string();
    let bytes = match secret {
        SecretRef::File(path) => {
            std::fs::read(path).map_err(|source| SecretError::Read { what: what.clone(), source })?
        }
        SecretRef::Env(name) => std::env::var_os(name)
            .ok_or_else(|| SecretError::NotSet { what: what.clone() })?
            .into_encoded_bytes(),
    };
    Ok(Pem { bytes, origin: what })
}

/// A secret's bytes, for whoever says himself what it is for.
pub(crate) fn bytes(secret: &SecretRef) -> std::io::Result<Vec<u8>> {
    match read(secret) {
        Ok(pem) => Ok(pem.bytes),
        Err(SecretError::Read { source, .. }) => Err(source),
        Err(error) => Err(std::io::Error::other(error.to_string())),
    }
}

/// A listener's TLS. `sessions` are those of the configuration it replaces.
pub(crate) fn server(
    model: &ServerTls,
    sessions: Option<Sessions>,
) -> Result<Arc<ServerTlsConfig>, SecretError> {
    let certificates = model
        .certificates
        .iter()
        .map(|c| Ok(CertificateSpec { cert: read(&c.cert)?, key: read(&c.key)?, hosts: c.hosts.clone() }))
        .collect::<Result<_, SecretError>>()?;
    let client_auth = match &model.client_auth {
        ClientAuth::None => tls::ClientAuth::None,
        ClientAuth::Optional(roots) => tls::ClientAuth::Optional(read(roots)?),
        ClientAuth::Required(roots) => tls::ClientAuth::Required(read(roots)?),
    };
    let alpn = model.alpn.iter().map(|p| p.as_bytes().to_vec()).collect();
    let config = tls::server_config(ServerSpec {
        certificates,
        client_auth,
        min_version: model.min_version,
        alpn,
        sessions,
    })?;
    for warning in config.warnings() {
        tracing::warn!("{warning}");
    }
    Ok(config)
}

/// A service's TLS.
pub(crate) fn client(model: &ClientTls) -> Result<Arc<ClientTlsConfig>, SecretError> {
    let verify = match &model.verify {
        VerifyServer::SystemRoots => tls::VerifyServer::SystemRoots,
        VerifyServer::Roots(roots) => tls::VerifyServer::Roots(read(roots)?),
        VerifyServer::Insecure => tls::VerifyServer::Insecure,
    };
    let client_certificate = match &model.client_certificate {
        Some((cert, key)) => Some((read(cert)?, read(key)?)),
        None => None,
    };
    let config = tls::client_config(ClientSpec {
        verify,
        client_certificate,
        min_version: model.min_version,
        alpn: vec![b"http/1.1".to_vec()],
    })?;
    for warning in config.warnings() {
        tracing::warn!("{warning}");
    }
    Ok(config)
}

/// Files that hold secrets of a model, to be watched.
pub fn secret_files(model: &Model) -> Vec<PathBuf> {
    let mut files = Vec::new();
    let mut add = |secret: &SecretRef| {
        if let SecretRef::File(path) = secret
            && !files.contains(path)
        {
            files.push(path.clone());
        }
    };
    let store_tls = model.store.iter().filter_map(|store| store.tls.as_ref());
    for tls in model.listeners.values().filter_map(|l| l.tls.as_ref()).chain(store_tls) {
        for certificate in &tls.certificates {
            add(&certificate.cert);
            add(&certificate.key);
        }
        match &tls.client_auth {
            ClientAuth::None => {}
            ClientAuth::Optional(roots) | ClientAuth::Required(roots) => add(roots),
        }
    }
    for tls in model.services.values().filter_map(|s| s.tls.as_ref()) {
        if let VerifyServer::Roots(roots) = &tls.verify {
            add(roots);
        }
        if let Some((cert, key)) = &tls.client_certificate {
            add(cert);
            add(key);
        }
    }
    for access in model.store.iter().flat_map(|store| &store.access) {
        if let Proof::Token(token) = &access.by {
            add(token);
        }
    }
    files
}
