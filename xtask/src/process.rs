//! Child processes that end with what started them, and what they cost.

use std::fs;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

use crate::sys;

/// A running program, ended (TERM, then KILL) when dropped. Its output goes to a file that errors quote.
#[derive(Debug)]
pub struct Running {
    name: String,
    child: Child,
    output: std::path::PathBuf,
}

impl Running {
    /// Starts `command` on a core.
    pub fn start(name: &str, command: &mut Command, core: Option<usize>, output: &Path) -> Result<Self> {
        let _ = fs::remove_file(output);
        let file = fs::File::options().create(true).append(true).open(output);
        let file = file.with_context(|| format!("cannot write {}", output.display()))?;
        command.stdin(Stdio::null()).stdout(file.try_clone()?).stderr(file);
        sys::pin_command(command, core);
        let child = command.spawn().with_context(|| format!("cannot start {name}"))?;
        Ok(Self { name: name.to_owned(), child, output: output.to_owned() })
    }

    /// Its process id.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Waits until it accepts connections; returns how long that took.
    pub fn wait_for(&mut self, address: SocketAddr, at_most: Duration) -> Result<Duration> {
        let begin = Instant::now();
        loop {
            if TcpStream::connect_timeout(&address, Duration::from_millis(200)).is_ok() {
                return Ok(begin.elapsed());
            }
            if let Some(status) = self.child.try_wait()? {
                bail!("{} ended with {status} before it listened on {address}:\n{}", self.name, self.said());
            }
            if begin.elapsed() > at_most {
                bail!("{} does not listen on {address} after {at_most:?}:\n{}", self.name, self.said());
            }
            std::thread::sleep(Duration::from_millis(1));
        }
    }

