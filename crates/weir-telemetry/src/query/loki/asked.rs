//! What a request says: times, limits, flags.

use http::HeaderMap;
use weir_logql::parse_selector;
use weir_signal::{Direction, LogSelect, Matcher};

use super::POINTS_MAX;
use super::error::ApiError;
use crate::query::params::{Params, duration_ms, time_ns};

/// The header in which a client says what it understands.
const FLAGS: &str = "x-loki-response-encoding-flags";

/// Streams named by their own labels only; metadata and parsed labels stand beside each line.
pub(super) const CATEGORIZE_LABELS: &str = "categorize-labels";

/// Lines of an answer where nobody says how many.
const LIMIT: usize = 100;
/// And at most.
pub(super) const LIMIT_MAX: usize = 50_000;

/// How far back a request looks that does not say, in nanoseconds.
const SINCE_NS: i64 = 3_600_000_000_000;
/// The same for labels and their values.
const LABELS_SINCE_NS: i64 = 6 * SINCE_NS;

/// A request.
#[derive(Debug)]
pub(super) struct Asked {
    pub(super) params: Params,
    pub(super) categorizes: bool,
    pub(super) now_ns: i64,
}

impl Asked {
    pub(super) fn new(params: Params, headers: &HeaderMap, now_ns: i64) -> Self {
        let flags = headers.get_all(FLAGS).iter().filter_map(|value| value.to_str().ok());
        let categorizes =
            flags.flat_map(|flags| flags.split(',')).any(|flag| flag.trim() == CATEGORIZE_LABELS);
        Self { params, categorizes, now_ns }
    }

    /// The query's text.
    pub(super) fn query(&self) -> &str {
        self.params.get("query").unwrap_or_default()
    }

    /// A time, where it is given.
    pub(super) fn time_ns(&self, name: &str) -> Result<Option<i64>, ApiError> {
        let Some(text) = self.params.get(name) else { return Ok(None) };
        time_ns(text).map(Some).ok_or_else(|| {
            ApiError::bad(format!(
                "could not parse '{name}' parameter: {text:?} is neither nanoseconds, seconds, nor RFC 3339"
            ))
        })
    }

    /// A length of time in nanoseconds, where it is given: seconds, or a duration.
    pub(super) fn duration_ns(&self, name: &str) -> Result<Option<i64>, ApiError> {
        let Some(text) = self.params.get(name) else { return Ok(None) };
        let nanos = duration_ms(text).and_then(|ms| ms.checked_mul(1_000_000));
        nanos.map(Some).ok_or_else(|| {
            ApiError::bad(format!("invalid parameter {name:?}: cannot parse {text:?} to a valid duration"))
        })
    }

    /// From when to when: the last hour where nobody says.
    pub(super) fn bounds(&self) -> Result<(i64, i64), ApiError> {
        self.bounds_since(SINCE_NS)
    }

    fn bounds_since(&self, otherwise: i64) -> Result<(i64, i64), ApiError> {
        let since = self.duration_ns("since")?.unwrap_or(otherwise);
        let to = self.time_ns("end")?.unwrap_or(self.now_ns);
        // A range that ends in the future still begins in the past.
        let from = self.time_ns("start")?.unwrap_or_else(|| to.min(self.now_ns).saturating_sub(since));
        if to < from {
            return Err(ApiError::bad("end timestamp must not be before or equal to start time"));
        }
        Ok((from, to))
    }

    /// From one point to the next, in nanoseconds: 250 points where nobody says.
    pub(super) fn step_ns(&self, from: i64, to: i64) -> Result<i64, ApiError> {
        let step = match self.duration_ns("step")? {
            Some(step) => step,
            None => (to.saturating_sub(from) / 250 / 1_000_000_000).max(1) * 1_000_000_000,
        };
        if step <= 0 {
            return Err(ApiError::bad(
                "zero or negative query resolution step widths are not accepted. Try a positive integer",
            ));
        }
        if to.saturating_sub(from) / step > POINTS_MAX {
            return Err(ApiError::bad(
                "exceeded maximum resolution of 11,000 points per time series. Try increasing the value of the step parameter",
            ));
        }
        Ok(step)
    }

    /// How many of something; `most` bounds it.
    pub(super) fn count(&self, name: &str, otherwise: usize, most: usize) -> Result<usize, ApiError> {
        match self.params.number::<i64>(name).map_err(ApiError::bad)? {
            None => Ok(otherwise),
            Some(..=0) => Err(ApiError::bad("limit must be a positive value")),
            Some(limit) => match usize::try_from(limit).ok().filter(|&limit| limit <= most) {
                Some(limit) => Ok(limit),
                None => Err(ApiError::bad(format!(
                    "max entries limit per query exceeded, {name} > max_entries_limit ({limit} > {most})"
                ))),
            },
        }
    }

    /// How many of something that may be none; `most` bounds it.
    pub(super) fn count_or_zero(&self, name: &str, most: usize) -> Result<usize, ApiError> {
        let count = self.params.number::<usize>(name).map_err(ApiError::bad)?.unwrap_or(0);
        if count <= most {
            Ok(count)
        } else {
            Err(ApiError::bad(format!("{name} can't be greater than {most}")))
        }
    }

    /// How many lines.
    pub(super) fn limit(&self) -> Result<usize, ApiError> {
        self.count("limit", LIMIT, LIMIT_MAX)
    }

    pub(super) fn direction(&self) -> Result<Direction, ApiError> {
        match self.params.get("direction") {
            None => Ok(Direction::Backward),
            Some(text) if text.eq_ignore_ascii_case("backward") => Ok(Direction::Backward),
            Some(text) if text.eq_ignore_ascii_case("forward") => Ok(Direction::Forward),
            Some(text) => Err(ApiError::bad(format!("invalid direction '{text}'"))),
        }
    }

    /// The streams of a selector in the range that is asked about; all, where there is no selector.
    pub(super) fn streams(&self, selector: Option<&str>) -> Result<LogSelect, ApiError> {
        select(selector, self.bounds()?)
    }

    /// The same for those whose labels are wanted: the last six hours where nobody says.
    pub(super) fn labelled(&self) -> Result<LogSelect, ApiError> {
        select(self.params.get("query"), self.bounds_since(LABELS_SINCE_NS)?)
    }
}

fn select(selector: Option<&str>, (from_ns, to_ns): (i64, i64)) -> Result<LogSelect, ApiError> {
    let matchers: Vec<Matcher> = selector.map_or(Ok(Vec::new()), parse_selector)?;
    // The end is asked about as well.
    Ok(LogSelect { matchers, from_ns, to_ns: to_ns.saturating_add(1), ..LogSelect::default() })
}
