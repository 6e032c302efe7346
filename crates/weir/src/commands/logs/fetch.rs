//! Lines, page by page: none is left out or taken twice where one page ends and the next begins.

use std::sync::Arc;

use crate::commands::query::{Data, Labels};

/// Lines that are asked for at once, at most: more is not answered by default.
pub(super) const PAGE_LINES: usize = 5000;

/// A line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Line {
    /// Nanoseconds since 1970.
    pub(super) time_ns: i64,
    /// The labels of its stream.
    pub(super) labels: Arc<Labels>,
    /// What it says.
    pub(super) text: String,
}

/// From which end a page is filled.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Direction {
    /// The oldest lines of the stretch.
    Forward,
    /// The newest.
    Backward,
}

/// What is asked for at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Page {
    /// The first time.
    pub(super) from_ns: i64,
    /// The time behind the last.
    pub(super) to_ns: i64,
    /// Lines at most.
    pub(super) limit: usize,
    /// Which of them, where there are more.
    pub(super) direction: Direction,
}

/// The lines of an answer by time, those of one time stream by stream and as the stream has them.
pub(super) fn lines(data: Data, direction: Direction) -> Vec<Line> {
    let Data::Streams(streams) = data else { return Vec::new() };
    let mut all = Vec::new();
    for stream in streams {
        let labels = Arc::new(stream.stream);
        let line = |entry: crate::commands::query::Entry| Line {
            time_ns: entry.time_ns,
            labels: Arc::clone(&labels),
            text: entry.line,
        };
        match direction {
            Direction::Forward => all.extend(stream.values.into_iter().map(line)),
            Direction::Backward => all.extend(stream.values.into_iter().rev().map(line)),
        }
    }
    all.sort_by_key(|line| line.time_ns);
    all
}

/// What answers a page, by time.
pub(super) type Source<'a> = dyn FnMut(&Page) -> anyhow::Result<Vec<Line>> + 'a;

/// All lines of a stretch.
pub(super) fn forward(source: &mut Source<'_>, from_ns: i64, to_ns: i64) -> anyhow::Result<Vec<Line>> {
    let mut all = Vec::new();
    let mut page = Page { from_ns, to_ns, limit: PAGE_LINES, direction: Direction::Forward };
    loop {
        let mut found = source(&page)?;
        let last = match found.last() {
            Some(line) if found.len() >= page.limit => line.time_ns,
            _ => {
                all.append(&mut found);
                return Ok(all);
            }
        };
        // The last time may have lines that found no room: it begins the next page.
        let whole = found.partition_point(|line| line.time_ns < last);
        if whole == 0 {
            // One time fills a page. What is more of it cannot be asked for.
            all.append(&mut found);
            page.from_ns = last + 1;
        } else {
            all.extend(found.drain(..whole));
            page.from_ns = last;
        }
    }
}

