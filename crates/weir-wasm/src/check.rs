//! One pass over untrusted bytes: valid, of the profile's language, within the limits.

use std::ops::Range;

use wasmparser::{
    BinaryReaderError, CompositeInnerType, ExternalKind, FuncValidatorAllocations, FunctionBody, MemoryType,
    Operator, Parser, Payload, TableType, TypeRef, ValType, ValidPayload, Validator, WasmModuleResources,
};

use crate::limits::{Limit, Limits, Refusal};
use crate::profile::Profile;

/// Names that the instrumentation exports begin so; a guest's may not.
pub(crate) const RESERVED: &str = "weir:";

/// A module that was accepted, with what metering needs to know of it.
#[derive(Debug)]
pub struct Checked<'a> {
    pub(crate) profile: Profile,
    pub(crate) bytes: &'a [u8],
    /// Sections by id with their contents; what is custom is left out.
    pub(crate) sections: Vec<(u8, Range<usize>)>,
    pub(crate) types: u32,
    pub(crate) imported_functions: u32,
    pub(crate) globals: u32,
    pub(crate) exports: u32,
    pub(crate) start: Option<u32>,
    pub(crate) memory: Option<MemoryType>,
    pub(crate) table: Option<TableType>,
    pub(crate) functions: Vec<Function>,
    pub(crate) data_bytes: u64,
    pub(crate) elements: u64,
    pub(crate) memory_pages_max: u64,
    pub(crate) table_elements_max: u64,
    imports: Vec<(String, String)>,
    export_names: Vec<String>,
}

/// What is known of a function that the module defines.
#[derive(Debug)]
pub(crate) struct Function {
    pub(crate) body: Range<usize>,
    /// Parameters and locals.
    pub(crate) locals: u32,
    /// The operand stack at its highest.
    pub(crate) height: u32,
    pub(crate) operators: u32,
    pub(crate) calls: bool,
    pub(crate) results: Vec<ValType>,
}

impl Checked<'_> {
    /// The functions asked of the host, by module and name, in the module's order.
    pub fn imports(&self) -> &[(String, String)] {
        &self.imports
    }

    /// Names of all exports, in the module's order.
    pub fn exports(&self) -> &[String] {
        &self.export_names
    }
}

/// Checks `bytes`.
///
/// # Errors
/// The first thing that is wrong, in the order of the bytes. It takes time in proportion to the length, and never
/// panics.
pub fn check<'a>(bytes: &'a [u8], profile: Profile, limits: &Limits) -> Result<Checked<'a>, Refusal> {
    let mut pass = Pass {
        limits,
        validator: Validator::new_with_features(profile.features()),
        types: Vec::new(),
        declared: Vec::new(),
        checked: Checked {
            profile,
            bytes,
            sections: Vec::new(),
            types: 0,
            imported_functions: 0,
            globals: 0,
            exports: 0,
            start: None,
            memory: None,
            table: None,
            functions: Vec::new(),
            data_bytes: 0,
            elements: 0,
            memory_pages_max: limits.memory_pages,
            table_elements_max: limits.table_elements,
            imports: Vec::new(),
            export_names: Vec::new(),
        },
    };
    pass.at_most(Limit::ModuleBytes, bytes.len() as u64, 0)?;
    let mut allocations = FuncValidatorAllocations::default();
    for payload in Parser::new(0).parse_all(bytes) {
        let payload = payload?;
        pass.before_validation(&payload)?;
        match pass.validator.payload(&payload)? {
            ValidPayload::Func(function, body) => {
                let mut validator = function.into_validator(allocations);
                pass.body(&mut validator, &body)?;
                allocations = validator.into_allocations();
            }
            ValidPayload::Ok | ValidPayload::End(_) | ValidPayload::Parser(_) => {}
        }
        pass.after_validation(payload)?;
    }
    Ok(pass.checked)
}

impl From<BinaryReaderError> for Refusal {
    fn from(error: BinaryReaderError) -> Self {
        Self::Invalid { offset: error.offset() as u64, message: error.message().to_owned() }
    }
}

