//! Tables for a terminal that read as Markdown too.

use std::fmt::Write as _;

/// Rows of text under a heading. Columns are as wide as their widest cell; numbers stand to the right.
#[derive(Debug, Clone)]
pub struct Table {
    rows: Vec<Vec<String>>,
}

impl Table {
    /// A table without rows.
    pub fn new(heading: &[&str]) -> Self {
        Self { rows: vec![heading.iter().map(|&cell| cell.to_owned()).collect()] }
    }

    /// Adds a row.
    pub fn row<S: AsRef<str>>(&mut self, cells: impl IntoIterator<Item = S>) {
        self.rows.push(cells.into_iter().map(|cell| cell.as_ref().replace('|', "/")).collect());
    }

    /// The table as Markdown.
    pub fn markdown(&self) -> String {
        let columns = self.rows[0].len();
        let cell = |row: &Vec<String>, column: usize| row.get(column).cloned().unwrap_or_default();
        let number = |text: &str| text.starts_with(|c: char| c.is_ascii_digit() || c == '-');
        let widths: Vec<_> = (0..columns)
            .map(|c| self.rows.iter().map(|row| cell(row, c).chars().count()).max().unwrap_or(0).max(3))
            .collect();
        let right: Vec<_> = (0..columns)
            .map(|c| self.rows.len() > 1 && self.rows[1..].iter().all(|row| number(&cell(row, c))))
            .collect();
        let mut text = String::new();
        for (line, row) in self.rows.iter().enumerate() {
            for c in 0..columns {
                let cell = cell(row, c);
                let gap = " ".repeat(widths[c] - cell.chars().count());
                let (before, after) = if right[c] { (gap.as_str(), "") } else { ("", gap.as_str()) };
                let _ = write!(text, "| {before}{cell}{after} ");
            }
            text.push_str("|\n");
            if line == 0 {
                for c in 0..columns {
                    let dashes = "-".repeat(widths[c] + 1);
                    let _ = write!(text, "|{dashes}{}", if right[c] { ':' } else { '-' });
                }
                text.push_str("|\n");
            }
        }
        text
    }

    /// Prints it.
    pub fn print(&self) {
        print!("{}", self.markdown());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_line_up() {
        let mut table = Table::new(&["peer", "µs"]);
        table.row(["nginx", "9.2"]);
        table.row(["h", "12.25"]);
        assert_eq!(
            table.markdown(),
            "| peer  |    µs |\n|-------|------:|\n| nginx |   9.2 |\n| h     | 12.25 |\n"
        );
    }
}
