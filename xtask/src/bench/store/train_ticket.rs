//! TrainTicket's logs and spans, as the shared data holds them: two days of CSV files in one archive.

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

use crate::workspace;

const ARCHIVE: &str = "nezha-trainticket.tar.zst";

/// A line of a container's log, with what the collector knew of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct LogLine {
    pub(super) time_ns: u64,
    pub(super) node: String,
    pub(super) pod: String,
    pub(super) container: String,
    pub(super) trace_id: String,
    pub(super) span_id: String,
    pub(super) line: String,
}

impl LogLine {
    /// The ids of its trace and its span, as its metadata has them.
    pub(super) fn ids(&self) -> [&str; 2] {
        [&self.trace_id, &self.span_id]
    }
}

/// A span.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct SpanRow {
    pub(super) trace_id: u128,
    pub(super) span_id: u64,
    /// 0 where it is the root.
    pub(super) parent_id: u64,
    pub(super) pod: String,
    pub(super) operation: String,
    pub(super) start_ns: u64,
    pub(super) end_ns: u64,
}

/// All log lines in the order of their times, and the size of the CSV files that held them.
pub(super) fn logs() -> Result<(Vec<LogLine>, u64)> {
    let mut lines = Vec::new();
    let mut bytes = 0;
    for_each_row("/log/", |row, size| {
        bytes += size;
        // One row of the data is broken and has more fields than there are columns. In some the nanoseconds are those of
        // no time at all; the text beside them is right.
        if let [text, time, node, pod, container, trace_id, span_id, line] = row.as_slice()
            && let Some(time_ns) = time.parse().ok().or_else(|| nanoseconds(text))
        {
            lines.push(LogLine {
                time_ns,
                node: node.clone(),
                pod: pod.clone(),
                container: container.clone(),
                trace_id: trace_id.clone(),
                span_id: span_id.clone(),
                line: line.clone(),
            });
        }
        Ok(())
    })?;
    lines.sort_by_key(|line| line.time_ns);
    Ok((lines, bytes))
}

/// All spans in the order in which they ended, which is that in which they are sent.
pub(super) fn spans() -> Result<Vec<SpanRow>> {
    let mut spans = Vec::new();
    for_each_row("/trace/", |row, _| {
        if let [trace_id, span_id, parent_id, pod, operation, start, end, _] = row.as_slice() {
            // A few ids are no ids.
            let ids = u128::from_str_radix(trace_id, 16).ok().zip(u64::from_str_radix(span_id, 16).ok());
            if let Some((trace_id, span_id)) = ids {
                spans.push(SpanRow {
                    trace_id,
                    span_id,
                    parent_id: u64::from_str_radix(parent_id, 16).unwrap_or(0),
                    pod: pod.clone(),
                    operation: operation.clone(),
                    start_ns: start.parse().context("StartTimeUnixNano")?,
                    end_ns: end.parse().context("EndTimeUnixNano")?,
                });
            }
        }
        Ok(())
    })?;
    spans.sort_by_key(|span| (span.end_ns, span.span_id));
    Ok(spans)
}

/// Nanoseconds since 1970 of a time such as `2023-01-29T09:20:29.295`.
fn nanoseconds(text: &str) -> Option<u64> {
    let number = |from: usize, to: usize| text.get(from..to)?.parse::<u64>().ok();
    let (year, month, day) = (number(0, 4)?, number(5, 7)?, number(8, 10)?);
    // Years begin in March here, so that a leap day is a year's last.
    let (year, month) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
    let days = year * 365 + year / 4 - year / 100 + year / 400 + (month * 153 + 2) / 5 + day - 1;
    let seconds = (days - 719_468) * 86_400 + number(11, 13)? * 3600 + number(14, 16)? * 60 + number(17, 19)?;
    let fraction = format!("{:0<9}", text.get(20..)?.trim_end_matches('Z'));
    Some(seconds * 1_000_000_000 + fraction.parse::<u64>().ok()?)
}

fn archive() -> PathBuf {
    let shared =
        std::env::var_os("WEIR_SHARED").map_or_else(|| workspace::root().join("../shared"), PathBuf::from);
    shared.join("data").join(ARCHIVE)
}

