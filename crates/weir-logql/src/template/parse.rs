//! Text to nodes.

use super::functions::{self, Function};
use super::lex::{Token, Tokens, text_end, tokens};
use super::value::Value;

/// How many blocks and parentheses may be open at once.
const NESTING_MAX: usize = 50;

#[derive(Debug, Clone)]
pub(super) enum Node {
    Text(Box<str>),
    Print(Pipe),
    If { pipe: Pipe, then: Vec<Node>, otherwise: Vec<Node> },
    With { pipe: Pipe, then: Vec<Node>, otherwise: Vec<Node> },
    Range { pipe: Pipe, then: Vec<Node>, otherwise: Vec<Node> },
    Break,
    Continue,
}

/// Commands, each of which takes what the one before it answers as its last argument.
#[derive(Debug, Clone)]
pub(super) struct Pipe {
    /// What is set to the answer.
    pub(super) variables: Vec<Box<str>>,
    /// Whether the variables were there before.
    pub(super) assigns: bool,
    pub(super) commands: Vec<Vec<Argument>>,
}

#[derive(Debug, Clone)]
pub(super) enum Argument {
    Dot,
    Constant(Value),
    /// `.a.b`
    Field(Vec<Box<str>>),
    /// `$a.b`
    Variable(Box<str>, Vec<Box<str>>),
    Function(&'static Function),
    /// `(…).a`
    Pipe(Box<Pipe>, Vec<Box<str>>),
}

type Result<T> = std::result::Result<T, String>;

/// What stands between braces, and what stands around them.
enum Piece<'a> {
    Text(&'a str),
    /// With its line.
    Action(&'a str, usize),
}

pub(super) fn parse(text: &str) -> Result<Vec<Node>> {
    let pieces = pieces(text)?;
    let mut parser =
        Parser { pieces: pieces.into_iter(), variables: vec!["$".into()], line: 1, depth: 0, loops: 0 };
    let at_line = |line: usize, error: String| format!("template: line:{line}: {error}");
    let (nodes, end) = match parser.list() {
        Ok(list) => list,
        Err(error) => return Err(at_line(parser.line, error)),
    };
    match end {
        Stop::Eof => Ok(nodes),
        Stop::End => Err(at_line(parser.line, "unexpected {{end}}".to_owned())),
        Stop::Else(_) => Err(at_line(parser.line, "unexpected {{else}}".to_owned())),
    }
}

/// Parts text from actions and trims what they say is to be trimmed.
fn pieces(text: &str) -> Result<Vec<Piece<'_>>> {
    const SPACE: [char; 4] = [' ', '\t', '\r', '\n'];
    let mut pieces = Vec::new();
    let mut rest = text;
    let mut trim = false;
    loop {
        let line = text[..text.len() - rest.len()].matches('\n').count() + 1;
        let fail = |what: &str| format!("template: line:{line}: {what}");
        let (before, inside) = match rest.split_once("{{") {
            Some((before, inside)) => (before, Some(inside)),
            None => (rest, None),
        };
        let trims_before = inside
            .is_some_and(|inside| inside.strip_prefix('-').is_some_and(|inside| inside.starts_with(SPACE)));
        let mut plain = before;
        if trim {
            plain = plain.trim_start_matches(SPACE);
        }
        if trims_before {
            plain = plain.trim_end_matches(SPACE);
        }
        if !plain.is_empty() {
            pieces.push(Piece::Text(plain));
        }
        let Some(inside) = inside else { return Ok(pieces) };
        let line = line + before.matches('\n').count();
        let inside = if trims_before { &inside[1..] } else { inside };
        let comment = inside.trim_start_matches(SPACE);
        let end = if comment.starts_with("/*") {
            let end = comment.find("*/").ok_or_else(|| fail("unclosed comment"))?;
            let after = &comment[end + 2..];
            let close = after.trim_start_matches(SPACE);
            if !close.starts_with("}}") && !close.starts_with("-}}") {
                return Err(fail("comment ends before closing delimiter"));
            }
            inside.len() - close.len() + usize::from(close.starts_with('-'))
        } else {
            action_end(inside).map_err(fail)?
        };
        let action = &inside[..end];
        trim = action.ends_with(" -") || action.ends_with("\t-") || action.ends_with("\n-") || action == "-";
        let action = if trim { &action[..action.len() - 1] } else { action };
        if !comment.starts_with("/*") {
            pieces.push(Piece::Action(action, line));
        } else if action.ends_with('-') {
            trim = true;
        }
        rest = &inside[end + 2..];
    }
}

/// Where the braces stand that close an action.
fn action_end(text: &str) -> std::result::Result<usize, &'static str> {
    let mut at = 0;
    while at < text.len() {
        let rest = &text[at..];
        if rest.starts_with("}}") {
            return Ok(at);
        }
        at += match rest.chars().next() {
            Some('"') => text_end(rest).ok_or("unterminated quoted string")?,
            Some('`') => rest[1..].find('`').ok_or("unterminated raw quoted string")? + 2,
            Some('\'') if rest.len() > 2 => {
                let escaped = rest[1..].starts_with('\\');
                let mut characters = rest.char_indices().skip(2 + usize::from(escaped));
                characters.find(|&(_, c)| c == '\'').map_or(1, |(end, _)| end + 1)
            }
            Some(other) => other.len_utf8(),
            None => break,
        };
    }
    Err("unclosed action")
}

