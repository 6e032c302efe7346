//! One body, metered.
//!
//! ```text
//! stack  := stack - frame, or trap          (in a leaf: compared only)
//! block results                             (not in a leaf)
//!   gas := gas - run, or trap               before every straight run of instructions
//!   …
//! end                                       `return` leaves through here too
//! stack  := stack + frame
//! ```
//!
//! A run ends where control may go elsewhere or come from elsewhere: so what is paid for is what is reached, but for the
//! rest of a run behind an instruction that traps or a call that does not come back.

use wasm_encoder::{BlockType, Encode, InstructionSink, ValType};
use wasmparser::{BinaryReader, Operator, OperatorsReader};

use super::Added;
use crate::check::Function;
use crate::cost::{self, Class};

/// The body of `function` with its charges, as the bytes of an entry of the code section (without its length).
pub(super) fn metered(
    body: BinaryReader<'_>,
    function: &Function,
    results: BlockType,
    added: Added,
) -> Vec<u8> {
    let body = wasmparser::FunctionBody::new(body);
    let mut out = Vec::with_capacity(body.range().len() * 2);
    // The check has read these locals; two are appended for the charges' own use.
    let mut declared: Vec<(u32, ValType)> = Vec::new();
    if let Ok(locals) = body.get_locals_reader() {
        declared
            .extend(locals.into_iter().flatten().map(|(count, ty)| (count, super::section::val_type(ty))));
    }
    let scratch = Scratch { gas: function.locals, count: function.locals + 1 };
    declared.extend([(1, ValType::I64), (1, ValType::I32)]);
    (declared.len() as u32).encode(&mut out);
    for (count, ty) in declared {
        count.encode(&mut out);
        ty.encode(&mut out);
    }

    let frame = frame(function);
    let mut meter = Meter { out, run: Vec::new(), gas: 0, added, scratch };
    meter.enter(frame, function.calls, results);
    meter.gas = u64::from(function.locals) / cost::LOCALS_PER_GAS;
    if let Ok(operators) = body.get_operators_reader() {
        meter.operators(operators, body.as_bytes(), body.range().start, function.calls);
    }
    meter.leave(frame, function.calls);
    meter.out
}

/// Units of stack that a call of `function` takes.
fn frame(function: &Function) -> i32 {
    let values = u64::from(function.locals) + u64::from(function.height);
    let kept = u64::from(function.operators) / cost::INSTRUCTIONS_PER_UNIT;
    (cost::FRAME + values + kept).min(i32::MAX as u64) as i32
}

/// Locals that hold a value between two instructions of a charge.
#[derive(Clone, Copy)]
struct Scratch {
    gas: u32,
    count: u32,
}

/// What a block needs to know when it ends.
struct Open {
    /// Whether control may arrive at its end from elsewhere than the line before.
    joins: bool,
    /// A branch to it goes to its beginning.
    is_loop: bool,
}

struct Meter {
    out: Vec<u8>,
    /// The instructions of the run at hand, kept back until its price is known.
    run: Vec<u8>,
    gas: u64,
    added: Added,
    scratch: Scratch,
}

impl Meter {
    /// Reserves the frame.
    fn enter(&mut self, frame: i32, calls: bool, results: BlockType) {
        let stack = self.added.stack;
        let count = self.scratch.count;
        let mut code = InstructionSink::new(&mut self.out);
        code.global_get(stack).i32_const(frame).i32_sub().local_tee(count).i32_const(0).i32_lt_s();
        code.if_(BlockType::Empty).i32_const(-1).global_set(stack).unreachable().end();
        if calls {
            code.local_get(count).global_set(stack).block(results);
        }
    }

    /// Gives the frame back.
    fn leave(&mut self, frame: i32, calls: bool) {
        self.settle();
        let stack = self.added.stack;
        let mut code = InstructionSink::new(&mut self.out);
        if calls {
            code.end().global_get(stack).i32_const(frame).i32_add().global_set(stack);
        }
        code.end();
    }

