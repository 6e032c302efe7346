//! wrk, for what needs a TLS client.

use std::fs;
use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, bail};

use super::gateway::LOAD_CORE;
use crate::peers;
use crate::process::Running;

/// One run.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Wrk {
    pub(crate) address: SocketAddr,
    pub(crate) connections: usize,
    pub(crate) tls: bool,
}

/// What wrk printed.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Summary {
    pub(crate) answers: u64,
    pub(crate) per_second: f64,
    pub(crate) p99_ms: f64,
}

impl Wrk {
    pub(crate) fn run(&self, duration: Duration, dir: &Path) -> Result<Summary> {
        let scheme = if self.tls { "https" } else { "http" };
        let file = dir.join("requests.lua");
        fs::write(&file, SCRIPT)?;
        let mut command = Command::new(program()?);
        command.args(["-t1", "--latency", "--timeout", "5s"]);
        command.arg(format!("-c{}", self.connections)).arg("-s").arg(&file);
        // wrk counts whole seconds only.
        let seconds = duration.as_secs_f64().ceil().max(1.0);
        command.arg("-d").arg(format!("{seconds}s"));
        command.arg(format!("{scheme}://{}/r0/item", self.address));
        let running = Running::start("wrk", &mut command, Some(LOAD_CORE), &dir.join("wrk"))?;
        let said = running.finish(Duration::from_secs_f64(seconds) + Duration::from_secs(15))?;
        Summary::read(&said).with_context(|| format!("wrk said something else:\n{said}"))?
    }
}

/// The path changes with each request, over the ten routes.
const SCRIPT: &str = "local n, requests = 0, {}
for i = 0, 9 do
  requests[i] = 'GET /r' .. i .. '/item HTTP/1.1\\r\\nHost: bench.example.com\\r\\n' ..
    'User-Agent: weir-bench\\r\\nAccept: */*\\r\\n\\r\\n'
end
function request() n = n + 1; return requests[n % 10] end
";

impl Summary {
    fn read(said: &str) -> Option<Result<Self>> {
        let after = |mark: &str| said.lines().find_map(|line| line.trim().strip_prefix(mark));
        let line = said.lines().find(|line| line.contains(" requests in "))?;
        let answers = line.split_whitespace().next()?.parse().ok()?;
        let per_second = after("Requests/sec:")?.trim().parse().ok()?;
        let p99_ms = milliseconds(after("99%")?.trim())?;
        if let Some(errors) = after("Non-2xx or 3xx responses:") {
            return Some(Err(anyhow::anyhow!("{} answers were errors", errors.trim())));
        }
        if let Some(errors) = after("Socket errors:") {
            return Some(Err(anyhow::anyhow!("socket errors: {}", errors.trim())));
        }
        Some(Ok(Self { answers, per_second, p99_ms }))
    }
}

fn milliseconds(text: &str) -> Option<f64> {
    let number = text.trim_end_matches(|c: char| c.is_alphabetic());
    let scale = match &text[number.len()..] {
        "us" => 1e-3,
        "ms" => 1.0,
        "s" => 1e3,
        "m" => 60e3,
        _ => return None,
    };
    Some(number.parse::<f64>().ok()? * scale)
}

/// Clients that connect, send one request when all are connected, and then only stay.
pub(crate) struct Sleepers {
    pub(crate) running: Running,
    /// When the request is sent, from the start on.
    pub(crate) first_request: Duration,
}

pub(crate) fn sleepers(address: SocketAddr, connections: usize, dir: &Path) -> Result<Sleepers> {
    // A handshake takes wrk and the proxy less than a millisecond; half as much again leaves room.
    let first_request = Duration::from_millis(1_000 + 3 * connections as u64 / 2);
    let script = dir.join("sleepers.lua");
    fs::write(
        &script,
        format!(
            "local n = 0\nfunction delay() n = n + 1; if n <= {connections} then return {} end; return 3600000 end\n",
            first_request.as_millis()
        ),
    )?;
    let mut command = Command::new(program()?);
    command.args(["-t1", "-d", "10m"]).arg(format!("-c{connections}")).arg("-s").arg(&script);
    command.arg(format!("https://{address}/r0/item"));
    let running = Running::start("wrk", &mut command, Some(LOAD_CORE), &dir.join("sleepers"))?;
    Ok(Sleepers { running, first_request })
}

fn program() -> Result<std::path::PathBuf> {
    let Some(program) = peers::locate("wrk") else { bail!("wrk is not installed; run `cargo xtask peers`") };
    Ok(program)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_wrk_prints() {
        let said = "Running 2s test @ https://127.0.0.1:1/\n  1 threads and 64 connections\n  Latency Distribution\n     \
                    50%  812.00us\n     99%    1.42ms\n  151234 requests in 2.00s, 31.1MB read\nRequests/sec:  75617.30\n";
        let summary = Summary::read(said).unwrap().unwrap();
        assert_eq!(summary, Summary { answers: 151_234, per_second: 75_617.30, p99_ms: 1.42 });
        let bad = format!("{said}  Non-2xx or 3xx responses: 3\n");
        assert!(Summary::read(&bad).unwrap().is_err());
        assert!(Summary::read("nothing").is_none());
    }
}