/// What ends a list of nodes.
enum Stop {
    Eof,
    End,
    /// With what stands behind it.
    Else(Tokens),
}

struct Parser<'a> {
    pieces: std::vec::IntoIter<Piece<'a>>,
    /// Those that are known here.
    variables: Vec<Box<str>>,
    line: usize,
    depth: usize,
    /// How many `range` are open.
    loops: usize,
}

impl Parser<'_> {
    fn list(&mut self) -> Result<(Vec<Node>, Stop)> {
        let mut nodes = Vec::new();
        loop {
            let (action, line) = match self.pieces.next() {
                None => return Ok((nodes, Stop::Eof)),
                Some(Piece::Text(text)) => {
                    nodes.push(Node::Text(text.into()));
                    continue;
                }
                Some(Piece::Action(action, line)) => (action, line),
            };
            self.line = line;
            let mut tokens = tokens(action)?;
            let keyword = match tokens.first() {
                Some((Token::Word(word), _)) => word.clone(),
                _ => "".into(),
            };
            match &*keyword {
                "if" | "with" | "range" => {
                    tokens.remove(0);
                    let block = self.block(&keyword, &tokens)?;
                    nodes.push(block);
                }
                "end" => return Ok((nodes, Stop::End)),
                "else" => {
                    tokens.remove(0);
                    return Ok((nodes, Stop::Else(tokens)));
                }
                "break" | "continue" if self.loops == 0 => {
                    return Err(format!("{{{{{keyword}}}}} outside {{{{range}}}}"));
                }
                "break" => nodes.push(Node::Break),
                "continue" => nodes.push(Node::Continue),
                "define" | "template" | "block" => {
                    return Err(format!(
                        "{{{{{keyword}}}}} is not supported: write the text where it is used"
                    ));
                }
                _ => {
                    let pipe = self.pipe(&tokens)?;
                    nodes.push(Node::Print(pipe));
                }
            }
        }
    }

    fn nested<T>(&mut self, read: impl FnOnce(&mut Self) -> Result<T>) -> Result<T> {
        if self.depth == NESTING_MAX {
            return Err(format!("blocks and parentheses are nested more than {NESTING_MAX} deep"));
        }
        self.depth += 1;
        let read = read(self);
        self.depth -= 1;
        read
    }

    /// A block with its condition and everything up to its end.
    fn block(&mut self, keyword: &str, condition: &[(Token, bool)]) -> Result<Node> {
        let known = self.variables.len();
        let node = self.nested(|parser| {
            let pipe = parser.pipe(condition)?;
            if keyword != "range" && pipe.variables.len() > 1 {
                return Err(format!("too many declarations in {keyword}"));
            }
            let inner = parser.variables.len();
            parser.loops += usize::from(keyword == "range");
            let list = parser.list();
            parser.loops -= usize::from(keyword == "range");
            let (then, end) = list?;
            parser.variables.truncate(inner);
            let otherwise = match end {
                Stop::Eof => return Err("unexpected EOF".to_owned()),
                Stop::End => Vec::new(),
                Stop::Else(mut rest) => match rest.first() {
                    None => match parser.list()? {
                        (nodes, Stop::End) => nodes,
                        (_, Stop::Eof) => return Err("unexpected EOF".to_owned()),
                        (_, Stop::Else(_)) => return Err("expected end; found {{else}}".to_owned()),
                    },
                    Some((Token::Word(word), _)) if &**word == keyword && keyword != "range" => {
                        rest.remove(0);
                        vec![parser.block(keyword, &rest)?]
                    }
                    Some(_) => return Err("unexpected words in else".to_owned()),
                },
            };
            Ok(match keyword {
                "if" => Node::If { pipe, then, otherwise },
                "with" => Node::With { pipe, then, otherwise },
                _ => Node::Range { pipe, then, otherwise },
            })
        });
        self.variables.truncate(known);
        node
    }

    /// A pipeline with the variables that it sets.
    fn pipe(&mut self, tokens: &[(Token, bool)]) -> Result<Pipe> {
        let mut names = Vec::new();
        let mut at = 0;
        let mut assigns = false;
        while let Some((Token::Variable(name), _)) = tokens.get(at) {
            match tokens.get(at + 1) {
                Some((Token::Comma, _)) if names.is_empty() => names.push(name.clone()),
                Some((sign @ (Token::Declare | Token::Assign), _)) => {
                    names.push(name.clone());
                    assigns = *sign == Token::Assign;
                    at += 2;
                    break;
                }
                _ => {
                    names.clear();
                    at = 0;
                    break;
                }
            }
            at += 2;
        }
        if let Some(unknown) = names.iter().find(|name| assigns && !self.variables.contains(name)) {
            return Err(format!("undefined variable {unknown:?}"));
        }
        let mut rest = tokens[at..].iter();
        let commands = self.commands(&mut rest, false)?;
        if !assigns {
            self.variables.extend(names.iter().cloned());
        }
        Ok(Pipe { variables: names, assigns, commands })
    }

    fn commands(
        &mut self,
        rest: &mut std::slice::Iter<'_, (Token, bool)>,
        in_parens: bool,
    ) -> Result<Vec<Vec<Argument>>> {
        let mut commands = Vec::new();
        let mut command: Vec<Argument> = Vec::new();
        loop {
            let Some((token, spaced)) = rest.next() else {
                if in_parens {
                    return Err("unclosed left paren".to_owned());
                }
                break;
            };
            match token {
                Token::Pipe => commands.push(finish(std::mem::take(&mut command), !commands.is_empty())?),
                Token::RightParen if in_parens => break,
                Token::RightParen => return Err("unexpected right paren".to_owned()),
                Token::Field(name) if !spaced => match command.last_mut() {
                    Some(
                        Argument::Field(names) | Argument::Variable(_, names) | Argument::Pipe(_, names),
                    ) => names.push(name.clone()),
                    _ => return Err(format!("unexpected <.{name}> in operand")),
                },
                token => {
                    let argument = self.argument(token, rest)?;
                    command.push(argument);
                }
            }
        }
        commands.push(finish(command, !commands.is_empty())?);
        Ok(commands)
    }

    fn argument(
        &mut self,
        token: &Token,
        rest: &mut std::slice::Iter<'_, (Token, bool)>,
    ) -> Result<Argument> {
        Ok(match token {
            Token::Dot => Argument::Dot,
            Token::Field(name) => Argument::Field(vec![name.clone()]),
            Token::Variable(name) if self.variables.contains(name) => {
                Argument::Variable(name.clone(), Vec::new())
            }
            Token::Variable(name) => return Err(format!("undefined variable {name:?}")),
            Token::Text(text) => Argument::Constant(Value::Text(text.to_string())),
            Token::Int(value) => Argument::Constant(Value::Int(*value)),
            Token::Float(value) => Argument::Constant(Value::Float(*value)),
            Token::LeftParen => {
                let commands = self.nested(|parser| parser.commands(rest, true))?;
                let pipe = Pipe { variables: Vec::new(), assigns: false, commands };
                Argument::Pipe(Box::new(pipe), Vec::new())
            }
            Token::Word(word) => match &**word {
                "true" => Argument::Constant(Value::Bool(true)),
                "false" => Argument::Constant(Value::Bool(false)),
                "nil" => Argument::Constant(Value::Nil),
                name => match functions::find(name) {
                    Some(function) => Argument::Function(function),
                    None => return Err(format!("function {name:?} not defined")),
                },
            },
            other => return Err(format!("unexpected {other:?} in command")),
        })
    }
}

/// A command that is read: it has something to do, and only a function takes arguments.
fn finish(command: Vec<Argument>, takes_more: bool) -> Result<Vec<Argument>> {
    match command.first() {
        None => Err("missing value for command".to_owned()),
        Some(Argument::Function(_) | Argument::Field(_) | Argument::Variable(..) | Argument::Pipe(..)) => {
            Ok(command)
        }
        Some(_) if command.len() > 1 || takes_more => Err("non executable command in pipeline".to_owned()),
        Some(_) => Ok(command),
    }
}