struct Pass<'a, 'l> {
    limits: &'l Limits,
    validator: Validator,
    /// Parameters and results by type.
    types: Vec<(u32, Vec<ValType>)>,
    /// Type by function that the module defines.
    declared: Vec<u32>,
    checked: Checked<'a>,
}

impl Pass<'_, '_> {
    fn at_most(&self, limit: Limit, value: u64, offset: usize) -> Result<(), Refusal> {
        self.within(limit, value, offset, None)
    }

    fn within(&self, limit: Limit, value: u64, offset: usize, function: Option<u32>) -> Result<(), Refusal> {
        let max = self.limits.of(limit);
        if value <= max {
            return Ok(());
        }
        Err(Refusal::TooMany { limit, function, offset: offset as u64, value, max })
    }

    /// Counts come first, so that the validator allocates no more than the limits allow.
    fn before_validation(&mut self, payload: &Payload<'_>) -> Result<(), Refusal> {
        let (limit, count, range) = match payload {
            Payload::TypeSection(s) => (Limit::Types, s.count(), s.range()),
            Payload::ImportSection(s) => (Limit::Imports, s.count(), s.range()),
            Payload::FunctionSection(s) => (Limit::Functions, s.count(), s.range()),
            Payload::TableSection(s) => (Limit::Tables, s.count(), s.range()),
            Payload::MemorySection(s) => {
                for memory in s.clone() {
                    self.at_most(Limit::MemoryPages, memory?.initial, s.range().start)?;
                }
                return Ok(());
            }
            Payload::GlobalSection(s) => (Limit::Globals, s.count(), s.range()),
            Payload::ExportSection(s) => (Limit::Exports, s.count(), s.range()),
            Payload::ElementSection(s) => (Limit::ElementSegments, s.count(), s.range()),
            Payload::DataCountSection { count, range } => (Limit::DataSegments, *count, range.clone()),
            Payload::DataSection(s) => (Limit::DataSegments, s.count(), s.range()),
            Payload::CodeSectionStart { count, range, .. } => (Limit::Functions, *count, range.clone()),
            Payload::CodeSectionEntry(body) => {
                let index = self.checked.imported_functions + self.checked.functions.len() as u32;
                let range = body.range();
                return self.within(Limit::BodyBytes, range.len() as u64, range.start, Some(index));
            }
            _ => return Ok(()),
        };
        self.at_most(limit, count.into(), range.start)
    }

