//! A whole TLS handshake for each request, by `openssl s_time`: wrk resumes its sessions, which is another question.

use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

use super::gateway::LOAD_CORE;
use crate::peers;
use crate::process::Running;

/// Clients at once; each makes one connection after the other.
const CLIENTS: usize = 8;

/// Connections made, each with one request, and how many a second.
pub(crate) fn run(address: SocketAddr, duration: Duration, dir: &Path) -> Result<(u64, f64)> {
    let openssl = peers::locate("openssl").context("openssl is not installed; run `cargo xtask peers`")?;
    // It counts whole seconds only.
    let seconds = duration.as_secs_f64().round().max(1.0);
    let begin = Instant::now();
    let clients = (0..CLIENTS).map(|number| {
        let mut command = Command::new(&openssl);
        command.args(["s_time", "-new", "-www", "/r0/item", "-connect", &address.to_string()]);
        command.args(["-time", &seconds.to_string()]);
        Running::start("openssl s_time", &mut command, Some(LOAD_CORE), &dir.join(format!("s_time.{number}")))
    });
    let clients: Vec<_> = clients.collect::<Result<_>>()?;
    let mut connections = 0;
    for client in clients {
        let said = client.finish(Duration::from_secs_f64(seconds) + Duration::from_secs(15))?;
        connections +=
            count(&said).with_context(|| format!("openssl s_time said something else:\n{said}"))?;
    }
    if connections == 0 {
        bail!("no connection was made in {seconds} s");
    }
    Ok((connections, connections as f64 / begin.elapsed().as_secs_f64()))
}

/// From `1708 connections in 2 real seconds, 144 bytes read per connection`; `None` also where nothing was answered.
fn count(said: &str) -> Option<u64> {
    let line = said.lines().find(|line| line.contains(" real seconds, "))?;
    if line.contains(", 0 bytes read per connection") {
        return None;
    }
    line.split_whitespace().next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_s_time_prints() {
        let said = "\n\n1708 connections in 0.72s; 2372.22 connections/user sec, bytes read 245952\n\
                    1708 connections in 2 real seconds, 144 bytes read per connection\n";
        assert_eq!(count(said), Some(1708));
        assert_eq!(count("5 connections in 2 real seconds, 0 bytes read per connection\n"), None);
    }
}
