//! Upgraded connections: only where both sides and the listener agree, and then bytes both ways for as long as they like.

use std::process::{Command, Stdio};
use std::thread::sleep;
use std::time::Duration;

use weir_tests::gateway::origin;
use weir_tests::origin::ok;
use weir_tests::peers::{peer, run};
use weir_tests::{Client, Fault, Origin, Setup, Weir, eventually, free_port};

const UPGRADE: &str = "GET /chat HTTP/1.1\r\nhost: h\r\nconnection: keep-alive, Upgrade\r\nupgrade: websocket\r\n\
                       sec-websocket-version: 13\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
const SWITCHED: &str = "HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: websocket\r\n\
                        sec-websocket-accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n";

/// Switches, and then gives every byte back.
fn echo() -> Origin {
    Origin::scripted(|served| {
        let Some(request) = served.request() else { return };
        if request.field("upgrade").is_none() {
            served.send(ok("plain"));
            return;
        }
        served.send(SWITCHED);
        while served.reader.wait().is_ok() {
            let count = served.reader.pending().len();
            let Ok(bytes) = served.reader.take(count) else { return };
            if !served.send(bytes) {
                return;
            }
        }
    })
}

fn upgraded(weir: &Weir) -> Client {
    let mut client = Client::connect(weir.port);
    client.send(UPGRADE);
    let head = client.head();
    assert_eq!(head.status(), 101);
    assert_eq!(head.field("upgrade"), Some("websocket"));
    assert!(head.field("connection").is_some_and(|c| c.eq_ignore_ascii_case("upgrade")), "{head:?}");
    assert_eq!(head.field("sec-websocket-accept"), Some("s3pPLMBiTxaQ9kYGzzhZRbK+xOo="));
    client
}

/// A text frame as clients send it (RFC 6455, section 5.2).
fn frame(text: &str) -> Vec<u8> {
    let mask = [0x11, 0x22, 0x33, 0x44];
    let mut bytes = vec![0x81, 0x80 | text.len() as u8];
    bytes.extend(mask);
    bytes.extend(text.bytes().zip(mask.iter().cycle()).map(|(byte, mask)| byte ^ mask));
    bytes
}

#[test]
fn frames_go_both_ways() {
    let upstream = echo();
    let weir = Weir::to(upstream.port);
    let mut client = upgraded(&weir);
    for text in ["hello", "", "again"] {
        let sent = frame(text);
        client.send(&sent);
        assert_eq!(client.take(sent.len()), Ok(sent));
    }
    // Large, and not in step.
    let mut all = Vec::new();
    for i in 0..200_000_u32 {
        all.extend(i.to_be_bytes());
    }
    let mut sending = client.socket().try_clone().expect("an open socket");
    let bytes = all.clone();
    let sender = std::thread::spawn(move || {
        use std::io::Write;
        sending.write_all(&bytes).expect("all is taken");
    });
    assert!(client.take(all.len()) == Ok(all));
    sender.join().expect("the sender ends");
    let request = upstream.only();
    assert_eq!(request.field("upgrade"), Some("websocket"));
    assert!(request.field("connection").is_some_and(|c| c.eq_ignore_ascii_case("upgrade")), "{request:?}");
    assert_eq!(request.field("sec-websocket-key"), Some("dGhlIHNhbXBsZSBub25jZQ=="));
}

#[test]
fn bytes_that_come_with_the_heads_are_not_lost() {
    let upstream = Origin::scripted(|served| {
        if served.request().is_some() {
            served.send([SWITCHED.as_bytes(), b"first"].concat());
            let heard = served.reader.take(5);
            served.send(heard.unwrap_or_default());
        }
    });
    let weir = Weir::to(upstream.port);
    let mut client = Client::connect(weir.port);
    client.send([UPGRADE.as_bytes(), b"early"].concat());
    assert_eq!(client.head().status(), 101);
    assert_eq!(client.take(10).as_deref(), Ok(&b"firstearly"[..]));
}

#[test]
fn an_end_on_one_side_reaches_the_other() {
    let upstream = echo();
    let weir = Weir::to(upstream.port);
    let client = upgraded(&weir);
    drop(client);
    eventually("the upstream sees the client go", Duration::from_secs(3), || upstream.open() == 0);

    let mut client = upgraded(&weir);
    upstream.close_connections();
    assert!(client.is_closed());
    eventually("nothing is left", Duration::from_secs(3), || upstream.open() == 0);
}

#[test]
fn a_half_closed_tunnel_still_carries_the_other_way() {
    let upstream = Origin::scripted(|served| {
        if served.request().is_some() {
            served.send(SWITCHED);
            let all = served.reader.rest();
            served.send(format!("{} bytes", all.len()));
        }
    });
    let weir = Weir::to(upstream.port);
    let mut client = upgraded(&weir);
    client.send("12345").finish();
    assert_eq!(client.rest(), b"5 bytes");
}