    /// Ends the run at hand: its price first, then its instructions.
    fn settle(&mut self) {
        if self.gas > 0 {
            let (gas, local) = (self.added.gas, self.scratch.gas);
            let mut code = InstructionSink::new(&mut self.out);
            code.global_get(gas).i64_const(self.gas.cast_signed()).i64_sub().local_tee(local).global_set(gas);
            code.local_get(local).i64_const(0).i64_lt_s().if_(BlockType::Empty).unreachable().end();
            self.gas = 0;
        }
        self.out.append(&mut self.run);
    }

    /// Charges for as many as the number on top of the stack says.
    fn charge_by_count(&mut self, each: u64) {
        let count = self.scratch.count;
        let mut code = InstructionSink::new(&mut self.run);
        code.local_tee(count).local_get(count).i64_extend_i32_u();
        code.i64_const(each.cast_signed()).i64_mul().call(self.added.charge);
    }

    fn operators(&mut self, mut operators: OperatorsReader<'_>, bytes: &[u8], base: usize, wrapped: bool) {
        // The innermost block is last; the function itself is the first.
        let mut open = vec![Open { joins: false, is_loop: false }];
        while !operators.eof() {
            let from = operators.original_position() - base;
            // Read before, by the check.
            let Ok(operator) = operators.read() else { return };
            let raw = &bytes[from..operators.original_position() - base];
            self.gas += Class::of(&operator).gas();
            match &operator {
                Operator::Block { .. } => {
                    self.run.extend_from_slice(raw);
                    open.push(Open { joins: false, is_loop: false });
                }
                Operator::Loop { .. } => {
                    self.settle();
                    self.out.extend_from_slice(raw);
                    open.push(Open { joins: false, is_loop: true });
                }
                Operator::If { .. } => {
                    self.run.extend_from_slice(raw);
                    self.settle();
                    open.push(Open { joins: true, is_loop: false });
                }
                Operator::Else => {
                    self.settle();
                    self.out.extend_from_slice(raw);
                }
                Operator::End => {
                    let ended = open.pop();
                    if open.is_empty() {
                        // `leave` writes the function's own end.
                        return;
                    }
                    if ended.is_some_and(|ended| ended.joins) {
                        self.settle();
                        self.out.extend_from_slice(raw);
                    } else {
                        self.run.extend_from_slice(raw);
                    }
                }
                Operator::Br { relative_depth } | Operator::BrIf { relative_depth } => {
                    target(&mut open, *relative_depth);
                    self.run.extend_from_slice(raw);
                    self.settle();
                }
                Operator::BrTable { targets } => {
                    for depth in targets.targets().flatten().chain([targets.default()]) {
                        target(&mut open, depth);
                    }
                    self.run.extend_from_slice(raw);
                    self.settle();
                }
                Operator::Return if wrapped => {
                    InstructionSink::new(&mut self.run).br(open.len() as u32 - 1);
                    self.settle();
                }
                Operator::Return | Operator::Unreachable => {
                    self.run.extend_from_slice(raw);
                    self.settle();
                }
                Operator::MemoryGrow { .. } => {
                    self.charge_by_count(cost::MEMORY_PAGE);
                    self.run.extend_from_slice(raw);
                }
                Operator::MemoryCopy { .. } | Operator::MemoryFill { .. } | Operator::MemoryInit { .. } => {
                    self.charge_by_count(cost::BYTE);
                    self.run.extend_from_slice(raw);
                }
                Operator::TableGrow { .. } => {
                    self.charge_by_count(cost::ELEMENT);
                    self.run.extend_from_slice(raw);
                }
                Operator::TableCopy { .. } | Operator::TableFill { .. } | Operator::TableInit { .. } => {
                    self.charge_by_count(cost::ELEMENT_MOVED);
                    self.run.extend_from_slice(raw);
                }
                _ => self.run.extend_from_slice(raw),
            }
        }
    }
}

/// Notes a branch to the block `depth` levels out.
fn target(open: &mut [Open], depth: u32) {
    let at = open.len().checked_sub(1 + depth as usize);
    if let Some(open) = at.and_then(|at| open.get_mut(at)) {
        open.joins |= !open.is_loop;
    }
}
