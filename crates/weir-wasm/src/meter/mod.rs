//! Writes gas and stack height into the bytecode, so that every engine counts the same.
//!
//! Two mutable globals are appended: gas left, and units of stack left. Guest code was validated before they were, so no
//! index in it reaches them; they are exported under names that no guest may export. Where a charge cannot be paid, the
//! global is left below zero and the code traps: that is how running out is told from any other trap, without a host call.
//!
//! Nothing that exists is renumbered: types, functions, globals and exports are appended, and sections without code are
//! copied as they are. The start section goes; [`START`] charges for the instance and calls it.

mod body;
mod section;

use wasm_encoder::{
    CodeSection, ExportKind, Function, GlobalType, MemorySection, Module, RawSection, RefType, SectionId,
    TableSection, ValType,
};
use wasmparser::BinaryReader;

use crate::check::Checked;
use crate::cost;
use crate::profile::Profile;

use section::Appended;

/// The export that holds the gas left, an `i64`; below zero once a charge could not be paid.
pub const GAS: &str = "weir:gas";
/// The export that holds the units of stack left, an `i32`; below zero once a frame did not fit.
pub const STACK: &str = "weir:stack";
/// The export that is the guest's memory, where it has one.
pub const MEMORY: &str = "weir:memory";
/// The export that pays for the instance and runs the module's own start function; to be called once, first.
pub const START: &str = "weir:start";

/// Indices of what was appended.
#[derive(Clone, Copy)]
struct Added {
    gas: u32,
    stack: u32,
    /// The function that takes an amount of gas off.
    charge: u32,
}

/// Writes the module that engines run.
///
/// In the deterministic profile it is metered. In the interruptible one it is as it came, but for custom sections.
/// The output of accepted input is valid in the same profile.
pub fn meter(checked: &Checked<'_>) -> Vec<u8> {
    match checked.profile {
        Profile::Deterministic => metered(checked),
        Profile::Interruptible => plain(checked),
    }
}

fn plain(checked: &Checked<'_>) -> Vec<u8> {
    let mut module = Module::new();
    for (id, range) in &checked.sections {
        module.section(&RawSection { id: *id, data: &checked.bytes[range.clone()] });
    }
    module.finish()
}

fn metered(checked: &Checked<'_>) -> Vec<u8> {
    let defined = checked.functions.len() as u32;
    let start = checked.imported_functions + defined + 1;
    let added = Added { gas: checked.globals, stack: checked.globals + 1, charge: start - 1 };

    let mut types = Appended::default();
    let nothing = checked.types + types.func([], []);
    let amount = checked.types + types.func([ValType::I64], []);
    // A block that yields several values needs a type; bodies share those by what they yield.
    let mut shapes: Vec<(&[wasmparser::ValType], u32)> = Vec::new();
    for function in checked.functions.iter().filter(|function| function.calls && function.results.len() > 1) {
        if !shapes.iter().any(|(results, _)| *results == function.results) {
            let index =
                checked.types + types.func([], function.results.iter().map(|ty| section::val_type(*ty)));
            shapes.push((&function.results, index));
        }
    }
    let mut functions = Appended::default();
    functions.index(amount);
    functions.index(nothing);
    let mut globals = Appended::default();
    globals.global(GlobalType { val_type: ValType::I64, mutable: true, shared: false });
    globals.global(GlobalType { val_type: ValType::I32, mutable: true, shared: false });
    let mut exports = Appended::default();
    exports.export(GAS, ExportKind::Global, added.gas);
    exports.export(STACK, ExportKind::Global, added.stack);
    exports.export(START, ExportKind::Func, start);
    if checked.memory.is_some() {
        exports.export(MEMORY, ExportKind::Memory, 0);
    }

    let mut module = Module::new();
    let section = |id: SectionId| {
        let found = checked.sections.iter().find(|(section, _)| *section == id as u8);
        found.map(|(_, range)| &checked.bytes[range.clone()])
    };
    let copied = |module: &mut Module, id: SectionId| {
        if let Some(data) = section(id) {
            module.section(&RawSection { id: id as u8, data });
        }
    };
    types.write(&mut module, SectionId::Type, section(SectionId::Type));
    copied(&mut module, SectionId::Import);
    functions.write(&mut module, SectionId::Function, section(SectionId::Function));
    if let Some(table) = checked.table {
        let max = table.maximum.unwrap_or(u64::MAX).min(checked.table_elements_max);
        let mut tables = TableSection::new();
        tables.table(wasm_encoder::TableType {
            element_type: RefType::FUNCREF,
            table64: false,
            minimum: table.initial,
            maximum: Some(max),
            shared: false,
        });
        module.section(&tables);
    }
    if let Some(memory) = checked.memory {
        let max = memory.maximum.unwrap_or(u64::MAX).min(checked.memory_pages_max);
        let mut memories = MemorySection::new();
        memories.memory(wasm_encoder::MemoryType {
            minimum: memory.initial,
            maximum: Some(max),
            memory64: false,
            shared: false,
            page_size_log2: None,
        });
        module.section(&memories);
    }
    globals.write(&mut module, SectionId::Global, section(SectionId::Global));
    exports.write(&mut module, SectionId::Export, section(SectionId::Export));
    copied(&mut module, SectionId::Element);
    copied(&mut module, SectionId::DataCount);
    let mut code = CodeSection::new();
    for function in &checked.functions {
        let results = match function.results.as_slice() {
            [] => wasm_encoder::BlockType::Empty,
            [one] => wasm_encoder::BlockType::Result(section::val_type(*one)),
            several => shapes
                .iter()
                .find(|(shape, _)| *shape == several)
                .map_or(wasm_encoder::BlockType::Empty, |(_, index)| {
                    wasm_encoder::BlockType::FunctionType(*index)
                }),
        };
        let bytes = &checked.bytes[function.body.clone()];
        code.raw(&body::metered(BinaryReader::new(bytes, 0), function, results, added));
    }
    code.function(&charge(added));
    code.function(&start_function(checked, added));
    module.section(&code);
    copied(&mut module, SectionId::Data);
    module.finish()
}

/// Takes its argument off the gas, and traps where that is more than is left.
fn charge(added: Added) -> Function {
    let mut function = Function::new([(1, ValType::I64)]);
    let mut code = function.instructions();
    code.global_get(added.gas).local_get(0).i64_sub().local_tee(1).global_set(added.gas);
    code.local_get(1).i64_const(0).i64_lt_s().if_(wasm_encoder::BlockType::Empty).unreachable().end();
    code.end();
    function
}

fn start_function(checked: &Checked<'_>, added: Added) -> Function {
    let pages = checked.memory.map_or(0, |memory| memory.initial);
    let elements = checked.table.map_or(0, |table| table.initial) + checked.elements;
    let gas = cost::INSTANCE
        + pages * cost::MEMORY_PAGE
        + elements * cost::ELEMENT
        + checked.data_bytes * cost::BYTE;
    let mut function = Function::new([]);
    let mut code = function.instructions();
    code.i64_const(gas.cast_signed()).call(added.charge);
    if let Some(start) = checked.start {
        code.call(start);
    }
    code.end();
    function
}
