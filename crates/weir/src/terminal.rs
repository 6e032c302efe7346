//! What people see: colours, tables, and text on standard output and standard error.

use std::io::{self, Write};
use std::ops::Range;

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
    pub(crate) fn yellow(self, text: &str) -> String {
        self.code("33", text)
    }
    pub(crate) fn cyan(self, text: &str) -> String {
        self.code("36", text)
    }
    /// One of a few colours, so that what belongs together is seen.
    pub(crate) fn hue(self, number: usize, text: &str) -> String {
        const HUES: [&str; 5] = ["36", "32", "34", "35", "33"];
        self.code(HUES[number % HUES.len()], text)
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

/// How many columns standard output has; a hundred where it is no terminal.
pub(crate) fn width() -> usize {
    const ELSEWHERE: usize = 100;
    match rustix::termios::tcgetwinsize(io::stdout()) {
        Ok(size) if size.ws_col > 0 => usize::from(size.ws_col),
        _ => ELSEWHERE,
    }
}

/// Text without what could move a terminal's cursor, for words that come from outside.
pub(crate) fn visible(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect()
}

/// Text of no more characters than `max`: what is left out at its end is a `…`.
pub(crate) fn shortened(text: &str, max: usize) -> String {
    if text.chars().count() <= max {
        return text.to_owned();
    }
    text.chars().take(max.saturating_sub(1)).chain(['…']).collect()
}

/// A table: columns are as wide as their widest cell, two spaces apart; the last one runs free. `paint` colours a cell
/// that is padded already, so that colours do not count.
pub(crate) fn table<const N: usize>(
    rows: &[[String; N]],
    indent: &str,
    paint: impl Fn(usize, &str) -> String,
) -> String {
    let widths: [usize; N] = std::array::from_fn(|column| widest(rows, column));
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

/// A table whose first row says what the columns are.
pub(crate) fn headed<const N: usize>(
    rows: &[[String; N]],
    paint: Paint,
    painted: impl Fn(usize, &str) -> String,
) -> String {
    let plain = table(rows, "", |_, cell| cell.to_owned());
    let body = table(rows, "", painted);
    let (head, rest) =
        (plain.lines().next().unwrap_or(""), body.split_once('\n').map_or("", |(_, rest)| rest));
    format!("{}\n{rest}", paint.dim(head))
}

/// The characters of a column's widest cell.
pub(crate) fn widest<const N: usize>(rows: &[[String; N]], column: usize) -> usize {
    rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0)
}

/// Lets the cells of some columns line up at their ends, as numbers have to.
pub(crate) fn align_right<const N: usize>(rows: &mut [[String; N]], columns: Range<usize>) {
    for column in columns {
        let width = widest(rows, column);
        for row in &mut *rows {
            row[column] = format!("{:>width$}", row[column]);
        }
    }
}

/// Bytes in three digits or a few more: `1.23 MB`.
pub(crate) fn say_bytes(bytes: u64) -> String {
    const UNITS: [&str; 6] = ["kB", "MB", "GB", "TB", "PB", "EB"];
    if bytes < 1000 {
        return format!("{bytes} B");
    }
    let mut value = bytes as f64 / 1000.0;
    let mut unit = 0;
    // What would be rounded to a thousand is one of the next unit.
    while value >= 999.5 && unit + 1 < UNITS.len() {
        value /= 1000.0;
        unit += 1;
    }
    let decimals = if value < 9.995 { 2 } else { usize::from(value < 99.95) };
    format!("{value:.decimals$} {}", UNITS[unit])
}

/// A number in groups of three digits: `1 234 567`.
pub(crate) fn say_count(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(' ');
        }
        text.push(digit);
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

    #[test]
    fn numbers_are_for_people() {
        let check = |number: u64, bytes: &str, digits: &str| {
            assert_eq!((say_bytes(number).as_str(), say_count(number).as_str()), (bytes, digits));
        };
        check(0, "0 B", "0");
        check(999, "999 B", "999");
        check(1_500, "1.50 kB", "1 500");
        check(9_999, "10.0 kB", "9 999");
        check(999_950, "1.00 MB", "999 950");
        check(12_345_678, "12.3 MB", "12 345 678");
        check(u64::MAX, "18.4 EB", "18 446 744 073 709 551 615");
        assert_eq!((shortened("abc", 3), shortened("abcd", 3)), ("abc".to_owned(), "ab…".to_owned()));
    }
}
