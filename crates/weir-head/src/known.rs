//! Well-known field names as small numbers, so that the request path compares integers.

macro_rules! known {
    ($($id:ident $name:literal),* $(,)?) => {
        /// A well-known field name; [`Known::Other`] for the rest.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[repr(u8)]
        pub enum Known {
            /// Not one of the names below.
            Other,
            $(#[doc = concat!("`", $name, "`")] $id,)*
        }

        const ALL: &[(Known, &str)] = &[$((Known::$id, $name)),*];

        impl Known {
            /// The name in lower case; empty for [`Known::Other`].
            pub const fn name(self) -> &'static str {
                match self { Self::Other => "", $(Self::$id => $name),* }
            }
        }
    };
}

known! {
    Host "host", Connection "connection", ContentLength "content-length",
    TransferEncoding "transfer-encoding", Te "te", Trailer "trailer", Upgrade "upgrade",
    KeepAlive "keep-alive", ProxyConnection "proxy-connection",
    ProxyAuthenticate "proxy-authenticate", ProxyAuthorization "proxy-authorization",
    Expect "expect", Via "via", Forwarded "forwarded", XForwardedFor "x-forwarded-for",
    XForwardedProto "x-forwarded-proto", XForwardedHost "x-forwarded-host",
    XRequestId "x-request-id", Traceparent "traceparent", Tracestate "tracestate",
    Cookie "cookie", Authorization "authorization", Origin "origin", UserAgent "user-agent",
    Accept "accept", AcceptEncoding "accept-encoding", AcceptLanguage "accept-language",
    ContentType "content-type", ContentEncoding "content-encoding", Date "date",
    Server "server", CacheControl "cache-control", Etag "etag", LastModified "last-modified",
    Location "location", SetCookie "set-cookie", Vary "vary", RetryAfter "retry-after",
    Referer "referer", Range "range", IfNoneMatch "if-none-match",
    IfModifiedSince "if-modified-since", SecWebsocketKey "sec-websocket-key",
    SecWebsocketVersion "sec-websocket-version", SecWebsocketAccept "sec-websocket-accept",
    AccessControlRequestMethod "access-control-request-method",
    AccessControlRequestHeaders "access-control-request-headers",
    AccessControlAllowOrigin "access-control-allow-origin",
    Http2Settings "http2-settings",
}

const SLOTS: usize = 512;
/// No two known names share a slot with this seed; the table's construction checks it at compile time.
const SEED: usize = find_seed();

const fn slot(len: usize, first: u8, middle: u8, last: u8, seed: usize) -> usize {
    // Case is folded by setting bit 5, which only maps letters onto letters among token characters that matter here:
    // a false match is caught by the full comparison.
    let mix = (len * 31)
        ^ ((first | 0x20) as usize * (seed * 2 + 1))
        ^ ((middle | 0x20) as usize * (seed + 7))
        ^ ((last | 0x20) as usize * 13);
    (mix ^ (mix >> 9)) % SLOTS
}

const fn slot_of(name: &[u8], seed: usize) -> usize {
    slot(name.len(), name[0], name[name.len() / 2], name[name.len() - 1], seed)
}

const fn fill(seed: usize) -> Option<[u8; SLOTS]> {
    let mut table = [0; SLOTS];
    let mut at = 0;
    while at < ALL.len() {
        let slot = slot_of(ALL[at].1.as_bytes(), seed);
        if table[slot] != 0 {
            return None;
        }
        table[slot] = at as u8 + 1;
        at += 1;
    }
    Some(table)
}

const fn find_seed() -> usize {
    let mut seed = 1;
    while fill(seed).is_none() {
        seed += 1;
    }
    seed
}

static TABLE: [u8; SLOTS] = match fill(SEED) {
    Some(table) => table,
    None => panic!("two known names share a slot"),
};

impl Known {
    /// The id of a name in any case.
    #[inline]
    pub fn of(name: &[u8]) -> Self {
        if name.is_empty() {
            return Self::Other;
        }
        match TABLE[slot_of(name, SEED)] {
            0 => Self::Other,
            at => {
                let (id, known) = ALL[at as usize - 1];
                if known.as_bytes().eq_ignore_ascii_case(name) { id } else { Self::Other }
            }
        }
    }

    /// This id as a bit of a set.
    #[inline]
    pub const fn bit(self) -> u64 {
        1 << (self as u8)
    }
}

const _: () = assert!(ALL.len() < 64, "a set of ids has to fit into a word");

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_is_found_in_any_case() {
        for (id, name) in ALL {
            assert_eq!(Known::of(name.as_bytes()), *id);
            assert_eq!(Known::of(name.to_ascii_uppercase().as_bytes()), *id);
            assert_eq!(id.name(), *name);
        }
        for other in ["", "x", "x-tier", "hosts", "contentxlength", "h\u{4f}st "] {
            assert_eq!(Known::of(other.as_bytes()), Known::Other, "{other}");
        }
    }
}
