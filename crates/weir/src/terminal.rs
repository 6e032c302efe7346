//! What people see: colours, tables, and text on standard output and standard error.

use std::io::{self, Write};

use weir_config::Style;
use weir_emit::logging::Colour;

/// Paints, or doesn't.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Paint(pub(crate) Colour);

impl Paint {
    pub(crate) fn bold(self, text: &str) -> String {
        self.code("1", text)
    }
    pub(crate) fn dim(self, text: &str) -> String {
        self.code("2", text)
    }
    pub(crate) fn red(self, text: &str) -> String {
        self.code("1;31", text)
    }
    pub(crate) fn green(self, text: &str) -> String {
        self.code("32", text)
    }
    pub(crate) fn cyan(self, text: &str) -> String {
        self.code("36", text)
    }

    fn code(self, code: &str, text: &str) -> String {
        match self.0 {
            Colour::On if !text.is_empty() => format!("\x1b[{code}m{text}\x1b[0m"),
            _ => text.to_owned(),
        }
    }

    /// The same choice for diagnostics.
    pub(crate) fn style(self) -> Style {
        match self.0 {
            Colour::On => Style::Colour,
            Colour::Off => Style::Plain,
        }
    }
}

/// Writes to standard output at once. A reader that has gone away (`weir man | head`) has seen what it wanted.
pub(crate) fn print(text: &str) -> io::Result<()> {
    let mut out = io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        result => result,
    }
}

/// Writes to standard error. Where that fails there is nobody left to tell.
pub(crate) fn complain(text: &str) {
    let _ = io::stderr().lock().write_all(text.as_bytes());
}

/// Text without what could move a terminal's cursor, for words that come from outside.
pub(crate) fn visible(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect()
}

/// A table: columns are as wide as their widest cell, two spaces apart; the last one runs free. `paint` colours a cell
/// that is padded already, so that colours do not count.
pub(crate) fn table<const N: usize>(
    rows: &[[String; N]],
    indent: &str,
    paint: impl Fn(usize, &str) -> String,
) -> String {
    let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0);
    let widths: [usize; N] = std::array::from_fn(width);
    let mut text = String::new();
    for row in rows {
        let mut line = String::from(indent);
        let used = row.iter().rposition(|cell| !cell.is_empty()).map_or(0, |last| last + 1);
        for (column, cell) in row[..used].iter().enumerate() {
            let pad = widths[column] - cell.chars().count();
            line += &paint(column, cell);
            if column + 1 < used {
                line += &" ".repeat(pad + 2);
            }
        }
        text += line.trim_end();
        text.push('\n');
    }
    text
}

/// `1 route`, `2 routes`.
pub(crate) fn count(number: usize, word: &str) -> String {
    format!("{number} {word}{}", if number == 1 { "" } else { "s" })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_line_up_whatever_their_colour() {
        let rows = [["a", "bb", "c"], ["→→→", "b", ""]].map(|row| row.map(str::to_owned));
        let plain = table(&rows, "  ", |_, cell| cell.to_owned());
        assert_eq!(plain, "  a    bb  c\n  →→→  b\n");
        let red = Paint(Colour::On);
        let coloured =
            table(&rows, "  ", |column, cell| if column == 0 { red.red(cell) } else { cell.into() });
        assert_eq!(coloured.replace("\x1b[1;31m", "").replace("\x1b[0m", ""), plain);
        assert_eq!(Paint(Colour::Off).red("x"), "x");
    }
}
