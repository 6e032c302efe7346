//! Texts with a syntax: addresses, names, hosts, paths, patterns, header fields.

use std::marker::PhantomData;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use serde_json::json;
use weir_model::{ChainUrl, EndpointAddress, HostPattern, Id, Kind, Network, Pattern, RpcMethod};

use crate::form::Form;
use crate::out::Out;
use crate::problem::Span;
use crate::reader::Reader;
use crate::schema::{Shape, Shapes};
use crate::tree::Node;

/// Why a text is not what was expected, and what to do.
pub(crate) struct Wrong {
    message: String,
    help: Option<String>,
}

fn wrong<T>(message: impl Into<String>) -> Result<T, Wrong> {
    Err(Wrong { message: message.into(), help: None })
}

fn wrong_help<T>(message: impl Into<String>, help: impl Into<String>) -> Result<T, Wrong> {
    Err(Wrong { message: message.into(), help: Some(help.into()) })
}

/// A text that a function reads.
pub(crate) struct Text<T: 'static> {
    /// What it is, for messages and the reference.
    what: &'static str,
    /// Whether numbers and truth values are at home here, as they are among header values.
    loose: bool,
    parse: fn(&str) -> Result<T, Wrong>,
    print: fn(&T) -> String,
}

impl<T> Clone for Text<T> {
    fn clone(&self) -> Self {
        *self
    }
}
impl<T> Copy for Text<T> {}

impl<T> Text<T> {
    const fn new(what: &'static str, parse: fn(&str) -> Result<T, Wrong>, print: fn(&T) -> String) -> Self {
        Self { what, loose: false, parse, print }
    }

    const fn loose(self) -> Self {
        Self { loose: true, ..self }
    }

    /// Reads a text that stands at `span`.
    pub(crate) fn parse_at(&self, text: &str, span: Span, r: &mut Reader<'_>) -> Option<T> {
        match (self.parse)(text) {
            Ok(value) => Some(value),
            Err(wrong) => {
                r.error(span, wrong.message).help = wrong.help;
                None
            }
        }
    }
}

impl<T> Form<T> for Text<T> {
    fn read<'n>(&self, node: &'n Node<'n>, r: &mut Reader<'n>) -> Option<T> {
        let text = r.text(node, self.what)?;
        self.parse_at(text, node.span, r)
    }

    fn write(&self, value: &T) -> Out {
        Out::Text((self.print)(value))
    }

    fn shape(&self, _: &mut Shapes) -> Shape {
        let schema = if self.loose {
            json!({ "type": ["string", "number", "boolean"] })
        } else {
            json!({ "type": "string" })
        };
        Shape::new(schema, self.what)
    }
}

fn shared(text: &Arc<str>) -> String {
    text.to_string()
}

/// Any text.
pub(crate) const TEXT: Text<Arc<str>> = Text::new("text", |t| Ok(t.into()), shared).loose();

/// An address with a port to listen on.
pub(crate) const SOCKET: Text<SocketAddr> = Text::new(
    "address:port",
    |text| match text.parse() {
        Ok(address) => Ok(address),
        Err(_) => {
            let help = match text.rsplit_once(':') {
                Some(("" | "*", port)) => {
                    format!("write 0.0.0.0:{port} for all addresses, or 127.0.0.1:{port}")
                }
                Some(("localhost", port)) => {
                    format!("write 127.0.0.1:{port}: a listener is bound to an address")
                }
                _ => "write 127.0.0.1:8080 or \"[::1]:8080\"".into(),
            };
            wrong_help(format!("`{text}` is no address with a port"), help)
        }
    },
    SocketAddr::to_string,
);