/// The last lines of a stretch, as many as `limit`, which is not 0. `first` is the answer to the first page where that was
/// asked for already.
pub(super) fn latest(
    source: &mut Source<'_>,
    from_ns: i64,
    to_ns: i64,
    limit: usize,
    mut first: Option<Vec<Line>>,
) -> anyhow::Result<Vec<Line>> {
    // Page by page, the latest page first.
    let mut pages: Vec<Vec<Line>> = Vec::new();
    let mut left = limit;
    let mut end = to_ns;
    while left > 0 {
        let page = Page { from_ns, to_ns: end, limit: left.min(PAGE_LINES), direction: Direction::Backward };
        let mut found = match first.take() {
            Some(found) => found,
            None => source(&page)?,
        };
        let is_last = found.len() < page.limit || found.len() >= left;
        let Some(oldest) = found.first().map(|line| line.time_ns) else { break };
        if is_last {
            pages.push(found);
            break;
        }
        let cut = found.partition_point(|line| line.time_ns <= oldest);
        if cut == found.len() {
            end = oldest;
        } else {
            found.drain(..cut);
            end = oldest + 1;
        }
        left -= found.len();
        pages.push(found);
    }
    let mut all: Vec<Line> = pages.into_iter().rev().flatten().collect();
    all.drain(..all.len().saturating_sub(limit));
    Ok(all)
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// A line of one of three streams.
    pub(in super::super) fn line(time_ns: i64, stream: u8, text: &str) -> Line {
        let labels = Labels::from([("s".to_owned(), stream.to_string())]);
        Line { time_ns, labels: Arc::new(labels), text: text.to_owned() }
    }

    /// Answers as a server does that holds these lines, but with small pages.
    pub(in super::super) fn serve(held: &[Line], page: &Page, most: usize) -> Vec<Line> {
        let mut found: Vec<Line> =
            held.iter().filter(|line| (page.from_ns..page.to_ns).contains(&line.time_ns)).cloned().collect();
        found.sort_by_key(|line| line.time_ns);
        let limit = page.limit.min(most);
        match page.direction {
            Direction::Forward => found.truncate(limit),
            Direction::Backward => drop(found.drain(..found.len().saturating_sub(limit))),
        }
        found
    }

    #[test]
    fn answers_are_put_in_order() {
        let text = r#"{"data":{"resultType":"streams","result":[
            {"stream":{"s":"1"},"values":[["30","c"],["20","b2"],["20","b1"]]},
            {"stream":{"s":"2"},"values":[["25","x"],["20","y"]]}]}}"#;
        let answer: crate::commands::query::Answer = serde_json::from_str(text).unwrap();
        let texts: Vec<String> =
            lines(answer.data, Direction::Backward).into_iter().map(|line| line.text).collect();
        assert_eq!(texts, ["b1", "b2", "y", "x", "c"]);
    }

    proptest::proptest! {
        #[test]
        fn pages_make_a_whole(
            times in proptest::collection::vec(0_i64..2_000, 0..60),
            limit in 1_usize..70,
        ) {
            // No time has more lines than a page.
            let mut held: Vec<Line> = times
                .iter()
                .enumerate()
                .map(|(index, time)| line(time * 100 + index as i64 / 8, 1, &index.to_string()))
                .collect();
            held.sort_by_key(|line| line.time_ns);
            // A page of the server is as large as one that is asked for: `limit` is what is small here.
            let all = forward(&mut |page| Ok(serve(&held, page, usize::MAX)), 0, i64::MAX).unwrap();
            proptest::prop_assert_eq!(&all, &held);
            let last = latest(&mut |page| Ok(serve(&held, page, usize::MAX)), 0, i64::MAX, limit, None).unwrap();
            proptest::prop_assert_eq!(&last[..], &held[held.len().saturating_sub(limit)..]);
        }
    }

    #[test]
    fn many_pages_make_a_whole() {
        // Three lines at each of many times, so that pages end within a time.
        let held: Vec<Line> =
            (0..=4 * PAGE_LINES as i64).map(|at| line(at / 3, 1, &at.to_string())).collect();
        let mut asked = 0;
        let mut source = |page: &Page| {
            asked += 1;
            Ok(serve(&held, page, usize::MAX))
        };
        assert_eq!(forward(&mut source, 0, i64::MAX).unwrap(), held);
        let limit = 2 * PAGE_LINES + 7;
        assert_eq!(latest(&mut source, 0, i64::MAX, limit, None).unwrap()[..], held[held.len() - limit..]);
        assert!(asked > 6, "{asked}");
        // One time that fills more than a page ends nothing.
        let held: Vec<Line> = (0..PAGE_LINES as i64 + 9)
            .map(|at| line(5, 1, &at.to_string()))
            .chain([line(6, 1, "x")])
            .collect();
        let all = forward(&mut |page| Ok(serve(&held, page, usize::MAX)), 0, i64::MAX).unwrap();
        assert_eq!((all.len(), all.last()), (PAGE_LINES + 1, held.last()));
    }
}
