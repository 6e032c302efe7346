//! What is logged: `info`, or `info,weir_http=debug`.

use std::fmt;
use std::str::FromStr;

use tracing::level_filters::LevelFilter;
use tracing_subscriber::filter::Targets;

const LEVELS: [(&str, LevelFilter); 6] = [
    ("off", LevelFilter::OFF),
    ("error", LevelFilter::ERROR),
    ("warn", LevelFilter::WARN),
    ("info", LevelFilter::INFO),
    ("debug", LevelFilter::DEBUG),
    ("trace", LevelFilter::TRACE),
];

/// A level for everything, and levels for parts of the program that differ. The longest matching part decides.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Filter {
    level: LevelFilter,
    parts: Vec<(String, LevelFilter)>,
}

impl Default for Filter {
    /// `info`.
    fn default() -> Self {
        Self { level: LevelFilter::INFO, parts: Vec::new() }
    }
}

impl Filter {
    pub(super) fn targets(&self) -> Targets {
        Targets::new().with_default(self.level).with_targets(self.parts.iter().cloned())
    }
}

/// Why a text is no filter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FilterError {
    /// Nothing was written.
    Empty,
    /// A word that is no level, and the level that starts like it.
    Level(String, Option<&'static str>),
    /// A level without the part of the program it is for.
    Part(String),
    /// The general level, or that of a part, stands twice.
    Twice(String),
}

impl fmt::Display for FilterError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const FORM: &str = "write a level (off, error, warn, info, debug, trace), or levels for parts too, \
                            like info,weir_http=debug";
        match self {
            Self::Empty => write!(f, "the log filter is empty: {FORM}"),
            Self::Level(word, None) => write!(f, "{word:?} is no log level: {FORM}"),
            Self::Level(word, Some(level)) => {
                write!(f, "{word:?} is no log level, did you mean {level:?}? {FORM}")
            }
            Self::Part(text) => write!(f, "{text:?} names no part of the program before its '=': {FORM}"),
            Self::Twice(what) => write!(f, "the log filter sets {what} twice: keep one"),
        }
    }
}

impl std::error::Error for FilterError {}

impl FromStr for Filter {
    type Err = FilterError;

    /// Parts are crate or module names as in the log's `target`; `-` is read as `_`.
    fn from_str(text: &str) -> Result<Self, FilterError> {
        let mut general = None;
        let mut parts: Vec<(String, LevelFilter)> = Vec::new();
        for word in text.split(',').map(str::trim).filter(|word| !word.is_empty()) {
            let Some((part, word)) = word.split_once('=') else {
                if general.replace(level(word)?).is_some() {
                    return Err(FilterError::Twice("the general level".to_owned()));
                }
                continue;
            };
            let name = part.trim().replace('-', "_");
            let fits = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == ':';
            if name.is_empty() || !name.chars().all(fits) {
                return Err(FilterError::Part(format!("{part}={word}")));
            }
            if parts.iter().any(|(known, _)| *known == name) {
                return Err(FilterError::Twice(name));
            }
            parts.push((name, level(word.trim())?));
        }
        if general.is_none() && parts.is_empty() {
            return Err(FilterError::Empty);
        }
        Ok(Self { level: general.unwrap_or(LevelFilter::INFO), parts })
    }
}

fn level(word: &str) -> Result<LevelFilter, FilterError> {
    let lower = word.to_ascii_lowercase();
    if let Some((_, level)) = LEVELS.iter().find(|(name, _)| *name == lower) {
        return Ok(*level);
    }
    let like = LEVELS.iter().find(|(name, _)| lower.starts_with(&name[..1]));
    Err(FilterError::Level(word.to_owned(), like.map(|(name, _)| *name)))
}

impl fmt::Display for Filter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let word = |level: &LevelFilter| {
            LEVELS.iter().find(|(_, known)| known == level).map_or("", |(word, _)| word)
        };
        f.write_str(word(&self.level))?;
        self.parts.iter().try_for_each(|(part, level)| write!(f, ",{part}={}", word(level)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn filters() {
        #[track_caller]
        fn check(text: &str, expect: Result<&str, &str>) {
            let read = text.parse::<Filter>().map(|f| f.to_string()).map_err(|e| e.to_string());
            match (read, expect) {
                (Ok(read), Ok(expect)) => {
                    assert_eq!(read, expect);
                    assert_eq!(read.parse::<Filter>().unwrap().to_string(), read);
                }
                (Err(says), Err(expect)) => assert!(says.starts_with(expect), "{says}"),
                (read, _) => panic!("{text}: {read:?}"),
            }
        }
        check("info", Ok("info"));
        check(
            " WARN , weir-http=debug,weir_gateway::admin=off ",
            Ok("warn,weir_http=debug,weir_gateway::admin=off"),
        );
        check("weir_http=trace", Ok("info,weir_http=trace"));
        check("", Err("the log filter is empty: write a level"));
        check("warning", Err("\"warning\" is no log level, did you mean \"warn\"? write"));
        check("loud", Err("\"loud\" is no log level: write"));
        check("weir_http=", Err("\"\" is no log level: write"));
        check("=debug", Err("\"=debug\" names no part"));
        check("a b=debug", Err("\"a b=debug\" names no part"));
        check("info,debug", Err("the log filter sets the general level twice"));
        check("a-b=info,a_b=debug", Err("the log filter sets a_b twice"));
    }
}
