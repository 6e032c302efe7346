//! Whether lines come back as they were sent: each with its time, its stream's labels and its metadata.

use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};

use anyhow::{Context, Result, bail};
use serde_json::Value;

use super::http::{Client, escape};
use super::train_ticket::LogLine;

/// As many lines as one answer may hold.
const PAGE_LINES: usize = 50_000;

/// Asks for metadata beside the line instead of among the stream's labels.
const CATEGORIZED: (&str, &str) = ("x-loki-response-encoding-flags", "categorize-labels");

/// Lines by a fingerprint of 128 bits, each as often as it was sent and did not come back yet.
pub(super) struct Restored {
    missing: HashMap<(u64, u64), u32>,
    sent: usize,
    from_ns: u64,
    to_ns: u64,
}

impl Restored {
    pub(super) fn of(lines: &[LogLine]) -> Self {
        let mut missing = HashMap::with_capacity(lines.len());
        for line in lines {
            let labels = [line.container.as_str(), &line.node, &line.pod];
            *missing.entry(fingerprint(line.time_ns, labels, line.ids(), &line.line)).or_default() += 1;
        }
        let times = || lines.iter().map(|line| line.time_ns);
        Self {
            missing,
            sent: lines.len(),
            from_ns: times().min().unwrap_or(0),
            to_ns: times().max().map_or(0, |last| last + 1),
        }
    }

    /// Reads everything, page by page, by Loki's interface: the share of what was sent that came back. An error where
    /// something comes that was not sent.
    pub(super) fn read(mut self, client: &mut Client) -> Result<f64> {
        let query = escape("{pod=~\".+\"}");
        let mut from_ns = self.from_ns;
        loop {
            let path = format!(
                "/loki/api/v1/query_range?query={query}&start={from_ns}&end={}&limit={PAGE_LINES}&direction=forward",
                self.to_ns
            );
            let answer = client.send("GET", &path, &[CATEGORIZED], &[])?.success()?;
            let page = page(&serde_json::from_slice(&answer)?)?;
            let last_ns = page.iter().map(|(time_ns, _)| *time_ns).max().unwrap_or(0);
            let is_last = page.len() < PAGE_LINES;
            if !is_last && last_ns == from_ns {
                bail!("{PAGE_LINES} lines or more have the time {last_ns}, which one page cannot hold");
            }
            for (time_ns, fingerprint) in page {
                // Others of the page's last nanosecond may be beyond its end: the next page begins with all of them.
                if is_last || time_ns < last_ns {
                    match self.missing.get_mut(&fingerprint) {
                        Some(count) if *count > 0 => *count -= 1,
                        _ => bail!("a line of time {time_ns} was not sent as it came back, or not as often"),
                    }
                }
            }
            if is_last {
                let missing: u64 = self.missing.values().map(|count| u64::from(*count)).sum();
                return Ok(1.0 - missing as f64 / self.sent.max(1) as f64);
            }
            from_ns = last_ns;
        }
    }
}

/// The lines of an answer: times and fingerprints.
fn page(answer: &Value) -> Result<Vec<(u64, (u64, u64))>> {
    let mut page = Vec::new();
    for stream in answer["data"]["result"].as_array().context("no result in the answer")? {
        let label = |name: &str| stream["stream"][name].as_str().unwrap_or_default();
        let labels = [label("container"), label("node"), label("pod")];
        for value in stream["values"].as_array().context("a stream without lines")? {
            let time_ns = value[0].as_str().context("a line without its time")?.parse()?;
            let line = value[1].as_str().context("a line that is no text")?;
            let metadata = &value[2]["structuredMetadata"];
            let id = |name: &str| metadata[name].as_str().unwrap_or_default();
            page.push((time_ns, fingerprint(time_ns, labels, [id("trace_id"), id("span_id")], line)));
        }
    }
    Ok(page)
}

fn fingerprint(time_ns: u64, labels: [&str; 3], ids: [&str; 2], line: &str) -> (u64, u64) {
    let half = |salt: u8| {
        let mut hasher = DefaultHasher::new();
        (salt, time_ns, labels, ids, line).hash(&mut hasher);
        hasher.finish()
    };
    (half(0), half(1))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn line(time_ns: u64, text: &str) -> LogLine {
        let empty = String::new;
        LogLine {
            time_ns,
            node: "n".into(),
            pod: "p".into(),
            container: empty(),
            trace_id: "7".into(),
            span_id: empty(),
            line: text.into(),
        }
    }

    #[test]
    fn what_comes_back_is_told_from_what_was_never_sent() {
        let sent = Restored::of(&[line(1, "a"), line(1, "a"), line(2, "b")]);
        let answer = json!({ "data": { "result": [{
            "stream": { "pod": "p", "node": "n", "service_name": "s" },
            "values": [
                ["1", "a", { "structuredMetadata": { "trace_id": "7" } }],
                ["2", "b", { "structuredMetadata": { "trace_id": "8" } }],
            ],
        }] } });
        let page = page(&answer).unwrap();
        assert_eq!(sent.missing.get(&page[0].1), Some(&2));
        assert_eq!(sent.missing.get(&page[1].1), None, "another trace");
        assert_eq!((sent.sent, sent.from_ns, sent.to_ns), (3, 1, 3));
    }
}
