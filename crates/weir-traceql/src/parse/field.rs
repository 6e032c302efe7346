//! Expressions about one span: what stands in braces.

use weir_signal::{SpanKind, Status};

use super::{Parser, Read, Result};
use crate::ast::{
    Attribute, AttributeScope, COMPARISON_PRECEDENCE, Field, FieldOp, Intrinsic, Pattern, SUM_PRECEDENCE,
};
use crate::check::{self, Type};
use crate::lex::{Kind, Place};
use crate::value::Value;

/// What stands between operators: `nil` is no value that could stand alone.
enum Operand {
    Field(Read<Field>),
    Nil(Place),
}

/// An operator between two fields.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Between {
    Op(FieldOp),
    Matches,
    MatchesNot,
}

impl Between {
    fn precedence(self) -> u8 {
        match self {
            Self::Op(op) => op.precedence(),
            Self::Matches | Self::MatchesNot => COMPARISON_PRECEDENCE,
        }
    }
}

impl FieldOp {
    /// The operator between fields that is written so.
    pub(super) fn find(text: &str) -> Option<Self> {
        Some(match text {
            "&&" => Self::And,
            "||" => Self::Or,
            "=" => Self::Equal,
            "!=" => Self::NotEqual,
            "<" => Self::Less,
            "<=" => Self::LessOrEqual,
            ">" => Self::Greater,
            ">=" => Self::GreaterOrEqual,
            "+" => Self::Add,
            "-" => Self::Sub,
            "*" => Self::Mul,
            "/" => Self::Div,
            "%" => Self::Mod,
            "^" => Self::Pow,
            _ => return None,
        })
    }
}

