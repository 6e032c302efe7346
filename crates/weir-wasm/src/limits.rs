//! How large a module may be, part by part, so that compiling and running it is bounded before either begins.

use std::fmt;

/// Bounds on a module's structure. A module is accepted by these numbers alone, never by how long something took.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Limits {
    /// Bytes of the whole module.
    pub module_bytes: u64,
    /// Function types.
    pub types: u64,
    /// Parameters of one type.
    pub params: u64,
    /// Results of one type.
    pub results: u64,
    /// Imports of all kinds; only functions may be imported at all.
    pub imports: u64,
    /// Functions that the module defines.
    pub functions: u64,
    /// Globals that the module defines.
    pub globals: u64,
    /// Exports of all kinds.
    pub exports: u64,
    /// Bytes of one name of an import or export.
    pub name_bytes: u64,
    /// Tables.
    pub tables: u64,
    /// Elements of a table at first; it never grows past this either.
    pub table_elements: u64,
    /// Element segments.
    pub element_segments: u64,
    /// Elements of one segment.
    pub segment_elements: u64,
    /// Pages of 64 KiB of a memory at first; it never grows past this either.
    pub memory_pages: u64,
    /// Data segments.
    pub data_segments: u64,
    /// Bytes of one function's body.
    pub body_bytes: u64,
    /// Locals of one function, its parameters among them.
    pub locals: u64,
    /// Targets of all `br_table` of one function, the default ones among them.
    pub branch_targets: u64,
    /// Blocks within blocks.
    pub nesting: u64,
    /// Locals of a function times its blocks and branches. Allocation of registers takes time and memory by this
    /// product, so that each factor alone would not bound it.
    pub live_ranges: u64,
}

impl Default for Limits {
    /// What contracts of today stay below by a factor of three or more.
    fn default() -> Self {
        Self {
            module_bytes: 4 << 20,
            types: 2000,
            params: 100,
            results: 16,
            imports: 100,
            functions: 20_000,
            globals: 1000,
            exports: 1000,
            name_bytes: 256,
            tables: 1,
            table_elements: 10_000,
            element_segments: 1000,
            segment_elements: 10_000,
            memory_pages: 512,
            data_segments: 10_000,
            body_bytes: 256 << 10,
            locals: 5000,
            branch_targets: 10_000,
            nesting: 1000,
            live_ranges: 10_000_000,
        }
    }
}

/// Which bound of [`Limits`] was met.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[allow(missing_docs, reason = "each is the field of `Limits` with its name")]
pub enum Limit {
    ModuleBytes,
    Types,
    Params,
    Results,
    Imports,
    Functions,
    Globals,
    Exports,
    NameBytes,
    Tables,
    TableElements,
    ElementSegments,
    SegmentElements,
    MemoryPages,
    DataSegments,
    BodyBytes,
    Locals,
    BranchTargets,
    Nesting,
    LiveRanges,
}

impl Limits {
    pub(crate) fn of(&self, limit: Limit) -> u64 {
        match limit {
            Limit::ModuleBytes => self.module_bytes,
            Limit::Types => self.types,
            Limit::Params => self.params,
            Limit::Results => self.results,
            Limit::Imports => self.imports,
            Limit::Functions => self.functions,
            Limit::Globals => self.globals,
            Limit::Exports => self.exports,
            Limit::NameBytes => self.name_bytes,
            Limit::Tables => self.tables,
            Limit::TableElements => self.table_elements,
            Limit::ElementSegments => self.element_segments,
            Limit::SegmentElements => self.segment_elements,
            Limit::MemoryPages => self.memory_pages,
            Limit::DataSegments => self.data_segments,
            Limit::BodyBytes => self.body_bytes,
            Limit::Locals => self.locals,
            Limit::BranchTargets => self.branch_targets,
            Limit::Nesting => self.nesting,
            Limit::LiveRanges => self.live_ranges,
        }
    }
}

impl fmt::Display for Limit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::ModuleBytes => "bytes of the module",
            Self::Types => "types",
            Self::Params => "parameters of a type",
            Self::Results => "results of a type",
            Self::Imports => "imports",
            Self::Functions => "functions",
            Self::Globals => "globals",
            Self::Exports => "exports",
            Self::NameBytes => "bytes of a name",
            Self::Tables => "tables",
            Self::TableElements => "elements of a table",
            Self::ElementSegments => "element segments",
            Self::SegmentElements => "elements of a segment",
            Self::MemoryPages => "pages of memory",
            Self::DataSegments => "data segments",
            Self::BodyBytes => "bytes of a body",
            Self::Locals => "locals",
            Self::BranchTargets => "targets of br_table",
            Self::Nesting => "blocks within blocks",
            Self::LiveRanges => "locals times branches",
        })
    }
}

/// Why a module is not accepted. It names the place; the same bytes are refused in the same words everywhere.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// Not WebAssembly, or not of the profile's language.
    #[error("at byte {offset}: {message}")]
    Invalid {
        /// Where in the module.
        offset: u64,
        /// What the validator says.
        message: String,
    },
    /// Larger than a bound.
    #[error("{}at byte {offset}: {value} {limit}, and at most {max} are allowed", Function(*.function))]
    TooMany {
        /// Which bound.
        limit: Limit,
        /// The function, by its index in the module, where one is to blame.
        function: Option<u32>,
        /// Where in the module.
        offset: u64,
        /// What was found.
        value: u64,
        /// What is allowed.
        max: u64,
    },
    /// Only functions come from the host.
    #[error("at byte {offset}: imports {module}.{name}, which is no function; define it in the module")]
    Import {
        /// Where in the module.
        offset: u64,
        /// The module imported from.
        module: String,
        /// The name imported.
        name: String,
    },
    /// The name belongs to the instrumentation.
    #[error(
        "at byte {offset}: exports {name:?}; names that begin with \"weir:\" are the host's own, choose another"
    )]
    ReservedName {
        /// Where in the module.
        offset: u64,
        /// The name exported.
        name: String,
    },
}

struct Function(Option<u32>);

impl fmt::Display for Function {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.map_or(Ok(()), |index| write!(f, "function {index}, "))
    }
}
