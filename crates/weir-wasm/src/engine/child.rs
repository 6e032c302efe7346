//! Compilation in a process of its own, so that a module made to burn a compiler's time or memory burns only that.
//!
//! ```text
//! stdin   profile: u8, memory limit: u64, CPU seconds: u64, length: u32, then the metered module
//! stdout  0 or 1: u8, length: u32, then the code or a message
//! ```
//!
//! The child limits itself before it reads what is untrusted. Numbers are little-endian.

use std::io::{self, Read, Write};
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{Command, ExitCode, Stdio};

use rustix::process::{Resource, Rlimit, setrlimit};

use super::artefact::Artefact;
use crate::profile::Profile;

/// Bytes of a module that the child reads at most: metering multiplies a module's size.
const MODULE_BYTES_MAX: u32 = 64 << 20;
/// Bytes of code that are taken from the child.
const CODE_BYTES_MAX: u32 = 256 << 20;

/// What a compiling process may use. Generous: the structural limits keep every accepted module far below.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ChildLimits {
    /// Bytes of address space, beyond what the process has when it begins.
    pub memory_bytes: u64,
    /// Seconds of CPU.
    pub cpu_seconds: u64,
}

impl Default for ChildLimits {
    fn default() -> Self {
        Self { memory_bytes: 2 << 30, cpu_seconds: 60 }
    }
}

/// Why a compiling process gave no code.
#[derive(Debug, thiserror::Error)]
pub enum ChildError {
    /// It could not be started or spoken to.
    #[error("the compiling process: {0}")]
    Io(#[from] io::Error),
    /// It met a limit, or was ended from outside.
    #[error("the compiling process was ended by signal {signal}; it may use {} MiB and {} s of CPU", .limits.memory_bytes >> 20, .limits.cpu_seconds)]
    Killed {
        /// By which signal.
        signal: i32,
        /// What it was allowed.
        limits: ChildLimits,
    },
    /// The compiler failed.
    #[error("the compiling process refused the module: {0}")]
    Refused(String),
    /// It answered what it should not.
    #[error("the compiling process gave no whole answer; is {program} the program that serves it?")]
    Answer {
        /// What was run.
        program: String,
    },
}

pub(super) fn compile(
    program: &Path,
    arguments: &[String],
    limits: &ChildLimits,
    profile: Profile,
    metered: &[u8],
) -> Result<Artefact, ChildError> {
    let mut child = Command::new(program)
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()?;
    let sent = child.stdin.take().map_or(Ok(()), |mut stdin| {
        stdin.write_all(&[profile.code()])?;
        stdin.write_all(&limits.memory_bytes.to_le_bytes())?;
        stdin.write_all(&limits.cpu_seconds.to_le_bytes())?;
        stdin.write_all(&(metered.len() as u32).to_le_bytes())?;
        stdin.write_all(metered)
    });
    // The child reads everything before it answers, so that neither waits for the other; one more byte than allowed is
    // read, which tells an answer that is too long.
    let mut answer = Vec::new();
    let received = child
        .stdout
        .take()
        .map_or(Ok(0), |stdout| stdout.take(u64::from(CODE_BYTES_MAX) + 6).read_to_end(&mut answer));
    if received.is_err() || answer.len() as u64 > u64::from(CODE_BYTES_MAX) + 5 {
        let _ = child.kill();
    }
    let status = child.wait()?;
    if let Some(signal) = status.signal() {
        return Err(ChildError::Killed { signal, limits: *limits });
    }
    received?;
    let whole = split_answer(answer).filter(|_| status.success() && sent.is_ok());
    match whole {
        Some((0, code)) => Ok(Artefact::from_child(code)),
        Some((_, message)) => Err(ChildError::Refused(String::from_utf8_lossy(&message).into_owned())),
        None => Err(ChildError::Answer { program: program.display().to_string() }),
    }
}

fn split_answer(mut answer: Vec<u8>) -> Option<(u8, Vec<u8>)> {
    let kind = *answer.first()?;
    let length = u32::from_le_bytes(answer.get(1..5)?.try_into().ok()?);
    let content = answer.split_off(5);
    (length as usize == content.len()).then_some((kind, content))
}

/// What the compiling process does: limits itself, reads a module from standard input, writes code to standard output.
/// For a hidden command of the program that [`Compiler::Child`](super::Compiler) names.
pub fn child_main() -> ExitCode {
    match serve(&mut io::stdin().lock(), &mut io::stdout().lock()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(_) => ExitCode::FAILURE,
    }
}

fn serve(input: &mut impl Read, output: &mut impl Write) -> io::Result<()> {
    let mut head = [0; 21];
    input.read_exact(&mut head)?;
    let number = |at: usize| u64::from_le_bytes(std::array::from_fn(|i| head[at + i]));
    let length = u32::from_le_bytes(std::array::from_fn(|i| head[17 + i]));
    let profile = Profile::from_code(head[0]).ok_or_else(|| io::Error::other("no such profile"))?;
    restrict(ChildLimits { memory_bytes: number(1), cpu_seconds: number(9) })?;
    if length > MODULE_BYTES_MAX {
        return Err(io::Error::other("a module of this length is never sent"));
    }
    let mut module = vec![0; length as usize];
    input.read_exact(&mut module)?;
    let compiled = wasmtime::Engine::new(&super::config(profile))
        .map_err(|e| format!("{e:#}"))
        .and_then(|engine| Artefact::compile(&engine, &module));
    let (kind, content) = match &compiled {
        Ok(code) => (0, code.bytes()),
        Err(message) => (1, message.as_bytes()),
    };
    output.write_all(&[kind])?;
    output.write_all(&(content.len() as u32).to_le_bytes())?;
    output.write_all(content)?;
    output.flush()
}

fn restrict(limits: ChildLimits) -> io::Result<()> {
    // The allocator may have reserved address space already, which is no fault of the module.
    let pages: u64 = std::fs::read_to_string("/proc/self/statm")
        .ok()
        .and_then(|statm| statm.split(' ').next()?.parse().ok())
        .unwrap_or_default();
    let space = pages * rustix::param::page_size() as u64 + limits.memory_bytes;
    for (resource, most) in [(Resource::As, space), (Resource::Cpu, limits.cpu_seconds), (Resource::Core, 0)]
    {
        setrlimit(resource, Rlimit { current: Some(most), maximum: Some(most) })?;
    }
    Ok(())
}
