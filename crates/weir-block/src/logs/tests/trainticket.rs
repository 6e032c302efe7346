//! The logs of TrainTicket, of which every byte is to come back.
//!
//! They are CSV: time, node, pod, container, trace id, span id, and the line as Docker wrote it down, in JSON. Sent as a
//! shipper sends them: node, pod, container and output name the stream, the ids are metadata, the line is what the program
//! wrote. A row that does not follow from that to the byte is sent as it is.

use std::fmt::Write as _;
use std::io::Read as _;
use std::path::PathBuf;
use std::time::Instant;

use weir_signal::LogSelect;

use super::*;
use crate::Strict;

struct Logs {
    /// In order of time.
    entries: Vec<Entry>,
    /// What the rows take as CSV.
    raw_bytes: usize,
    /// Rows that are sent as they are.
    as_they_are: usize,
}

fn archive() -> Option<PathBuf> {
    let shared = std::env::var_os("WEIR_SHARED").map_or_else(
        || PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared")),
        PathBuf::from,
    );
    let path = shared.join("data/nezha-trainticket.tar.zst");
    if path.exists() {
        return Some(path);
    }
    assert!(std::env::var_os("CI").is_none(), "{} is not there", path.display());
    println!("not run: {} is not there", path.display());
    None
}

/// The first `files_max` files of logs.
fn load(files_max: usize) -> Option<Logs> {
    let file = std::fs::File::open(archive()?).unwrap();
    let mut decoder = zstd::stream::read::Decoder::new(file).unwrap();
    decoder.window_log_max(27).unwrap();
    let mut logs = Logs { entries: Vec::new(), raw_bytes: 0, as_they_are: 0 };
    let mut files = 0;
    let mut head = [0; 512];
    while files < files_max && decoder.read_exact(&mut head).is_ok() && head[0] != 0 {
        let text = |from: usize, to: usize| {
            String::from_utf8_lossy(&head[from..to]).trim_end_matches(['\0', ' ']).to_owned()
        };
        let size = usize::from_str_radix(&text(124, 136), 8).unwrap();
        let mut body = vec![0; size.next_multiple_of(512)];
        decoder.read_exact(&mut body).unwrap();
        if text(0, 100).ends_with("_log.csv") {
            files += 1;
            for row in body[..size].split(|&byte| byte == b'\n').skip(1).filter(|row| !row.is_empty()) {
                let row = std::str::from_utf8(row).unwrap();
                logs.raw_bytes += row.len() + 1;
                let entry = parse(row).filter(|entry| print(entry) == row);
                logs.as_they_are += usize::from(entry.is_none());
                logs.entries.push(entry.unwrap_or_else(|| Entry {
                    stream: Labels::from_pairs([("job", "csv")]).unwrap(),
                    time_ns: 0,
                    line: row.as_bytes().to_vec(),
                    metadata: Labels::empty(),
                }));
            }
        }
    }
    logs.entries.sort_by_key(|entry| entry.time_ns);
    Some(logs)
}