/// An endpoint's address.
pub(crate) const ENDPOINT: Text<EndpointAddress> = Text::new(
    "address:port or name:port",
    |text| match EndpointAddress::parse(text) {
        Some(address) => Ok(address),
        None if text.contains("://") => {
            let (scheme, rest) = text.split_once("://").unwrap_or_default();
            let host = rest.split('/').next().unwrap_or_default();
            let tls = if scheme == "https" { ", and `tls: {}` at the service" } else { "" };
            wrong_help(
                format!("`{text}` is a URL, not an endpoint"),
                format!("write {host} with its port{tls}"),
            )
        }
        None => wrong_help(
            format!("`{text}` is no endpoint"),
            "write an address or a name with a port: 127.0.0.1:9000, \"[::1]:9000\" or origin.example.com:80",
        ),
    },
    EndpointAddress::to_string,
);

/// An address range.
pub(crate) const NETWORK: Text<Network> = Text::new(
    "network",
    |text| match Network::parse(text) {
        Some(network) => Ok(network),
        None => {
            wrong_help(format!("`{text}` is no network"), "write 10.0.0.0/8, 2001:db8::/32 or one address")
        }
    },
    Network::to_string,
);

/// A host pattern.
pub(crate) const HOST: Text<HostPattern> = Text::new(
    "host",
    |text| HostPattern::parse(text).or_else(|e| wrong(format!("`{text}` is no host: {e}"))),
    HostPattern::to_string,
);

/// A host that a request is sent on with.
pub(crate) const HOST_WITH_PORT: Text<Arc<str>> = Text::new(
    "host, with a port where needed",
    |text| {
        let (name, port) = match text.rsplit_once(':') {
            Some((name, port)) if !port.ends_with(']') => (name, Some(port)),
            _ => (text, None),
        };
        let port_fits = port.is_none_or(|p| p.parse::<u16>().is_ok_and(|p| p != 0));
        match HostPattern::parse(name) {
            Ok(HostPattern::Exact(_)) if port_fits => Ok(text.to_ascii_lowercase().into()),
            _ => wrong_help(format!("`{text}` is no host"), "write api.internal or api.internal:8080"),
        }
    },
    shared,
);

/// A name that a server's certificate is checked for.
pub(crate) const SERVER_NAME: Text<Arc<str>> = Text::new(
    "host",
    |text| match HostPattern::parse(text) {
        Ok(HostPattern::Exact(name)) => Ok(name),
        _ => wrong(format!("`{text}` is no host name")),
    },
    shared,
);

const fn id<K: Kind>() -> Text<Id<K>> {
    Text::new("name", |text| Id::new(text).or_else(|e| wrong(e.to_string())), Id::to_string)
}
/// A listener's own name.
pub(crate) const LISTENER_NAME: Text<weir_model::ListenerId> = id();
/// A route's own name.
pub(crate) const ROUTE_NAME: Text<weir_model::RouteId> = id();
/// A service's own name.
pub(crate) const SERVICE_NAME: Text<weir_model::ServiceId> = id();

/// A chain's own name.
pub(crate) const CHAIN_NAME: Text<weir_model::ChainId> = id();

/// Where a chain's node answers.
pub(crate) const CHAIN_URL: Text<ChainUrl> = Text::new(
    "URL",
    |text| match ChainUrl::parse(text) {
        Some(url) => Ok(url),
        None if text.contains('@') => wrong_help(
            "a URL here holds no user name or password",
            "write them under `authorization`, which reads the password from a file or a variable",
        ),
        None => wrong_help(
            format!("`{text}` is no URL of a node"),
            "write http://127.0.0.1:26657, https://node.example.com/path or wss://node.example.com/websocket",
        ),
    },
    ChainUrl::to_string,
);

/// RFC 9110, section 5.6.2.
fn is_token(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&b))
}

/// A word as HTTP writes them, such as a cookie's name or a protocol.
pub(crate) const TOKEN: Text<Arc<str>> = Text::new(
    "name",
    |text| {
        if is_token(text) {
            Ok(text.into())
        } else {
            wrong(format!("`{text}` may not hold spaces or separators"))
        }
    },
    shared,
);

/// A label's name: any text, as Prometheus 3 and OpenTelemetry have it.
pub(crate) const LABEL_NAME: Text<Arc<str>> = Text::new(
    "label name",
    |text| if text.is_empty() { wrong("a label's name may not be empty") } else { Ok(text.into()) },
    shared,
);

