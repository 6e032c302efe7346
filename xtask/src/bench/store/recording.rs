//! Scrapes in one file.
//!
//! A zstd stream with long-distance matching, since a scrape resembles the one before it, which may lie megabytes back.
//! Inside: a line of JSON that describes the file, then one frame a scrape, all numbers little-endian:
//!
//! ```text
//! target u16 │ wall time, ms since 1970 u64 │ duration, µs u32 │ length u32 (0xFFFF_FFFF: no answer) │ body
//! ```
//!
//! A stream that was cut off is whole up to its last flush, and reads as if it ended there.

use std::fs::File;
use std::io::{BufRead, BufReader, ErrorKind, Read, Write};
use std::path::Path;

use anyhow::{Context, Result, bail};
use serde_json::{Value, json};

/// 128 MiB, some hundred rounds of scrapes of twenty targets.
const WINDOW_LOG: u32 = 27;
const NO_ANSWER: u32 = u32::MAX;
const BODY_BYTES_MAX: u32 = 64 << 20;
const FORMAT: &str = "weir-recording";

/// What is known of a target: the labels that a scraper adds to each of its series.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Labels {
    pub(crate) job: String,
    pub(crate) instance: String,
}

/// One scrape.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Scrape {
    /// Index among the header's targets.
    pub(crate) target: u16,
    /// When it began.
    pub(crate) wall_ms: u64,
    pub(crate) took_us: u32,
    /// `None` where the target did not answer.
    pub(crate) body: Option<Vec<u8>>,
}

pub(crate) struct Writer(zstd::Encoder<'static, File>);

impl Writer {
    pub(crate) fn create(file: &Path, started_ms: u64, every_ms: u64, targets: &[Labels]) -> Result<Self> {
        let out = File::create(file).with_context(|| format!("cannot write {}", file.display()))?;
        let mut encoder = zstd::Encoder::new(out, 5)?;
        encoder.window_log(WINDOW_LOG)?;
        encoder.long_distance_matching(true)?;
        encoder.include_checksum(true)?;
        let targets: Vec<_> =
            targets.iter().map(|t| json!({ "job": t.job, "instance": t.instance })).collect();
        let header = json!({
            "format": FORMAT, "version": 1, "started_ms": started_ms, "every_ms": every_ms,
            "body": "text/plain; version=0.0.4", "targets": targets,
        });
        writeln!(encoder, "{header}")?;
        Ok(Self(encoder))
    }

    pub(crate) fn add(&mut self, scrape: &Scrape) -> Result<()> {
        let length = scrape.body.as_ref().map_or(NO_ANSWER, |body| body.len() as u32);
        let mut frame = Vec::with_capacity(18);
        frame.extend_from_slice(&scrape.target.to_le_bytes());
        frame.extend_from_slice(&scrape.wall_ms.to_le_bytes());
        frame.extend_from_slice(&scrape.took_us.to_le_bytes());
        frame.extend_from_slice(&length.to_le_bytes());
        self.0.write_all(&frame)?;
        self.0.write_all(scrape.body.as_deref().unwrap_or_default())?;
        Ok(())
    }

    /// Makes all so far readable, should nothing follow.
    pub(crate) fn flush(&mut self) -> Result<()> {
        Ok(self.0.flush()?)
    }

    pub(crate) fn finish(self) -> Result<()> {
        Ok(self.0.finish()?.sync_all()?)
    }
}

/// Reads a recording from its beginning.
pub(crate) struct Reader {
    stream: BufReader<zstd::Decoder<'static, BufReader<File>>>,
    pub(crate) targets: Vec<Labels>,
    pub(crate) every_ms: u64,
}

impl Reader {
    pub(crate) fn open(file: &Path) -> Result<Self> {
        let opened = File::open(file).with_context(|| {
            format!("cannot read {}; `cargo xtask bench store record` makes a recording", file.display())
        })?;
        let mut decoder = zstd::Decoder::new(opened)?;
        decoder.window_log_max(WINDOW_LOG)?;
        let mut stream = BufReader::with_capacity(1 << 20, decoder);
        let mut header = String::new();
        stream.by_ref().take(1 << 20).read_line(&mut header)?;
        let header: Value =
            serde_json::from_str(&header).with_context(|| format!("{} has no header", file.display()))?;
        if header["format"] != FORMAT || header["version"] != 1 {
            bail!("{} is not a recording that this version reads; make a new one", file.display());
        }
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let targets = header["targets"].as_array().map(Vec::as_slice).unwrap_or_default();
        let targets = targets
            .iter()
            .map(|target| Labels { job: text(&target["job"]), instance: text(&target["instance"]) })
            .collect();
        Ok(Self { stream, targets, every_ms: header["every_ms"].as_u64().unwrap_or(5000) })
    }
}

impl Iterator for Reader {
    type Item = Result<Scrape>;

    fn next(&mut self) -> Option<Self::Item> {
        match read_frame(&mut self.stream, self.targets.len()) {
            Ok(scrape) => Some(Ok(scrape)),
            Err(error) => match error.downcast_ref::<std::io::Error>() {
                Some(error) if error.kind() == ErrorKind::UnexpectedEof => None,
                _ => Some(Err(error)),
            },
        }
    }
}

fn read_frame(stream: &mut impl Read, targets: usize) -> Result<Scrape> {
    let mut frame = [0; 18];
    stream.read_exact(&mut frame)?;
    let number = |from: usize, to: usize| {
        frame[from..to].iter().rev().fold(0u64, |number, byte| number << 8 | u64::from(*byte))
    };
    let (target, wall_ms, took_us, length) =
        (number(0, 2) as u16, number(2, 10), number(10, 14) as u32, number(14, 18) as u32);
    if usize::from(target) >= targets {
        bail!("a scrape of target {target}, of which the header does not tell");
    }
    let body = match length {
        NO_ANSWER => None,
        BODY_BYTES_MAX.. => bail!("a scrape of {length} bytes"),
        _ => {
            let mut body = vec![0; length as usize];
            stream.read_exact(&mut body)?;
            Some(body)
        }
    };
    Ok(Scrape { target, wall_ms, took_us, body })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_also_when_cut_off() {
        let dir = crate::bench::Scratch::new("recording").unwrap();
        let file = dir.path().join("r.zst");
        let targets = [Labels { job: "node".into(), instance: "a:1".into() }];
        let scrapes: Vec<_> = (0..50)
            .map(|n| Scrape {
                target: 0,
                wall_ms: 1_700_000_000_000 + n * 5000,
                took_us: n as u32,
                body: (n % 7 != 3).then(|| format!("up {n}\n").into_bytes()),
            })
            .collect();
        let mut writer = Writer::create(&file, 1, 5000, &targets).unwrap();
        for scrape in &scrapes[..40] {
            writer.add(scrape).unwrap();
        }
        writer.flush().unwrap();
        let cut = std::fs::read(&file).unwrap();
        for scrape in &scrapes[40..] {
            writer.add(scrape).unwrap();
        }
        writer.finish().unwrap();
        let read = |file: &Path| Reader::open(file).unwrap().collect::<Result<Vec<_>>>().unwrap();
        assert_eq!(read(&file), scrapes);
        std::fs::write(&file, cut).unwrap();
        assert_eq!(read(&file), scrapes[..40]);
    }
}
