//! The few system calls that the standard library has no name for. All of xtask's `unsafe` is here, because load that
//! is generated on a fixed schedule needs epoll, and a fair measurement needs processes pinned to cores.
#![expect(unsafe_code, reason = "system calls: scheduling, signals and epoll have no safe name in std")]

use std::io;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};
use std::os::unix::process::CommandExt;
use std::process::Command;
use std::time::Duration;

/// Makes the command run on one core, with as many open files as the machine allows, and die with xtask.
pub fn pin_command(command: &mut Command, core: Option<usize>) {
    // SAFETY: between fork and exec only system calls are made; nothing is allocated.
    unsafe {
        command.pre_exec(move || {
            if let Some(core) = core {
                pin_current(core)?;
            }
            raise_open_files()?;
            check(libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL))
        });
    }
}

/// Pins the calling thread to a core.
pub fn pin_current(core: usize) -> io::Result<()> {
    // SAFETY: the set is a plain bit mask on this stack; its size is passed with it.
    unsafe {
        let mut set: libc::cpu_set_t = std::mem::zeroed();
        libc::CPU_SET(core, &mut set);
        check(libc::sched_setaffinity(0, std::mem::size_of::<libc::cpu_set_t>(), &raw const set))
    }
}

/// Raises the soft limit of open files to the hard one.
pub fn raise_open_files() -> io::Result<()> {
    // SAFETY: both calls read or write the one struct on this stack.
    unsafe {
        let mut limit = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
        check(libc::getrlimit(libc::RLIMIT_NOFILE, &raw mut limit))?;
        limit.rlim_cur = limit.rlim_max;
        check(libc::setrlimit(libc::RLIMIT_NOFILE, &raw const limit))
    }
}

/// Sends a signal to one process.
pub fn signal(pid: u32, signal: i32) -> io::Result<()> {
    // SAFETY: no memory is passed. A process id of 0 or below would reach a whole group and is never passed.
    unsafe { check(libc::kill(pid.max(2).cast_signed(), signal)) }
}

/// Clock ticks per second in `/proc/PID/stat`, and bytes per page in `/proc/PID/statm`.
pub fn units() -> (u64, u64) {
    // SAFETY: no memory is passed.
    unsafe { (libc::sysconf(libc::_SC_CLK_TCK) as u64, libc::sysconf(libc::_SC_PAGESIZE) as u64) }
}

/// Whether xtask runs as root.
pub fn is_root() -> bool {
    // SAFETY: no memory is passed; the call cannot fail.
    unsafe { libc::geteuid() == 0 }
}

/// Lets the calling thread's timed waits end on time rather than within the default 50 µs.
pub fn sharpen_timers() {
    // SAFETY: no memory is passed. A refusal only leaves the timers as they were.
    unsafe {
        libc::prctl(libc::PR_SET_TIMERSLACK, 1);
    }
}

/// Readiness of many sockets at once.
#[derive(Debug)]
pub struct Epoll {
    fd: OwnedFd,
    events: Vec<libc::epoll_event>,
}

impl Epoll {
    /// An epoll instance that reports at most `batch` sockets at a time.
    pub fn new(batch: usize) -> io::Result<Self> {
        // SAFETY: the descriptor is fresh and owned by nobody else.
        let fd = unsafe {
            let fd = libc::epoll_create1(libc::EPOLL_CLOEXEC);
            check(fd)?;
            OwnedFd::from_raw_fd(fd)
        };
        Ok(Self { fd, events: vec![libc::epoll_event { events: 0, u64: 0 }; batch] })
    }

    /// Watches a socket, edge-triggered, for both directions. It is forgotten when it is closed.
    pub fn watch(&self, socket: &impl AsRawFd, token: usize) -> io::Result<()> {
        self.watch_raw(socket.as_raw_fd(), token)
    }

    fn watch_raw(&self, socket: RawFd, token: usize) -> io::Result<()> {
        let flags = libc::EPOLLIN | libc::EPOLLOUT | libc::EPOLLRDHUP | libc::EPOLLET;
        let mut event = libc::epoll_event { events: flags as u32, u64: token as u64 };
        // SAFETY: the event lives through the call, which copies it.
        unsafe { check(libc::epoll_ctl(self.fd.as_raw_fd(), libc::EPOLL_CTL_ADD, socket, &raw mut event)) }
    }

    /// Waits until a socket is ready or the time is over; yields the tokens.
    pub fn wait(&mut self, timeout: Duration) -> io::Result<impl Iterator<Item = usize> + '_> {
        let timeout = libc::timespec {
            tv_sec: timeout.as_secs().cast_signed(),
            tv_nsec: libc::c_long::from(timeout.subsec_nanos()),
        };
        // SAFETY: the kernel writes at most `events.len()` events; both pointers live through the call. It is called
        // by number since the wrapper is younger than some C libraries.
        let ready = unsafe {
            libc::syscall(
                libc::SYS_epoll_pwait2,
                self.fd.as_raw_fd(),
                self.events.as_mut_ptr(),
                self.events.len(),
                &raw const timeout,
                std::ptr::null::<libc::sigset_t>(),
                0usize,
            )
        };
        let ready = match ready {
            0.. => ready as usize,
            _ if io::Error::last_os_error().kind() == io::ErrorKind::Interrupted => 0,
            _ => return Err(io::Error::last_os_error()),
        };
        Ok(self.events[..ready].iter().map(|event| event.u64 as usize))
    }
}

fn check(result: libc::c_int) -> io::Result<()> {
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}