/// A tenant's name, which becomes a folder's.
pub(crate) const TENANT: Text<Arc<str>> = Text::new(
    "tenant",
    |text| {
        let good = |b: u8| b.is_ascii_alphanumeric() || b"-_.".contains(&b);
        if text.len() <= 64 && !text.starts_with('.') && text.bytes().all(good) {
            Ok(text.into())
        } else {
            wrong_help(
                format!("`{text}` is no tenant"),
                "write up to 64 letters, digits, '-', '_' or '.', not '.' first",
            )
        }
    },
    shared,
);

/// A program that is asked for its metrics.
pub(crate) const TARGET: Text<Arc<str>> = Text::new(
    "address:port or name:port",
    |text| match text.rsplit_once(':') {
        _ if text.contains('/') => wrong_help(
            format!("`{text}` is no target"),
            "write host and port here, the path under `path`, https under `scheme`",
        ),
        Some((host, port)) if !host.is_empty() && port.parse::<u16>().is_ok() => Ok(text.into()),
        _ => wrong_help(
            format!("`{text}` is no target"),
            "write a name or an address with a port: localhost:9100",
        ),
    },
    shared,
);

/// A header field's name, lowered.
pub(crate) const HEADER_NAME: Text<Arc<str>> = Text::new(
    "header name",
    |text| {
        if is_token(text) {
            Ok(text.to_ascii_lowercase().into())
        } else {
            wrong_help(
                format!("`{text}` is no header name"),
                "a header name holds letters, digits and '-' (RFC 9110, section 5.1)",
            )
        }
    },
    shared,
);

/// A header field's name that may be edited; as it is written.
pub(crate) const fn wire_name() -> Text<Arc<str>> {
    Text::new(
        "header name",
        |text| {
            let lower = text.to_ascii_lowercase();
            (HEADER_NAME.parse)(text)?;
            match &*lower {
                "host" => {
                    wrong_help("`host` is not edited as a header", "use `rewrite: { host: … }` of the route")
                }
                "connection" | "keep-alive" | "proxy-connection" | "te" | "trailer" | "transfer-encoding"
                | "upgrade" | "content-length" => wrong(format!(
                    "`{text}` belongs to the connection, not to the message (RFC 9110, section 7.6.1); it can't be edited"
                )),
                _ => Ok(text.into()),
            }
        },
        shared,
    )
}

/// A header field's value.
pub(crate) const FIELD_VALUE: Text<Arc<str>> = Text::new(
    "header value",
    |text| {
        if text.bytes().any(|b| (b < 0x20 && b != b'\t') || b == 0x7f) {
            wrong("a header value may not hold line breaks or control characters")
        } else if text.trim_matches([' ', '\t']).len() != text.len() {
            wrong("a header value may not begin or end with a space")
        } else {
            Ok(text.into())
        }
    },
    shared,
)
.loose();

