//! How nodes are reached: TLS, who is calling, how long it may take.

use std::fmt;
use std::io;
use std::sync::Arc;

use http::HeaderValue;
use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use weir_http::tls::{self, ClientSpec, Pem};
use weir_model::{
    Authorization, Chain, ChainTimeouts, ChainUrl, ClientTls, EndpointAddress, SecretRef, VerifyServer,
};
use weir_signal::base64;

use crate::factory::{FactoryError, Secrets};
use crate::node::BoxFuture;
use crate::words::{NodeError, NodeErrorKind};

/// A connection's bytes.
pub(super) trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Stream for T {}

/// How a chain's nodes are reached. Cheap to clone; TLS sessions are remembered across clones.
#[derive(Clone)]
pub struct Access {
    tls: Option<Arc<ClientConfig>>,
    server_name: Option<Arc<str>>,
    authorization: Option<HeaderValue>,
    timeouts: ChainTimeouts,
}

impl Access {
    /// As `chain` is configured. Secrets are read now, roots and certificates only where an endpoint speaks TLS.
    ///
    /// # Errors
    /// A secret cannot be read, or holds something else.
    pub fn of(chain: &Chain, secrets: Secrets<'_>) -> Result<Self, FactoryError> {
        let urls =
            chain.endpoints.iter().flat_map(|endpoint| [Some(&endpoint.url), endpoint.websocket.as_ref()]);
        let speaks_tls = urls.flatten().chain(&chain.quorum.managers).any(|url| url.tls);
        Ok(Self {
            tls: speaks_tls.then(|| client_config(&chain.tls, secrets)).transpose()?,
            server_name: chain.tls.server_name.clone(),
            authorization: chain.authorization.as_ref().map(|who| credentials(who, secrets)).transpose()?,
            timeouts: chain.timeouts,
        })
    }

    /// Without TLS, and without saying who is calling.
    pub fn plain(timeouts: ChainTimeouts) -> Self {
        Self { tls: None, server_name: None, authorization: None, timeouts }
    }

    /// The same without saying who is calling: for those beside a node whom its secret does not concern.
    pub fn anonymous(&self) -> Self {
        Self { authorization: None, ..self.clone() }
    }

    /// How long calls may take.
    pub fn timeouts(&self) -> ChainTimeouts {
        self.timeouts
    }

    /// The value of `Authorization`.
    pub(super) fn authorization(&self) -> Option<&HeaderValue> {
        self.authorization.as_ref()
    }

    /// A connection to where `url` leads, within the time for connecting.
    ///
    /// # Errors
    /// All of them: nothing was sent.
    pub(super) async fn connect(&self, url: &ChainUrl) -> Result<Box<dyn Stream>, NodeError> {
        let failed =
            |kind, detail: String| NodeError::before_send(kind, format!("{}: {detail}", url.shown()));
        let within = self.timeouts.connect;
        // In a box of its own: of a whole that holds it the compiler cannot tell that it may be sent between threads.
        let dialled: BoxFuture<'_, io::Result<Box<dyn Stream>>> = Box::pin(self.dial(url));
        match timeout(within, dialled).await {
            Ok(Ok(stream)) => Ok(stream),
            Ok(Err(error)) => Err(failed(NodeErrorKind::Unreachable, error.to_string())),
            Err(_) => Err(failed(NodeErrorKind::Timeout, format!("no connection within {within:?}"))),
        }
    }

    async fn dial(&self, url: &ChainUrl) -> io::Result<Box<dyn Stream>> {
        let (stream, host) = match &url.address {
            EndpointAddress::Socket(address) => {
                (TcpStream::connect(address).await?, address.ip().to_string())
            }
            EndpointAddress::Name { host, port } => {
                let host = host.to_string();
                (TcpStream::connect((host.clone(), *port)).await?, host)
            }
            EndpointAddress::Echo => return Err(io::Error::other("this is no address of a node")),
        };
        // Of a connection that is gone already the exchange finds out.
        let _ = stream.set_nodelay(true);
        let Some(config) = self.tls.as_ref().filter(|_| url.tls) else {
            return if url.tls { Err(io::Error::other("TLS is not set up")) } else { Ok(Box::new(stream)) };
        };
        let name = self.server_name.as_deref().unwrap_or(&host).to_owned();
        let server = ServerName::try_from(name).map_err(|_| {
            io::Error::other("the host is no name that a certificate could be for; set `server_name`")
        })?;
        Ok(Box::new(TlsConnector::from(config.clone()).connect(server, stream).await?))
    }
}

/// Without secrets.
impl fmt::Debug for Access {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Access").field("timeouts", &self.timeouts).finish_non_exhaustive()
    }
}

fn client_config(model: &ClientTls, secrets: Secrets<'_>) -> Result<Arc<ClientConfig>, FactoryError> {
    let pem = |what, secret: &SecretRef| {
        Ok(Pem { bytes: read(what, secret, secrets)?, origin: secret.to_string() })
    };
    let verify = match &model.verify {
        VerifyServer::SystemRoots => tls::VerifyServer::SystemRoots,
        VerifyServer::Roots(roots) => tls::VerifyServer::Roots(pem("the roots of `tls`", roots)?),
        VerifyServer::Insecure => tls::VerifyServer::Insecure,
    };
    let client_certificate = match &model.client_certificate {
        Some((cert, key)) => Some((pem("the certificate of `tls`", cert)?, pem("the key of `tls`", key)?)),
        None => None,
    };
    let spec = ClientSpec {
        verify,
        client_certificate,
        min_version: model.min_version,
        alpn: vec![b"http/1.1".to_vec()],
    };
    let config = tls::client_config(spec)
        .map_err(|error| FactoryError::Bad { what: "`tls`", problem: error.to_string() })?;
    for warning in config.warnings() {
        tracing::warn!("TLS towards a chain's nodes: {warning}");
    }
    Ok(config.rustls())
}

fn read(what: &'static str, secret: &SecretRef, secrets: Secrets<'_>) -> Result<Vec<u8>, FactoryError> {
    secrets(secret).map_err(|error| FactoryError::Secret { what, secret: secret.clone(), error })
}

fn credentials(who: &Authorization, secrets: Secrets<'_>) -> Result<HeaderValue, FactoryError> {
    const WHAT: &str = "`authorization`";
    let trimmed = |secret| read(WHAT, secret, secrets).map(|bytes| bytes.trim_ascii().to_vec());
    let text = match who {
        Authorization::Bearer(token) => [b"Bearer ".to_vec(), trimmed(token)?].concat(),
        Authorization::Basic { user, password } => {
            let pair = [user.as_bytes(), b":", &trimmed(password)?].concat();
            format!("Basic {}", base64(&pair)).into_bytes()
        }
    };
    let mut value = HeaderValue::from_bytes(&text).map_err(|_| FactoryError::Bad {
        what: WHAT,
        problem: "a secret holds characters that HTTP cannot carry".into(),
    })?;
    value.set_sensitive(true);
    Ok(value)
}
