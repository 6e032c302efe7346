//! What is done with a request that matched.

use std::sync::Arc;

use weir_model::{Backend, HostRewrite, Mirror, PathRewrite, Pattern, Redirect, Respond, ServiceId};

use crate::form::{At, Fields, Form, Object, Raw, obj};
use crate::forms::{
    BOOL, Case, Choice, FIELD_VALUE, HOST_WITH_PORT, Int, PATH, PATTERN, SHARE, Size, TEXT, Union, optional,
    reference,
};
use crate::out::Out;
use crate::reader::Reader;
use crate::schema::Shape;

fn nobody() -> ServiceId {
    ServiceId::new("unnamed").expect("a valid name")
}

impl Object for Backend {
    const NAME: &'static str = "backend";
    const DOC: &'static str = "A service with its share of a route's requests; a bare text is its name.";
    const SHORT: Option<&'static str> = Some("service");

    fn blank() -> Self {
        Self { service: nobody(), weight: 1 }
    }

    fn fields(&mut self, f: &mut Fields<'_, '_>) {
        f.required("service", "The service.", reference(), &mut self.service);
        let doc = "Its share, relative to the others'; 0 takes none.";
        f.key("weight", doc, Int { min: 0, max: 1_000_000 }, &mut self.weight);
    }
}

impl Object for Redirect {
    const NAME: &'static str = "redirect";
    const DOC: &'static str = "A redirect. Parts that are not set are those of the request.";

    fn blank() -> Self {
        Self { status: 302, scheme: None, host: None, path: None, strip_query: false }
    }

    fn fields(&mut self, f: &mut Fields<'_, '_>) {
        let status = Choice(&[("301", 301), ("302", 302), ("303", 303), ("307", 307), ("308", 308)]);
        let doc = "308 and 301 are permanent, 307 and 302 are not; 307 and 308 keep the method.";
        f.key("status", doc, status, &mut self.status);
        f.key("scheme", "The scheme.", optional(Scheme), &mut self.scheme);
        f.key("host", "The host.", optional(HOST_WITH_PORT), &mut self.host);
        f.key("path", "The path.", optional(PATH_REWRITE), &mut self.path);
        f.key("strip_query", "Drops the query.", BOOL, &mut self.strip_query);
    }

    fn check<'n>(&self, at: At<'n>, r: &mut Reader<'n>) {
        if self.scheme.is_none() && self.host.is_none() && self.path.is_none() && !self.strip_query {
            r.error(at.span, "this redirect leads to where the request came from, without end").help =
                Some("set `scheme`, `host` or `path`".into());
        }
    }
}

struct Scheme;
const SCHEMES: Choice<&str> = Choice(&[("http", "http"), ("https", "https")]);

impl Form<Arc<str>> for Scheme {
    fn read<'n>(&self, node: &'n crate::tree::Node<'n>, r: &mut Reader<'n>) -> Option<Arc<str>> {
        SCHEMES.read(node, r).map(Into::into)
    }

    fn write(&self, scheme: &Arc<str>) -> Out {
        Out::text(&**scheme)
    }

    fn shape(&self, shapes: &mut crate::schema::Shapes) -> Shape {
        SCHEMES.shape(shapes)
    }
}

/// A fixed answer, as written.
#[derive(Clone)]
pub(crate) struct RespondText {
    status: u16,
    body: Arc<str>,
    content_type: Arc<str>,
}

impl Object for RespondText {
    const NAME: &'static str = "respond";
    const DOC: &'static str = "A fixed answer.";

    fn blank() -> Self {
        Self { status: 200, body: "".into(), content_type: "text/plain; charset=utf-8".into() }
    }

    fn fields(&mut self, f: &mut Fields<'_, '_>) {
        f.key("status", "Its status.", Int { min: 200, max: 599 }, &mut self.status);
        f.key("body", "Its body.", TEXT, &mut self.body);
        f.key("content_type", "The body's media type.", FIELD_VALUE, &mut self.content_type);
    }
}

/// Largest body of a fixed answer, in bytes.
const BODY_BYTES_MAX: usize = 1 << 20;

