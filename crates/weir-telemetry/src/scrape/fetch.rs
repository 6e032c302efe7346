//! Asks a target over HTTP/1.1, on one connection for as long as the target keeps it open.

use std::future::Future;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::header::{
    ACCEPT, ACCEPT_ENCODING, AUTHORIZATION, CONTENT_ENCODING, CONTENT_TYPE, HOST, HeaderMap, HeaderValue,
    LOCATION, USER_AGENT,
};
use http::{Request, StatusCode, Uri};
use http_body_util::{BodyExt, Empty};
use hyper::client::conn::http1::{self, SendRequest};
use hyper_util::rt::TokioIo;
use rustls::pki_types::ServerName;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use weir_intake::compress::Encoding;
use weir_intake::exposition::{Format, ScrapeProtocol, accept_header};
use weir_model::{Authorization, ScrapeJob, SecretRef};
use weir_signal::{Refusal, base64};

use super::failure::Cause;
use super::target::Url;
use super::tls::Tls;
use crate::tls::TlsError;

/// Redirections that are followed one after the other.
const REDIRECTS_MAX: usize = 5;
const AGENT: &str = concat!("Weir/", env!("CARGO_PKG_VERSION"));

/// Why a target gave no metrics.
#[derive(Debug, thiserror::Error)]
pub(super) enum FetchError {
    #[error("it did not answer within {0:?}; raise `timeout` and `interval`, or make the target faster")]
    TimedOut(Duration),
    #[error("no connection to {authority}: {error}")]
    Connect { authority: String, error: std::io::Error },
    #[error("no TLS with {authority}: {error}")]
    Handshake { authority: String, error: std::io::Error },
    #[error("`tls`: {0}")]
    Tls(#[from] TlsError),
    #[error("`tls`: `{0}` is no name that a certificate could be for; set `server_name`")]
    ServerName(String),
    #[error("`authorization`: {0}")]
    Secret(String),
    #[error("HTTP: {0}")]
    Http(String),
    #[error("it answered {0} where 200 is expected")]
    Status(StatusCode),
    #[error("it redirects {0}")]
    Redirect(&'static str),
    #[error("its answer is larger than {0} bytes; raise `body_max`, or expose less")]
    TooLarge(u64),
    #[error("its answer is encoded as `{0}`, which was not asked for")]
    Encoding(String),
    #[error(transparent)]
    Format(#[from] Refusal),
}

impl FetchError {
    /// What it is counted under.
    pub(super) fn cause(&self) -> Cause {
        match self {
            Self::TimedOut(_) => Cause::Timeout,
            Self::Connect { .. } => Cause::Connect,
            Self::Handshake { .. } | Self::Tls(_) | Self::ServerName(_) => Cause::Tls,
            Self::Secret(_) => Cause::Secret,
            Self::Http(_) => Cause::Http,
            Self::Status(_) | Self::Redirect(_) => Cause::Status,
            Self::TooLarge(_) => Cause::TooLarge,
            Self::Encoding(_) | Self::Format(_) => Cause::Malformed,
        }
    }
}

/// A target's answer.
#[derive(Debug)]
pub(super) struct Fetched {
    /// How its metrics are written.
    pub(super) format: Format,
    /// How it is compressed.
    pub(super) encoding: Encoding,
    /// As it came.
    pub(super) body: Vec<u8>,
}

/// Asks one target.
pub(super) struct Fetcher {
    job: Arc<ScrapeJob>,
    tls: Arc<Tls>,
    url: Url,
    timeout: Duration,
    /// As it was after the last answer.
    connection: Option<Connection>,
}

impl Fetcher {
    pub(super) fn new(job: Arc<ScrapeJob>, tls: Arc<Tls>, url: Url, timeout: Duration) -> Self {
        Self { job, tls, url, timeout, connection: None }
    }

    /// Asks, and reads the answer to its end.
    ///
    /// # Errors
    /// What [`FetchError`] names; the next call starts afresh. Dropping the future is the same as a failure.
    pub(super) async fn fetch(&mut self) -> Result<Fetched, FetchError> {
        let timeout = self.timeout;
        tokio::time::timeout(timeout, self.follow()).await.unwrap_or(Err(FetchError::TimedOut(timeout)))
    }

    async fn follow(&mut self) -> Result<Fetched, FetchError> {
        let mut url = self.url.clone();
        for _ in 0..=REDIRECTS_MAX {
            let (status, headers, body) = self.ask(&url).await?;
            let Some(location) = headers.get(LOCATION).filter(|_| status.is_redirection()) else {
                return finish(self.job.fallback_protocol, status, &headers, body);
            };
            url = moved(&url, location).ok_or(FetchError::Redirect("to what is no address"))?;
        }
        Err(FetchError::Redirect("too often"))
    }

    async fn ask(&mut self, url: &Url) -> Result<(StatusCode, HeaderMap, Vec<u8>), FetchError> {
        let limit = self.job.body_bytes_max;
        if let Some(mut connection) = self.connection.take().filter(|known| known.leads_to(url)) {
            match connection.exchange(self.request(url)?, limit).await {
                Ok(answer) => {
                    self.connection = Some(connection).filter(|connection| connection.open);
                    return Ok(answer);
                }
                // The target may close a connection at any time. That is no failure of its metrics.
                Err(ExchangeError::NoAnswer(_)) => {}
                Err(error) => return Err(error.into()),
            }
        }
        let mut connection = Connection::open(url, &self.tls).await?;
        let answer = connection.exchange(self.request(url)?, limit).await?;
        self.connection = Some(connection).filter(|connection| connection.open);
        Ok(answer)
    }

    fn request(&self, url: &Url) -> Result<Request<Empty<Bytes>>, FetchError> {
        let protocols: Vec<_> = self.job.protocols.iter().map(|&protocol| asked(protocol)).collect();
        let accept = accept_header(&protocols);
        let mut request = Request::get(&url.path)
            .header(HOST, &url.authority)
            .header(USER_AGENT, AGENT)
            .header(ACCEPT, accept)
            .header(ACCEPT_ENCODING, "gzip")
            .header("x-prometheus-scrape-timeout-seconds", self.timeout.as_secs_f64().to_string())
            .body(Empty::new())
            .map_err(|error| FetchError::Http(error.to_string()))?;
        // Whoever a target redirects to elsewhere does not learn its secret.
        let own = url.authority == self.url.authority && url.https >= self.url.https;
        if let Some(authorization) = self.job.authorization.as_ref().filter(|_| own) {
            request.headers_mut().insert(AUTHORIZATION, credentials(authorization)?);
        }
        Ok(request)
    }
}

/// What a format of the configuration is asked for as.
fn asked(protocol: weir_model::ScrapeProtocol) -> ScrapeProtocol {
    use weir_model::ScrapeProtocol as Wanted;
    match protocol {
        Wanted::PrometheusProto => ScrapeProtocol::PrometheusProto,
        Wanted::OpenMetricsText1 => ScrapeProtocol::OpenMetricsText1,
        Wanted::OpenMetricsText0 => ScrapeProtocol::OpenMetricsText0,
        Wanted::PrometheusText1 => ScrapeProtocol::PrometheusText1,
        Wanted::PrometheusText0 => ScrapeProtocol::PrometheusText0,
    }
}

/// How a format of the configuration is read.
fn read_as(protocol: weir_model::ScrapeProtocol) -> Format {
    use weir_model::ScrapeProtocol as Wanted;
    match protocol {
        Wanted::PrometheusProto => Format::Protobuf,
        Wanted::OpenMetricsText1 | Wanted::OpenMetricsText0 => Format::OpenMetrics,
        Wanted::PrometheusText1 | Wanted::PrometheusText0 => Format::Text,
    }
}

fn finish(
    fallback: Option<weir_model::ScrapeProtocol>,
    status: StatusCode,
    headers: &HeaderMap,
    body: Vec<u8>,
) -> Result<Fetched, FetchError> {
    if status != StatusCode::OK {
        return Err(FetchError::Status(status));
    }
    let text = |name| headers.get(name).map(|value: &HeaderValue| String::from_utf8_lossy(value.as_bytes()));
    let encoding = match text(CONTENT_ENCODING) {
        None => Encoding::Identity,
        Some(name) => Encoding::parse(&name).ok_or_else(|| FetchError::Encoding(name.into_owned()))?,
    };
    let format = Format::negotiate(text(CONTENT_TYPE).as_deref(), fallback.map(read_as))?;
    Ok(Fetched { format, encoding, body })
}

/// Where a redirection leads (RFC 9110, section 10.2.2): to a whole address, or a path of the same host.
fn moved(from: &Url, location: &HeaderValue) -> Option<Url> {
    let text = location.to_str().ok()?;
    if let Some(path) = text.strip_prefix('?') {
        let base = from.path.split('?').next().unwrap_or_default();
        return Some(Url { path: format!("{base}?{path}"), ..from.clone() });
    }
    let whole = match text.strip_prefix("//") {
        Some(rest) => format!("{}://{rest}", if from.https { "https" } else { "http" }),
        None if text.starts_with('/') || text.contains("://") => text.to_owned(),
        // Relative to the folder of the path before.
        None => {
            let base = from.path.split('?').next().unwrap_or_default();
            format!("{}/{text}", base.rsplit_once('/').map_or("", |(folder, _)| folder))
        }
    };
    let uri: Uri = whole.split('#').next().unwrap_or_default().parse().ok()?;
    let path = uri.path_and_query().map_or("/", |path| path.as_str()).to_owned();
    let Some(authority) = uri.authority() else { return Some(Url { path, ..from.clone() }) };
    let https = match uri.scheme_str() {
        Some("https") => true,
        Some("http") => false,
        _ => return None,
    };
    let authority = authority.as_str();
    (!authority.contains('@')).then(|| Url { https, authority: authority.to_owned(), path })
}

/// The value of `Authorization`, from secrets as they are now.
fn credentials(authorization: &Authorization) -> Result<HeaderValue, FetchError> {
    let text = match authorization {
        Authorization::Bearer(token) => [b"Bearer ".to_vec(), secret(token)?].concat(),
        Authorization::Basic { user, password } => {
            let pair = [user.as_bytes(), b":", &secret(password)?].concat();
            format!("Basic {}", base64(&pair)).into_bytes()
        }
    };
    let mut value = HeaderValue::from_bytes(&text)
        .map_err(|_| FetchError::Secret("a secret holds characters that HTTP cannot carry".to_owned()))?;
    value.set_sensitive(true);
    Ok(value)
}

fn secret(from: &SecretRef) -> Result<Vec<u8>, FetchError> {
    let read = crate::tls::read(from).map_err(|error| FetchError::Secret(error.to_string()))?;
    Ok(read.bytes.trim_ascii().to_vec())
}

/// How an exchange failed.
enum ExchangeError {
    /// No byte of an answer came.
    NoAnswer(String),
    Broken(String),
    TooLarge(u64),
}

impl From<ExchangeError> for FetchError {
    fn from(error: ExchangeError) -> Self {
        match error {
            ExchangeError::NoAnswer(why) | ExchangeError::Broken(why) => Self::Http(why),
            ExchangeError::TooLarge(limit) => Self::TooLarge(limit),
        }
    }
}

struct Connection {
    https: bool,
    authority: String,
    sender: SendRequest<Empty<Bytes>>,
    /// Moves bytes. It is driven by [`Connection::exchange`] and rests in between, so that no task is needed.
    driver: Pin<Box<dyn Future<Output = ()> + Send>>,
    open: bool,
}

impl Connection {
    async fn open(url: &Url, tls: &Tls) -> Result<Self, FetchError> {
        let uri: http::uri::Authority = url
            .authority
            .parse()
            .map_err(|error: http::uri::InvalidUri| FetchError::Http(error.to_string()))?;
        let host = uri.host().trim_start_matches('[').trim_end_matches(']');
        let port = uri.port_u16().unwrap_or(if url.https { 443 } else { 80 });
        let authority = || url.authority.clone();
        let stream = TcpStream::connect((host, port))
            .await
            .map_err(|error| FetchError::Connect { authority: authority(), error })?;
        // Of a connection that is gone already the exchange finds out.
        let _ = stream.set_nodelay(true);
        if !url.https {
            return Self::shake(url, TokioIo::new(stream)).await;
        }
        let name = tls.server_name().unwrap_or(host).to_owned();
        let server = ServerName::try_from(name.clone()).map_err(|_| FetchError::ServerName(name))?;
        let stream = TlsConnector::from(tls.config()?)
            .connect(server, stream)
            .await
            .map_err(|error| FetchError::Handshake { authority: authority(), error })?;
        Self::shake(url, TokioIo::new(stream)).await
    }

    async fn shake<S>(url: &Url, stream: S) -> Result<Self, FetchError>
    where
        S: hyper::rt::Read + hyper::rt::Write + Unpin + Send + 'static,
    {
        let (sender, connection) =
            http1::handshake(stream).await.map_err(|error| FetchError::Http(said(&error)))?;
        // How it ended is told to whoever waits for an answer.
        let driver = Box::pin(async move { drop(connection.await) });
        Ok(Self { https: url.https, authority: url.authority.clone(), sender, driver, open: true })
    }

    fn leads_to(&self, url: &Url) -> bool {
        self.https == url.https && self.authority == url.authority
    }

    /// Sends a request and reads its answer. `open` says afterwards whether another one can follow.
    async fn exchange(
        &mut self,
        request: Request<Empty<Bytes>>,
        limit: u64,
    ) -> Result<(StatusCode, HeaderMap, Vec<u8>), ExchangeError> {
        let Self { sender, driver, open, .. } = self;
        let asked = async {
            let no_answer = |error: hyper::Error| ExchangeError::NoAnswer(said(&error));
            sender.ready().await.map_err(no_answer)?;
            let (head, mut body) = sender.send_request(request).await.map_err(no_answer)?.into_parts();
            let mut bytes = Vec::new();
            while let Some(frame) = body.frame().await {
                let frame = frame.map_err(|error| ExchangeError::Broken(said(&error)))?;
                if let Some(data) = frame.data_ref() {
                    if (bytes.len() + data.len()) as u64 > limit {
                        return Err(ExchangeError::TooLarge(limit));
                    }
                    bytes.extend_from_slice(data);
                }
            }
            Ok((head.status, head.headers, bytes))
        };
        let mut asked = pin!(asked);
        loop {
            tokio::select! {
                biased;
                answer = &mut asked => return answer,
                () = driver.as_mut(), if *open => *open = false,
            }
        }
    }
}

/// An error with all that lies behind it.
fn said(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        let more = cause.to_string();
        if !text.contains(&more) {
            text = format!("{text}: {more}");
        }
        source = cause.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn redirections_lead_where_they_say() {
        let from = Url { https: false, authority: "h:1".into(), path: "/a/metrics?x=1".into() };
        let check = |location: &str, expect: Option<&str>| {
            let found = moved(&from, &HeaderValue::from_str(location).unwrap());
            assert_eq!(found.map(|url| url.to_string()).as_deref(), expect, "{location}");
        };
        check("/b?y", Some("http://h:1/b?y"));
        check("b", Some("http://h:1/a/b"));
        check("?z=2", Some("http://h:1/a/metrics?z=2"));
        check("https://i/c#d", Some("https://i/c"));
        check("https://i", Some("https://i/"));
        check("//i:2/c", Some("http://i:2/c"));
        check("ftp://i/c", None);
        check("https://u:p@i/c", None);
    }

    #[test]
    fn secrets_are_read_at_use_and_not_shown() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("token");
        let bearer = Authorization::Bearer(SecretRef::File(path.clone()));
        assert!(credentials(&bearer).unwrap_err().to_string().contains("token"));
        std::fs::write(&path, " one\n").unwrap();
        let value = credentials(&bearer).unwrap();
        assert_eq!(value, "Bearer one");
        assert!(!format!("{value:?}").contains("one"));
        std::fs::write(&path, "two").unwrap();
        let basic = Authorization::Basic { user: "u".into(), password: SecretRef::File(path) };
        assert_eq!(credentials(&basic).unwrap(), "Basic dTp0d28=");
    }
}
