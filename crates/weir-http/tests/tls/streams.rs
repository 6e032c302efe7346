//! Bytes over an established connection.

use std::cell::RefCell;
use std::future::poll_fn;
use std::io::{self, IoSlice};
use std::task::Poll;

use proptest::prelude::*;
use weir_http::tls::TlsStream;

use crate::support::{Authority, flush, pair, pattern, read, read_all, run, write, write_all};

/// Both ends of a TLS 1.3 connection. (Our client always offers 1.3; 1.2 is tested against OpenSSL.)
async fn streams(small: bool) -> (Box<TlsStream>, Box<TlsStream>) {
    let authority = Authority::new();
    let ((server, _), (client, _)) = pair(authority.server(&["a.test"]), authority.client(), small).await;
    (server, client)
}

/// Both sides write and read at once, in pieces of the given sizes, and end properly.
async fn exchange(a: &mut TlsStream, b: &mut TlsStream, length: usize, writes: &[usize], reads: &[usize]) {
    let sent = pattern(length);
    let step = |stream: &mut TlsStream, state: &mut Side, cx: &mut std::task::Context<'_>| -> Poll<()> {
        loop {
            let mut moved = false;
            if state.written < length {
                let size = writes[state.turn % writes.len()];
                let (head, rest) = sent[state.written..].split_at(size.min(length - state.written));
                let (middle, tail) = head.split_at(head.len() / 3);
                let slices =
                    [IoSlice::new(middle), IoSlice::new(&[]), IoSlice::new(tail), IoSlice::new(rest)];
                let slices = if state.turn.is_multiple_of(2) { &slices[..3] } else { &slices[..] };
                match stream.try_write(slices) {
                    Ok(count) => {
                        assert!(count > 0, "nothing taken");
                        state.written += count;
                        moved = true;
                    }
                    Err(e) if e.kind() == io::ErrorKind::WouldBlock => {
                        moved |= stream.poll_writable(cx).map(Result::unwrap).is_ready();
                    }
                    Err(e) => panic!("write: {e}"),
                }
            } else if !state.closed && stream.poll_flush(cx).map(Result::unwrap).is_ready() {
                stream.send_close_notify();
                state.closed = true;
                moved = true;
            } else if state.closed {
                let _ = stream.poll_flush(cx);
            }
            state.turn += 1;
            if !state.ended {
                let size = reads[state.turn % reads.len()];
                match stream.try_read(&mut state.buf[..size]) {
                    Ok(0) => {
                        state.ended = true;
                        moved = true;
                    }
                    Ok(count) => {
                        state.read.extend_from_slice(&state.buf[..count]);
                        moved = true;
                    }
                    Err(e) if e.kind() == io::ErrorKind::WouldBlock => {
                        moved |= stream.poll_readable(cx).map(Result::unwrap).is_ready();
                    }
                    Err(e) => panic!("read: {e}"),
                }
            }
            if state.ended && state.closed {
                return Poll::Ready(());
            }
            if !moved {
                return Poll::Pending;
            }
        }
    };
    let (a, b) = (RefCell::new(a), RefCell::new(b));
    let (mut one, mut two) = (Side::new(), Side::new());
    tokio::join!(
        poll_fn(|cx| step(&mut a.borrow_mut(), &mut one, cx)),
        poll_fn(|cx| step(&mut b.borrow_mut(), &mut two, cx)),
    );
    assert!(one.read == sent && two.read == sent, "bytes changed on the way");
}

struct Side {
    written: usize,
    read: Vec<u8>,
    buf: Vec<u8>,
    turn: usize,
    closed: bool,
    ended: bool,
}

impl Side {
    fn new() -> Self {
        Self { written: 0, read: Vec::new(), buf: vec![0; 70_000], turn: 0, closed: false, ended: false }
    }
}

#[test]
fn large_transfers_both_ways() {
    for small in [false, true] {
        run(async {
            let (mut server, mut client) = streams(small).await;
            let length = if small { 600_000 } else { 8_000_000 };
            exchange(&mut server, &mut client, length, &[70_000, 16_384, 300], &[16_384]).await;
        });
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]
    #[test]
    fn any_sizes(
        writes in prop::collection::vec(1_usize..40_000, 1..6),
        reads in prop::collection::vec(1_usize..40_000, 1..6),
        small in any::<bool>(),
    ) {
        // Many tiny reads and writes of a long message only take long.
        let length = 150 * writes.iter().min().unwrap().min(reads.iter().min().unwrap()).min(&1500);
        run(async {
            let (mut server, mut client) = streams(small).await;
            exchange(&mut server, &mut client, length, &writes, &reads).await;
        });
    }
}

