//! In the steady state a proxied request allocates nothing on the heap.
#![allow(unsafe_code, reason = "an allocator that counts has to be one")]
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::alloc::{GlobalAlloc, Layout, System};
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use weir_gateway::Gateway;

struct Counting;

static ALLOCATIONS: AtomicU64 = AtomicU64::new(0);

// SAFETY: every call is passed on to the system's allocator as it came.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ALLOCATIONS.fetch_add(1, Ordering::Relaxed);
        // SAFETY: the caller keeps `alloc`'s contract.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: the caller keeps `dealloc`'s contract.
        unsafe { System.dealloc(pointer, layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        ALLOCATIONS.fetch_add(1, Ordering::Relaxed);
        // SAFETY: the caller keeps `realloc`'s contract.
        unsafe { System.realloc(pointer, layout, size) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

const REQUESTS: u64 = 2_000;

/// Answers on one connection after the other, without allocating.
fn serve(listener: &TcpListener) {
    for mut stream in listener.incoming().flatten() {
        let mut buf = [0; 4096];
        let mut len = 0;
        while let Ok(count @ 1..) = stream.read(&mut buf[len..]) {
            len += count;
            if buf[..len].ends_with(b"\r\n\r\n") {
                len = 0;
                if stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\nx-a: b\r\n\r\nhello").is_err() {
                    break;
                }
            }
        }
    }
}

fn ask(stream: &mut TcpStream, times: u64) {
    let mut buf = [0; 4096];
    for _ in 0..times {
        stream
            .write_all(
                b"GET /orders/7?a=b HTTP/1.1\r\nhost: api.test\r\nuser-agent: test\r\naccept: */*\r\n\r\n",
            )
            .unwrap();
        let mut len = 0;
        while !buf[..len].ends_with(b"\r\n\r\nhello") {
            let count = stream.read(&mut buf[len..]).unwrap();
            assert!(count > 0, "closed");
            len += count;
        }
        assert!(buf.starts_with(b"HTTP/1.1 200"));
    }
}

fn free_address() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap()
}

#[test]
fn a_request_in_the_steady_state_allocates_nothing() {
    let origin = TcpListener::bind("127.0.0.1:0").unwrap();
    let origin_address = origin.local_addr().unwrap();
    std::thread::spawn(move || serve(&origin));
    let (address, log) = (free_address(), tempfile::NamedTempFile::new().unwrap());
    let text = format!(
        "version: 1\nadmin: {{ address: none }}\naccess_log: {{ format: json, file: {} }}\n\
         listeners: [{{ name: web, address: {address} }}]\n\
         routes: [{{ name: orders, hosts: [api.test], matches: [{{ path: {{ prefix: /orders }} }}], service: o }}]\n\
         services: {{ o: {{ endpoints: [\"{origin_address}\"] }} }}\n",
        log.path().display()
    );
    let source = weir_config::Source { name: "test", text: &text, base: Path::new(".") };
    let loaded = weir_config::load(&source);
    let model = loaded.model.unwrap_or_else(|| panic!("{:?}", loaded.diagnostics));
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let registry = weir_emit::metrics::Registry::new(1);
    let gateway = runtime.block_on(Gateway::start(model, registry, 1)).unwrap();

    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    ask(&mut stream, 500);
    let before = ALLOCATIONS.load(Ordering::Relaxed);
    ask(&mut stream, REQUESTS);
    let made = ALLOCATIONS.load(Ordering::Relaxed) - before;
    // What remains are the ticks of the worker and the log's writer: a handful a second, whatever the load.
    assert!(made < REQUESTS / 20, "{made} allocations in {REQUESTS} requests");
    println!("{made} allocations in {REQUESTS} requests, access log on");
    runtime.block_on(gateway.drain());
}
