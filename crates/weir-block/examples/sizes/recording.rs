//! Reads a recording of scrapes as series.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read};
use std::path::Path;

/// Series by their labels.
pub(crate) type Recorded = BTreeMap<Vec<(String, String)>, Columns>;

/// Times and values.
type Columns = (Vec<i64>, Vec<f64>);

/// All series of a recording, ascending; of one that was cut off what is readable.
pub(crate) fn read(file: &Path) -> std::io::Result<Recorded> {
    let mut decoder = zstd::Decoder::new(std::fs::File::open(file)?)?;
    decoder.window_log_max(27)?;
    let mut stream = BufReader::with_capacity(1 << 20, decoder);
    let mut header = String::new();
    stream.read_line(&mut header)?;
    let targets = targets(&header);
    let mut series: BTreeMap<(u16, Vec<u8>), Columns> = BTreeMap::new();
    let mut frame = [0; 18];
    let mut body = Vec::new();
    let mut first: BTreeMap<u16, (i64, i64)> = BTreeMap::new();
    while stream.read_exact(&mut frame).is_ok() {
        let number = |from: usize, to: usize| {
            frame[from..to].iter().rev().fold(0_u64, |number, &byte| number << 8 | u64::from(byte))
        };
        let (target, wall_ms, length) = (number(0, 2) as u16, number(2, 10) as i64, number(14, 18) as usize);
        if length == 0xffff_ffff {
            continue;
        }
        body.resize(length, 0);
        if stream.read_exact(&mut body).is_err() {
            break;
        }
        // A scraper that was a few milliseconds late writes the time at which it was due.
        let (begin, count) = first.entry(target).or_insert((wall_ms, 0));
        let due = *begin + *count * 5000;
        *count = (wall_ms - *begin + 2500).div_euclid(5000) + 1;
        let due = if (wall_ms - due).abs() > 2500 { *begin + (*count - 1) * 5000 } else { due };
        let time = if (wall_ms - due).abs() <= 5 { due } else { wall_ms };
        for line in body.split(|&byte| byte == b'\n') {
            if line.is_empty() || line[0] == b'#' {
                continue;
            }
            let name_end = match line.iter().position(|&byte| byte == b'{' || byte == b' ') {
                Some(brace) if line[brace] == b'{' => closing(line, brace),
                Some(space) => space,
                None => continue,
            };
            let value = String::from_utf8_lossy(&line[name_end..]);
            let Some(Ok(value)) = value.split_whitespace().next().map(str::parse::<f64>) else { continue };
            let key = (target, line[..name_end].to_vec());
            match series.get_mut(&key) {
                Some((times, values)) => {
                    times.push(time);
                    values.push(value);
                }
                None => drop(series.insert(key, (vec![time], vec![value]))),
            }
        }
    }
    Ok(series
        .into_iter()
        .map(|((target, text), columns)| (labels(&text, &targets[usize::from(target)]), columns))
        .collect())
}

fn closing(line: &[u8], brace: usize) -> usize {
    let (mut quoted, mut at) = (false, brace);
    while at < line.len() {
        match line[at] {
            b'\\' if quoted => at += 1,
            b'"' => quoted = !quoted,
            b'}' if !quoted => return at + 1,
            _ => {}
        }
        at += 1;
    }
    line.len()
}

fn labels(text: &[u8], (job, instance): &(String, String)) -> Vec<(String, String)> {
    let text = String::from_utf8_lossy(text);
    let (name, rest) = text.split_once('{').unwrap_or((&text, "}"));
    let mut pairs = vec![("__name__".to_owned(), name.to_owned())];
    let mut rest = rest.trim_end_matches('}');
    while let Some((label, after)) = rest.split_once("=\"") {
        let end = {
            let (mut at, bytes) = (0, after.as_bytes());
            while at < bytes.len() && bytes[at] != b'"' {
                at += if bytes[at] == b'\\' { 2 } else { 1 };
            }
            at.min(after.len())
        };
        pairs.push((label.trim_start_matches([',', ' ']).to_owned(), after[..end].to_owned()));
        rest = after.get(end + 1..).unwrap_or_default();
    }
    pairs.push(("job".to_owned(), job.clone()));
    pairs.push(("instance".to_owned(), instance.clone()));
    pairs.sort();
    pairs.dedup_by(|a, b| a.0 == b.0);
    pairs
}

/// Jobs and instances out of the header's line of JSON.
fn targets(header: &str) -> Vec<(String, String)> {
    let list = header.split_once("\"targets\":[").map_or("", |(_, list)| list);
    let field = |object: &str, name: &str| {
        let (_, rest) = object.split_once(&format!("\"{name}\":\"")).unwrap_or_default();
        rest.split('"').next().unwrap_or_default().to_owned()
    };
    list.split('}')
        .filter(|object| object.contains("job"))
        .map(|object| (field(object, "job"), field(object, "instance")))
        .collect()
}
