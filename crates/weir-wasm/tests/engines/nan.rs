//! Gives an engine without the rule that a NaN has one pattern that rule, by code behind every instruction that computes a
//! float.

use wasm_encoder::{
    BlockType, CodeSection, Encode, Function, InstructionSink, Module, RawSection, SectionId, ValType,
};
use wasmparser::{BinaryReader, Operator, Parser, Payload};

/// Rewrites a module that was metered.
pub(crate) fn canonical(wasm: &[u8]) -> Vec<u8> {
    let (mut types, mut functions) = (0, 0);
    for payload in Parser::new(0).parse_all(wasm) {
        match payload.unwrap() {
            Payload::TypeSection(section) => types = section.count(),
            Payload::ImportSection(section) => functions += section.into_imports().count() as u32,
            Payload::FunctionSection(section) => functions += section.count(),
            _ => {}
        }
    }
    let mut module = Module::new();
    let mut code = CodeSection::new();
    for payload in Parser::new(0).parse_all(wasm) {
        let payload = payload.unwrap();
        if let Payload::CodeSectionEntry(body) = &payload {
            code.raw(&rewritten(body, functions));
            continue;
        }
        let Some((id, range)) = payload.as_section() else { continue };
        // Sections come in order: what follows the code is written after it.
        if id == SectionId::Data as u8 {
            finish(&mut code, &mut module);
        }
        let data = &wasm[range];
        match id {
            id if id == SectionId::Code as u8 => {}
            id if id == SectionId::Type as u8 => {
                raw(&mut module, id, &appended(data, 2, &[0x60, 1, 0x7d, 1, 0x7d, 0x60, 1, 0x7c, 1, 0x7c]));
            }
            id if id == SectionId::Function as u8 => {
                let mut indices = Vec::new();
                types.encode(&mut indices);
                (types + 1).encode(&mut indices);
                raw(&mut module, id, &appended(data, 2, &indices));
            }
            id => raw(&mut module, id, data),
        }
    }
    finish(&mut code, &mut module);
    module.finish()
}

fn raw(module: &mut Module, id: u8, data: &[u8]) {
    module.section(&RawSection { id, data });
}

fn appended(section: &[u8], more: u32, bytes: &[u8]) -> Vec<u8> {
    let mut reader = BinaryReader::new(section, 0);
    let mut out = Vec::new();
    (reader.read_var_u32().unwrap() + more).encode(&mut out);
    out.extend_from_slice(&section[reader.original_position()..]);
    out.extend_from_slice(bytes);
    out
}

/// Writes the code, with the two functions behind it; once.
fn finish(code: &mut CodeSection, module: &mut Module) {
    if code.is_empty() {
        return;
    }
    for ty in [ValType::F32, ValType::F64] {
        let mut function = Function::new([]);
        let mut sink = function.instructions();
        sink.local_get(0).local_get(0);
        if ty == ValType::F32 {
            sink.f32_eq().if_(BlockType::Result(ty)).local_get(0).else_();
            sink.i32_const(0x7fc0_0000).f32_reinterpret_i32();
        } else {
            sink.f64_eq().if_(BlockType::Result(ty)).local_get(0).else_();
            sink.i64_const(0x7ff8_0000_0000_0000).f64_reinterpret_i64();
        }
        sink.end().end();
        code.function(&function);
    }
    module.section(&*code);
    *code = CodeSection::new();
}

fn rewritten(body: &wasmparser::FunctionBody<'_>, canonical: u32) -> Vec<u8> {
    let bytes = body.as_bytes();
    let base = body.range().start;
    let mut operators = body.get_operators_reader().unwrap();
    let mut out = bytes[..operators.original_position() - base].to_vec();
    while !operators.eof() {
        let from = operators.original_position() - base;
        let operator = operators.read().unwrap();
        out.extend_from_slice(&bytes[from..operators.original_position() - base]);
        if let Some(double) = computes(&operator) {
            InstructionSink::new(&mut out).call(canonical + u32::from(double));
        }
    }
    out
}

/// Whether an instruction may make a NaN, and whether of 64 bits.
fn computes(operator: &Operator<'_>) -> Option<bool> {
    use Operator as O;
    match operator {
        O::F32Add
        | O::F32Sub
        | O::F32Mul
        | O::F32Div
        | O::F32Sqrt
        | O::F32Min
        | O::F32Max
        | O::F32Ceil
        | O::F32Floor
        | O::F32Trunc
        | O::F32Nearest
        | O::F32DemoteF64 => Some(false),
        O::F64Add
        | O::F64Sub
        | O::F64Mul
        | O::F64Div
        | O::F64Sqrt
        | O::F64Min
        | O::F64Max
        | O::F64Ceil
        | O::F64Floor
        | O::F64Trunc
        | O::F64Nearest
        | O::F64PromoteF32 => Some(true),
        _ => None,
    }
}
