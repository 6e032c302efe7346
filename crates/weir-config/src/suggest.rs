//! "Did you mean".

/// The candidate that is most like `word`, where one is like enough.
pub(crate) fn closest<'a>(word: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    // Nothing that long is a slip of the hand, and the distance costs the product of the lengths.
    if word.len() > 64 {
        return None;
    }
    let plain = |text: &str| text.to_ascii_lowercase().replace(['-', ' '], "_");
    let word = plain(word);
    let allowed = (word.chars().count() / 3).clamp(1, 3);
    candidates
        .into_iter()
        .filter(|c| c.len().abs_diff(word.len()) <= 3)
        .map(|c| (strsim::damerau_levenshtein(&word, &plain(c)), c))
        .filter(|(distance, _)| *distance <= allowed)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, c)| c)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn near_words() {
        #[track_caller]
        fn check(word: &str, suggests: Option<&str>) {
            let known = ["service", "services", "timeouts", "hosts", "on"];
            assert_eq!(closest(word, known), suggests, "{word}");
        }
        check("servcie", Some("service"));
        check("Service", Some("service"));
        check("timeout", Some("timeouts"));
        check("host", Some("hosts"));
        check("xyz", None);
        check("", None);
    }
}
