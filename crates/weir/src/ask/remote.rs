//! A running Weir, asked over HTTP.

use std::path::Path;
use std::time::Duration;

use anyhow::{Context, anyhow};
use bytes::Bytes;
use http::header::{AUTHORIZATION, HOST, USER_AGENT};
use http::uri::{Authority, Scheme};
use http::{HeaderValue, Request, Uri};
use http_body_util::{BodyExt, Empty, Limited};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use weir_http::tls::{ClientSpec, Pem, VerifyServer, client_config};
use weir_model::TlsVersion;

use super::Reply;
use super::failure::Token;
use crate::stages::Usage;

/// How long a connection may take to come about.
const CONNECT_WITHIN: Duration = Duration::from_secs(10);
/// The largest answer that is read.
const ANSWER_BYTES_MAX: usize = 1 << 30;

/// Its address, and what it is shown.
pub(super) struct Remote {
    authority: Authority,
    /// What its paths begin with, without a slash at the end.
    base: String,
    authorization: Option<HeaderValue>,
    tls: Option<TlsConnector>,
}

impl Remote {
    pub(super) fn new(url: &str, token: Option<String>, ca: Option<&Path>) -> anyhow::Result<Self> {
        let wrong = |why: &str| {
            Usage(format!("`{url}` is not the address of a Weir: {why}, as in http://127.0.0.1:4318"))
        };
        let uri: Uri = url.parse().map_err(|error| wrong(&format!("{error}; write a URL")))?;
        let authority = uri.authority().cloned().ok_or_else(|| wrong("write a URL"))?;
        let https = match uri.scheme() {
            Some(scheme) if *scheme == Scheme::HTTPS => true,
            Some(scheme) if *scheme == Scheme::HTTP => false,
            _ => return Err(wrong("write http:// or https://").into()),
        };
        if authority.as_str().contains('@') {
            return Err(wrong(
                "a token is given by --token-file or WEIR_TOKEN; leave out what is before the @",
            )
            .into());
        }
        if uri.query().is_some() {
            return Err(wrong("leave out what is behind the ?").into());
        }
        let authorization = token
            .map(|token| {
                let mut value = HeaderValue::from_str(&format!("Bearer {token}"))
                    .map_err(|_| Usage("the token has bytes that no token has".into()))?;
                value.set_sensitive(true);
                Ok::<_, Usage>(value)
            })
            .transpose()?;
        let tls = https.then(|| connector(ca)).transpose()?;
        Ok(Self { authority, base: uri.path().trim_end_matches('/').to_owned(), authorization, tls })
    }

    pub(super) fn token(&self) -> Token {
        if self.authorization.is_some() { Token::Sent } else { Token::None }
    }

    /// Asks on a connection of its own.
    pub(super) async fn get(&self, path_and_query: &str) -> anyhow::Result<Reply> {
        let host = self.authority.host();
        let bare = host.trim_start_matches('[').trim_end_matches(']');
        let port = self.authority.port_u16().unwrap_or(if self.tls.is_some() { 443 } else { 80 });
        let connect = async {
            let stream = TcpStream::connect((bare, port)).await?;
            stream.set_nodelay(true)?;
            Ok::<_, std::io::Error>(stream)
        };
        let stream = match tokio::time::timeout(CONNECT_WITHIN, connect).await {
            Ok(Ok(stream)) => stream,
            Ok(Err(error)) => return Err(self.nobody(&error)),
            Err(_) => return Err(anyhow!("{} does not answer within {CONNECT_WITHIN:?}", self.authority)),
        };
        match &self.tls {
            None => self.ask(stream, path_and_query).await,
            Some(connector) => {
                let name = ServerName::try_from(bare.to_owned())
                    .map_err(|_| Usage(format!("`{bare}` is no name that a certificate can have")))?;
                let stream = connector.connect(name, stream).await.with_context(|| {
                    format!("no TLS with {}; --ca names roots of your own", self.authority)
                })?;
                self.ask(stream, path_and_query).await
            }
        }
    }

    async fn ask<S>(&self, stream: S, path_and_query: &str) -> anyhow::Result<Reply>
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let mut request = Request::get(format!("{}{path_and_query}", self.base))
            .header(HOST, self.authority.as_str())
            .header(USER_AGENT, concat!("weir/", env!("CARGO_PKG_VERSION")));
        if let Some(authorization) = &self.authorization {
            request = request.header(AUTHORIZATION, authorization);
        }
        let request = request.body(Empty::<Bytes>::new()).context("this cannot be asked over HTTP")?;
        let broken = || format!("{} broke off", self.authority);
        let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await.with_context(broken)?;
        // Ends with the answer: it is asked once.
        let connection = tokio::spawn(connection);
        let answer = sender.send_request(request).await.with_context(broken)?;
        let status = answer.status().as_u16();
        let body = Limited::new(answer.into_body(), ANSWER_BYTES_MAX).collect().await;
        connection.abort();
        let body = body.map_err(|error| anyhow!(error)).with_context(broken)?.to_bytes();
        Ok(Reply { status, body })
    }

    fn nobody(&self, error: &std::io::Error) -> anyhow::Error {
        anyhow!(
            "nobody answers at {}: {error}\n  `weir store serve` starts a store; --url names another address; --store FOLDER reads \
             a store without a server",
            self.authority
        )
    }
}

fn connector(ca: Option<&Path>) -> anyhow::Result<TlsConnector> {
    let verify = match ca {
        None => VerifyServer::SystemRoots,
        Some(path) => {
            let bytes = std::fs::read(path).map_err(|error| Usage(format!("{}: {error}", path.display())))?;
            VerifyServer::Roots(Pem { bytes, origin: format!("file {}", path.display()) })
        }
    };
    let spec = ClientSpec {
        verify,
        client_certificate: None,
        min_version: TlsVersion::V1_2,
        alpn: vec![b"http/1.1".to_vec()],
    };
    Ok(TlsConnector::from(client_config(spec)?.rustls()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_read_or_explained() {
        #[track_caller]
        fn check(url: &str, expect: Result<(&str, &str), &str>) {
            match (Remote::new(url, None, None), expect) {
                (Ok(remote), Ok((authority, base))) => {
                    assert_eq!((remote.authority.as_str(), remote.base.as_str()), (authority, base));
                }
                (Err(error), Err(part)) => assert!(error.to_string().contains(part), "{error}"),
                (found, _) => panic!("{url}: {:?}", found.map(|remote| remote.authority)),
            }
        }
        check("http://127.0.0.1:4318", Ok(("127.0.0.1:4318", "")));
        check("http://[::1]:4318/weir/", Ok(("[::1]:4318", "/weir")));
        check("localhost:4318", Err("write http://"));
        check("ftp://a", Err("write http://"));
        check("http://user:x@a", Err("--token-file"));
        check("http://a/?b", Err("behind the ?"));
        check("", Err("write a URL"));
    }
}
