//! The admin interface over real sockets: who may do what, and that what was done is live.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

use std::fmt::Write as _;
use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use serde_json::Value;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpStream, UnixStream};
use weir_emit::metrics::Registry;
use weir_gateway::Gateway;
use weir_gateway::admin::{AdminOptions, AdminServer, Readiness};
use weir_model::{Admin, Model};

/// A gateway with one listener and an echo service, and its admin interface.
struct Rig {
    gateway: Gateway,
    server: AdminServer,
    readiness: Readiness,
    web: SocketAddr,
    token: String,
    socket: PathBuf,
    dir: tempfile::TempDir,
}

fn free_address() -> SocketAddr {
    std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap()
}

fn load(text: &str) -> Model {
    let loaded = weir_config::load(&weir_config::Source { name: "test.yaml", text, base: Path::new("") });
    loaded.model.unwrap_or_else(|| panic!("{:?}", loaded.diagnostics))
}

fn config(web: SocketAddr) -> String {
    format!(
        "version: 1\n\
         admin: {{ hosts: [weir.internal] }}\n\
         access_log: {{ format: off }}\n\
         listeners: [{{ name: web, address: \"{web}\" }}]\n\
         routes:\n\
         - {{ name: hello, matches: [{{ path: {{ exact: /hello }} }}], respond: {{ status: 200, body: first }} }}\n\
         - {{ name: all, service: echo }}\n\
         services:\n\
         \x20 echo: {{ endpoints: [\"weir:echo\"], breaker: {{}}, rate_limits: [{{ algorithm: sliding_window, requests: 5000, per: 1s }}] }}\n"
    )
}

impl Rig {
    async fn start() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let web = free_address();
        let gateway = Gateway::start(load(&config(web)), Registry::new(2), 2).await.unwrap();
        let (token_file, socket) = (dir.path().join("state/token"), dir.path().join("run/admin.sock"));
        let admin = Admin {
            address: Some(([127, 0, 0, 1], 0).into()),
            socket: Some(socket.clone()),
            token_file: Some(token_file.clone()),
            hosts: Vec::new(),
        };
        let readiness = Readiness::default();
        let options = AdminOptions {
            admin,
            readiness: readiness.clone(),
            build: "weir test".into(),
            base: dir.path().to_owned(),
        };
        let server = AdminServer::start(gateway.clone(), options).await.unwrap();
        let token = std::fs::read_to_string(token_file).unwrap().trim().to_owned();
        Self { gateway, server, readiness, web, token, socket, dir }
    }

    fn address(&self) -> SocketAddr {
        self.server.address().unwrap()
    }

    async fn get(&self, path: &str) -> Answer {
        self.get_with(path, &[]).await
    }

    async fn get_with(&self, path: &str, headers: &[(&str, &str)]) -> Answer {
        call(self.address(), "GET", path, headers, b"").await
    }

    /// With the token.
    async fn write(&self, method: &str, path: &str, headers: &[(&str, &str)], body: &str) -> Answer {
        let bearer = format!("Bearer {}", self.token);
        let mut all = vec![("Authorization", bearer.as_str())];
        all.extend_from_slice(headers);
        call(self.address(), method, path, &all, body.as_bytes()).await
    }

    /// Through the gateway.
    async fn web(&self, path: &str) -> Answer {
        call(self.web, "GET", path, &[], b"").await
    }
}

#[derive(Debug)]
struct Answer {
    status: u16,
    head: String,
    body: String,
}

impl Answer {
    fn header(&self, name: &str) -> Option<&str> {
        let lines = self.head.lines().filter_map(|line| line.split_once(": "));
        lines.into_iter().find(|(n, _)| n.eq_ignore_ascii_case(name)).map(|(_, value)| value)
    }

    fn etag(&self) -> &str {
        self.header("etag").unwrap_or_else(|| panic!("no ETag: {self:?}"))
    }

    fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|e| panic!("{e}: {self:?}"))
    }

    #[track_caller]
    fn expect(self, status: u16, body_part: &str) -> Self {
        assert_eq!(self.status, status, "{self:?}");
        assert!(self.body.contains(body_part), "{body_part:?} is not in {self:?}");
        self
    }
}

async fn call(to: SocketAddr, method: &str, path: &str, headers: &[(&str, &str)], body: &[u8]) -> Answer {
    exchange(TcpStream::connect(to).await.unwrap(), method, path, headers, body).await
}