/// Gives each row of the CSV files whose path holds `folder` to `take`, with its size in the file.
fn for_each_row(folder: &str, mut take: impl FnMut(Vec<String>, u64) -> Result<()>) -> Result<()> {
    let path = archive();
    let file = File::open(&path).with_context(|| {
        format!("cannot read {}; set WEIR_SHARED to the folder of shared data", path.display())
    })?;
    let mut decoder = zstd::Decoder::new(file)?;
    decoder.window_log_max(27)?;
    let mut files = Tar(decoder);
    while let Some((name, content)) = files.next()? {
        if !name.contains(folder) || Path::new(&name).extension().is_none_or(|extension| extension != "csv") {
            continue;
        }
        let text = String::from_utf8_lossy(&content);
        let mut rest = text.as_ref();
        let mut first = true;
        while !rest.is_empty() {
            let (row, left) = csv_row(rest);
            let size = (rest.len() - left.len()) as u64;
            if !std::mem::take(&mut first) {
                take(row, size).with_context(|| name.clone())?;
            }
            rest = left;
        }
    }
    Ok(())
}

/// The fields of the first row of a CSV file (RFC 4180), and what follows it.
fn csv_row(text: &str) -> (Vec<String>, &str) {
    let mut row = Vec::new();
    let mut field = String::new();
    let mut rest = text;
    loop {
        if let Some(quoted) = rest.strip_prefix('"') {
            rest = quoted;
            loop {
                let Some(end) = rest.find('"') else {
                    field.push_str(rest);
                    rest = "";
                    break;
                };
                field.push_str(&rest[..end]);
                rest = &rest[end + 1..];
                match rest.strip_prefix('"') {
                    Some(after) => {
                        field.push('"');
                        rest = after;
                    }
                    None => break,
                }
            }
        }
        let end = rest.find([',', '\n']).unwrap_or(rest.len());
        field.push_str(rest[..end].trim_end_matches('\r'));
        row.push(std::mem::take(&mut field));
        match rest[end..].chars().next() {
            Some(',') => rest = &rest[end + 1..],
            Some(_) => return (row, &rest[end + 1..]),
            None => return (row, ""),
        }
    }
}

/// The files of a tar archive, as POSIX has it.
struct Tar<R>(R);

impl<R: Read> Tar<R> {
    fn next(&mut self) -> Result<Option<(String, Vec<u8>)>> {
        let mut header = [0; 512];
        self.0.read_exact(&mut header)?;
        if header[0] == 0 {
            return Ok(None);
        }
        let text = |from: usize, to: usize| {
            let field = &header[from..to];
            let end = field.iter().position(|&byte| byte == 0).unwrap_or(field.len());
            String::from_utf8_lossy(&field[..end]).trim().to_owned()
        };
        let (name, size, prefix) = (text(0, 100), text(124, 136), text(345, 500));
        let size = u64::from_str_radix(&size, 8).with_context(|| format!("size of {name}"))?;
        if size > 1 << 30 {
            bail!("{name} is said to have {size} bytes");
        }
        let mut content = vec![0; size.next_multiple_of(512) as usize];
        self.0.read_exact(&mut content)?;
        content.truncate(size as usize);
        Ok(Some((if prefix.is_empty() { name } else { format!("{prefix}/{name}") }, content)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, rows: &[&[&str]]) {
        let mut rest = text;
        let mut read = Vec::new();
        while !rest.is_empty() {
            let (row, left) = csv_row(rest);
            read.push(row);
            rest = left;
        }
        assert_eq!(read, rows);
    }

    #[test]
    fn times_are_read() {
        assert_eq!(nanoseconds("2023-01-29T08:42:22.383150913Z"), Some(1_674_981_742_383_150_913));
        assert_eq!(nanoseconds("2024-03-01T00:00:00.5"), Some(1_709_251_200_500_000_000));
        assert_eq!(nanoseconds("soon"), None);
    }

    #[test]
    fn rows_may_hold_quotes_and_lines() {
        check("a,b\r\n1,\n", &[&["a", "b"], &["1", ""]]);
        check("\"x, \"\"y\"\"\nz\",2\n3", &[&["x, \"y\"\nz", "2"], &["3"]]);
    }
}
