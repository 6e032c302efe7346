//! What the operating system knows of this process, read from `/proc` at each scrape.

use std::fs;

use crate::metrics::{Family, Kind, Registry};

/// Which build is running.
#[derive(Clone, Copy, Debug)]
pub struct Build {
    /// The version, as `weir version` shows it.
    pub version: &'static str,
    /// The commit it was built from; empty where unknown.
    pub commit: &'static str,
    /// The compiler.
    pub rustc: &'static str,
}

/// One reading. What `/proc` does not tell is left out.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Process {
    /// User and system time, in seconds.
    pub cpu_seconds: Option<f64>,
    /// Memory in RAM, in bytes.
    pub resident_bytes: Option<u64>,
    /// Address space, in bytes.
    pub virtual_bytes: Option<u64>,
    /// Open file descriptors.
    pub open_fds: Option<u64>,
    /// The soft limit on them; infinity where there is none.
    pub max_fds: Option<f64>,
    /// Threads.
    pub threads: Option<u64>,
    /// Seconds since the Unix epoch.
    pub start_time_seconds: Option<f64>,
}

impl Process {
    /// Reads now. Costs some tens of microseconds and a few system calls: not for the request's path.
    pub fn read() -> Self {
        let stat = fs::read_to_string("/proc/self/stat").unwrap_or_default();
        let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
        let limits = fs::read_to_string("/proc/self/limits").unwrap_or_default();
        let boot = fs::read_to_string("/proc/stat").unwrap_or_default();
        let ticks = ticks_per_second(&fs::read("/proc/self/auxv").unwrap_or_default()) as f64;
        let stat = Stat::parse(&stat);
        let kib = |key| number_after(&status, key).map(|kib| kib * 1_024);
        let started = number_after(&boot, "btime ").zip(stat);
        Self {
            cpu_seconds: stat.map(|stat| stat.cpu_ticks as f64 / ticks),
            resident_bytes: kib("VmRSS:"),
            virtual_bytes: kib("VmSize:"),
            // The directory that is read is itself an open descriptor.
            open_fds: fs::read_dir("/proc/self/fd").ok().map(|all| (all.count() as u64).saturating_sub(1)),
            max_fds: max_fds(&limits),
            threads: number_after(&status, "Threads:"),
            start_time_seconds: started.map(|(boot, stat)| boot as f64 + stat.start_ticks as f64 / ticks),
        }
    }
}

type Reading = (&'static str, &'static str, Kind, fn(&Process) -> Option<f64>);

/// The usual `process_*` families, and `weir_build_info`.
pub fn register(registry: &Registry, build: Build) {
    const READINGS: [Reading; 7] = [
        ("process_cpu_seconds_total", "User and system CPU time spent.", Kind::Counter, |p| p.cpu_seconds),
        ("process_resident_memory_bytes", "Resident memory.", Kind::Gauge, |p| {
            p.resident_bytes.map(|n| n as f64)
        }),
        ("process_virtual_memory_bytes", "Virtual memory.", Kind::Gauge, |p| {
            p.virtual_bytes.map(|n| n as f64)
        }),
        ("process_open_fds", "Open file descriptors.", Kind::Gauge, |p| p.open_fds.map(|n| n as f64)),
        ("process_max_fds", "Largest number of open file descriptors.", Kind::Gauge, |p| p.max_fds),
        ("process_threads", "Operating system threads.", Kind::Gauge, |p| p.threads.map(|n| n as f64)),
        ("process_start_time_seconds", "Start of the process since the Unix epoch.", Kind::Gauge, |p| {
            p.start_time_seconds
        }),
    ];
    for (name, help, kind, pick) in READINGS {
        let collect = move |out: &mut crate::metrics::Samples| {
            if let Some(value) = pick(&Process::read()) {
                out.push(&[], value);
            }
        };
        registry.collect(kind, Family::new(name, help), collect).forever();
    }
    let info =
        Family::new("weir_build_info", "Which build runs; always 1.").labels(&["version", "commit", "rustc"]);
    let is =
        move |out: &mut crate::metrics::Samples| out.push(&[build.version, build.commit, build.rustc], 1.0);
    registry.collect(Kind::Gauge, info, is).forever();
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Stat {
    cpu_ticks: u64,
    start_ticks: u64,
}

impl Stat {
    /// proc(5), `/proc/pid/stat`. The second field is the program's name and may hold anything, so counting starts
    /// behind its last parenthesis.
    fn parse(text: &str) -> Option<Self> {
        let fields: Vec<&str> = text.rsplit_once(')')?.1.split_ascii_whitespace().collect();
        let number = |place: usize| fields.get(place - 3)?.parse::<u64>().ok();
        Some(Self { cpu_ticks: number(14)? + number(15)?, start_ticks: number(22)? })
    }
}

/// `AT_CLKTCK` of the auxiliary vector, which the kernel gives every process; 100 where it cannot be read.
fn ticks_per_second(auxv: &[u8]) -> u64 {
    const AT_CLKTCK: usize = 17;
    const WORD: usize = size_of::<usize>();
    let words: Vec<usize> =
        auxv.chunks_exact(WORD).filter_map(|word| word.try_into().ok().map(usize::from_ne_bytes)).collect();
    words.chunks_exact(2).find(|pair| pair[0] == AT_CLKTCK).map_or(100, |pair| pair[1].max(1) as u64)
}

fn number_after(text: &str, key: &str) -> Option<u64> {
    let line = text.lines().find_map(|line| line.strip_prefix(key))?;
    line.split_ascii_whitespace().next()?.parse().ok()
}

fn max_fds(limits: &str) -> Option<f64> {
    let line = limits.lines().find_map(|line| line.strip_prefix("Max open files"))?;
    match line.split_ascii_whitespace().next()? {
        "unlimited" => Some(f64::INFINITY),
        soft => soft.parse().ok(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_proc() {
        let stat = "7 (a) b) c) S 1 7 7 0 -1 4194560 900 0 0 0 250 50 0 0 20 0 3 0 4242 1 2 3";
        assert_eq!(Stat::parse(stat), Some(Stat { cpu_ticks: 300, start_ticks: 4242 }));
        assert_eq!(Stat::parse("7 (a) S 1"), None);
        assert_eq!(number_after("Name:\tweir\nVmRSS:\t  120 kB\n", "VmRSS:"), Some(120));
        assert_eq!(
            max_fds("Max open files            1024                 524288               files\n"),
            Some(1024.0)
        );
        assert_eq!(
            max_fds("Max open files            unlimited            unlimited            files\n"),
            Some(f64::INFINITY)
        );
        assert_eq!(ticks_per_second(&[]), 100);
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn this_process() {
        let process = Process::read();
        assert!(process.resident_bytes.unwrap() > 100_000 && process.virtual_bytes > process.resident_bytes);
        assert!(process.threads.unwrap() >= 1 && process.open_fds.unwrap() >= 3);
        let now = crate::stamp::now().0 as f64 / 1e9;
        let age = now - process.start_time_seconds.unwrap();
        assert!((-2.0..86_400.0).contains(&age), "{age}");
        assert!(process.cpu_seconds.unwrap() < 1e6);
    }
}
