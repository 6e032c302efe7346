//! Steady load on kept connections, that counts what fails.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use crate::{Client, Message};

/// Threads that ask one request after the other until they are told to stop.
#[derive(Debug)]
pub struct Load {
    stop: Arc<AtomicBool>,
    done: Arc<AtomicUsize>,
    threads: Vec<JoinHandle<Vec<String>>>,
}

impl Load {
    /// Begins to ask for `path` on so many connections. Every answer that `right` does not like counts as failed, and so
    /// does every connection that ends without having said that it would.
    pub fn start(
        port: u16,
        connections: usize,
        path: &str,
        right: impl Fn(&Message) -> bool + Send + Sync + 'static,
    ) -> Self {
        let (stop, done) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
        let right = Arc::new(right);
        let threads = (0..connections)
            .map(|_| {
                let (stop, done, right) = (stop.clone(), done.clone(), right.clone());
                let path = path.to_owned();
                std::thread::spawn(move || {
                    let request = format!("GET {path} HTTP/1.1\r\nhost: localhost\r\n\r\n");
                    let mut failures = Vec::new();
                    let mut client = Client::connect(port);
                    while !stop.load(Ordering::Relaxed) {
                        match client.send(&request).try_response("GET") {
                            Ok(answer) => {
                                done.fetch_add(1, Ordering::Relaxed);
                                if !right(&answer) {
                                    failures.push(format!("{} {:?}", answer.start, answer.text()));
                                }
                                if answer.field("connection") == Some("close") {
                                    client = Client::connect(port);
                                }
                            }
                            Err(fault) => {
                                failures.push(format!("{fault:?}"));
                                client = Client::connect(port);
                            }
                        }
                        std::thread::sleep(Duration::from_micros(500));
                    }
                    failures
                })
            })
            .collect();
        Self { stop, done, threads }
    }

    /// Answers so far.
    pub fn done(&self) -> usize {
        self.done.load(Ordering::Relaxed)
    }

    /// Stops, and gives back how many requests were answered and what failed.
    pub fn finish(self) -> (usize, Vec<String>) {
        self.stop.store(true, Ordering::Relaxed);
        let failures = self
            .threads
            .into_iter()
            .flat_map(|thread| thread.join().expect("no panic in the load"))
            .collect();
        (self.done.load(Ordering::Relaxed), failures)
    }
}
