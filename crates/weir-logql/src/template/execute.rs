//! Nodes to text.

use std::fmt::Write as _;

use super::functions::{self, Function};
use super::parse::{Argument, Node, Pipe};
use super::value::Value;
use crate::pipeline::LineLabels;

/// How much one execution may do: bytes that are moved, and [`STEP`] for each node and command.
const WORK_MAX: usize = 32 << 20;

/// What a node or command costs.
const STEP: usize = 64;

/// How many bytes one execution may write, and one value may have.
pub(super) const TEXT_MAX: usize = 1 << 20;

/// What a template speaks of.
#[derive(Clone, Copy)]
pub(crate) struct Context<'a> {
    /// The labels of the line.
    pub(crate) labels: &'a LineLabels,
    /// The line itself.
    pub(crate) line: &'a str,
    /// Its time, in nanoseconds since 1970.
    pub(crate) time_ns: i64,
    /// What `now` is, in nanoseconds since 1970.
    pub(crate) now_ns: i64,
}

type Result<T = ()> = std::result::Result<T, String>;

pub(super) fn execute(nodes: &[Node], context: &Context<'_>, out: &mut String) -> Result {
    let variables = vec![("$", Value::Labels)];
    Run { context, out, variables, work: 0 }.list(nodes, &Value::Labels).map(drop)
}

/// How a list of nodes ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Flow {
    On,
    Break,
    Continue,
}

struct Run<'a, 'o> {
    context: &'a Context<'a>,
    out: &'o mut String,
    /// The latest last.
    variables: Vec<(&'a str, Value)>,
    work: usize,
}

impl<'a> Run<'a, '_> {
    fn step(&mut self) -> Result {
        self.charge(STEP)?;
        if self.out.len() > TEXT_MAX {
            return Err(format!("a template may not write more than {TEXT_MAX} bytes"));
        }
        Ok(())
    }

    fn charge(&mut self, work: usize) -> Result {
        self.work = self.work.saturating_add(work);
        if self.work > WORK_MAX {
            return Err("too much work: the template does more than a line is worth".to_owned());
        }
        Ok(())
    }

    fn list(&mut self, nodes: &'a [Node], dot: &Value) -> Result<Flow> {
        for node in nodes {
            self.step()?;
            let known = self.variables.len();
            match node {
                Node::Text(text) => self.out.push_str(text),
                Node::Print(pipe) => {
                    let value = self.pipe(pipe, dot)?;
                    if pipe.variables.is_empty() {
                        self.print(&value);
                    }
                    continue;
                }
                Node::If { pipe, then, otherwise } => {
                    let holds = self.pipe(pipe, dot)?.is_true();
                    let flow = self.list(if holds { then } else { otherwise }, dot)?;
                    if flow != Flow::On {
                        return Ok(flow);
                    }
                }
                Node::With { pipe, then, otherwise } => {
                    let value = self.pipe(pipe, dot)?;
                    let holds = value.is_true();
                    let flow = if holds { self.list(then, &value)? } else { self.list(otherwise, dot)? };
                    if flow != Flow::On {
                        return Ok(flow);
                    }
                }
                Node::Range { pipe, then, otherwise } => self.range(pipe, then, otherwise, dot)?,
                Node::Break => return Ok(Flow::Break),
                Node::Continue => return Ok(Flow::Continue),
            }
            self.variables.truncate(known);
        }
        Ok(Flow::On)
    }

    fn range(&mut self, pipe: &'a Pipe, then: &'a [Node], otherwise: &'a [Node], dot: &Value) -> Result {
        let over = self.commands(&pipe.commands, dot)?;
        let known = self.variables.len();
        let mut any = false;
        let text = |text: &str| Value::Text(text.to_owned());
        let mut labels: Vec<_>;
        let elements: &mut dyn Iterator<Item = (Value, Value)> = match &over {
            Value::Nil => &mut std::iter::empty(),
            Value::Int(count) => &mut (0..*count).map(|at| (Value::Int(at), Value::Int(at))),
            Value::List(list) => {
                &mut list.iter().enumerate().map(|(at, value)| (Value::Int(at as i64), value.clone()))
            }
            Value::Map(map) => &mut map.iter().map(|(key, value)| (text(key), value.clone())),
            Value::Labels => {
                labels = self.context.labels.iter().collect();
                labels.sort_unstable();
                &mut labels.iter().map(|(name, value)| (text(name), text(value)))
            }
            other => return Err(format!("range can't iterate over {other}")),
        };
        for (key, value) in elements {
            any = true;
            self.charge(STEP + value.weight())?;
            match pipe.variables.as_slice() {
                [] => {}
                [one] => self.set(one, value.clone(), pipe.assigns),
                [first, second, ..] => {
                    self.set(first, key, pipe.assigns);
                    self.set(second, value.clone(), pipe.assigns);
                }
            }
            let flow = self.list(then, &value)?;
            self.variables.truncate(known);
            if flow == Flow::Break {
                break;
            }
        }
        if !any {
            self.list(otherwise, dot)?;
        }
        Ok(())
    }

