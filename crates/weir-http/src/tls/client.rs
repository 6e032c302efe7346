//! What a client needs: whom to trust, what to show, sessions to resume.

use std::sync::{Arc, OnceLock};

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{Resumption, WebPkiServerVerifier};
use rustls::crypto::aws_lc_rs::default_provider;
use rustls::crypto::{WebPkiSupportedAlgorithms, verify_tls12_signature, verify_tls13_signature};
use rustls::sign::{CertifiedKey, SingleCertAndKey};
use rustls::{ClientConfig, DigitallySignedStruct, Error, RootCertStore, SignatureScheme};
use rustls_pki_types::{CertificateDer, ServerName, UnixTime};
use weir_model::TlsVersion;

use super::certificate::{PeerCertificate, validity_warning};
use super::pem::{Pem, TlsConfigError, certified_key, roots};
use super::server::versions;

/// Servers whose sessions are remembered (by name, several tickets each).
const SESSIONS_MAX: usize = 256;

/// A client's TLS, as it was configured.
#[derive(Clone, Debug)]
pub struct ClientSpec {
    /// How the server's certificate is checked.
    pub verify: VerifyServer,
    /// Chain and key shown to servers that ask for them.
    pub client_certificate: Option<(Pem, Pem)>,
    /// The oldest version accepted.
    pub min_version: TlsVersion,
    /// Protocols offered by ALPN, best first; empty offers none.
    pub alpn: Vec<Vec<u8>>,
}

/// How a server's certificate is checked.
#[derive(Clone, Debug)]
pub enum VerifyServer {
    /// Against the operating system's roots (or those that `SSL_CERT_FILE` names), read once.
    SystemRoots,
    /// Against these roots.
    Roots(Pem),
    /// Not at all: anyone between here and the server can read and change everything.
    Insecure,
}

/// A client's TLS, ready for use by any number of connections and threads. Sessions are remembered in it.
#[derive(Debug)]
pub struct ClientTlsConfig {
    pub(super) rustls: Arc<ClientConfig>,
    warnings: Vec<String>,
}

impl ClientTlsConfig {
    /// What is usable but looks wrong.
    pub fn warnings(&self) -> &[String] {
        &self.warnings
    }

    /// What rustls itself is told, for clients that are not on the data path and bring their own connections.
    pub fn rustls(&self) -> Arc<ClientConfig> {
        Arc::clone(&self.rustls)
    }
}

/// Checks a client's TLS and makes it ready.
pub fn client_config(spec: ClientSpec) -> Result<Arc<ClientTlsConfig>, TlsConfigError> {
    let provider = Arc::new(default_provider());
    let mut warnings = Vec::new();
    let verifier: Arc<dyn ServerCertVerifier> = match &spec.verify {
        VerifyServer::Insecure => {
            Arc::new(NoVerification { algorithms: provider.signature_verification_algorithms })
        }
        VerifyServer::SystemRoots => webpki(system_roots()?, "the system's roots", &provider)?,
        VerifyServer::Roots(pem) => webpki(roots(pem)?, &pem.origin, &provider)?,
    };
    let builder = ClientConfig::builder_with_provider(Arc::clone(&provider))
        .with_protocol_versions(versions(spec.min_version))?
        .dangerous()
        .with_custom_certificate_verifier(verifier);
    let mut config = match &spec.client_certificate {
        None => builder.with_no_client_auth(),
        Some((cert, key)) => {
            let certified: CertifiedKey = certified_key(cert, key, &provider)?;
            let read = PeerCertificate::read(&certified.cert[0]);
            warnings.extend(validity_warning(&read, &cert.origin, crate::clock::wall_now()));
            builder.with_client_cert_resolver(Arc::new(SingleCertAndKey::from(certified)))
        }
    };
    config.alpn_protocols = spec.alpn;
    config.resumption = Resumption::in_memory_sessions(SESSIONS_MAX);
    Ok(Arc::new(ClientTlsConfig { rustls: Arc::new(config), warnings }))
}

fn webpki(
    roots: Arc<RootCertStore>,
    origin: &str,
    provider: &Arc<rustls::crypto::CryptoProvider>,
) -> Result<Arc<WebPkiServerVerifier>, TlsConfigError> {
    WebPkiServerVerifier::builder_with_provider(roots, Arc::clone(provider))
        .build()
        .map_err(|e| TlsConfigError::BadCertificate { origin: origin.to_owned(), reason: e.to_string() })
}

/// The operating system's roots, read once in the process's life. Those that can't be parsed are left out.
fn system_roots() -> Result<Arc<RootCertStore>, TlsConfigError> {
    static ROOTS: OnceLock<Arc<RootCertStore>> = OnceLock::new();
    if let Some(roots) = ROOTS.get() {
        return Ok(Arc::clone(roots));
    }
    let found = rustls_native_certs::load_native_certs();
    let mut store = RootCertStore::empty();
    store.add_parsable_certificates(found.certs);
    if store.is_empty() {
        let reason = found.errors.first().map_or_else(|| "none found".to_owned(), ToString::to_string);
        return Err(TlsConfigError::NoSystemRoots { reason });
    }
    Ok(Arc::clone(ROOTS.get_or_init(|| Arc::new(store))))
}

/// Takes any certificate, but only from someone who has its key.
#[derive(Debug)]
struct NoVerification {
    algorithms: WebPkiSupportedAlgorithms,
}

impl ServerCertVerifier for NoVerification {
    fn verify_server_cert(
        &self,
        _end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls12_signature(message, cert, dss, &self.algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, cert, dss, &self.algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.algorithms.supported_schemes()
    }
}
