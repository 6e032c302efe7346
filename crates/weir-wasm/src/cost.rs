//! What running costs: gas by class of instruction.
//!
//! Gas is charged before a straight run of instructions is entered, for all of it at once; what a number on the stack
//! decides (pages, bytes, elements) is charged right before the instruction that uses it. A call that runs out of gas
//! has used all that it was given.
//!
//! The numbers follow measurements of the worst sequence found for each class (`bench/wasm/costs.json`): a load costs
//! what a load costs that misses the caches, a branch what a mispredicted one does. They are part of the rules that all
//! nodes of a chain share: changing one means raising [`VERSION`].

use wasmparser::Operator;

/// Which cost table this is. It goes into the key of compiled code.
pub const VERSION: u32 = 1;

/// A class of instructions with one price.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Class {
    /// Leaves no code behind: `block`, `loop`, `end`, `nop`, `drop`.
    Structure,
    /// `local.*`, constants.
    Local,
    /// `global.*`.
    Global,
    /// Integer arithmetic, comparison and conversion; `select`.
    Integer,
    /// `mul` of integers.
    Multiply,
    /// `div` and `rem` of integers.
    Divide,
    /// `abs`, `neg`, `copysign` and `reinterpret`: a float as its bits.
    FloatBits,
    /// Floats but for the classes around, and their conversions.
    Float,
    /// `div` and `sqrt` of floats.
    FloatDivide,
    /// Every read of memory.
    Load,
    /// Every write to memory.
    Store,
    /// `br`, `br_if`, `if`, `return`.
    Branch,
    /// `br_table`.
    BranchTable,
    /// `call`, the callee's entry and return with it.
    Call,
    /// `call_indirect`.
    CallIndirect,
    /// `memory.size`, `table.size`, `ref.null`, `ref.is_null`.
    Query,
    /// `ref.func`.
    Reference,
    /// `table.get`, `table.set`.
    Table,
    /// The fixed part of `memory.grow` and `table.grow`.
    Grow,
    /// The fixed part of what works on many: `memory.copy`, `fill`, `init`, `table.*` alike, `*.drop`.
    Bulk,
}

impl Class {
    /// All classes with their prices in gas.
    pub const TABLE: &[(Self, u64)] = &[
        (Self::Structure, 0),
        (Self::Local, 1),
        (Self::Global, 2),
        (Self::Integer, 3),
        (Self::Multiply, 6),
        (Self::Divide, 32),
        (Self::FloatBits, 12),
        (Self::Float, 36),
        (Self::FloatDivide, 60),
        (Self::Load, 1800),
        (Self::Store, 12),
        (Self::Branch, 20),
        (Self::BranchTable, 32),
        (Self::Call, 30),
        (Self::CallIndirect, 110),
        (Self::Query, 3),
        (Self::Reference, 40),
        (Self::Table, 10),
        (Self::Grow, 300),
        (Self::Bulk, 80),
    ];

    /// The price of one instruction, in gas.
    pub fn gas(self) -> u64 {
        Self::TABLE[self as usize].1
    }