#[test]
fn small_slices_share_a_record() {
    run(async {
        let (mut server, mut client) = streams(false).await;
        let body = pattern(16_000);
        let slices = [IoSlice::new(b"HTTP/1.1 200 OK\r\n\r\n"), IoSlice::new(&body), IoSlice::new(b"tail")];
        assert_eq!(write(&mut server, &slices).await.unwrap(), 19 + 16_000 + 4);
        let mut buf = vec![0; 20_000];
        assert_eq!(read(&mut client, &mut buf).await.unwrap(), 19 + 16_000 + 4, "one record, one read");
        let large = pattern(100_000);
        assert_eq!(server.try_write(&[IoSlice::new(&large)]).unwrap(), 32_768, "two records at most");
        flush(&mut server).await.unwrap();
        assert_eq!(read(&mut client, &mut buf).await.unwrap(), 16_384);
        assert_eq!(server.try_write(&[]).unwrap(), 0);
        assert_eq!(server.try_write(&[IoSlice::new(&[])]).unwrap(), 0);
    });
}

/// What a writer meets in its own direction must not be lost to the reader, whichever comes first.
#[test]
fn writing_before_reading_loses_nothing() {
    run(async {
        let (mut server, mut client) = streams(false).await;
        let sent = pattern(90_000);
        write_all(&mut client, &sent).await.unwrap();
        client.send_close_notify();
        let mut first = [0; 10];
        read(&mut server, &mut first).await.unwrap();
        for _ in 0..5 {
            write_all(&mut server, b"early answer").await.unwrap();
        }
        let (rest, end) = read_all(&mut server).await;
        end.unwrap();
        assert!(rest == sent[10..]);
        write_all(&mut server, b" and after the end").await.unwrap();
        server.send_close_notify();
        let (answer, end) = read_all(&mut client).await;
        end.unwrap();
        assert_eq!(answer.len(), 5 * 12 + 18);
    });
}

#[test]
fn an_end_without_close_notify_is_an_error() {
    run(async {
        let (mut server, mut client) = streams(false).await;
        write_all(&mut client, b"half a mess").await.unwrap();
        socket2::SockRef::from(client.tcp()).shutdown(std::net::Shutdown::Write).unwrap();
        let (bytes, end) = read_all(&mut server).await;
        assert_eq!(bytes, b"half a mess");
        assert_eq!(end.unwrap_err().kind(), io::ErrorKind::UnexpectedEof);
        assert_eq!(server.try_read(&mut [0]).unwrap_err().kind(), io::ErrorKind::UnexpectedEof);
        // The other direction still works.
        write_all(&mut server, b"answer").await.unwrap();
        server.send_close_notify();
        let (answer, end) = read_all(&mut client).await;
        end.unwrap();
        assert_eq!(answer, b"answer");
        assert_eq!(server.try_write(&[IoSlice::new(b"x")]).unwrap_err().kind(), io::ErrorKind::BrokenPipe);
    });
}

#[test]
fn a_forged_record_ends_the_connection_with_an_alert() {
    run(async {
        let (mut server, mut client) = streams(false).await;
        write_all(&mut client, b"sound").await.unwrap();
        client.tcp().try_write(&[&[0x17, 3, 3, 0, 40][..], &[7; 40]].concat()).unwrap();
        let (bytes, end) = read_all(&mut server).await;
        assert_eq!(bytes, b"sound");
        assert_eq!(end.unwrap_err().kind(), io::ErrorKind::InvalidData);
        assert_eq!(server.try_read(&mut [0]).unwrap_err().kind(), io::ErrorKind::InvalidData);
        assert_eq!(server.try_write(&[IoSlice::new(b"x")]).unwrap_err().kind(), io::ErrorKind::InvalidData);
        let error = read_all(&mut client).await.1.unwrap_err();
        assert!(error.to_string().contains("BadRecordMac"), "{error}");
    });
}

#[test]
fn a_record_may_arrive_byte_by_byte() {
    run(async {
        let (mut server, mut client) = streams(true).await;
        let sent = pattern(3000);
        // Small buffers on both sides: the record trickles; every memory-saving step happens in between.
        let writer = async {
            write_all(&mut client, &sent).await.unwrap();
            client.release_memory();
        };
        let reader = async {
            let mut all = Vec::new();
            let mut buf = [0; 700];
            while all.len() < 3000 {
                server.release_memory();
                let count = read(&mut server, &mut buf).await.unwrap();
                all.extend_from_slice(&buf[..count]);
            }
            all
        };
        assert!(tokio::join!(writer, reader).1 == sent);
    });
}