/// A method.
pub(crate) const METHOD: Text<Arc<str>> = Text::new(
    "method",
    |text| {
        const USUAL: [&str; 9] =
            ["GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "PATCH", "TRACE", "CONNECT"];
        if text == "CONNECT" {
            wrong("CONNECT is refused before any route is looked at")
        } else if !is_token(text) {
            wrong(format!("`{text}` is no method"))
        } else if let Some(usual) = USUAL.iter().find(|m| m.eq_ignore_ascii_case(text) && **m != text) {
            wrong_help(
                format!("methods are told apart by case: `{text}` is not `{usual}`"),
                format!("write {usual}"),
            )
        } else {
            Ok(text.into())
        }
    },
    shared,
);

/// JSON-RPC methods: a name, or the start of one.
pub(crate) const RPC_METHOD: Text<RpcMethod> = Text::new(
    "JSON-RPC method",
    |text| {
        let (name, open) = text.strip_suffix('*').map_or((text, false), |start| (start, true));
        let good = |b: u8| b.is_ascii_graphic() && !b"*\"\\".contains(&b);
        if name.len() > 128 || !name.bytes().all(good) || text.is_empty() {
            return wrong_help(
                format!("`{text}` is no JSON-RPC method"),
                "write a name such as eth_call, or eth_get* for all that start so",
            );
        }
        Ok(if open { RpcMethod::Prefix(name.into()) } else { RpcMethod::Exact(name.into()) })
    },
    RpcMethod::to_string,
);

/// A path that requests are compared with or sent on with.
pub(crate) const PATH: Text<Arc<str>> = Text::new(
    "path",
    |text| {
        if !text.starts_with('/') {
            wrong_help(format!("a path begins with '/': `{text}` does not"), format!("write /{text}"))
        } else if let Some(c) = text.chars().find(|c| *c == '?' || *c == '#') {
            wrong(format!("`{c}` ends the path; a query is matched with `query`"))
        } else if text.chars().any(|c| c.is_whitespace() || c.is_control() || !c.is_ascii()) {
            wrong_help(
                "a path holds visible ASCII characters only",
                "write others percent-encoded, as in %C3%A9",
            )
        } else {
            Ok(text.into())
        }
    },
    shared,
);

/// A regular expression over a whole value.
pub(crate) const PATTERN: Text<Pattern> = Text::new(
    "regular expression",
    |text| {
        Pattern::new(text).or_else(|e| {
            // The position is found by a second parse, which only runs when the first one failed.
            let position = |span: &regex_syntax::ast::Span| {
                format!(" at character {} of the pattern", text[..span.start.offset].chars().count() + 1)
            };
            let mut parser = regex_syntax::ParserBuilder::new().unicode(false).utf8(false).build();
            let (says, at) = match parser.parse(text) {
                Err(regex_syntax::Error::Parse(e)) => (e.kind().to_string(), position(e.span())),
                Err(regex_syntax::Error::Translate(e)) => (e.kind().to_string(), position(e.span())),
                _ => (e.to_string(), String::new()),
            };
            let help = "`\\d` and `.` mean bytes; look-around and back-references do not exist; a literal dot is `\\.`";
            wrong_help(format!("this regular expression does not compile: {says}{at}"), help)
        })
    },
    |pattern| pattern.as_str().to_owned(),
);

/// The form of a file's name.
pub(crate) struct File;
/// A file, relative to the configuration.
pub(crate) const FILE: File = File;

impl Form<PathBuf> for File {
    fn read<'n>(&self, node: &'n Node<'n>, r: &mut Reader<'n>) -> Option<PathBuf> {
        let text = r.text(node, "a file")?;
        if text.is_empty() || text.contains('\0') {
            r.error(node.span, "a file's name may not be empty or hold NUL");
            return None;
        }
        Some(r.file(text))
    }

    fn write(&self, value: &PathBuf) -> Out {
        Out::text(value.to_string_lossy())
    }

    fn shape(&self, _: &mut Shapes) -> Shape {
        Shape::new(json!({ "type": "string", "minLength": 1 }), "file")
    }
}

/// The form of a reference to another object.
pub(crate) struct Reference<K>(PhantomData<K>);

pub(crate) const fn reference<K: Kind>() -> Reference<K> {
    Reference(PhantomData)
}

impl<K: Kind> Form<Id<K>> for Reference<K> {
    fn read<'n>(&self, node: &'n Node<'n>, r: &mut Reader<'n>) -> Option<Id<K>> {
        let text = r.text(node, "a name")?;
        if text.contains('/') {
            r.error(node.span, format!("`{text}` is in another scope, and no grant for that can be given"));
            return None;
        }
        let id = id::<K>().parse_at(text, node.span, r)?;
        r.refer::<K>(node.span, text).then_some(id)
    }

    fn write(&self, value: &Id<K>) -> Out {
        Out::text(value.as_str())
    }

    fn shape(&self, _: &mut Shapes) -> Shape {
        Shape::new(json!({ "type": "string" }), format!("name of a {}", K::WORD))
    }
}
