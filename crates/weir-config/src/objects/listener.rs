//! Listeners.

use std::time::Duration;

use weir_model::{
    ClientAuth, HeadLimits, Listener, ListenerId, ListenerTimeouts, Network, Origin, PathRules,
    ServerCertificate, ServerTls, TlsVersion,
};

use super::secret::{SECRET, TLS_VERSION};
use crate::form::{At, Fields, Form, Object, obj};
use crate::forms::{
    BOOL, Case, Choice, HOST, Int, Items, LISTENER_NAME, NETWORK, SOCKET, Size, TOKEN, Time, Union, list,
    optional,
};
use crate::out::Out;
use crate::reader::Reader;
use crate::schema::{Shape, Shapes};
use crate::tree::Node;

impl Object for Listener {
    const NAME: &'static str = "listener";
    const DOC: &'static str = "A socket that requests are accepted on.";

    fn blank() -> Self {
        Self {
            id: ListenerId::new("unnamed").expect("a valid name"),
            origin: Origin::whole(""),
            address: ([127, 0, 0, 1], 0).into(),
            tls: None,
            timeouts: ListenerTimeouts::blank(),
            limits: HeadLimits::blank(),
            max_connections: 50_000,
            trusted_proxies: Vec::new(),
            path: PathRules::blank(),
            upgrades: vec!["websocket".into()],
        }
    }

    fn fields(&mut self, f: &mut Fields<'_, '_>) {
        f.required("name", "Its name.", LISTENER_NAME, &mut self.id);
        f.required(
            "address",
            "Address and port to bind. Port 0 takes any free one.",
            SOCKET,
            &mut self.address,
        );
        f.key("tls", "Ends TLS here; plain HTTP when not set.", optional(obj()), &mut self.tls);
        f.key("timeouts", "How long clients may take.", obj(), &mut self.timeouts);
        f.key("limits", "What a client may send.", obj(), &mut self.limits);
        let doc = "Open connections at once; further ones are closed at once.";
        f.key("max_connections", doc, Int { min: 1, max: 10_000_000 }, &mut self.max_connections);
        let doc = "Peers whose forwarding headers (`X-Forwarded-*`, `Forwarded`, `X-Request-Id`) are believed; all others' \
                   are replaced.";
        f.key("trusted_proxies", doc, list(NETWORK, Items::Any), &mut self.trusted_proxies);
        f.key("path", "How paths are brought into their normal form.", obj(), &mut self.path);
        f.key("upgrades", "Protocols that `Upgrade` may switch to.", Words, &mut self.upgrades);
    }

    fn check<'n>(&self, at: At<'n>, r: &mut Reader<'n>) {
        if self.address.port() == 0 {
            return;
        }
        if r.admin == Some(self.address) {
            at.error("address", r, format!("{} is the address of the admin interface", self.address)).help =
                Some("give the listener or `admin` another port".into());
        }
        let name = self.id.as_str();
        let other = r.bound.iter().find(|(address, other)| *address == self.address && other != name);
        if let Some(message) =
            other.map(|(address, other)| format!("listener `{other}` is on {address} already"))
        {
            at.error("address", r, message).help = Some("give one of the two another port".into());
        }
        let everyone = |n: &&Network| matches!(n.to_string().as_str(), "0.0.0.0/0" | "::/0");
        if let Some(network) = self.trusted_proxies.iter().find(everyone) {
            let message = format!("{network} lets every client choose the address that it is seen with");
            at.warn("trusted_proxies", r, message).help =
                Some("list the proxies in front of this one".into());
        }
    }
}

impl Object for ListenerTimeouts {
    const NAME: &'static str = "listener timeouts";
    const DOC: &'static str = "How long a client may take.";

    fn blank() -> Self {
        Self {
            head: Duration::from_secs(10),
            idle: Duration::from_secs(75),
            body: Duration::from_secs(30),
            handshake: Duration::from_secs(10),
            send: Duration::from_mins(1),
            drain: Duration::from_secs(30),
        }
    }

    fn fields(&mut self, f: &mut Fields<'_, '_>) {
        f.key(
            "head",
            "From a request's first byte to the end of its head; then 408.",
            Time::POSITIVE,
            &mut self.head,
        );
        f.key("idle", "A kept connection without a request.", Time::POSITIVE, &mut self.idle);
        f.key("body", "Between two pieces of a request's body; then 408.", Time::POSITIVE, &mut self.body);
        f.key("handshake", "The TLS handshake.", Time::POSITIVE, &mut self.handshake);
        let doc = "Between two pieces that a client takes of its answer; then the connection is closed.";
        f.key("send", doc, Time::POSITIVE, &mut self.send);
        let doc = "How long open requests may go on when Weir stops or the listener is removed.";
        f.key("drain", doc, Time::ANY, &mut self.drain);
    }
}

impl Object for HeadLimits {
    const NAME: &'static str = "listener limits";
    const DOC: &'static str = "What a client may send.";

    fn blank() -> Self {
        Self {
            head_bytes: 32 << 10,
            target_bytes: 8 << 10,
            fields: 100,
            body_bytes: 1 << 30,
            jsonrpc_bytes: 1 << 20,
            jsonrpc_calls: 100,
        }
    }

