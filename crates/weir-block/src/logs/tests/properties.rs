//! Everything that is pushed comes back, and nothing that is wanted is passed over.

use proptest::prelude::*;
use weir_signal::{LogSelect, Matcher};

use super::*;
use crate::Strict;

fn labels() -> impl Strategy<Value = Labels> {
    prop::collection::btree_map("[ab]|id", "[xy]{1,2}|[0-9a-f]{16}|é \u{0}", 0..3)
        .prop_map(|pairs| Labels::from_pairs(pairs).unwrap())
}

/// Lines as programs write them, and lines as they do not.
fn line() -> impl Strategy<Value = Vec<u8>> {
    let token = prop_oneof![
        "[a-z]{1,9}",
        "[0-9]{1,20}",
        "0[0-9]{1,3}",
        "[0-9a-f]{16}",
        "[0-9a-f]{32}",
        "[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}",
        "(20[0-9]{2}-0[1-9]-[0-2][0-9][ T])?[0-2][0-9]:[0-5][0-9]:[0-5][0-9]([.,][0-9]{1,9})?Z?",
        "[A-Za-z0-9_]{1,40}",
        "[ =:,\\[\\]\u{0}é。-]{1,3}",
        Just("same".to_owned()),
        Just("1234567".to_owned()),
    ];
    prop_oneof![
        8 => (prop::collection::vec(token, 0..12), prop::sample::select(vec![" ", "", "=", "\n"]))
            .prop_map(|(tokens, between)| tokens.join(between).into_bytes()),
        1 => prop::collection::vec(any::<u8>(), 0..60),
        1 => (0_usize..2000).prop_map(|n| b"item 7, ".repeat(n)),
    ]
}

fn entries() -> impl Strategy<Value = Vec<Entry>> {
    let time = prop_oneof![
        5 => 1_700_000_000_000_000_000_i64..1_700_000_000_000_001_000,
        1 => any::<i64>(),
        1 => prop::sample::select(vec![i64::MIN, i64::MAX, 0, -1]),
    ];
    let entry = (labels(), time, line(), labels()).prop_map(|(stream, time_ns, line, metadata)| Entry {
        stream,
        time_ns,
        line,
        metadata,
    });
    (prop::collection::vec(entry, 0..40), prop::collection::vec(any::<prop::sample::Index>(), 0..40))
        .prop_map(|(mut entries, again)| {
            // Templates need lines that are like others.
            if !entries.is_empty() {
                for index in again {
                    entries.push(index.get(&entries).clone());
                }
            }
            entries
        })
}

fn options() -> impl Strategy<Value = LogWriterOptions> {
    let effort = prop::sample::select(vec![Effort::Fast, Effort::Small]);
    let block_bytes = prop::sample::select(vec![1, 100, 1000, 8 << 20]);
    (effort, block_bytes).prop_map(|(effort, block_bytes)| LogWriterOptions { effort, block_bytes })
}

proptest! {
    #[test]
    fn all_rows_come_back(entries in entries(), options in options()) {
        let files = write(&entries, options);
        let segment = open(&files);
        prop_assert_eq!(segment.summary(), files.summary);
        prop_assert_eq!(files.summary.rows, entries.len() as u64);
        let found = read_all(&segment);
        prop_assert_eq!(sorted(&found), sorted(&entries));
        prop_assert!(segment.verify().is_empty());
        if options.block_bytes > 1 << 20 {
            prop_assert_eq!(found, sorted(&entries));
        }
    }

    #[test]
    fn nothing_wanted_is_passed_over(
        entries in entries(),
        options in options(),
        at: prop::sample::Index,
        cut in any::<(u16, u16)>(),
        by_stream: bool,
        by_metadata: bool,
        range in any::<Option<(i64, i64)>>(),
    ) {
        let files = write(&entries, options);
        let segment = open(&files);
        let mut select = LogSelect { from_ns: i64::MIN, to_ns: i64::MAX, ..LogSelect::default() };
        if let Some((from, to)) = range {
            (select.from_ns, select.to_ns) = (from.min(to), from.max(to));
        }
        if !entries.is_empty() {
            let entry = at.get(&entries);
            // A part of a line that is there, so that something is found.
            let (a, b) = (usize::from(cut.0) % (entry.line.len() + 1), usize::from(cut.1) % (entry.line.len() + 1));
            if let Ok(text) = std::str::from_utf8(&entry.line[a.min(b)..a.max(b)]) {
                select.contains.push(text.into());
            }
            if by_stream {
                select.matchers.extend(entry.stream.iter().map(|(name, value)| Matcher::equal(name, value)));
            }
            if by_metadata {
                select.metadata.extend(entry.metadata.iter().map(|(name, value)| (name.into(), value.into())));
            }
        }
        let streams = streams(&segment);
        let candidates = segment.candidates(&select, &mut Strict).unwrap();
        let mut rows = LogRows::new();
        let mut found = Vec::new();
        for block in &candidates.blocks {
            segment.read(&candidates, block.number, &mut rows).unwrap();
            found.extend(super::entries(&rows, &streams));
        }
        let wanted: Vec<Entry> = entries
            .iter()
            .filter(|entry| {
                (select.from_ns..select.to_ns).contains(&entry.time_ns)
                    && select.matchers.iter().all(|matcher| matcher.selects(&entry.stream))
                    && select.contains.iter().all(|text| memchr::memmem::find(&entry.line, text.as_bytes()).is_some())
                    && select.metadata.iter().all(|(name, value)| entry.metadata.get(name) == Some(value))
            })
            .cloned()
            .collect();
        prop_assert_eq!(sorted(&found), sorted(&wanted));
        let volume: Vec<(u32, u64, u64)> = segment
            .volume(&LogSelect { contains: Vec::new(), metadata: Vec::new(), ..select.clone() }, &mut Strict)
            .unwrap()
            .iter()
            .map(|volume| (volume.stream, volume.rows, volume.line_bytes))
            .collect();
        let mut expected = Vec::new();
        for (number, labels) in (0..).zip(&streams) {
            let of_stream: Vec<&Entry> = entries
                .iter()
                .filter(|entry| {
                    entry.stream == *labels
                        && (select.from_ns..select.to_ns).contains(&entry.time_ns)
                        && select.matchers.iter().all(|matcher| matcher.selects(labels))
                })
                .collect();
            if !of_stream.is_empty() {
                let bytes = of_stream.iter().map(|entry| entry.line.len() as u64).sum();
                expected.push((number, of_stream.len() as u64, bytes));
            }
        }
        prop_assert_eq!(volume, expected);
    }
}