impl Raw<Respond> for RespondText {
    fn refine<'n>(self, at: At<'n>, r: &mut Reader<'n>) -> Option<Respond> {
        let Self { status, body, content_type } = self;
        if matches!(status, 204 | 205 | 304) && !body.is_empty() {
            at.error("body", r, format!("an answer of status {status} has no body (RFC 9110, section 15)"))
                .help = Some("leave `body` out, or use another status".into());
        }
        if body.len() > BODY_BYTES_MAX {
            let message = format!("a fixed answer may hold at most {} KiB", BODY_BYTES_MAX >> 10);
            at.error("body", r, message).help = Some("serve it from a service".into());
        }
        Some(Respond { status, body: body.as_bytes().into(), content_type })
    }

    fn raw(model: &Respond) -> Self {
        Self {
            status: model.status,
            body: String::from_utf8_lossy(&model.body).as_ref().into(),
            content_type: model.content_type.clone(),
        }
    }
}

/// A replacement within a path, as written.
#[derive(Clone)]
struct ReplaceText {
    pattern: Pattern,
    with: Arc<str>,
}

impl Object for ReplaceText {
    const NAME: &'static str = "path replacement";
    const DOC: &'static str = "The first match within the path is replaced.";

    fn blank() -> Self {
        Self { pattern: Pattern::new("").expect("a valid pattern"), with: "".into() }
    }

    fn fields(&mut self, f: &mut Fields<'_, '_>) {
        f.required("pattern", "What is looked for; not anchored.", PATTERN, &mut self.pattern);
        f.required(
            "with",
            "What takes its place; `$1` and `${name}` stand for groups.",
            TEXT,
            &mut self.with,
        );
    }
}

impl Raw<PathRewrite> for ReplaceText {
    fn refine<'n>(self, _: At<'n>, _: &mut Reader<'n>) -> Option<PathRewrite> {
        Some(PathRewrite::Regex { pattern: self.pattern, with: self.with })
    }

    fn raw(model: &PathRewrite) -> Self {
        match model {
            PathRewrite::Regex { pattern, with } => Self { pattern: pattern.clone(), with: with.clone() },
            _ => Self::blank(),
        }
    }
}

pub(crate) const PATH_REWRITE: Union<PathRewrite> = Union {
    words: &[],
    bare: None,
    cases: &[
        Case {
            key: "prefix",
            read: |node, r| PATH.read(node, r).map(PathRewrite::Prefix),
            shape: |shapes| PATH.shape(shapes),
        },
        Case {
            key: "full",
            read: |node, r| PATH.read(node, r).map(PathRewrite::Full),
            shape: |shapes| PATH.shape(shapes),
        },
        Case {
            key: "regex",
            read: |node, r| crate::form::via::<ReplaceText>().read(node, r),
            shape: |shapes| shapes.object::<ReplaceText>(),
        },
    ],
    write: |rewrite| match rewrite {
        PathRewrite::Prefix(path) => Out::one("prefix", Out::text(&**path)),
        PathRewrite::Full(path) => Out::one("full", Out::text(&**path)),
        regex @ PathRewrite::Regex { .. } => Out::one("regex", obj().write(&ReplaceText::raw(regex))),
    },
};

pub(crate) const HOST_REWRITE: Union<HostRewrite> = Union {
    words: &[("keep", HostRewrite::Keep), ("endpoint", HostRewrite::Endpoint)],
    bare: None,
    cases: &[Case {
        key: "to",
        read: |node, r| HOST_WITH_PORT.read(node, r).map(HostRewrite::To),
        shape: |shapes| HOST_WITH_PORT.shape(shapes),
    }],
    write: |rewrite| match rewrite {
        HostRewrite::Keep => Out::text("keep"),
        HostRewrite::Endpoint => Out::text("endpoint"),
        HostRewrite::To(host) => Out::one("to", Out::text(&**host)),
    },
};

impl Object for Mirror {
    const NAME: &'static str = "mirror";
    const DOC: &'static str =
        "A copy of requests; its answers are dropped. A bare text is the service's name.";
    const SHORT: Option<&'static str> = Some("service");

    fn blank() -> Self {
        Self { service: nobody(), share_ppm: 1_000_000, body_bytes_max: 64 << 10 }
    }

    fn fields(&mut self, f: &mut Fields<'_, '_>) {
        f.required("service", "Who gets the copy.", reference(), &mut self.service);
        f.key("share", "Share of requests that are copied.", SHARE, &mut self.share_ppm);
        let doc = "Requests with a larger body are not copied, and counted.";
        f.key("max_body", doc, Size { min: 0, max: 64 << 20 }, &mut self.body_bytes_max);
    }
}