impl Parser<'_> {
    /// The inside of `{ … }`: a boolean, or nothing.
    pub(super) fn filter(&mut self) -> Result<Read<Option<Field>>> {
        let open = self.expect(&Kind::LeftBrace, "`{`")?;
        let mut found = Read { tree: None, place: open, height: 1 };
        if !self.is(&Kind::RightBrace) {
            let field = self.field()?;
            if !check::may_be(&field.tree, Type::Bool) {
                let text = self.text_of(field.place);
                let message = format!(
                    "`{text}` is no condition: compare it with something, as in `{{ duration > 1s }}`"
                );
                return self.error(field.place, message);
            }
            (found.height, found.tree) = (self.above(field.place, &[field.height])?, Some(field.tree));
        }
        found.place = open.to(self.expect(&Kind::RightBrace, "an operator or `}`")?);
        Ok(found)
    }

    /// Any expression about a span.
    pub(super) fn field(&mut self) -> Result<Read<Field>> {
        self.operation(0).and_then(|operand| self.not_nil(operand))
    }

    /// An expression that depends on the span.
    pub(super) fn field_of_span(&mut self, what: &str) -> Result<Read<Field>> {
        let field = self.field()?;
        if check::refers_to_span(&field.tree) {
            return Ok(field);
        }
        self.error(
            field.place,
            format!("{what} something that spans have, such as `duration` or `span.http.url`"),
        )
    }

    fn not_nil(&self, operand: Operand) -> Result<Read<Field>> {
        match operand {
            Operand::Field(field) => Ok(field),
            Operand::Nil(place) => {
                self.error(place, "`nil` stands only beside `=` and `!=`, as in `span.x != nil`")
            }
        }
    }

    fn between(&self) -> Option<Between> {
        match self.token.kind {
            Kind::Matches => Some(Between::Matches),
            Kind::Op("!~") => Some(Between::MatchesNot),
            Kind::Op(op) => FieldOp::find(op).map(Between::Op),
            _ => None,
        }
    }

    /// An expression whose operators bind at least this tightly.
    fn operation(&mut self, precedence_min: u8) -> Result<Operand> {
        self.nested(|parser| {
            let mut lhs = parser.signed()?;
            while let Some(between) = parser.between()
                && between.precedence() >= precedence_min
            {
                parser.advance()?;
                let groups_right = between == Between::Op(FieldOp::Pow);
                let rhs = parser.operation(between.precedence() + u8::from(!groups_right))?;
                lhs = Operand::Field(parser.join(between, lhs, rhs)?);
            }
            Ok(lhs)
        })
    }

    /// A sign takes in what binds more tightly than a sum: `-a * b` is `-(a * b)`, `!a = b` is `(!a) = b`.
    fn signed(&mut self) -> Result<Operand> {
        let is_minus = self.is(&Kind::Op("-"));
        if !is_minus && !self.is(&Kind::Not) {
            return self.operand();
        }
        let sign = self.advance()?.place;
        let operand = self.operation(SUM_PRECEDENCE + 1)?;
        let Read { tree, place, height } = self.not_nil(operand)?;
        let place = sign.to(place);
        let (good, wanted) = if is_minus {
            (check::may_be_number(&tree), "a number can have a sign")
        } else {
            (check::may_be(&tree, Type::Bool), "a condition can be negated")
        };
        if !good {
            return self.error(place, format!("only {wanted}: `{}`", self.text_of(place)));
        }
        let negative = match tree {
            Field::Value(Value::Int(value)) if is_minus => Some(Value::Int(value.wrapping_neg())),
            Field::Value(Value::Float(value)) if is_minus => Some(Value::Float(-value)),
            Field::Value(Value::Duration(value)) if is_minus => Some(Value::Duration(value.wrapping_neg())),
            _ => None,
        };
        if let Some(value) = negative {
            return Ok(Operand::Field(Read { tree: Field::Value(value), place, height }));
        }
        let height = self.above(place, &[height])?;
        let tree = if is_minus { Field::Negative(Box::new(tree)) } else { Field::Not(Box::new(tree)) };
        Ok(Operand::Field(Read { tree, place, height }))
    }

    /// What stands between operators.
    fn operand(&mut self) -> Result<Operand> {
        if self.is_word("nil") {
            return Ok(Operand::Nil(self.advance()?.place));
        }
        if self.accept(&Kind::LeftParen)? {
            let open = self.taken;
            let mut field = self.field()?;
            field.place = open.to(self.expect(&Kind::RightParen, "an operator or `)`")?);
            return Ok(Operand::Field(field));
        }
        self.field_operand().map(Operand::Field)
    }

    /// A value or an attribute.
    pub(super) fn field_operand(&mut self) -> Result<Read<Field>> {
        let (place, kind) = (self.token.place, self.token.kind.clone());
        let value = match kind {
            Kind::Int(value) => Some(Value::Int(value)),
            Kind::Float(value) => Some(Value::Float(value)),
            Kind::Duration(nanos) => Some(Value::Duration(nanos)),
            Kind::Text(text) => Some(Value::Text(text)),
            Kind::Word(word) => value_of_word(word),
            _ => None,
        };
        let tree = match value {
            Some(value) => {
                self.advance()?;
                Field::Value(value)
            }
            None => Field::Attribute(self.attribute()?),
        };
        Ok(Read { tree, place: place.to(self.taken), height: 1 })
    }

    /// An attribute.
    pub(super) fn attribute(&mut self) -> Result<Attribute> {
        let place = self.token.place;
        match self.token.kind.clone() {
            Kind::Attribute(attribute) => {
                self.advance()?;
                Ok(attribute)
            }
            Kind::Word("parent") => self.error(
                place,
                "`parent` alone is no value; `span:parentID` is its id, `parent.x` an attribute of it, and \
                 `nestedSetParent < 0` selects spans without one",
            ),
            Kind::Word(word) => match intrinsic("", word) {
                Some(intrinsic) => {
                    self.advance()?;
                    Ok(Attribute::Intrinsic(intrinsic))
                }
                None => self.error(
                    place,
                    format!(
                        "unknown identifier `{word}`; attributes are written `span.{word}`, `resource.{word}` or \
                         `.{word}`, and texts in quotes"
                    ),
                ),
            },
            Kind::Scope(scope) => {
                self.advance()?;
                let Kind::Word(word) = self.token.kind else { return self.unexpected("what spans have") };
                let Some(intrinsic) = intrinsic(scope, word) else {
                    let message = if scope == "trace" {
                        "a trace has `trace:id`, `trace:duration`, `trace:rootName` and `trace:rootService`".to_owned()
                    } else {
                        format!("there is no `{scope}:{word}`; attributes are written `{scope}.{word}`")
                    };
                    return self.error(place.to(self.token.place), message);
                };
                self.advance()?;
                Ok(Attribute::Intrinsic(intrinsic))
            }
            _ => self.unexpected("a value or an attribute"),
        }
    }

    /// Two operands made one.
    fn join(&mut self, between: Between, lhs: Operand, rhs: Operand) -> Result<Read<Field>> {
        let (lhs, rhs) = match (lhs, rhs) {
            (Operand::Nil(start), Operand::Nil(end)) => return self.both_nil(between, start.to(end)),
            (Operand::Nil(nil), Operand::Field(field)) | (Operand::Field(field), Operand::Nil(nil)) => {
                return self.beside_nil(between, field, nil);
            }
            (Operand::Field(lhs), Operand::Field(rhs)) => (lhs, rhs),
        };
        let place = lhs.place.to(rhs.place);
        let height = self.above(place, &[lhs.height, rhs.height])?;
        let tree = match between {
            Between::Op(op) => {
                if let Err(why) = check::operation(op, &lhs.tree, &rhs.tree) {
                    return self.error(place, format!("{why}: `{}`", self.text_of(place)));
                }
                Field::Binary(op, Box::new(lhs.tree), Box::new(rhs.tree))
            }
            Between::Matches | Between::MatchesNot => {
                let pattern = match rhs.tree {
                    Field::Value(Value::Text(text)) if check::may_be(&lhs.tree, Type::Text) => {
                        Pattern::new(&text)
                    }
                    _ => {
                        let message =
                            format!("a text is matched with a quoted pattern: `{}`", self.text_of(place));
                        return self.error(place, message);
                    }
                };
                let pattern = match pattern {
                    Ok(pattern) => pattern,
                    Err(why) => return self.error(rhs.place, format!("no regular expression: {why}")),
                };
                let text = Box::new(lhs.tree);
                let is_negated = between == Between::MatchesNot;
                if is_negated { Field::MatchesNot(text, pattern) } else { Field::Matches(text, pattern) }
            }
        };
        Ok(Read { tree, place, height })
    }

    /// `nil = nil` and `nil != nil` are both false.
    fn both_nil(&self, between: Between, place: Place) -> Result<Read<Field>> {
        if let Between::Op(FieldOp::Equal | FieldOp::NotEqual) = between {
            return Ok(Read { tree: Field::Value(Value::Bool(false)), place, height: 1 });
        }
        self.not_nil(Operand::Nil(place))
    }

    /// Whether something is there.
    fn beside_nil(&self, between: Between, field: Read<Field>, nil: Place) -> Result<Read<Field>> {
        let place =
            Place::new(field.place.start.min(nil.start) as usize, field.place.end.max(nil.end) as usize);
        let height = self.above(place, &[field.height])?;
        let tree = match between {
            Between::Op(FieldOp::NotEqual) => Field::Exists(Box::new(field.tree)),
            Between::Op(FieldOp::Equal) => {
                if is_always_there(&field.tree) {
                    let text = self.text_of(field.place);
                    return self.error(place, format!("every span has `{text}`: it is never nil"));
                }
                Field::Missing(Box::new(field.tree))
            }
            _ => return self.not_nil(Operand::Nil(nil)),
        };
        Ok(Read { tree, place, height })
    }
}

