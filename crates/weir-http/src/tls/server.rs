//! What a server needs: certificates by name, client authentication, sessions.

use std::fmt;
use std::sync::Arc;

use rustls::crypto::CryptoProvider;
use rustls::crypto::aws_lc_rs::{Ticketer, default_provider};
use rustls::server::{NoClientAuth, ProducesTickets, WebPkiClientVerifier};
use rustls::{CipherSuite, ServerConfig, SupportedProtocolVersion};
use weir_model::{HostPattern, TlsVersion};

use super::certificate::{PeerCertificate, validity_warning};
use super::pem::{Pem, TlsConfigError, certified_key, roots};
use super::resolver::Resolver;

/// Tickets that a TLS 1.3 client is sent. A client uses each once (RFC 8446, appendix C.4) and gets a new one on the
/// resumed connection, so that one per connection keeps all of them resuming.
const TICKETS: usize = 1;

/// A server's TLS, as it was configured.
#[derive(Clone, Debug)]
pub struct ServerSpec {
    /// At least one. A connection gets the one that fits its SNI: an exact name, else the longest wildcard, else
    /// the first certificate.
    pub certificates: Vec<CertificateSpec>,
    /// Whether clients prove who they are.
    pub client_auth: ClientAuth,
    /// The oldest version accepted.
    pub min_version: TlsVersion,
    /// Protocols offered by ALPN, best first. Clients that offer others only are refused; those that offer none are
    /// not. Empty switches ALPN off.
    pub alpn: Vec<Vec<u8>>,
    /// Sessions of the configuration that this one replaces, so that clients still resume.
    pub sessions: Option<Sessions>,
}

/// A certificate chain and its key.
#[derive(Clone, Debug)]
pub struct CertificateSpec {
    /// The chain, the server's own certificate first.
    pub cert: Pem,
    /// Its key.
    pub key: Pem,
    /// Names it is chosen for; empty means those in the certificate.
    pub hosts: Vec<HostPattern>,
}

/// Client certificates.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ClientAuth {
    /// Not asked for.
    None,
    /// Asked for; one that is shown has to be valid, a client without is let in. Holds the trusted roots.
    Optional(Pem),
    /// Demanded. Holds the trusted roots.
    Required(Pem),
}

/// A server's TLS, ready for use by any number of connections and threads.
#[derive(Debug)]
pub struct ServerTlsConfig {
    pub(super) rustls: Arc<ServerConfig>,
    sessions: Sessions,
    warnings: Vec<String>,
}

impl ServerTlsConfig {
    /// The sessions, to be carried into the configuration that replaces this one.
    pub fn sessions(&self) -> Sessions {
        self.sessions.clone()
    }

    /// What is usable but looks wrong: certificates that have expired or soon will, names that can't be met.
    pub fn warnings(&self) -> &[String] {
        &self.warnings
    }

    /// What rustls itself is told, for servers that are not on the data path and bring their own connections.
    pub fn rustls(&self) -> Arc<ServerConfig> {
        Arc::clone(&self.rustls)
    }
}

/// The keys that session tickets are sealed with. They rotate every six hours; a ticket lives twice as long. The
/// server itself keeps nothing per session.
#[derive(Clone)]
pub struct Sessions {
    tickets: Arc<dyn ProducesTickets>,
    /// A resumed session's client certificate is not verified again, so that tickets must not outlive the rules
    /// under which they were issued.
    client_auth: Arc<ClientAuth>,
}

impl Sessions {
    fn new(client_auth: ClientAuth) -> Result<Self, TlsConfigError> {
        Ok(Self { tickets: Ticketer::new()?, client_auth: Arc::new(client_auth) })
    }
}

impl fmt::Debug for Sessions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sessions").field("client_auth", &self.client_auth).finish_non_exhaustive()
    }
}

/// Checks a server's TLS and makes it ready.
pub fn server_config(spec: ServerSpec) -> Result<Arc<ServerTlsConfig>, TlsConfigError> {
    let provider = Arc::new(provider());
    let mut warnings = Vec::new();
    let mut resolver = Resolver::default();
    for certificate in &spec.certificates {
        let certified = certified_key(&certificate.cert, &certificate.key, &provider)?;
        let read = PeerCertificate::read(&certified.cert[0]);
        warnings.extend(validity_warning(&read, &certificate.cert.origin, crate::clock::wall_now()));
        if certificate.hosts.is_empty() && read.dns_names.is_empty() && spec.certificates.len() > 1 {
            warnings.push(format!(
                "the certificate in {} names no host and none is stated for it, so it is never chosen unless it is \
                 the first",
                certificate.cert.origin
            ));
        }
        resolver.add(Arc::new(certified), &certificate.hosts, &read.dns_names);
    }
    if spec.certificates.is_empty() {
        return Err(TlsConfigError::NoCertificates);
    }
    let verifier = match &spec.client_auth {
        ClientAuth::None => Arc::new(NoClientAuth),
        ClientAuth::Optional(pem) | ClientAuth::Required(pem) => {
            let builder = WebPkiClientVerifier::builder_with_provider(roots(pem)?, Arc::clone(&provider));
            let builder = match &spec.client_auth {
                ClientAuth::Optional(_) => builder.allow_unauthenticated(),
                _ => builder,
            };
            builder.build().map_err(|e| TlsConfigError::BadCertificate {
                origin: pem.origin.clone(),
                reason: e.to_string(),
            })?
        }
    };
    let sessions = match spec.sessions.filter(|s| *s.client_auth == spec.client_auth) {
        Some(sessions) => sessions,
        None => Sessions::new(spec.client_auth)?,
    };
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_protocol_versions(versions(spec.min_version))?
        .with_client_cert_verifier(verifier)
        .with_cert_resolver(Arc::new(resolver));
    config.alpn_protocols = spec.alpn;
    config.ticketer = Arc::clone(&sessions.tickets);
    // With stateless tickets the session store would only be asked for TLS 1.2 session ids, in vain.
    config.session_storage = Arc::new(rustls::server::NoServerSessionStorage {});
    config.send_tls13_tickets = TICKETS;
    config.ignore_client_order = true;
    Ok(Arc::new(ServerTlsConfig { rustls: Arc::new(config), sessions, warnings }))
}

/// aws-lc with AES-128 first, whatever clients prefer: it is as safe as AES-256 here, and SHA-256, which comes with it,
/// has instructions of its own in today's processors. With SHA-384, which OpenSSL's clients ask for first, a resumed
/// handshake costs 127 µs instead of 100.
fn provider() -> CryptoProvider {
    let mut provider = default_provider();
    provider.cipher_suites.sort_by_key(|suite| match suite.suite() {
        CipherSuite::TLS13_AES_128_GCM_SHA256
        | CipherSuite::TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256
        | CipherSuite::TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256 => 0,
        _ => 1,
    });
    provider
}

pub(super) fn versions(min: TlsVersion) -> &'static [&'static SupportedProtocolVersion] {
    static BOTH: [&SupportedProtocolVersion; 2] = [&rustls::version::TLS13, &rustls::version::TLS12];
    match min {
        TlsVersion::V1_2 => &BOTH,
        TlsVersion::V1_3 => &BOTH[..1],
    }
}