#[test]
fn a_flipped_bit_is_found_and_stays_in_its_block() {
    let entry = |number: i64| Entry {
        stream: Labels::from_pairs([("service", "a")]).unwrap(),
        time_ns: number * 1_000,
        line: format!("request {number} took {} ms", number % 7).into_bytes(),
        metadata: Labels::from_pairs([("trace_id", format!("{:032x}", number * 77))]).unwrap(),
    };
    let entries: Vec<Entry> = (0..60).map(entry).collect();
    let files = write(&entries, LogWriterOptions { block_bytes: 1000, ..SMALL });
    let blocks = open(&files).blocks().count();
    assert!(blocks > 2);
    let file = |name: &str, bytes: &[u8]| Arc::new(InMemory::new(name, bytes.to_vec()));
    for place in 0..3 {
        let plain = [&files.index, &files.data, &files.filter];
        for bit in (0..plain[place].len() * 8).step_by(5) {
            let mut bytes = plain.map(Clone::clone);
            bytes[place][bit / 8] ^= 1 << (bit % 8);
            let [index, data, filter] = bytes;
            let name = ["index", "data", "filter"][place];
            let opened =
                LogSegment::open(file("index", &index), file("data", &data), Ok(file("filter", &filter)));
            let errors = match opened {
                Err(error) => vec![error],
                Ok(segment) => {
                    let mut rows = LogRows::new();
                    let broken =
                        (0..blocks as u32).filter(|&block| segment.read_all(block, &mut rows).is_err());
                    assert!(broken.count() <= 1, "{name} {bit}");
                    segment.verify()
                }
            };
            assert_eq!(errors.len(), 1, "{name} {bit}: {errors:?}");
            for error in errors {
                assert!(error.to_string().starts_with(&format!("{name} is damaged at byte ")), "{error}");
            }
        }
    }
}

#[test]
fn huge_and_empty_lines_come_back() {
    let entry = |time_ns: i64, line: Vec<u8>| Entry {
        stream: Labels::empty(),
        time_ns,
        line,
        metadata: Labels::empty(),
    };
    let mut long: Vec<u8> = (0_u32..20 << 20).map(|n| (n.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
    long[..10].copy_from_slice(b"at 5 there");
    let entries = [
        entry(1, Vec::new()),
        entry(2, long),
        entry(2, b"x1".repeat(9 << 20)),
        entry(3, Vec::new()),
        entry(4, b"\0".to_vec()),
    ];
    let files = write(&entries, FAST);
    assert_eq!(read_all(&open(&files)), entries);
    let mut writer = LogSegmentWriter::new(FAST);
    let error =
        writer.push(&Labels::empty(), 0, &vec![0; super::super::LINE_BYTES_MAX + 1], &Labels::empty());
    assert!(error.unwrap_err().to_string().contains("cut it before it is stored"));
    assert_eq!(writer.finish().summary.rows, 0);
}

#[test]
fn noise_is_found_and_its_filter_stays_small() {
    let mut state = 88_172_645_463_325_252_u64;
    let mut draw = move || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state >> 8
    };
    let digits = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let noise: Vec<Entry> = (0..5000)
        .map(|time_ns| Entry {
            stream: Labels::empty(),
            time_ns,
            line: (0..400).map(|_| digits[draw() as usize % digits.len()]).collect(),
            metadata: Labels::from_pairs([("trace_id", format!("{time_ns:032x}"))]).unwrap(),
        })
        .collect();
    let files = write(&noise, LogWriterOptions { block_bytes: 1 << 19, ..FAST });
    assert!(files.filter.len() * 10 < files.data.len(), "{} and {}", files.data.len(), files.filter.len());
    let segment = open(&files);
    let mut rows = LogRows::new();
    let mut find = |contains: &[u8], metadata: Option<&str>| {
        let select = LogSelect {
            from_ns: 0,
            to_ns: i64::MAX,
            contains: vec![std::str::from_utf8(contains).unwrap().into()],
            metadata: metadata.map(|value| ("trace_id".into(), value.into())).into_iter().collect(),
            ..LogSelect::default()
        };
        let candidates = segment.candidates(&select, &mut Strict).unwrap();
        let mut found = Vec::new();
        for block in &candidates.blocks {
            segment.read(&candidates, block.number, &mut rows).unwrap();
            found.extend(rows.iter().map(|row| row.time_ns));
        }
        (found, candidates.blocks.len())
    };
    for entry in noise.iter().step_by(250) {
        let from = entry.time_ns as usize % 300;
        for length in [5, 12, 40, 100] {
            let (found, _) = find(&entry.line[from..from + length], None);
            assert!(found.contains(&entry.time_ns), "{length} of {}", entry.time_ns);
        }
        let (found, blocks) = find(b"", entry.metadata.get("trace_id"));
        assert_eq!((found, blocks), (vec![entry.time_ns], 1));
    }
}