    fn after_validation(&mut self, payload: Payload<'_>) -> Result<(), Refusal> {
        if let Some((id, range)) = payload.as_section()
            && id != 0
        {
            self.checked.sections.push((id, range));
        }
        match payload {
            Payload::TypeSection(section) => {
                self.checked.types = section.count();
                for group in section.into_iter_with_offsets() {
                    let (offset, group) = group?;
                    for ty in group.into_types() {
                        // The profiles know function types only; the validator has refused all others.
                        let CompositeInnerType::Func(ty) = ty.composite_type.inner else { continue };
                        self.at_most(Limit::Params, ty.params().len() as u64, offset)?;
                        self.at_most(Limit::Results, ty.results().len() as u64, offset)?;
                        self.types.push((ty.params().len() as u32, ty.results().to_vec()));
                    }
                }
            }
            Payload::ImportSection(section) => {
                for import in section.into_imports_with_offsets() {
                    let (offset, import) = import?;
                    let names = (import.module.to_owned(), import.name.to_owned());
                    self.at_most(Limit::NameBytes, names.0.len().max(names.1.len()) as u64, offset)?;
                    if !matches!(import.ty, TypeRef::Func(_)) {
                        return Err(Refusal::Import {
                            offset: offset as u64,
                            module: names.0,
                            name: names.1,
                        });
                    }
                    self.checked.imported_functions += 1;
                    self.checked.imports.push(names);
                    self.at_most(Limit::Imports, self.checked.imports.len() as u64, offset)?;
                }
            }
            Payload::FunctionSection(section) => {
                self.declared = section.into_iter().collect::<Result<_, _>>()?;
            }
            Payload::TableSection(section) => {
                for table in section.into_iter_with_offsets() {
                    let (offset, table) = table?;
                    self.at_most(Limit::TableElements, table.ty.initial, offset)?;
                    self.checked.table = Some(table.ty);
                }
            }
            Payload::MemorySection(section) => {
                for memory in section {
                    self.checked.memory = Some(memory?);
                }
            }
            Payload::GlobalSection(section) => self.checked.globals = section.count(),
            Payload::ExportSection(section) => {
                self.checked.exports = section.count();
                for export in section.into_iter_with_offsets() {
                    let (offset, export) = export?;
                    self.at_most(Limit::NameBytes, export.name.len() as u64, offset)?;
                    if export.name.starts_with(RESERVED) {
                        return Err(Refusal::ReservedName {
                            offset: offset as u64,
                            name: export.name.to_owned(),
                        });
                    }
                    debug_assert!(export.kind != ExternalKind::Tag);
                    self.checked.export_names.push(export.name.to_owned());
                }
            }
            Payload::StartSection { func, .. } => self.checked.start = Some(func),
            Payload::ElementSection(section) => {
                for element in section.into_iter_with_offsets() {
                    let (offset, element) = element?;
                    let count = match element.items {
                        wasmparser::ElementItems::Functions(items) => items.count(),
                        wasmparser::ElementItems::Expressions(_, items) => items.count(),
                    };
                    self.at_most(Limit::SegmentElements, count.into(), offset)?;
                    self.checked.elements += u64::from(count);
                }
            }
            Payload::DataSection(section) => {
                for data in section {
                    self.checked.data_bytes += data?.data.len() as u64;
                }
            }
            _ => {}
        }
        Ok(())
    }

    fn body<T: WasmModuleResources>(
        &mut self,
        validator: &mut wasmparser::FuncValidator<T>,
        body: &FunctionBody<'_>,
    ) -> Result<(), Refusal> {
        let own = self.checked.functions.len();
        let index = validator.index();
        let range = body.range();
        let mut reader = body.get_binary_reader();
        let mut declared = 0_u64;
        for local in body.get_locals_reader()? {
            declared += u64::from(local?.0);
            self.within(Limit::Locals, declared, range.start, Some(index))?;
        }
        validator.read_locals(&mut reader)?;
        let locals = validator.len_locals();
        self.within(Limit::Locals, locals.into(), range.start, Some(index))?;
        let (mut height, mut operators, mut calls) = (0, 0_u32, false);
        let (mut targets, mut branches) = (0_u64, 0_u64);
        let mut operators_reader = wasmparser::OperatorsReader::new(reader);
        while !operators_reader.eof() {
            let offset = operators_reader.original_position();
            let operator = operators_reader.read()?;
            match &operator {
                Operator::BrTable { targets: table } => {
                    branches += 1;
                    targets += u64::from(table.len()) + 1;
                    self.within(Limit::BranchTargets, targets, offset, Some(index))?;
                }
                Operator::Block { .. }
                | Operator::Loop { .. }
                | Operator::If { .. }
                | Operator::Else
                | Operator::Br { .. }
                | Operator::BrIf { .. } => branches += 1,
                Operator::Call { .. } | Operator::CallIndirect { .. } => calls = true,
                _ => {}
            }
            let live = branches.saturating_mul(locals.into());
            self.within(Limit::LiveRanges, live, offset, Some(index))?;
            validator.op(offset, &operator)?;
            operators += 1;
            height = height.max(validator.operand_stack_height());
            // The function itself is the outermost frame.
            let nesting = validator.control_stack_height().saturating_sub(1);
            self.within(Limit::Nesting, nesting.into(), offset, Some(index))?;
        }
        operators_reader.finish()?;
        let results = self.declared.get(own).and_then(|&ty| self.types.get(ty as usize));
        let results = results.map(|(_, results)| results.clone()).unwrap_or_default();
        self.checked.functions.push(Function { body: range, locals, height, operators, calls, results });
        Ok(())
    }
}
