//! What a request has to look like for a route to match.

use std::sync::Arc;

use weir_model::{HeaderMatch, PathMatch, QueryMatch, RouteMatch, RpcMethod, ValueMatch};

use crate::form::{At, Fields, Form, Object, Raw, via};
use crate::forms::{
    BOOL, Case, HEADER_NAME, Items, METHOD, PATH, PATTERN, RPC_METHOD, TEXT, Union, list, named, one_or_more,
    unless_empty,
};
use crate::out::Out;
use crate::reader::Reader;
use crate::tree::Node;

impl Object for RouteMatch {
    const NAME: &'static str = "match";
    const DOC: &'static str = "One alternative of a route: every part has to hold.";

    fn blank() -> Self {
        Self {
            path: PathMatch::Prefix("/".into()),
            methods: Vec::new(),
            headers: Vec::new(),
            query: Vec::new(),
            jsonrpc: Vec::new(),
        }
    }

    fn fields(&mut self, f: &mut Fields<'_, '_>) {
        let doc = "The path, in its normal form. `prefix` covers itself and what is below it at a segment's border: `/a` \
                   covers `/a` and `/a/b`, not `/ab`. `regex` has to match the whole path.";
        f.key("path", doc, PATH_MATCH, &mut self.path);
        f.key("methods", "Methods; all when empty.", list(METHOD, Items::Any), &mut self.methods);
        let headers = named(
            HEADER_NAME,
            VALUE_MATCH,
            |name, value| HeaderMatch { name, value },
            |header: &HeaderMatch| (&header.name, &header.value),
        );
        f.key("headers", "Header fields that have to match, all of them.", headers, &mut self.headers);
        let query = named(
            TEXT,
            VALUE_MATCH,
            |name, value| QueryMatch { name, value },
            |query: &QueryMatch| (&query.name, &query.value),
        );
        f.key("query", "Query parameters that have to match, all of them; decoded.", query, &mut self.query);
        let doc = "The JSON-RPC call that the body holds, or that the last segment of a path without a body names. Calls of a \
                   batch are routed one by one.";
        f.key("jsonrpc", doc, unless_empty(via::<RpcText>()), &mut self.jsonrpc);
    }

    fn check<'n>(&self, at: At<'n>, r: &mut Reader<'n>) {
        let (PathMatch::Exact(path) | PathMatch::Prefix(path) | PathMatch::BytePrefix(path)) = &self.path
        else {
            return;
        };
        let dots = |s: &str| s == "." || s == "..";
        if path.contains("//") || path.contains('\\') || path.split('/').any(dots) {
            at.warn("path", r, format!("requests never have the path `{path}`")).help =
                Some("paths are compared in their normal form: no '//', no '.' or '..', no backslash".into());
        }
    }
}

/// A condition on a JSON-RPC call, as written.
#[derive(Clone)]
struct RpcText {
    method: Vec<RpcMethod>,
}

impl Object for RpcText {
    const NAME: &'static str = "jsonrpc match";
    const DOC: &'static str = "A condition on a JSON-RPC call.";

    fn blank() -> Self {
        Self { method: Vec::new() }
    }

    fn fields(&mut self, f: &mut Fields<'_, '_>) {
        let doc = "Its method: a name, or the start of one with a `*` behind it; several in a list.";
        f.required("method", doc, one_or_more(RPC_METHOD), &mut self.method);
    }
}

impl Raw<Vec<RpcMethod>> for RpcText {
    fn refine<'n>(self, _: At<'n>, _: &mut Reader<'n>) -> Option<Vec<RpcMethod>> {
        Some(self.method)
    }

    fn raw(model: &Vec<RpcMethod>) -> Self {
        Self { method: model.clone() }
    }
}

fn prefix<'n>(node: &'n Node<'n>, r: &mut Reader<'n>) -> Option<PathMatch> {
    let path: Arc<str> = PATH.read(node, r)?;
    let held = path.trim_end_matches('/');
    Some(PathMatch::Prefix(if held.is_empty() {
        "/".into()
    } else if held.len() == path.len() {
        path
    } else {
        held.into()
    }))
}

const PATH_MATCH: Union<PathMatch> = Union {
    words: &[],
    bare: None,
    cases: &[
        Case { key: "prefix", read: prefix, shape: |shapes| PATH.shape(shapes) },
        Case {
            key: "exact",
            read: |node, r| PATH.read(node, r).map(PathMatch::Exact),
            shape: |shapes| PATH.shape(shapes),
        },
        Case {
            key: "regex",
            read: |node, r| PATTERN.read(node, r).map(PathMatch::Regex),
            shape: |shapes| PATTERN.shape(shapes),
        },
        Case {
            key: "byte_prefix",
            read: |node, r| PATH.read(node, r).map(PathMatch::BytePrefix),
            shape: |shapes| PATH.shape(shapes),
        },
    ],
    write: |path| match path {
        PathMatch::Exact(path) => Out::one("exact", Out::text(&**path)),
        PathMatch::Prefix(path) => Out::one("prefix", Out::text(&**path)),
        PathMatch::BytePrefix(path) => Out::one("byte_prefix", Out::text(&**path)),
        PathMatch::Regex(pattern) => Out::one("regex", Out::text(pattern.as_str())),
    },
};

const VALUE_MATCH: Union<ValueMatch> = Union {
    words: &[],
    bare: Some((|node, r| TEXT.read(node, r).map(ValueMatch::Exact), |shapes| TEXT.shape(shapes))),
    cases: &[
        Case {
            key: "exact",
            read: |node, r| TEXT.read(node, r).map(ValueMatch::Exact),
            shape: |shapes| TEXT.shape(shapes),
        },
        Case {
            key: "prefix",
            read: |node, r| TEXT.read(node, r).map(ValueMatch::Prefix),
            shape: |shapes| TEXT.shape(shapes),
        },
        Case {
            key: "regex",
            read: |node, r| PATTERN.read(node, r).map(ValueMatch::Regex),
            shape: |shapes| PATTERN.shape(shapes),
        },
        Case {
            key: "present",
            read: |node, r| {
                BOOL.read(node, r).map(|yes| if yes { ValueMatch::Present } else { ValueMatch::Absent })
            },
            shape: |shapes| BOOL.shape(shapes),
        },
    ],
    write: |value| match value {
        ValueMatch::Exact(text) => Out::text(&**text),
        ValueMatch::Prefix(text) => Out::one("prefix", Out::text(&**text)),
        ValueMatch::Regex(pattern) => Out::one("regex", Out::text(pattern.as_str())),
        ValueMatch::Present => Out::one("present", Out::Bool(true)),
        ValueMatch::Absent => Out::one("present", Out::Bool(false)),
    },
};