async fn exchange<S: AsyncRead + AsyncWrite + Unpin>(
    mut stream: S,
    method: &str,
    path: &str,
    headers: &[(&str, &str)],
    body: &[u8],
) -> Answer {
    let mut head = format!("{method} {path} HTTP/1.1\r\nConnection: close\r\n");
    if !headers.iter().any(|(name, _)| *name == "Host") {
        head += "Host: localhost\r\n";
    }
    if !headers.iter().any(|(name, _)| *name == "Content-Length") {
        let _ = write!(head, "Content-Length: {}\r\n", body.len());
    }
    for (name, value) in headers {
        let _ = write!(head, "{name}: {value}\r\n");
    }
    stream.write_all(format!("{head}\r\n").as_bytes()).await.unwrap();
    // A server that refuses by the head alone may have closed already.
    let _ = stream.write_all(body).await;
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer).await;
    let answer = String::from_utf8(answer).unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap_or_else(|| panic!("no answer: {answer:?}"));
    Answer { status: head[9..12].parse().unwrap(), head: head.into(), body: body.into() }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_it_says() {
    let rig = Rig::start().await;
    rig.web("/hello").await.expect(200, "first");
    rig.web("/echoed").await.expect(200, "GET /echoed");

    rig.get("/").await.expect(200, "weir test");
    rig.get("/healthz").await.expect(200, "alive");
    rig.get("/readyz").await.expect(503, "starting");
    rig.readiness.ready();
    rig.get("/readyz").await.expect(200, "ready");
    rig.readiness.not_ready("draining");
    rig.get("/readyz").await.expect(503, "draining");
    rig.get("/healthz").await.expect(200, "alive");
    rig.get("/nothing").await.expect(404, "GET / lists");
    let head = call(rig.address(), "HEAD", "/routes", &[], b"").await.expect(200, "");
    assert!(head.body.is_empty());

    let metrics = rig.get("/metrics").await.expect(200, "weir_admin_connections");
    assert!(metrics.header("content-type").unwrap().starts_with("text/plain; version=0.0.4"));
    for line in metrics.body.lines().filter(|line| !line.starts_with('#')) {
        let (series, value) = line.rsplit_once(' ').unwrap();
        assert!(value.parse::<f64>().is_ok() || ["+Inf", "NaN"].contains(&value), "{line}");
        let name = series.split('{').next().unwrap();
        assert!(name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_'), "{line}");
    }

    let services = rig.get("/services").await.expect(200, "").json();
    let echo = &services["services"][0];
    assert_eq!(echo["name"], "echo");
    assert_eq!(echo["breaker"]["state"], "closed");
    assert_eq!(echo["endpoints"][0]["name"], "weir:echo");
    assert_eq!(echo["limits"][0], "5000 per 1s");
    let routes = rig.get("/routes").await.expect(200, "").json();
    assert_eq!(routes["routes"][0]["matches"][0], "exact /hello");
    assert_eq!(routes["routes"][1]["does"], "→ echo");
    let listeners = rig.get("/listeners").await.expect(200, "").json();
    assert_eq!(listeners["listeners"][0]["accepted"], 2);

    rig.get("/services?format=text").await.expect(200, "weir:echo (127.0.0.1:");
    rig.get_with("/routes", &[("Accept", "text/plain")]).await.expect(200, "prefix /");
    rig.get("/listeners?format=text").await.expect(200, &rig.web.to_string());

    let yaml = rig.get("/config").await.expect(200, "name: hello");
    assert_eq!(weir_config::print(&load(&yaml.body)), yaml.body);
    let json = rig.get_with("/config", &[("Accept", "application/json")]).await.expect(200, "");
    assert_eq!(json.json()["routes"][0]["name"], "hello");
    assert_eq!(weir_config::print(&load(&json.body)), yaml.body);
    assert_ne!(json.etag(), yaml.etag());

    for path in ["/", "/config", "/routes", "/services", "/listeners", "/metrics"] {
        assert!(!rig.get(path).await.body.contains(&rig.token), "{path}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn who_may_write() {
    let rig = Rig::start().await;
    let route = "{ respond: { status: 200, body: second }, matches: [{ path: { exact: /hello } }] }";
    let put = async |headers: &[(&str, &str)]| {
        call(rig.address(), "PUT", "/config/routes/hello", headers, route.as_bytes()).await
    };
    let refused = put(&[]).await.expect(401, "Authorization: Bearer TOKEN");
    assert!(refused.header("www-authenticate").unwrap().starts_with("Bearer"));
    put(&[("Authorization", "Bearer 0123")]).await.expect(401, "not the token");
    put(&[("Authorization", &format!("Basic {}", rig.token))]).await.expect(401, "Bearer");
    let almost = format!("Bearer {}", &rig.token[1..]);
    put(&[("Authorization", &almost)]).await.expect(401, "not the token");
    rig.web("/hello").await.expect(200, "first");

    let bearer = format!("Bearer {}", rig.token);
    let token = ("Authorization", bearer.as_str());
    put(&[token, ("Origin", "http://evil.example")]).await.expect(403, "Origin");
    put(&[token, ("Host", "evil.example")]).await.expect(403, "admin.hosts");
    rig.web("/hello").await.expect(200, "first");
    put(&[token, ("Host", "weir.internal:9901"), ("Origin", "https://weir.internal:9901")])
        .await
        .expect(200, "");
    rig.web("/hello").await.expect(200, "second");

    rig.get_with("/metrics", &[("Host", "evil.example")]).await.expect(403, "admin.hosts");
    rig.get_with("/config", &[("Origin", "http://localhost:3000")]).await.expect(403, "Origin");

    let post = rig.write("POST", "/config", &[], "").await.expect(405, "use GET, HEAD, PUT");
    assert_eq!(post.header("allow"), Some("GET, HEAD, PUT"));
    rig.write("DELETE", "/metrics", &[], "").await.expect(405, "use GET, HEAD");
    rig.write("OPTIONS", "/config/routes/hello", &[], "").await.expect(405, "DELETE");

    // The socket is guarded by the file system, and by the same look at who asks.
    assert_eq!(std::fs::metadata(&rig.socket).unwrap().permissions().mode() & 0o777, 0o600);
    let third = route.replace("second", "third");
    let unix = async |headers: &[(&str, &str)]| {
        let stream = UnixStream::connect(&rig.socket).await.unwrap();
        exchange(stream, "PUT", "/config/routes/hello", headers, third.as_bytes()).await
    };
    unix(&[("Host", "evil.example")]).await.expect(403, "admin.hosts");
    unix(&[]).await.expect(200, "route hello");
    rig.web("/hello").await.expect(200, "third");

    // Another token counts at once; one that others can read does not count at all.
    let file = rig.dir.path().join("state/token");
    std::fs::write(&file, "another-token-of-24-bytes").unwrap();
    put(&[token]).await.expect(401, "not the token");
    put(&[("Authorization", "Bearer another-token-of-24-bytes")]).await.expect(200, "");
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o644)).unwrap();
    put(&[("Authorization", "Bearer another-token-of-24-bytes")]).await.expect(403, "chmod 600");
}

#[tokio::test(flavor = "multi_thread")]
async fn preconditions() {
    let rig = Rig::start().await;
    let path = "/config/routes/hello";
    let first = rig.get(path).await.expect(200, "first");
    let not_modified = rig.get_with(path, &[("If-None-Match", first.etag())]).await.expect(304, "");
    assert_eq!(not_modified.etag(), first.etag());

    let second = first.body.replace("first", "second");
    let put =
        rig.write("PUT", path, &[("If-Match", first.etag())], &second).await.expect(200, "route hello: ");
    assert_eq!(put.etag(), rig.get(path).await.etag());
    assert_ne!(put.etag(), first.etag());
    rig.write("PUT", path, &[("If-Match", first.etag())], &first.body).await.expect(412, put.etag());
    rig.write("DELETE", path, &[("If-Match", first.etag())], "").await.expect(412, "read it again");
    rig.write("PUT", path, &[("If-None-Match", "*")], &first.body).await.expect(412, "exists");
    rig.write("PUT", path, &[("If-Match", "abc")], &first.body).await.expect(400, "quotes");
    rig.web("/hello").await.expect(200, "second");
    rig.write("PUT", path, &[("If-Match", put.etag())], &first.body).await.expect(200, "");
    assert_eq!(rig.get(path).await.etag(), first.etag(), "the same text has the same tag");

    let other = "/config/routes/other";
    let text = "{ respond: { status: 204 } }";
    rig.write("PUT", other, &[("If-Match", "*")], text).await.expect(412, "does not exist");
    rig.write("PUT", other, &[("If-None-Match", "*")], text).await.expect(201, "route other added");

    let whole = rig.get("/config").await;
    rig.get_with("/config", &[("If-None-Match", whole.etag())]).await.expect(304, "");
    let changed = whole.body.replace("body: first", "body: third");
    let json_tag = rig.get("/config?format=json").await.etag().to_owned();
    let put =
        rig.write("PUT", "/config?format=json", &[("If-Match", &json_tag)], &changed).await.expect(200, "");
    assert_eq!(put.json()["etag"], rig.get("/config").await.etag());
    assert!(put.json()["took_ms"].as_f64().unwrap() > 0.0);
    assert_eq!(put.json()["version"], rig.gateway.version());
    rig.write("PUT", "/config", &[("If-Match", whole.etag())], &whole.body)
        .await
        .expect(412, "read it again");
    rig.web("/hello").await.expect(200, "third");
    // Nothing changes when the same is put again, its tag included.
    rig.write("PUT", "/config", &[], &changed).await.expect(200, "nothing changed");
    assert_eq!(put.etag(), rig.get("/config").await.etag());
    let wider = changed.replace("workers: none", "workers: 3");
    rig.write("PUT", "/config", &[], &wider).await.expect(200, "workers will be taken up at the next start");
}

#[tokio::test(flavor = "multi_thread")]
async fn each_kind_comes_and_goes() {
    let rig = Rig::start().await;
    rig.write("PUT", "/config/services/copy", &[], "{ endpoints: ['weir:echo'] }")
        .await
        .expect(201, "service copy added");
    rig.write("PUT", "/config/routes/a%C3%A9", &[], "{ matches: [{ path: { exact: /e } }], service: copy }")
        .await
        .expect(201, "route aé added");
    let new = free_address();
    rig.write("PUT", "/config/listeners/second", &[], &format!("{{ address: '{new}' }}"))
        .await
        .expect(201, "listener second added");
    call(new, "GET", "/hello", &[], b"").await.expect(200, "first");
    rig.get("/config/services/copy").await.expect(200, "weir:echo");
    rig.get("/config/listeners/second").await.expect(200, &new.to_string());
    assert_eq!(rig.get("/services").await.json()["services"][0]["name"], "copy");

    rig.write("DELETE", "/config/services/copy", &[], "").await.expect(409, "in use by route aé");
    rig.write("DELETE", "/config/routes/a%C3%A9", &[], "").await.expect(200, "route aé removed");
    rig.write("DELETE", "/config/services/copy", &[], "").await.expect(200, "service copy removed");
    rig.write("DELETE", "/config/services/copy", &[], "").await.expect(404, "no service named `copy`");
    rig.get("/config/routes/helo").await.expect(404, "did you mean `hello`?");
    rig.write("DELETE", "/config/listeners/second", &[], "").await.expect(200, "listener second removed");
    assert!(TcpStream::connect(new).await.is_err());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_wrong_changes_nothing() {
    let rig = Rig::start().await;
    let before = rig.get("/config").await;
    let wrong = before.body.replace("body: first", "bodi: second").replace("workers: none", "wrokers: 2");
    let text = rig.write("PUT", "/config", &[], &wrong).await.expect(422, "did you mean `workers`?");
    assert!(text.body.contains("bodi") && text.body.contains("admin:2:1"), "{text:?}");
    let json =
        rig.write("PUT", "/config", &[("Accept", "application/json")], &wrong).await.expect(422, "").json();
    assert_eq!(json["diagnostics"][0]["line"], 2);
    rig.write("PUT", "/config/routes/hello", &[], "{ service: nowhere }").await.expect(422, "nowhere");
    rig.write("PUT", "/config/routes/hello", &[], "").await.expect(422, "nothing has changed");
    let bearer = format!("Bearer {}", rig.token);
    let token = ("Authorization", bearer.as_str());
    call(rig.address(), "PUT", "/config", &[token], b"version: \xff").await.expect(400, "UTF-8");
    rig.write("PUT", "/config", &[("Content-Encoding", "gzip")], "x").await.expect(415, "Content-Encoding");
    rig.write("PUT", "/config", &[("Content-Length", "67108865")], "").await.expect(413, "64 MiB");

    let held = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let listener = format!("{{ address: '{}' }}", held.local_addr().unwrap());
    rig.write("PUT", "/config/listeners/second", &[], &listener).await.expect(409, "choose another address");
    let secure = "{ address: '127.0.0.1:0', tls: { certificates: [{ cert: none.pem, key: none.key }] } }";
    rig.write("PUT", "/config/listeners/web", &[], secure).await.expect(422, "none.pem");

    let after = rig.get("/config").await;
    assert_eq!((after.etag(), &after.body), (before.etag(), &before.body));
    rig.web("/hello").await.expect(200, "first");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn edits_that_race_are_all_kept() {
    const EDITS: usize = 50;
    let rig = std::sync::Arc::new(Rig::start().await);
    let mut tasks = tokio::task::JoinSet::new();
    for n in 0..EDITS {
        let rig = rig.clone();
        tasks.spawn(async move {
            let route = format!(
                "{{ matches: [{{ path: {{ exact: /r{n} }} }}], respond: {{ status: 200, body: b{n} }} }}"
            );
            rig.write("PUT", &format!("/config/routes/r{n}"), &[], &route).await.expect(201, "added");
        });
    }
    // Meanwhile, ten that each read the same route and add one to it, as often as it takes.
    for _ in 0..10 {
        let rig = rig.clone();
        tasks.spawn(async move {
            loop {
                let read = rig.get("/config/routes/hello").await;
                let mut route = read.json();
                let body = format!("{}+", route["respond"]["body"].as_str().unwrap());
                route["respond"]["body"] = body.into();
                let tag = [("If-Match", read.etag())];
                let put = rig.write("PUT", "/config/routes/hello", &tag, &route.to_string()).await;
                match put.status {
                    200 => break,
                    status => assert_eq!(status, 412, "{put:?}"),
                }
            }
        });
    }
    while let Some(done) = tasks.join_next().await {
        done.unwrap();
    }
    assert_eq!(rig.gateway.model().routes.len(), EDITS + 2);
    rig.web("/r7").await.expect(200, "b7");
    rig.web("/hello").await.expect(200, "first++++++++++");
}

#[tokio::test(flavor = "multi_thread")]
async fn bounds() {
    let rig = Rig::start().await;
    let long = "x".repeat(70_000);
    assert_eq!(rig.get_with("/", &[("X-Long", &long)]).await.status, 431);
    let many: Vec<(&str, &str)> = (0..200).map(|_| ("X-Many", "1")).collect();
    assert_eq!(rig.get_with("/", &many).await.status, 431);
    // A head that stays away costs nobody else anything.
    let mut slow = TcpStream::connect(rig.address()).await.unwrap();
    slow.write_all(b"GET / HT").await.unwrap();
    rig.get("/healthz").await.expect(200, "alive");
}

#[tokio::test(flavor = "multi_thread")]
async fn starts_and_stops() {
    let rig = Rig::start().await;
    let (address, socket) = (rig.address(), rig.socket.clone());
    let options = |socket: PathBuf, token_file: PathBuf, address| AdminOptions {
        admin: Admin { address, socket: Some(socket), token_file: Some(token_file), hosts: Vec::new() },
        readiness: Readiness::default(),
        build: String::new(),
        base: PathBuf::new(),
    };
    let fails =
        async |options| AdminServer::start(rig.gateway.clone(), options).await.unwrap_err().to_string();
    let token_file = rig.dir.path().join("state/token");
    let other = rig.dir.path().join("other.sock");
    let in_use = fails(options(socket.clone(), token_file.clone(), None)).await;
    assert!(in_use.contains("another process listens"), "{in_use}");
    let taken = fails(options(other.clone(), token_file.clone(), Some(address))).await;
    assert!(taken.contains(&address.to_string()), "{taken}");
    std::fs::set_permissions(&token_file, std::fs::Permissions::from_mode(0o644)).unwrap();
    let loose = fails(options(other.clone(), token_file.clone(), Some(([127, 0, 0, 1], 0).into()))).await;
    assert!(loose.contains("chmod 600"), "{loose}");
    assert!(!other.exists(), "a start that fails leaves no socket behind");
    let file = fails(options(token_file.clone(), token_file.clone(), None)).await;
    assert!(file.contains("is no socket"), "{file}");

    // An idle connection does not hold up the end.
    let mut idle = TcpStream::connect(address).await.unwrap();
    idle.write_all(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n").await.unwrap();
    let mut byte = [0];
    idle.read_exact(&mut byte).await.unwrap();
    let begun = std::time::Instant::now();
    rig.server.stop().await;
    assert!(begun.elapsed().as_secs() < 3, "{:?}", begun.elapsed());
    assert!(TcpStream::connect(address).await.is_err());
    assert!(!socket.exists());

    // What a process left behind that was killed.
    drop(std::os::unix::net::UnixListener::bind(&socket).unwrap());
    assert!(socket.exists());
    let again =
        AdminServer::start(rig.gateway.clone(), options(socket.clone(), token_file, None)).await.unwrap();
    assert_eq!(again.address(), None);
    let stream = UnixStream::connect(&socket).await.unwrap();
    exchange(stream, "GET", "/healthz", &[], b"").await.expect(200, "alive");
    rig.gateway.drain().await;
    let stream = UnixStream::connect(&socket).await.unwrap();
    exchange(stream, "DELETE", "/config/routes/hello", &[], b"").await.expect(503, "stopping");
    again.stop().await;
}
