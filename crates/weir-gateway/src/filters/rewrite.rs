//! Rewrite of the path before it is forwarded.

use std::borrow::Cow;

use weir_model::PathRewrite;

use crate::exchange::Exchange;
use crate::live::RouteLive;

pub(super) fn on_request(exchange: &mut Exchange, route: &RouteLive) {
    let Some(rewrite) = &route.model.rewrite_path else { return };
    // `OPTIONS *` has no path to rewrite.
    if exchange.request.path().is_empty() {
        return;
    }
    let path = rewritten(rewrite, exchange.request.path(), exchange.matched_prefix).into_owned();
    exchange.request.set_path(&path);
}

/// The path after a rewrite; `prefix_len` bytes of it were covered by the route's prefix. Always starts with `/`.
pub(crate) fn rewritten<'a>(rewrite: &PathRewrite, path: &'a [u8], prefix_len: usize) -> Cow<'a, [u8]> {
    let mut new = match rewrite {
        PathRewrite::Full(full) => full.as_bytes().to_vec(),
        PathRewrite::Prefix(prefix) => {
            let mut new = prefix.as_bytes().to_vec();
            let rest = path.get(prefix_len..).unwrap_or_default();
            // One slash between the two, whichever side brought it.
            if new.last() == Some(&b'/') && (rest.first() == Some(&b'/') || rest.is_empty()) && new.len() > 1
            {
                new.pop();
            }
            if new == b"/" && rest.first() == Some(&b'/') {
                new.clear();
            }
            new.extend_from_slice(rest);
            new
        }
        PathRewrite::Regex { pattern, with } => {
            return match pattern.replace(path, with) {
                Cow::Owned(new) if is_path(&new) => Cow::Owned(new),
                // A replacement that makes no path is not used: better the old path than a broken request.
                Cow::Owned(_) | Cow::Borrowed(_) => Cow::Borrowed(path),
            };
        }
    };
    if new.first() != Some(&b'/') {
        new.insert(0, b'/');
    }
    Cow::Owned(new)
}

fn is_path(path: &[u8]) -> bool {
    path.first() == Some(&b'/') && path.iter().all(|b| b.is_ascii_graphic() && *b != b'#' && *b != b'?')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prefixes_join_with_one_slash() {
        #[track_caller]
        fn check(to: &str, path: &str, prefix_len: usize, expect: &str) {
            let new = rewritten(&PathRewrite::Prefix(to.into()), path.as_bytes(), prefix_len);
            assert_eq!(std::str::from_utf8(&new).unwrap(), expect, "{to} {path}");
        }
        check("/new", "/old/a", 4, "/new/a");
        check("/new/", "/old/a", 4, "/new/a");
        check("/new", "/old", 4, "/new");
        check("/", "/old/a", 4, "/a");
        check("/", "/old", 4, "/");
        check("/new", "/a", 0, "/new/a");
        check("", "/old/a", 4, "/a");
    }
}
