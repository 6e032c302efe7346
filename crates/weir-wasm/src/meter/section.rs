//! Items added at the end of a section that is otherwise copied.

use wasm_encoder::{Encode, ExportKind, GlobalType, Module, RawSection, SectionId, ValType};
use wasmparser::BinaryReader;

/// What goes behind the items that are there.
#[derive(Default)]
pub(super) struct Appended {
    count: u32,
    bytes: Vec<u8>,
}

impl Appended {
    /// A function type; returns its index among those appended.
    pub(super) fn func(
        &mut self,
        params: impl IntoIterator<Item = ValType>,
        results: impl IntoIterator<Item = ValType>,
    ) -> u32 {
        self.bytes.push(0x60);
        for values in [params.into_iter().collect::<Vec<_>>(), results.into_iter().collect()] {
            values.as_slice().encode(&mut self.bytes);
        }
        self.count += 1;
        self.count - 1
    }

    pub(super) fn index(&mut self, index: u32) {
        index.encode(&mut self.bytes);
        self.count += 1;
    }

    /// A global that starts at zero.
    pub(super) fn global(&mut self, ty: GlobalType) {
        ty.encode(&mut self.bytes);
        let zero = match ty.val_type {
            ValType::I64 => wasm_encoder::ConstExpr::i64_const(0),
            _ => wasm_encoder::ConstExpr::i32_const(0),
        };
        zero.encode(&mut self.bytes);
        self.count += 1;
    }

    pub(super) fn export(&mut self, name: &str, kind: ExportKind, index: u32) {
        name.encode(&mut self.bytes);
        kind.encode(&mut self.bytes);
        index.encode(&mut self.bytes);
        self.count += 1;
    }

    /// Writes the section: what `there` holds, then what was appended.
    pub(super) fn write(self, module: &mut Module, id: SectionId, there: Option<&[u8]>) {
        let there = there.unwrap_or(&[0]);
        let mut reader = BinaryReader::new(there, 0);
        // The check has read this count already.
        let count = reader.read_var_u32().unwrap_or_default();
        let mut data = Vec::with_capacity(there.len() + self.bytes.len() + 2);
        (count + self.count).encode(&mut data);
        data.extend_from_slice(&there[reader.original_position()..]);
        data.extend_from_slice(&self.bytes);
        module.section(&RawSection { id: id as u8, data: &data });
    }
}

/// A type of the deterministic profile in the encoder's words.
pub(super) fn val_type(ty: wasmparser::ValType) -> ValType {
    match ty {
        wasmparser::ValType::I32 => ValType::I32,
        wasmparser::ValType::I64 => ValType::I64,
        wasmparser::ValType::F32 => ValType::F32,
        wasmparser::ValType::F64 => ValType::F64,
        wasmparser::ValType::V128 => ValType::V128,
        // The profile knows `funcref` only.
        wasmparser::ValType::Ref(_) => ValType::FUNCREF,
    }
}