fn is_always_there(field: &Field) -> bool {
    match field {
        Field::Attribute(Attribute::Intrinsic(_)) => true,
        Field::Attribute(Attribute::Named { of_parent: false, scope: AttributeScope::Resource, name }) => {
            &**name == "service.name"
        }
        _ => false,
    }
}

/// The value that a word stands for.
fn value_of_word(word: &str) -> Option<Value> {
    Some(match word {
        "true" => Value::Bool(true),
        "false" => Value::Bool(false),
        "ok" => Value::Status(Status::Ok),
        "error" => Value::Status(Status::Error),
        "unset" => Value::Status(Status::Unset),
        "unspecified" => Value::Kind(SpanKind::Unspecified),
        "internal" => Value::Kind(SpanKind::Internal),
        "server" => Value::Kind(SpanKind::Server),
        "client" => Value::Kind(SpanKind::Client),
        "producer" => Value::Kind(SpanKind::Producer),
        "consumer" => Value::Kind(SpanKind::Consumer),
        "minInt" => Value::Int(i64::MIN),
        "maxInt" => Value::Int(i64::MAX),
        _ => return None,
    })
}

/// What every span has by its name, and by what stands before the colon.
fn intrinsic(scope: &str, word: &str) -> Option<Intrinsic> {
    Some(match (scope, word) {
        ("" | "span", "duration") => Intrinsic::Duration,
        ("" | "span", "name") => Intrinsic::Name,
        ("" | "span", "status") => Intrinsic::Status,
        ("" | "span", "statusMessage") => Intrinsic::StatusMessage,
        ("" | "span", "kind") => Intrinsic::Kind,
        ("span", "id") => Intrinsic::SpanId,
        ("span", "parentID") => Intrinsic::ParentId,
        ("span", "childCount") => Intrinsic::ChildCount,
        ("" | "trace", "rootName") => Intrinsic::RootName,
        ("", "rootServiceName") | ("trace", "rootService") => Intrinsic::RootService,
        ("", "traceDuration") | ("trace", "duration") => Intrinsic::TraceDuration,
        ("trace", "id") => Intrinsic::TraceId,
        ("", "nestedSetLeft") => Intrinsic::NestedSetLeft,
        ("", "nestedSetRight") => Intrinsic::NestedSetRight,
        ("", "nestedSetParent") => Intrinsic::NestedSetParent,
        ("event", "name") => Intrinsic::EventName,
        ("event", "timeSinceStart") => Intrinsic::EventTimeSinceStart,
        ("link", "traceID") => Intrinsic::LinkTraceId,
        ("link", "spanID") => Intrinsic::LinkSpanId,
        ("instrumentation", "name") => Intrinsic::InstrumentationName,
        ("instrumentation", "version") => Intrinsic::InstrumentationVersion,
        _ => return None,
    })
}
