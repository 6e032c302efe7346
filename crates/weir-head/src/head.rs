//! The heads of requests and answers, one pair of types for every version of HTTP.

use crate::fields::{Fields, Span};
use crate::framing::Framing;

/// A request method. Case-sensitive (RFC 9110, section 9.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Method {
    /// GET
    Get,
    /// HEAD
    Head,
    /// POST
    Post,
    /// PUT
    Put,
    /// DELETE
    Delete,
    /// CONNECT
    Connect,
    /// OPTIONS
    Options,
    /// TRACE
    Trace,
    /// PATCH
    Patch,
    /// Any other token.
    Other(Span),
}

impl Method {
    pub(crate) fn of(name: &[u8], span: Span) -> Self {
        match name {
            b"GET" => Self::Get,
            b"HEAD" => Self::Head,
            b"POST" => Self::Post,
            b"PUT" => Self::Put,
            b"DELETE" => Self::Delete,
            b"CONNECT" => Self::Connect,
            b"OPTIONS" => Self::Options,
            b"TRACE" => Self::Trace,
            b"PATCH" => Self::Patch,
            _ => Self::Other(span),
        }
    }

    /// Whether repeating a request changes nothing more than sending it once (RFC 9110, section 9.2.2).
    pub fn is_idempotent(self) -> bool {
        matches!(self, Self::Get | Self::Head | Self::Put | Self::Delete | Self::Options | Self::Trace)
    }

    /// Whether it asks for no change (RFC 9110, section 9.2.1).
    pub fn is_safe(self) -> bool {
        matches!(self, Self::Get | Self::Head | Self::Options | Self::Trace)
    }
}

/// An HTTP version that a head was written in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Version {
    /// HTTP/1.0
    Http10,
    /// HTTP/1.1, and any later 1.x
    #[default]
    Http11,
}

/// The form of a request target (RFC 9112, section 3.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum TargetForm {
    /// `/path?query`
    #[default]
    Origin,
    /// `http://host/path?query`
    Absolute,
    /// `host:port`, CONNECT only
    Authority,
    /// `*`, OPTIONS only
    Asterisk,
}

/// The head of a request. Owns its bytes; recycled with [`RequestHead::clear`].
#[derive(Clone, Debug)]
pub struct RequestHead {
    /// Its method.
    pub method: Method,
    /// The version its sender speaks.
    pub version: Version,
    /// The form of its target.
    pub form: TargetForm,
    /// How its body is framed.
    pub framing: Framing,
    /// Whether its sender is willing to go on with the connection.
    pub keep_alive: bool,
    /// Its fields.
    pub fields: Fields,
    pub(crate) authority: Span,
    pub(crate) host: Span,
    pub(crate) path: Span,
    pub(crate) query: Span,
    pub(crate) has_query: bool,
}

impl Default for RequestHead {
    fn default() -> Self {
        Self {
            method: Method::Get,
            version: Version::Http11,
            form: TargetForm::Origin,
            framing: Framing::None,
            keep_alive: true,
            fields: Fields::default(),
            authority: Span::default(),
            host: Span::default(),
            path: Span::default(),
            query: Span::default(),
            has_query: false,
        }
    }
}

impl RequestHead {
    /// Forgets everything but the memory.
    pub fn clear(&mut self) {
        let mut fields = std::mem::take(&mut self.fields);
        fields.clear();
        *self = Self { fields, ..Self::default() };
    }

    /// The method as it is written.
    pub fn method_name(&self) -> &[u8] {
        match self.method {
            Method::Get => b"GET",
            Method::Head => b"HEAD",
            Method::Post => b"POST",
            Method::Put => b"PUT",
            Method::Delete => b"DELETE",
            Method::Connect => b"CONNECT",
            Method::Options => b"OPTIONS",
            Method::Trace => b"TRACE",
            Method::Patch => b"PATCH",
            Method::Other(span) => self.fields.bytes(span),
        }
    }

    /// Host and port as the client wrote them: from the target where it has them, else from `Host`. May be empty
    /// (HTTP/1.0 without `Host`).
    pub fn authority(&self) -> &[u8] {
        self.fields.bytes(self.authority)
    }

    /// The authority's host alone, in lower case, without port or final dot: what routes are chosen by.
    pub fn host(&self) -> &str {
        // Only ASCII passed the parser's check of the authority.
        std::str::from_utf8(self.fields.bytes(self.host)).unwrap_or("")
    }

    /// The path; in its normal form once [`crate::normalise`] ran. Empty for the asterisk and authority forms.
    #[inline]
    pub fn path(&self) -> &[u8] {
        self.fields.bytes(self.path)
    }

    /// The query without its `?`, if there was a `?`.
    #[inline]
    pub fn query(&self) -> Option<&[u8]> {
        self.has_query.then(|| self.fields.bytes(self.query))
    }

    /// Replaces the path, which must start with `/` and hold only characters of a target.
    pub fn set_path(&mut self, path: &[u8]) {
        debug_assert!(path.first() == Some(&b'/'));
        self.path = self.fields.stash(path);
    }

    /// Drops or replaces the query.
    pub fn set_query(&mut self, query: Option<&[u8]>) {
        self.has_query = query.is_some();
        self.query = self.fields.stash(query.unwrap_or_default());
    }

    /// Replaces the authority (not the host that routes were chosen by).
    pub fn set_authority(&mut self, authority: &[u8]) {
        self.authority = self.fields.stash(authority);
    }
}

/// The head of an answer. Owns its bytes; recycled with [`ResponseHead::clear`].
#[derive(Clone, Debug, Default)]
pub struct ResponseHead {
    /// Its status, 100 to 999.
    pub status: u16,
    /// The version its sender speaks.
    pub version: Version,
    /// How its body is framed, given the request that it answers.
    pub framing: Framing,
    /// Whether its sender is willing to go on with the connection.
    pub keep_alive: bool,
    /// Its fields.
    pub fields: Fields,
    pub(crate) reason: Span,
}

impl ResponseHead {
    /// Forgets everything but the memory.
    pub fn clear(&mut self) {
        let mut fields = std::mem::take(&mut self.fields);
        fields.clear();
        *self = Self { fields, ..Self::default() };
    }

    /// The reason phrase as it came; may be empty.
    pub fn reason(&self) -> &[u8] {
        self.fields.bytes(self.reason)
    }
}