    /// Waits until it ends by itself; kills it when that takes longer than `at_most`.
    pub fn finish(mut self, at_most: Duration) -> Result<String> {
        let begin = Instant::now();
        while begin.elapsed() < at_most {
            if let Some(status) = self.child.try_wait()? {
                // Ending by the signal that asks for it is in order.
                if !status.success() && status.signal() != Some(libc::SIGTERM) {
                    bail!("{} ended with {status}:\n{}", self.name, self.said());
                }
                return Ok(self.said());
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        bail!("{} did not end within {at_most:?}:\n{}", self.name, self.said())
    }

    /// Asks it to end and waits until it has; returns what it printed. A tracer that it runs under is left to end by
    /// itself, as it then tells what it saw.
    pub fn end(self, at_most: Duration) -> Result<String> {
        for pid in family(self.pid()) {
            let name = fs::read_to_string(format!("/proc/{pid}/comm")).unwrap_or_default();
            if name.trim() != "strace" {
                sys::signal(pid, libc::SIGTERM)?;
            }
        }
        self.finish(at_most)
    }

    /// Stops it where it stands, so that it costs nothing while another is measured.
    pub fn pause(&self) {
        for pid in family(self.pid()) {
            let _ = sys::signal(pid, libc::SIGSTOP);
        }
    }

    /// Lets it go on.
    pub fn resume(&self) {
        for pid in family(self.pid()) {
            let _ = sys::signal(pid, libc::SIGCONT);
        }
    }

    /// What it has cost so far.
    pub fn cost(&self) -> Cost {
        family(self.pid()).into_iter().map(Cost::of).fold(Cost::default(), Cost::plus)
    }

    /// CPU time so far, in nanoseconds, of those of its threads whose names begin so.
    pub fn threads_ns(&self, name: &str) -> f64 {
        let threads = fs::read_dir(format!("/proc/{}/task", self.pid())).into_iter().flatten().flatten();
        let read = |thread: &fs::DirEntry, file: &str| {
            fs::read_to_string(thread.path().join(file)).unwrap_or_default()
        };
        threads
            .filter(|thread| read(thread, "comm").starts_with(name))
            .filter_map(|thread| read(&thread, "schedstat").split(' ').next()?.parse::<f64>().ok())
            .sum()
    }

    /// The last lines it printed.
    pub fn said(&self) -> String {
        let text = fs::read(&self.output).unwrap_or_default();
        let text = String::from_utf8_lossy(&text);
        let lines: Vec<_> = text.lines().collect();
        lines[lines.len().saturating_sub(40)..].join("\n")
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.resume();
        let _ = sys::signal(self.pid(), libc::SIGTERM);
        let begin = Instant::now();
        while begin.elapsed() < Duration::from_secs(2) {
            if !matches!(self.child.try_wait(), Ok(None)) {
                return;
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        for pid in family(self.pid()) {
            let _ = sys::signal(pid, libc::SIGKILL);
        }
        let _ = self.child.wait();
    }
}

/// What a process (with its children) has used.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Cost {
    /// CPU time in nanoseconds, exact.
    pub cpu_ns: f64,
    /// The share of it in user space, as the kernel's clock ticks sampled it.
    pub user_ticks: f64,
    /// The same in the kernel.
    pub system_ticks: f64,
    /// Bytes resident.
    pub resident: f64,
}

impl Cost {
    fn of(pid: u32) -> Self {
        let (_, page) = sys::units();
        let read = |name: &str| fs::read_to_string(format!("/proc/{pid}/{name}")).unwrap_or_default();
        let stat = read("stat");
        // The name in brackets may hold spaces, so fields are counted after it: utime is the 14th of all, 11 further.
        let after: Vec<_> = stat.rsplit(')').next().unwrap_or_default().split_whitespace().collect();
        let field = |index: usize| after.get(index).and_then(|f| f.parse::<f64>().ok()).unwrap_or(0.0);
        let first = |text: &str, index: usize| {
            text.split_whitespace().nth(index).and_then(|f| f.parse::<f64>().ok()).unwrap_or(0.0)
        };
        let threads = fs::read_dir(format!("/proc/{pid}/task")).into_iter().flatten().flatten();
        let cpu_ns = threads
            .map(|thread| first(&fs::read_to_string(thread.path().join("schedstat")).unwrap_or_default(), 0))
            .sum();
        Self {
            cpu_ns,
            user_ticks: field(11),
            system_ticks: field(12),
            resident: first(&read("statm"), 1) * page as f64,
        }
    }

    fn plus(self, other: Self) -> Self {
        Self {
            cpu_ns: self.cpu_ns + other.cpu_ns,
            user_ticks: self.user_ticks + other.user_ticks,
            system_ticks: self.system_ticks + other.system_ticks,
            resident: self.resident + other.resident,
        }
    }

    /// CPU time spent since `earlier`, in microseconds: all, in user space, in the kernel. The sum is exact; it is
    /// split by the sampled ticks.
    pub fn since(self, earlier: Self) -> (f64, f64, f64) {
        let total = (self.cpu_ns - earlier.cpu_ns) / 1e3;
        let user = self.user_ticks - earlier.user_ticks;
        let system = self.system_ticks - earlier.system_ticks;
        let share = if user + system > 0.0 { user / (user + system) } else { 0.0 };
        (total, total * share, total * (1.0 - share))
    }
}

/// A process and its descendants.
fn family(pid: u32) -> Vec<u32> {
    let mut all = vec![pid];
    let mut next = 0;
    while next < all.len() {
        let threads = fs::read_dir(format!("/proc/{}/task", all[next])).into_iter().flatten().flatten();
        for thread in threads {
            let children = fs::read_to_string(thread.path().join("children")).unwrap_or_default();
            all.extend(children.split_whitespace().filter_map(|child| child.parse::<u32>().ok()));
        }
        next += 1;
    }
    all
}

/// An address on this machine that nobody listens on.
pub fn free_address() -> Result<SocketAddr> {
    Ok(TcpListener::bind(("127.0.0.1", 0))?.local_addr()?)
}