    /// The class of an instruction of the deterministic profile.
    pub(crate) fn of(operator: &Operator<'_>) -> Self {
        use Operator as O;
        match operator {
            O::Block { .. } | O::Loop { .. } | O::End | O::Nop | O::Drop | O::Unreachable | O::Else => {
                Self::Structure
            }
            O::LocalGet { .. }
            | O::LocalSet { .. }
            | O::LocalTee { .. }
            | O::I32Const { .. }
            | O::I64Const { .. }
            | O::F32Const { .. }
            | O::F64Const { .. } => Self::Local,
            O::GlobalGet { .. } | O::GlobalSet { .. } => Self::Global,
            O::I32Mul | O::I64Mul => Self::Multiply,
            O::I32DivS
            | O::I32DivU
            | O::I32RemS
            | O::I32RemU
            | O::I64DivS
            | O::I64DivU
            | O::I64RemS
            | O::I64RemU => Self::Divide,
            O::F32Div | O::F64Div | O::F32Sqrt | O::F64Sqrt => Self::FloatDivide,
            O::I32Load { .. }
            | O::I64Load { .. }
            | O::F32Load { .. }
            | O::F64Load { .. }
            | O::I32Load8S { .. }
            | O::I32Load8U { .. }
            | O::I32Load16S { .. }
            | O::I32Load16U { .. }
            | O::I64Load8S { .. }
            | O::I64Load8U { .. }
            | O::I64Load16S { .. }
            | O::I64Load16U { .. }
            | O::I64Load32S { .. }
            | O::I64Load32U { .. } => Self::Load,
            O::I32Store { .. }
            | O::I64Store { .. }
            | O::F32Store { .. }
            | O::F64Store { .. }
            | O::I32Store8 { .. }
            | O::I32Store16 { .. }
            | O::I64Store8 { .. }
            | O::I64Store16 { .. }
            | O::I64Store32 { .. } => Self::Store,
            O::Br { .. } | O::BrIf { .. } | O::If { .. } | O::Return => Self::Branch,
            O::BrTable { .. } => Self::BranchTable,
            O::Call { .. } => Self::Call,
            O::CallIndirect { .. } => Self::CallIndirect,
            O::MemorySize { .. } | O::TableSize { .. } | O::RefNull { .. } | O::RefIsNull => Self::Query,
            O::RefFunc { .. } => Self::Reference,
            O::TableGet { .. } | O::TableSet { .. } => Self::Table,
            O::MemoryGrow { .. } | O::TableGrow { .. } => Self::Grow,
            O::MemoryCopy { .. }
            | O::MemoryFill { .. }
            | O::MemoryInit { .. }
            | O::DataDrop { .. }
            | O::TableCopy { .. }
            | O::TableFill { .. }
            | O::TableInit { .. }
            | O::ElemDrop { .. } => Self::Bulk,
            O::I32Add
            | O::I32Sub
            | O::I32And
            | O::I32Or
            | O::I32Xor
            | O::I32Shl
            | O::I32ShrS
            | O::I32ShrU
            | O::I32Rotl
            | O::I32Rotr
            | O::I32Clz
            | O::I32Ctz
            | O::I32Popcnt
            | O::I32Eqz
            | O::I32Eq
            | O::I32Ne
            | O::I32LtS
            | O::I32LtU
            | O::I32GtS
            | O::I32GtU
            | O::I32LeS
            | O::I32LeU
            | O::I32GeS
            | O::I32GeU
            | O::I64Add
            | O::I64Sub
            | O::I64And
            | O::I64Or
            | O::I64Xor
            | O::I64Shl
            | O::I64ShrS
            | O::I64ShrU
            | O::I64Rotl
            | O::I64Rotr
            | O::I64Clz
            | O::I64Ctz
            | O::I64Popcnt
            | O::I64Eqz
            | O::I64Eq
            | O::I64Ne
            | O::I64LtS
            | O::I64LtU
            | O::I64GtS
            | O::I64GtU
            | O::I64LeS
            | O::I64LeU
            | O::I64GeS
            | O::I64GeU
            | O::I32WrapI64
            | O::I64ExtendI32S
            | O::I64ExtendI32U
            | O::I32Extend8S
            | O::I32Extend16S
            | O::I64Extend8S
            | O::I64Extend16S
            | O::I64Extend32S
            | O::Select
            | O::TypedSelect { .. } => Self::Integer,
            O::I32ReinterpretF32
            | O::I64ReinterpretF64
            | O::F32ReinterpretI32
            | O::F64ReinterpretI64
            | O::F32Neg
            | O::F64Neg
            | O::F32Abs
            | O::F64Abs
            | O::F32Copysign
            | O::F64Copysign => Self::FloatBits,
            // What is left of the profile computes with floats.
            _ => Self::Float,
        }
    }
}

/// Gas of a fresh instance, whatever is in it.
pub const INSTANCE: u64 = 15_000;
/// Gas of one page of memory, at the start or grown: its 16 pages of 4 KiB are faulted in when first touched.
pub const MEMORY_PAGE: u64 = 400_000;
/// Gas of one byte of `memory.copy`, `fill` and `init`.
pub const BYTE: u64 = 1;
/// Gas of one element of a table that is new, at the start or grown; its first use is paid with it.
pub const ELEMENT: u64 = 90;
/// Gas of one element copied or filled.
pub const ELEMENT_MOVED: u64 = 14;
/// Locals that one gas pays for, which are set to zero at a function's entry.
pub const LOCALS_PER_GAS: u64 = 2;

/// Units of stack that a frame takes besides its values: return address and saved registers.
pub const FRAME: u64 = 8;
/// A frame takes one more unit per so many instructions, since a compiler may keep values that it will need again.
pub const INSTRUCTIONS_PER_UNIT: u64 = 4;
/// Gas of entering the host, whatever its function does; it charges for that itself.
pub const HOST_CALL: u64 = 300;

#[cfg(test)]
mod tests {
    use super::Class;

    #[test]
    fn the_table_is_in_the_order_of_the_classes() {
        for (index, (class, gas)) in Class::TABLE.iter().enumerate() {
            assert_eq!((*class as usize, class.gas()), (index, *gas));
        }
    }
}
