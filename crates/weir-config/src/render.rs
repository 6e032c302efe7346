//! Diagnostics for people: the place, the line with what is meant underlined, and what to do.

use std::fmt::Write as _;
use std::ops::Range;

use crate::{Diagnostic, Severity, Source};

/// How diagnostics are drawn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Style {
    /// Text only.
    Plain,
    /// With ANSI colours, for terminals.
    Colour,
}

/// Most characters of a line that are shown; the rest of a longer one is cut off around the place.
const LINE_CHARS_MAX: usize = 120;

const RED: &str = "1;31";
const YELLOW: &str = "1;33";
const BLUE: &str = "1;34";
const BOLD: &str = "1";

struct Canvas {
    text: String,
    style: Style,
}

impl Canvas {
    fn paint(&mut self, colour: &str, text: &str) {
        let _ = match self.style {
            Style::Plain => write!(self.text, "{text}"),
            Style::Colour => write!(self.text, "\x1b[{colour}m{text}\x1b[0m"),
        };
    }
}

/// Draws diagnostics: for each the message, `file:line:column`, the line with the place underlined, and the remedy.
/// Control characters of the source are not passed on to the terminal.
pub fn render(source: &Source, diagnostics: &[Diagnostic], style: Style) -> String {
    let mut canvas = Canvas { text: String::new(), style };
    for diagnostic in diagnostics {
        one(source, diagnostic, &mut canvas);
        canvas.text.push('\n');
    }
    canvas.text
}

fn one(source: &Source, diagnostic: &Diagnostic, canvas: &mut Canvas) {
    let colour = if diagnostic.severity == Severity::Error { RED } else { YELLOW };
    canvas.paint(colour, diagnostic.severity.word());
    canvas.paint(BOLD, &format!(": {}", visible(&diagnostic.message)));
    let lines = [Some(diagnostic.line), diagnostic.related.as_ref().map(|r| r.line)];
    let width = lines.into_iter().flatten().max().unwrap_or(1).to_string().len();
    canvas.text.push('\n');
    canvas.paint(BLUE, &format!("{:width$}--> ", ""));
    let _ = write!(canvas.text, "{}:{}:{}", source.name, diagnostic.line, diagnostic.column);
    if !diagnostic.path.is_empty() {
        let _ = write!(canvas.text, "  ({})", visible(&diagnostic.path));
    }
    canvas.text.push('\n');
    let main = Place { line: diagnostic.line, span: diagnostic.span.clone(), says: "", colour, mark: '^' };
    let related = diagnostic.related.as_ref().map(|r| Place {
        line: r.line,
        span: r.span.clone(),
        says: &r.message,
        colour: BLUE,
        mark: '-',
    });
    let mut places: Vec<Place> = related.into_iter().chain([main]).collect();
    places.sort_by_key(|place| place.line);
    for (at, place) in places.iter().enumerate() {
        if at > 0 && place.line > places[at - 1].line + 1 {
            canvas.paint(BLUE, &format!("{:>width$}\n", "…"));
        }
        excerpt(source.text, place, width, canvas);
    }
    if let Some(help) = &diagnostic.help {
        canvas.paint(BLUE, &format!("{:width$} = ", ""));
        canvas.paint(BOLD, "help");
        let _ = writeln!(canvas.text, ": {}", visible(help));
    }
}

struct Place<'a> {
    line: u32,
    span: Range<usize>,
    says: &'a str,
    colour: &'static str,
    mark: char,
}

/// One line of the text with a part of it underlined.
fn excerpt(text: &str, place: &Place, width: usize, canvas: &mut Canvas) {
    let Some((before, marked, after)) = cut(text, &place.span) else { return };
    let (before, marked, after) = (visible(before), visible(marked), visible(after));
    // A long line (JSON, mostly) is shown around the place only.
    let marked_shown: String = marked.chars().take(LINE_CHARS_MAX / 2).collect();
    let room = LINE_CHARS_MAX - marked_shown.chars().count();
    let before_len = before.chars().count();
    let skip = before_len.saturating_sub(room / 2);
    let before_shown: String =
        if skip > 0 { ['…'].into_iter().chain(before.chars().skip(skip)).collect() } else { before };
    let after_room =
        LINE_CHARS_MAX.saturating_sub(before_shown.chars().count() + marked_shown.chars().count());
    let mut after_shown: String = after.chars().take(after_room).collect();
    if after.chars().count() > after_room || marked_shown.len() < marked.len() {
        after_shown.push('…');
    }
    canvas.paint(BLUE, &format!("{:>width$} | ", place.line));
    let _ = writeln!(canvas.text, "{}", format!("{before_shown}{marked_shown}{after_shown}").trim_end());
    canvas.paint(BLUE, &format!("{:width$} | ", ""));
    let indent = before_shown.chars().count();
    let marks = place.mark.to_string().repeat(marked_shown.chars().count().max(1));
    let _ = write!(canvas.text, "{:indent$}", "");
    canvas.paint(place.colour, &marks);
    if !place.says.is_empty() {
        canvas.text.push(' ');
        canvas.paint(place.colour, &visible(place.says));
    }
    canvas.text.push('\n');
}

/// The line of a span, in three parts; what is marked ends with the line.
fn cut<'a>(text: &'a str, span: &Range<usize>) -> Option<(&'a str, &'a str, &'a str)> {
    let head = text.get(..span.start)?;
    let line_start = head.rfind('\n').map_or(0, |at| at + 1);
    let line_end = text[span.start..].find('\n').map_or(text.len(), |at| span.start + at);
    let marked = text.get(span.start..span.end.clamp(span.start, line_end))?;
    // Trailing spaces and comments belong to what is marked only by accident.
    let marked = marked.split(" #").next().unwrap_or(marked).trim_end();
    let end = span.start + marked.len();
    Some((&text[line_start..span.start], marked, text[end..line_end].trim_end_matches('\r')))
}

/// The text without what would move a terminal's cursor: a tab is one space, other control characters are boxes.
fn visible(text: &str) -> String {
    let clean = |c: char| match c {
        '\t' => ' ',
        c if c.is_control()
            || matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}') =>
        {
            '\u{fffd}'
        }
        c => c,
    };
    text.chars().map(clean).collect()
}
