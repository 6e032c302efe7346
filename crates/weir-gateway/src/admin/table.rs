//! A plain table for people.

/// Columns under their titles, as wide as they need to be; what would move a terminal's cursor is left out.
pub(super) fn table(titles: &[&str], rows: &[Vec<String>]) -> String {
    let clean = |text: &str| text.replace(char::is_control, "·");
    let titles: Vec<String> = titles.iter().map(|title| (*title).to_owned()).collect();
    let lines: Vec<Vec<String>> = std::iter::once(&titles)
        .chain(rows)
        .map(|row| row.iter().map(|cell| clean(cell)).collect())
        .collect();
    let width = |column: usize| {
        lines.iter().filter_map(|line| line.get(column)).map(|cell| cell.chars().count()).max().unwrap_or(0)
    };
    let widths: Vec<usize> = (0..titles.len()).map(width).collect();
    let mut text = String::new();
    for line in &lines {
        let cells: Vec<String> =
            line.iter().zip(&widths).map(|(cell, width)| format!("{cell:width$}")).collect();
        text.push_str(cells.join("  ").trim_end());
        text.push('\n');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_line_up() {
        let rows = [vec!["é".to_owned(), "1".to_owned()], vec!["long\u{1b}name".to_owned(), String::new()]];
        assert_eq!(table(&["A", "B"], &rows), "A          B\né          1\nlong·name\n");
    }
}
