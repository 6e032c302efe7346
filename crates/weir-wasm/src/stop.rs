//! Why a call ended without a value.

use std::error::Error;
use std::fmt;

/// Why a call ended without a value.
#[derive(Debug)]
pub enum Stop {
    /// The guest did what WebAssembly forbids, or gave up.
    Trap(Trap),
    /// The gas is used up, all of it.
    OutOfGas,
    /// Calls within calls took more units of stack than allowed.
    StackOverflow,
    /// The guest handed over an address range that its memory does not have.
    BadPointer(BadPointer),
    /// The guest does not have the export asked for, or has it with another type.
    Export(ExportError),
    /// A host function failed with an error of its own.
    Host(Box<dyn Error + Send + Sync>),
    /// A host function panicked, with this message.
    HostPanic(String),
    /// The host ended the call for its own sake. Says nothing about the guest, and another host may well let it end:
    /// never a result that nodes agree on.
    Backstop(Backstop),
}

impl Stop {
    /// An error of the host, to be found again by `downcast`.
    pub fn host(error: impl Error + Send + Sync + 'static) -> Self {
        Self::Host(Box::new(error))
    }

    /// Whether every node comes to the same end.
    pub fn is_deterministic(&self) -> bool {
        !matches!(self, Self::Backstop(_) | Self::HostPanic(_))
    }
}

impl From<Trap> for Stop {
    fn from(trap: Trap) -> Self {
        Self::Trap(trap)
    }
}

/// What a guest trapped on. Engines agree on these.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Trap {
    /// The instruction `unreachable`: how languages abort.
    Unreachable,
    /// Memory outside its bounds.
    MemoryOutOfBounds,
    /// A table outside its bounds.
    TableOutOfBounds,
    /// An indirect call of an empty element.
    NullCall,
    /// An indirect call of a function of another type.
    BadSignature,
    /// Division by zero.
    DivisionByZero,
    /// The smallest integer divided by minus one.
    IntegerOverflow,
    /// A float that no integer stands for.
    BadConversion,
}

/// An address range that is not in the guest's memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BadPointer {
    /// Where the range begins.
    pub address: u32,
    /// Its bytes.
    pub length: u32,
    /// Bytes of the memory, zero where there is none.
    pub memory: u64,
}

/// An export that cannot be called.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExportError {
    /// Its name.
    pub name: String,
    /// The types asked for, if it is there with others.
    pub asked: Option<String>,
}

/// Why the host ended a call for its own sake.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Backstop {
    /// It took longer than allowed.
    Time,
    /// It took more native stack than allowed.
    NativeStack,
    /// All instances of the pool are in use.
    Busy,
    /// The engine failed, in its own words.
    Engine(String),
}

impl fmt::Display for Stop {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Trap(trap) => trap.fmt(f),
            Self::OutOfGas => f.write_str("out of gas"),
            Self::StackOverflow => f.write_str("calls within calls took too much stack"),
            Self::BadPointer(bad) => bad.fmt(f),
            Self::Export(error) => error.fmt(f),
            Self::Host(error) => error.fmt(f),
            Self::HostPanic(message) => write!(f, "the host panicked: {message}"),
            Self::Backstop(backstop) => backstop.fmt(f),
        }
    }
}

impl Error for Stop {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Host(error) => error.source(),
            _ => None,
        }
    }
}

impl fmt::Display for Trap {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Unreachable => "the guest gave up (unreachable)",
            Self::MemoryOutOfBounds => "memory outside its bounds",
            Self::TableOutOfBounds => "a table outside its bounds",
            Self::NullCall => "an indirect call of nothing",
            Self::BadSignature => "an indirect call of a function of another type",
            Self::DivisionByZero => "division by zero",
            Self::IntegerOverflow => "integer overflow in a division",
            Self::BadConversion => "a float that no integer stands for",
        })
    }
}

impl fmt::Display for BadPointer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { address, length, memory } = self;
        write!(f, "{length} bytes at {address} are not in the guest's memory of {memory} bytes")
    }
}

impl fmt::Display for ExportError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.asked {
            None => write!(f, "the guest exports no function {:?}", self.name),
            Some(asked) => write!(f, "the guest exports {:?}, but not as {asked}", self.name),
        }
    }
}

impl fmt::Display for Backstop {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Time => f.write_str("the host ended the call: it took too long"),
            Self::NativeStack => f.write_str("the host ended the call: it took too much native stack"),
            Self::Busy => f.write_str("all instances of the pool are in use"),
            Self::Engine(message) => write!(f, "the engine failed: {message}"),
        }
    }
}
