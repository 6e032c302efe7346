//! Which lines are new.
//!
//! Lines do not come in in the order of their times. So each look goes back a minute behind the newest line, and what was
//! there at an earlier look is left out: by its time, its stream and its text, as often as it was there.

use std::collections::BTreeMap;
use std::hash::{DefaultHasher, Hash, Hasher};

use super::fetch::Line;

/// How much older than the newest line another may be that comes in later.
const LATE_NS: i64 = 60_000_000_000;

/// What was there at the last look.
#[derive(Debug)]
pub(super) struct Follow {
    first_ns: i64,
    /// Where the next look begins.
    from_ns: i64,
    newest_ns: Option<i64>,
    /// By time and by a hash of stream and text: how many.
    known: BTreeMap<(i64, u64), u32>,
}

impl Follow {
    /// Nothing older than `from_ns` is looked at. `newest_ns` is the time of the newest line.
    pub(super) fn new(from_ns: i64, newest_ns: Option<i64>, now_ns: i64) -> Self {
        let mut follow = Self { first_ns: from_ns, from_ns, newest_ns, known: BTreeMap::new() };
        follow.advance(now_ns);
        follow.first_ns = follow.from_ns;
        follow
    }

    /// Where the next look begins.
    pub(super) fn begins_ns(&self) -> i64 {
        self.from_ns
    }

    /// Where the first look began.
    pub(super) fn first_ns(&self) -> i64 {
        self.first_ns
    }

    /// Of all lines from [`Follow::begins_ns`] on those that were not there at the look before.
    pub(super) fn fresh(&mut self, window: Vec<Line>, now_ns: i64) -> Vec<Line> {
        let mut there: BTreeMap<(i64, u64), u32> = BTreeMap::new();
        let mut fresh = Vec::new();
        for line in window {
            self.newest_ns = self.newest_ns.max(Some(line.time_ns));
            let key = (line.time_ns, hash(&line));
            let count = there.entry(key).or_default();
            *count += 1;
            if *count > self.known.get(&key).copied().unwrap_or(0) {
                fresh.push(line);
            }
        }
        // What was there and is not now (its part could not be read, say) is not new when it is there again.
        for (key, count) in there {
            let known = self.known.entry(key).or_default();
            *known = (*known).max(count);
        }
        self.advance(now_ns);
        self.known = self.known.split_off(&(self.from_ns, 0));
        fresh
    }

    /// Goes on behind the newest line. One of the future does not count as such, and this machine's clock may be ahead of
    /// those of senders: the earlier of both is taken.
    fn advance(&mut self, now_ns: i64) {
        if let Some(newest_ns) = self.newest_ns {
            self.from_ns = self.from_ns.max(newest_ns.min(now_ns).saturating_sub(LATE_NS));
        }
    }
}

fn hash(line: &Line) -> u64 {
    let mut hasher = DefaultHasher::new();
    (&line.labels, &line.text).hash(&mut hasher);
    hasher.finish()
}

#[cfg(test)]
mod tests {
    use super::super::fetch::tests::{line, serve};
    use super::super::fetch::{Direction, Page, forward};
    use super::*;

    const SECOND: i64 = 1_000_000_000;

    fn look(follow: &mut Follow, held: &[Line], now_ns: i64) -> Vec<Line> {
        let window =
            forward(&mut |page| Ok(serve(held, page, usize::MAX)), follow.begins_ns(), i64::MAX).unwrap();
        follow.fresh(window, now_ns)
    }

    #[test]
    fn what_is_equal_counts_as_often_as_it_is_there() {
        let mut follow = Follow::new(0, None, 100 * SECOND);
        let a = line(SECOND, 1, "a");
        let mut held = vec![a.clone(), a.clone()];
        assert_eq!(look(&mut follow, &held, 100 * SECOND).len(), 2);
        held.push(a.clone());
        held.push(line(SECOND, 2, "a"));
        assert_eq!(look(&mut follow, &held, 100 * SECOND), [a, line(SECOND, 2, "a")]);
        assert!(look(&mut follow, &held, 100 * SECOND).is_empty());
    }

    #[test]
    fn clocks_that_disagree_lose_nothing() {
        // The sender's is behind, and nothing was there: the look goes back as far as it was asked for.
        let mut follow = Follow::new(0, None, 10_000 * SECOND);
        assert_eq!(look(&mut follow, &[line(5 * SECOND, 1, "x")], 10_000 * SECOND).len(), 1);
        // A line of the future holds back none of now.
        let mut held = vec![line(20_000 * SECOND, 1, "future")];
        let mut follow = Follow::new(0, None, 10_000 * SECOND);
        assert_eq!(look(&mut follow, &held, 10_000 * SECOND).len(), 1);
        held.push(line(10_000 * SECOND, 1, "now"));
        assert_eq!(look(&mut follow, &held, 10_001 * SECOND).len(), 1);
    }

    proptest::proptest! {
        /// Lines come in up to a minute late, between looks at any times.
        #[test]
        fn every_line_is_shown_once(
            steps in proptest::collection::vec((0_i64..40, 0_i64..59, 0_u8..3, proptest::bool::ANY), 1..60),
        ) {
            let mut now = 1_000 * SECOND;
            let mut held = Vec::new();
            let mut follow = Follow::new(0, None, now);
            let mut shown = Vec::new();
            for (later_s, late_s, stream, looks) in steps {
                now += later_s * SECOND;
                held.push(line(now - late_s * SECOND, stream, "text"));
                if looks {
                    shown.extend(look(&mut follow, &held, now));
                }
            }
            shown.extend(look(&mut follow, &held, now));
            // What came in more than a minute behind the newest is not promised; here nothing does.
            let page = Page { from_ns: 0, to_ns: i64::MAX, limit: usize::MAX, direction: Direction::Forward };
            let mut all = serve(&held, &page, usize::MAX);
            let key = |line: &Line| (line.time_ns, line.labels.clone());
            all.sort_by_key(key);
            shown.sort_by_key(key);
            proptest::prop_assert_eq!(shown, all);
        }
    }
}
