//! Certificates and keys as people write them, with errors that say which of them is wrong.

use std::fmt;
use std::sync::Arc;

use rustls::crypto::CryptoProvider;
use rustls::sign::CertifiedKey;
use rustls::{Error, InconsistentKeys, RootCertStore};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};

/// PEM text and where it came from. The text may be a key, so it is never printed.
#[derive(Clone, PartialEq, Eq)]
pub struct Pem {
    /// The text.
    pub bytes: Vec<u8>,
    /// Where it came from, for messages: `file certs/api.pem`.
    pub origin: String,
}

impl fmt::Debug for Pem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.origin)
    }
}

/// Why a TLS configuration can't be used.
#[derive(Debug, thiserror::Error)]
pub enum TlsConfigError {
    /// A server without certificates.
    #[error("at least one certificate is needed")]
    NoCertificates,
    /// No certificate where one is expected.
    #[error(
        "{origin} holds no certificate{found}; expected PEM, a block that begins with -----BEGIN CERTIFICATE-----"
    )]
    NotCertificates {
        /// Where from.
        origin: String,
        /// What was found instead.
        found: &'static str,
    },
    /// No key where one is expected.
    #[error(
        "{origin} holds no private key{found}; expected PEM, an unencrypted block that begins with \
         -----BEGIN PRIVATE KEY-----, EC PRIVATE KEY or RSA PRIVATE KEY"
    )]
    NotKey {
        /// Where from.
        origin: String,
        /// What was found instead.
        found: &'static str,
    },
    /// The PEM text is broken.
    #[error("{origin} is broken PEM: {reason}")]
    Broken {
        /// Where from.
        origin: String,
        /// In which way.
        reason: String,
    },
    /// The key is of a kind that can't be used.
    #[error("the key in {origin} can't be used: {source}")]
    BadKey {
        /// Where from.
        origin: String,
        /// In which way.
        source: Error,
    },
    /// The key is another certificate's.
    #[error(
        "the key in {key} does not belong to the certificate in {cert}; the first certificate has to be the \
         server's own"
    )]
    KeyMismatch {
        /// Where the certificate came from.
        cert: String,
        /// Where the key came from.
        key: String,
    },
    /// A certificate that can't be used.
    #[error("the certificate in {origin} can't be used: {reason}")]
    BadCertificate {
        /// Where from.
        origin: String,
        /// In which way.
        reason: String,
    },
    /// The operating system has no roots.
    #[error(
        "no trusted roots were found on this system ({reason}); install ca-certificates or state the roots"
    )]
    NoSystemRoots {
        /// What the search said.
        reason: String,
    },
    /// rustls refused the rest.
    #[error("TLS can't be set up: {0}")]
    Setup(#[from] Error),
}

/// The certificates of a chain, in order.
pub(super) fn certificates(pem: &Pem) -> Result<Vec<CertificateDer<'static>>, TlsConfigError> {
    let chain = CertificateDer::pem_slice_iter(&pem.bytes)
        .collect::<Result<Vec<_>, _>>()
        .map_err(|e| TlsConfigError::Broken { origin: pem.origin.clone(), reason: e.to_string() })?;
    if chain.is_empty() {
        return Err(TlsConfigError::NotCertificates { origin: pem.origin.clone(), found: found(&pem.bytes) });
    }
    Ok(chain)
}

/// A chain with its key, checked to belong together.
pub(super) fn certified_key(
    cert: &Pem,
    key: &Pem,
    provider: &CryptoProvider,
) -> Result<CertifiedKey, TlsConfigError> {
    let chain = certificates(cert)?;
    let private = PrivateKeyDer::from_pem_slice(&key.bytes).map_err(|e| match e {
        rustls_pki_types::pem::Error::NoItemsFound => {
            TlsConfigError::NotKey { origin: key.origin.clone(), found: found(&key.bytes) }
        }
        e => TlsConfigError::Broken { origin: key.origin.clone(), reason: e.to_string() },
    })?;
    let signer = provider
        .key_provider
        .load_private_key(private)
        .map_err(|source| TlsConfigError::BadKey { origin: key.origin.clone(), source })?;
    let certified = CertifiedKey::new(chain, signer);
    match certified.keys_match() {
        Ok(()) | Err(Error::InconsistentKeys(InconsistentKeys::Unknown)) => Ok(certified),
        Err(Error::InconsistentKeys(_)) => {
            Err(TlsConfigError::KeyMismatch { cert: cert.origin.clone(), key: key.origin.clone() })
        }
        Err(e) => Err(TlsConfigError::BadCertificate { origin: cert.origin.clone(), reason: e.to_string() }),
    }
}

/// Trusted roots.
pub(super) fn roots(pem: &Pem) -> Result<Arc<RootCertStore>, TlsConfigError> {
    let mut store = RootCertStore::empty();
    for (at, root) in certificates(pem)?.into_iter().enumerate() {
        store.add(root).map_err(|e| TlsConfigError::BadCertificate {
            origin: pem.origin.clone(),
            reason: format!("number {} in it: {e}", at + 1),
        })?;
    }
    Ok(Arc::new(store))
}

/// A guess at what somebody wrote instead.
fn found(bytes: &[u8]) -> &'static str {
    let has = |word: &[u8]| bytes.windows(word.len()).any(|w| w == word);
    if bytes.is_empty() {
        " (it is empty)"
    } else if has(b"-----BEGIN ENCRYPTED PRIVATE KEY") {
        " (its key is encrypted)"
    } else if has(b"PRIVATE KEY-----") {
        " (but a private key)"
    } else if has(b"-----BEGIN CERTIFICATE-----") {
        " (but a certificate)"
    } else if has(b"-----BEGIN CERTIFICATE REQUEST") {
        " (but a certificate request)"
    } else if bytes[0] == 0x30 {
        " (it looks like DER; convert it with openssl x509 -inform der)"
    } else {
        ""
    }
}