fn parse(row: &str) -> Option<Entry> {
    let mut fields = row.splitn(8, ',');
    let [_, time, node, pod, container, trace, span] = std::array::from_fn(|_| fields.next().unwrap_or(""));
    let json = fields.next()?.strip_prefix('"')?.strip_suffix('"')?.replace("\"\"", "\"");
    let json = json.strip_prefix(r#"{"log":""#)?;
    let (log, rest) = json.split_once(r#"","stream":""#)?;
    let (output, _) = rest.split_once('"')?;
    let mut line = String::new();
    let mut rest = log;
    while let Some((plain, escaped)) = rest.split_once('\\') {
        line += plain;
        let kind = escaped.chars().next()?;
        let length = if kind == 'u' { 5 } else { 1 };
        line.push(match kind {
            'n' => '\n',
            't' => '\t',
            'u' => char::from_u32(u32::from_str_radix(escaped.get(1..5)?, 16).ok()?)?,
            other => other,
        });
        rest = escaped.get(length..)?;
    }
    line += rest;
    let whole = line.strip_suffix('\n');
    let partial = if whole.is_none() { "true" } else { "" };
    let stream = [("node", node), ("pod", pod), ("container", container), ("stream", output)];
    Some(Entry {
        stream: Labels::from_pairs(stream).ok()?,
        time_ns: time.parse().ok()?,
        line: whole.unwrap_or(&line).as_bytes().to_vec(),
        metadata: Labels::from_pairs([("trace_id", trace), ("span_id", span), ("partial", partial)]).ok()?,
    })
}

/// The row of CSV of an entry.
fn print(entry: &Entry) -> String {
    let label = |name| entry.stream.get(name).unwrap_or_default();
    let metadata = |name| entry.metadata.get(name).unwrap_or_default();
    let mut log = String::new();
    let line = String::from_utf8_lossy(&entry.line);
    for character in line.chars().chain(metadata("partial").is_empty().then_some('\n')) {
        match character {
            '\n' => log += r"\n",
            '\t' => log += r"\t",
            '"' | '\\' => log.extend(['\\', character]),
            '<' | '>' | '&' => write!(log, "\\u{:04x}", u32::from(character)).unwrap(),
            other => log.push(other),
        }
    }
    let (seconds, nanoseconds) =
        (entry.time_ns.div_euclid(1_000_000_000), entry.time_ns.rem_euclid(1_000_000_000));
    // All of it is of two days.
    let day = 29 + (seconds - 1_674_950_400) / 86_400;
    let second = seconds % 86_400;
    let mut time = format!("2023-01-{day}T{:02}:{:02}:{:02}", second / 3600, second / 60 % 60, second % 60);
    if nanoseconds > 0 {
        time += format!(".{nanoseconds:09}").trim_end_matches('0');
    }
    time.push('Z');
    let json = format!(r#"{{"log":"{log}","stream":"{}","time":"{time}"}}"#, label("stream"));
    format!(
        "{time},{},{},{},{},{},{},\"{}\"",
        entry.time_ns,
        label("node"),
        label("pod"),
        label("container"),
        metadata("trace_id"),
        metadata("span_id"),
        json.replace('"', "\"\"")
    )
}

fn check(logs: &Logs, options: LogWriterOptions) -> f64 {
    let line_bytes: usize = logs.entries.iter().map(|entry| entry.line.len()).sum();
    let begin = Instant::now();
    let files = write(&logs.entries, options);
    let write_time = begin.elapsed();
    let segment = open(&files);
    let begin = Instant::now();
    let mut rows = LogRows::new();
    for block in segment.blocks() {
        segment.read_all(block.number, &mut rows).unwrap();
    }
    let read_time = begin.elapsed();
    assert!(read_all(&segment) == sorted(&logs.entries), "other rows came back");
    let size = files.data.len() + files.index.len() + files.filter.len();
    let ratio = logs.raw_bytes as f64 / size as f64;
    let speed = |time: std::time::Duration| line_bytes as f64 / 1e6 / time.as_secs_f64();
    println!(
        "{:?}: {} rows ({} as they are), {} bytes of CSV, {line_bytes} of lines in {} blocks -> data {} + index {} + filter {} = {size}: \
         {ratio:.1} : 1 (lines alone {:.1} : 1); in {:.0} MB/s, out {:.0} MB/s of lines",
        options.effort,
        logs.entries.len(),
        logs.as_they_are,
        logs.raw_bytes,
        files.summary.blocks,
        files.data.len(),
        files.index.len(),
        files.filter.len(),
        line_bytes as f64 / size as f64,
        speed(write_time),
        speed(read_time),
    );
    let entry = &logs.entries[logs.entries.len() / 2];
    let (found, blocks) = look_for(&segment, entry.metadata.get("trace_id").unwrap());
    assert!(blocks <= 2 && found > 0);
    ratio
}

/// Lines that have a text, and how many blocks were read for them.
fn look_for(segment: &LogSegment, text: &str) -> (usize, usize) {
    let select =
        LogSelect { from_ns: i64::MIN, to_ns: i64::MAX, contains: vec![text.into()], ..LogSelect::default() };
    let begin = Instant::now();
    let candidates = segment.candidates(&select, &mut Strict).unwrap();
    let filtered = begin.elapsed();
    let (mut found, mut rows) = (0, LogRows::new());
    for block in &candidates.blocks {
        segment.read(&candidates, block.number, &mut rows).unwrap();
        found += rows.len();
    }
    println!(
        "  {text}: {found} lines from {} of {} blocks in {:?}, the filter's part {filtered:?}",
        candidates.blocks.len(),
        segment.summary().blocks,
        begin.elapsed()
    );
    (found, candidates.blocks.len())
}

#[test]
fn a_part_of_trainticket_comes_back_small() {
    let Some(logs) = load(3) else { return };
    assert!(check(&logs, SMALL) > 50.0);
    assert!(check(&logs, FAST) > 20.0);
}

/// In release: `cargo test --release -p weir-block trainticket -- --ignored --nocapture`.
#[test]
#[ignore = "takes a minute, and says something about speed only in release"]
fn trainticket_is_55_times_smaller() {
    let Some(logs) = load(usize::MAX) else { return };
    assert!(check(&logs, FAST) > 20.0);
    assert!(check(&logs, SMALL) >= 55.0);
}

/// The same lines again and again, at later times and with ids that did not come before; among them three with a word, a
/// number and an id that no other has.
#[test]
#[ignore = "takes a minute in release"]
fn a_needle_is_found_in_a_gigabyte() {
    let Some(logs) = load(usize::MAX) else { return };
    let mut writer = LogSegmentWriter::new(FAST);
    let mut data = Vec::new();
    let mut bytes = 0;
    for round in 0..7_u8 {
        for (place, entry) in logs.entries.iter().enumerate() {
            let mut line = entry.line.clone();
            refresh(&mut line, round);
            if round % 3 == 1 && place == 100_000 {
                line.extend_from_slice(b" needle_zq7 order=739201845 of 5f0c1d2e3b4a59687796a5b4c3d2e1f0");
            }
            bytes += line.len();
            let time_ns = entry.time_ns + i64::from(round) * 200_000_000_000_000;
            writer.push(&entry.stream, time_ns, &line, &Labels::empty()).unwrap();
        }
        data.extend(writer.take_data());
    }
    let mut finished = writer.finish();
    data.append(&mut finished.data);
    let files = FinishedLogs { data, ..finished };
    println!("{bytes} bytes -> {} + {} + {}", files.data.len(), files.index.len(), files.filter.len());
    let segment = open(&files);
    for (text, found, blocks) in [
        ("5f0c1d2e3b4a59687796a5b4c3d2e1f0", 2, 3),
        ("c1d2e3b4a59687796a", 2, 3),
        ("needle_zq7", 2, 3),
        ("zq7 order=739201845", 2, 3),
        ("739201845", 2, 6),
        ("ee5426ba0b152ad09a59254baa522e50", 1, 3),
        ("3d0481c2e7939b31", 1, 3),
    ] {
        let (lines, read) = look_for(&segment, text);
        assert!(lines >= found && read <= blocks, "{text}");
    }
}

/// Turns the digits of long ids, so that they are others.
fn refresh(line: &mut [u8], round: u8) {
    let mut at = 0;
    while at < line.len() {
        let length = line[at..].iter().take_while(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f')).count();
        if length >= 16 {
            for digit in &mut line[at..at + length] {
                *digit = match *digit {
                    b'0'..=b'9' => b'0' + (*digit - b'0' + round) % 10,
                    letter => b'a' + (letter - b'a' + round) % 6,
                };
            }
        }
        at += length.max(1);
    }
}