    fn fields(&mut self, f: &mut Fields<'_, '_>) {
        f.key("head", "The whole head; more is 431.", Size { min: 256, max: 1 << 20 }, &mut self.head_bytes);
        f.key(
            "target",
            "The request's target; more is 414.",
            Size { min: 64, max: 1 << 20 },
            &mut self.target_bytes,
        );
        f.key("fields", "Header fields; more is 431.", Int { min: 1, max: 10_000 }, &mut self.fields);
        let doc = "The body; more is 413. A route may set its own.";
        f.key("body", doc, Size { min: 0, max: 1 << 60 }, &mut self.body_bytes);
        let doc =
            "A body that is read for its JSON-RPC calls, where a route or service goes by them; more is 413.";
        f.key("jsonrpc_body", doc, Size { min: 64, max: 64 << 20 }, &mut self.jsonrpc_bytes);
        let doc = "Calls of a JSON-RPC batch; more is 413.";
        f.key("jsonrpc_calls", doc, Int { min: 1, max: 10_000 }, &mut self.jsonrpc_calls);
    }

    fn check<'n>(&self, at: At<'n>, r: &mut Reader<'n>) {
        if self.target_bytes > self.head_bytes {
            at.error("target", r, "the target is a part of the head and can't be larger than it").help =
                Some("raise `head` or lower `target`".into());
        }
    }
}

impl Object for PathRules {
    const NAME: &'static str = "path rules";
    const DOC: &'static str =
        "The normal form of a path, in which it is both routed on and sent on. `%2F` is never decoded.";

    fn blank() -> Self {
        Self { resolve_dots: true, merge_slashes: true, refuse_odd: true }
    }

    fn fields(&mut self, f: &mut Fields<'_, '_>) {
        f.key("resolve_dots", "`/a/./b/../c` becomes `/a/c`.", BOOL, &mut self.resolve_dots);
        f.key("merge_slashes", "`//a///b` becomes `/a/b`.", BOOL, &mut self.merge_slashes);
        f.key("refuse_odd", "A backslash, `%5C` or `%00` is refused with 400.", BOOL, &mut self.refuse_odd);
    }
}

impl Object for ServerTls {
    const NAME: &'static str = "listener tls";
    const DOC: &'static str = "TLS towards clients.";

    fn blank() -> Self {
        Self {
            certificates: Vec::new(),
            client_auth: ClientAuth::None,
            min_version: TlsVersion::V1_2,
            alpn: vec!["http/1.1".into()],
        }
    }

    fn fields(&mut self, f: &mut Fields<'_, '_>) {
        let doc = "Chosen by the name that the client asks for (SNI); the first where none fits.";
        f.required("certificates", doc, list(obj(), Items::Some), &mut self.certificates);
        let doc = "Client certificates, checked against the PEM roots in a file: `optional` lets clients without one in.";
        f.key("client_auth", doc, CLIENT_AUTH, &mut self.client_auth);
        f.key("min_version", "The oldest version accepted.", TLS_VERSION, &mut self.min_version);
        f.key("alpn", "Protocols offered, best first.", Alpn, &mut self.alpn);
    }
}

impl Object for ServerCertificate {
    const NAME: &'static str = "certificate";
    const DOC: &'static str =
        "A certificate chain and its key. Both are watched: a new one is live without a restart.";

    fn blank() -> Self {
        let nowhere = weir_model::SecretRef::Env(String::new());
        Self { cert: nowhere.clone(), key: nowhere, hosts: Vec::new() }
    }

    fn fields(&mut self, f: &mut Fields<'_, '_>) {
        f.required("cert", "PEM chain, the server's own first.", SECRET, &mut self.cert);
        f.required("key", "PEM key.", SECRET, &mut self.key);
        let doc = "Names it is chosen for; those in the certificate when empty.";
        f.key("hosts", doc, list(HOST, Items::Any), &mut self.hosts);
    }
}

const CLIENT_AUTH: Union<ClientAuth> = Union {
    words: &[("none", ClientAuth::None)],
    bare: None,
    cases: &[
        Case {
            key: "optional",
            read: |node, r| SECRET.read(node, r).map(ClientAuth::Optional),
            shape: |shapes| SECRET.shape(shapes),
        },
        Case {
            key: "required",
            read: |node, r| SECRET.read(node, r).map(ClientAuth::Required),
            shape: |shapes| SECRET.shape(shapes),
        },
    ],
    write: |auth| match auth {
        ClientAuth::None => Out::text("none"),
        ClientAuth::Optional(roots) => Out::one("optional", SECRET.write(roots)),
        ClientAuth::Required(roots) => Out::one("required", SECRET.write(roots)),
    },
};

/// Names of protocols, lowered.
struct Words;

impl Form<Vec<String>> for Words {
    fn read<'n>(&self, node: &'n Node<'n>, r: &mut Reader<'n>) -> Option<Vec<String>> {
        let words: Vec<std::sync::Arc<str>> = list(TOKEN, Items::Any).read(node, r)?;
        Some(words.iter().map(|w| w.to_ascii_lowercase()).collect())
    }

    fn write(&self, value: &Vec<String>) -> Out {
        Out::List(value.iter().map(Out::text).collect())
    }

    fn shape(&self, shapes: &mut Shapes) -> Shape {
        Form::<Vec<std::sync::Arc<str>>>::shape(&list(TOKEN, Items::Any), shapes)
    }
}

/// Protocols of ALPN that are spoken.
struct Alpn;

const ALPN_WORDS: Choice<&str> = Choice(&[("http/1.1", "http/1.1")]);

impl Form<Vec<String>> for Alpn {
    fn read<'n>(&self, node: &'n Node<'n>, r: &mut Reader<'n>) -> Option<Vec<String>> {
        let words: Vec<&str> = list(ALPN_WORDS, Items::Any).read(node, r)?;
        Some(words.into_iter().map(str::to_owned).collect())
    }

    fn write(&self, value: &Vec<String>) -> Out {
        Out::List(value.iter().map(Out::text).collect())
    }

    fn shape(&self, shapes: &mut Shapes) -> Shape {
        Form::<Vec<&str>>::shape(&list(ALPN_WORDS, Items::Any), shapes)
    }
}