#[test]
fn what_is_not_listed_is_not_switched_to() {
    let upstream = echo();
    let weir = Setup::to(upstream.port).listener("upgrades: []").start();
    let answer = Client::connect(weir.port).ask(UPGRADE);
    assert_eq!((answer.status(), answer.text().as_str()), (200, "plain"));
    let request = upstream.only();
    assert!(request.all("upgrade").is_empty() && request.all("connection").is_empty(), "{request:?}");
    drop(weir);

    // Another protocol than the listed one, in either spelling.
    upstream.forget();
    let weir = Weir::to(upstream.port);
    let mut client = Client::connect(weir.port);
    client.ask(UPGRADE.replace("upgrade: websocket", "upgrade: h2c"));
    client.ask(UPGRADE.replace("keep-alive, Upgrade", "keep-alive"));
    client.ask(UPGRADE.replace("HTTP/1.1", "HTTP/1.0"));
    assert!(
        upstream.requests().iter().all(|request| request.all("upgrade").is_empty()),
        "{:?}",
        upstream.requests()
    );
}

#[test]
fn there_is_no_tunnel_without_a_101() {
    let upstream = Origin::answering(|request| {
        if request.target() == "/chat" { weir_tests::origin::status(403, "no") } else { ok("fine") }
    });
    let weir = Weir::to(upstream.port);
    let mut client = Client::connect(weir.port);
    // Bytes that would be frames, if there were a tunnel, are a bad request; they must not reach the upstream.
    client.send([UPGRADE.as_bytes(), &frame("secret")].concat());
    assert_eq!(client.response("GET").status(), 403);
    assert_eq!(client.response("GET").status(), 400);
    assert!(client.is_closed());
    assert_eq!((upstream.count(), upstream.faults()), (1, Vec::new()));
}

#[test]
fn a_switch_to_something_else_is_refused() {
    for answer in [
        "HTTP/1.1 101 Switching\r\nconnection: upgrade\r\nupgrade: h2c\r\n\r\n",
        "HTTP/1.1 101 Switching\r\nconnection: upgrade\r\n\r\n",
    ] {
        let upstream = Origin::answering(move |_| answer.as_bytes().to_vec());
        let weir = Weir::to(upstream.port);
        let mut client = Client::connect(weir.port);
        client.send(UPGRADE);
        assert_eq!(client.response("GET").status(), 502, "{answer:?}");
    }
}

#[test]
fn a_tunnel_that_stands_still_for_too_long_ends() {
    let upstream = echo();
    let weir = Setup::new(
        "routes: [ { name: all, service: origin, timeouts: { request: 300ms, upgrade_idle: 800ms } } ]",
    )
    .and(origin(upstream.port))
    .start();
    let mut client = upgraded(&weir);
    // The request's deadline is not the tunnel's, and each byte begins the pause anew.
    for _ in 0..6 {
        sleep(Duration::from_millis(300));
        client.send("x");
        assert_eq!(client.take(1).as_deref(), Ok(&b"x"[..]));
    }
    client.patience(Duration::from_secs(3));
    assert!(client.is_closed());
}

#[test]
fn a_client_and_a_server_of_others_talk_through_weir() {
    let Some(python) = peer("websocket", "websockets") else { return };
    let port = free_port();
    let serve = format!(
        "import asyncio, websockets\n\
         async def echo(ws):\n    async for message in ws: await ws.send(message)\n\
         async def main():\n    async with websockets.serve(echo, '127.0.0.1', {port}): await asyncio.Future()\n\
         asyncio.run(main())"
    );
    let mut server = Command::new(&python)
        .args(["-c", &serve])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("a server that starts");
    eventually("the server listens", Duration::from_secs(15), || {
        std::net::TcpStream::connect(("127.0.0.1", port)).is_ok()
    });
    let weir = Weir::to(port);
    let ask = format!(
        "import asyncio, websockets\n\
         async def main():\n    async with websockets.connect('ws://127.0.0.1:{}/') as ws:\n        \
         for size in (0, 1, 125, 126, 65535, 65536, 900000):\n            \
         await ws.send('x' * size)\n            got = await ws.recv()\n            assert len(got) == size, (size, len(got))\n        \
         await (await ws.ping())\n    print('all well')\n\
         asyncio.run(main())",
        weir.port
    );
    let (succeeded, said) = run(&python, &["-c", &ask]);
    let _ = server.kill();
    let _ = server.wait();
    assert!(succeeded && said.contains("all well"), "{said}");
}

#[test]
fn a_refused_upgrade_leaves_nothing_open() {
    let upstream = Origin::scripted(|served| {
        served.request();
    });
    let weir = Weir::to(upstream.port);
    let mut client = Client::connect(weir.port);
    client.send(UPGRADE);
    match client.try_response("GET") {
        Ok(answer) => assert_eq!(answer.status(), 502),
        Err(fault) => assert_eq!(fault, Fault::Closed),
    }
    eventually("nothing is left", Duration::from_secs(3), || upstream.open() == 0);
}
