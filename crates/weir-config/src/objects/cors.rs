//! Cross-origin rules.

use std::time::Duration;

use serde_json::json;
use weir_model::{Cors, OriginMatch};

use crate::form::{At, Fields, Form, Object};
use crate::forms::{BOOL, Case, HEADER_NAME, Items, METHOD, PATTERN, Time, Union, list};
use crate::out::Out;
use crate::reader::Reader;
use crate::schema::Shape;
use crate::tree::Node;

impl Object for Cors {
    const NAME: &'static str = "cors";
    const DOC: &'static str =
        "Cross-origin rules (Fetch standard, \"CORS protocol\"). Preflights are answered here.";

    fn blank() -> Self {
        Self {
            origins: Vec::new(),
            methods: ["GET", "HEAD", "POST"].map(Into::into).to_vec(),
            headers: Vec::new(),
            expose: Vec::new(),
            credentials: false,
            max_age: Duration::from_mins(10),
        }
    }

    fn fields(&mut self, f: &mut Fields<'_, '_>) {
        f.required("origins", "Origins let in.", list(ORIGIN, Items::Some), &mut self.origins);
        f.key("methods", "Methods let in on a preflight.", list(METHOD, Items::Any), &mut self.methods);
        let doc = "Request header fields let in on a preflight; whatever is asked for when empty.";
        f.key("headers", doc, list(HEADER_NAME, Items::Any), &mut self.headers);
        f.key(
            "expose",
            "Answer header fields shown to scripts.",
            list(HEADER_NAME, Items::Any),
            &mut self.expose,
        );
        f.key("credentials", "Whether cookies and the like are let in.", BOOL, &mut self.credentials);
        f.key("max_age", "How long a preflight may be remembered.", Time::ANY, &mut self.max_age);
    }

    fn check<'n>(&self, at: At<'n>, r: &mut Reader<'n>) {
        if self.credentials && self.origins.contains(&OriginMatch::Any) {
            let message = "credentials may not be let in together with `*`: any site could act for a user";
            at.error("credentials", r, message).help =
                Some("list the origins, or leave `credentials` out".into());
        }
    }
}

/// An origin as browsers send it: scheme, host and port, nothing else.
fn is_origin(text: &str) -> bool {
    let Some((scheme, host)) = text.split_once("://") else { return text == "null" };
    !scheme.is_empty()
        && scheme.bytes().all(|b| b.is_ascii_alphanumeric() || b"+-.".contains(&b))
        && !host.is_empty()
        && !host.contains(['/', '?', '#', '*', ' ', '@'])
}

fn exact_origin<'n>(node: &'n Node<'n>, r: &mut Reader<'n>) -> Option<OriginMatch> {
    let text = r.text(node, "an origin")?;
    if !is_origin(text) {
        r.error(node.span, format!("`{text}` is no origin")).help =
            Some("write https://app.example.com (without a path), \"*\", or { regex: … }".into());
        return None;
    }
    Some(OriginMatch::Exact(text.to_ascii_lowercase().into()))
}

const ORIGIN: Union<OriginMatch> = Union {
    words: &[("*", OriginMatch::Any)],
    bare: Some((exact_origin, |_| Shape::new(json!({ "type": "string" }), "origin"))),
    cases: &[Case {
        key: "regex",
        read: |node, r| PATTERN.read(node, r).map(OriginMatch::Regex),
        shape: |shapes| PATTERN.shape(shapes),
    }],
    write: |origin| match origin {
        OriginMatch::Any => Out::text("*"),
        OriginMatch::Exact(text) => Out::text(&**text),
        OriginMatch::Regex(pattern) => Out::one("regex", Out::text(pattern.as_str())),
    },
};