    fn set(&mut self, name: &'a str, value: Value, assigns: bool) {
        if assigns {
            if let Some(known) = self.variables.iter_mut().rev().find(|known| known.0 == name) {
                known.1 = value;
            }
        } else {
            self.variables.push((name, value));
        }
    }

    fn print(&mut self, value: &Value) {
        match value {
            Value::Nil => self.out.push_str("<no value>"),
            Value::Text(text) => self.out.push_str(text),
            Value::Labels => {
                let mut labels: Vec<_> = self.context.labels.iter().collect();
                labels.sort_unstable();
                let labels: Vec<_> = labels.iter().map(|(name, value)| format!("{name}:{value}")).collect();
                let _ = write!(self.out, "map[{}]", labels.join(" "));
            }
            other => {
                let _ = write!(self.out, "{other}");
            }
        }
    }

    fn pipe(&mut self, pipe: &'a Pipe, dot: &Value) -> Result<Value> {
        let value = self.commands(&pipe.commands, dot)?;
        for name in &pipe.variables {
            self.set(name, value.clone(), pipe.assigns);
        }
        Ok(value)
    }

    fn commands(&mut self, commands: &'a [Vec<Argument>], dot: &Value) -> Result<Value> {
        let mut last = None;
        for command in commands {
            self.step()?;
            last = Some(self.command(command, last, dot)?);
        }
        Ok(last.unwrap_or(Value::Nil))
    }

    fn command(&mut self, command: &'a [Argument], last: Option<Value>, dot: &Value) -> Result<Value> {
        let Some((first, rest)) = command.split_first() else { return Ok(Value::Nil) };
        match first {
            Argument::Function(function) => self.call(function, rest, last, dot),
            // The last field may be a method.
            Argument::Field(_) | Argument::Variable(..) | Argument::Pipe(..) => {
                let (base, names) = self.base(first, dot)?;
                let mut arguments = Vec::new();
                for argument in rest {
                    arguments.push(self.argument(argument, dot)?);
                }
                arguments.extend(last);
                self.follow(base, names, &arguments)
            }
            other => self.argument(other, dot),
        }
    }

    fn call(
        &mut self,
        function: &Function,
        rest: &'a [Argument],
        last: Option<Value>,
        dot: &Value,
    ) -> Result<Value> {
        let count = rest.len() + usize::from(last.is_some());
        if count < function.least || count > function.most {
            return Err(format!(
                "wrong number of args for {}: want {}; got {count}",
                function.name,
                function.wants()
            ));
        }
        let mut arguments = Vec::with_capacity(count);
        for argument in rest {
            let value = self.argument(argument, dot)?;
            let decided = match function.name {
                "and" => !value.is_true(),
                "or" => value.is_true(),
                _ => false,
            };
            if decided {
                return Ok(value);
            }
            arguments.push(value);
        }
        arguments.extend(last);
        let value = (function.call)(&arguments, self.context)
            .map_err(|why| format!("error calling {}: {why}", function.name))?;
        if value.weight() > 16 * TEXT_MAX {
            return Err(format!("error calling {}: longer than {TEXT_MAX} bytes", function.name));
        }
        self.charge(value.weight())?;
        Ok(value)
    }

    fn argument(&mut self, argument: &'a Argument, dot: &Value) -> Result<Value> {
        let value = match argument {
            Argument::Dot => dot.clone(),
            Argument::Constant(value) => value.clone(),
            Argument::Function(function) => self.call(function, &[], None, dot)?,
            Argument::Field(_) | Argument::Variable(..) | Argument::Pipe(..) => {
                let (base, names) = self.base(argument, dot)?;
                self.charge(base.weight())?;
                self.follow(base, names, &[])?
            }
        };
        self.charge(value.weight())?;
        Ok(value)
    }

    /// What the fields of an argument are those of.
    fn base(&mut self, argument: &'a Argument, dot: &Value) -> Result<(Value, &'a [Box<str>])> {
        Ok(match argument {
            Argument::Variable(name, names) => {
                let known = self.variables.iter().rev().find(|known| *known.0 == **name);
                (known.map_or(Value::Nil, |known| known.1.clone()), names)
            }
            Argument::Pipe(pipe, names) => (self.pipe(pipe, dot)?, names),
            Argument::Field(names) => {
                // Labels are not copied to take one of them.
                (dot.clone(), names)
            }
            _ => (dot.clone(), &[]),
        })
    }

    fn follow(&self, base: Value, names: &[Box<str>], arguments: &[Value]) -> Result<Value> {
        let mut value = base;
        for (at, name) in names.iter().enumerate() {
            let is_last = at + 1 == names.len();
            value = match value {
                Value::Labels => Value::Text(self.context.labels.text_of(name).to_owned()),
                Value::Map(mut map) => map.remove(&**name).unwrap_or(Value::Nil),
                Value::Time(time) if is_last => {
                    return functions::method(&time, name, arguments);
                }
                Value::Nil => return Err(format!("nil pointer evaluating interface {{}}.{name}")),
                other => return Err(format!("can't evaluate field {name} in type {}", other.type_name())),
            };
        }
        if arguments.is_empty() { Ok(value) } else { Err("can't give argument to non-function".to_owned()) }
    }
}
