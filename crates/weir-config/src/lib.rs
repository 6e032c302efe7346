//! The configuration contract: YAML in, a valid [`Model`] out, or everything that is wrong with it and where.
//!
//! ```text
//! text ── tree (every value knows its place) ── objects (read, checked, all errors gathered) ── Model
//!                                                  │
//!                 one list of keys per object: ────┴── printing, JSON Schema, the reference, words for changes
//! ```
//!
//! Invariants:
//! * Nothing that is wrong makes a model, and one wrong object does not hide what is wrong with the others.
//! * Whatever [`print()`] writes, [`load`] reads as the same model.
//! * Every input is bounded: bytes, depth, values, what aliases stand for.
//! * Secrets are never read here; the model holds where they are found.
//!
//! Deliberately unknown here: files, the environment, sockets and clocks. A relative file name is joined to a base,
//! as text.

mod carry;
mod changes;
mod diagnostic;
mod edit;
mod form;
mod forms;
mod objects;
mod out;
mod preset;
mod print;
mod problem;
mod reader;
mod render;
mod schema;
mod suggest;
mod tree;
mod units;

use std::path::Path;
use std::sync::Arc;

use weir_model::{Model, Service};

pub use carry::keep_unchanged;
pub use changes::changes;
pub use diagnostic::{Diagnostic, Related, Severity, to_json};
pub use edit::{delete_listener, delete_route, delete_service, put_listener, put_route, put_service};
pub use preset::{embedded_default, proxy_to};
pub use print::{print, print_chain, print_listener, print_route, print_service, print_store};
pub use render::{Style, render};
pub use schema::{reference, schema};

use form::{Form, obj};
use objects::{Document, collect_names, on_chain};
use reader::{Known, Reader};

/// A text with its name.
#[derive(Clone, Copy, Debug)]
pub struct Source<'a> {
    /// The path of the file, or a word such as `admin`.
    pub name: &'a str,
    /// The text.
    pub text: &'a str,
    /// What relative file names in it are joined to, as text.
    pub base: &'a Path,
}

/// What became of a text.
#[derive(Clone, Debug)]
pub struct Loaded {
    /// The model; `None` if there is any error.
    pub model: Option<Model>,
    /// Errors and warnings, in the order of their places.
    pub diagnostics: Vec<Diagnostic>,
}

/// Reads a whole configuration.
///
/// JSON is accepted as well, being YAML. Routes get their ranks from their order in the text, a [`weir_model::Rank::STEP`]
/// apart.
pub fn load(source: &Source) -> Loaded {
    let mut problems = Vec::new();
    let Some(root) = tree::parse(source.text, &mut problems) else {
        return Loaded { model: None, diagnostics: problem::finish(source.text, problems) };
    };
    let mut reader = Reader::new(source, problems, Known::default());
    collect_names(&root, &mut reader);
    reader.admin = <weir_model::Admin as form::Object>::blank().address;
    let document: Option<Document> = obj().read(&root, &mut reader);
    let model = document.filter(|_| !reader.any_error()).map(|document| {
        let chains = document.chains.into_iter().map(|c| (c.id.clone(), c)).collect();
        let services = document.services.into_iter().map(|s| match s.chain {
            Some(_) => Arc::new(on_chain(Service::clone(&s), &chains)),
            None => s,
        });
        let services = services.map(|s| (s.id.clone(), s)).collect();
        Model {
            admin: document.admin,
            workers: document.workers,
            access_log: document.access_log,
            store: document.store,
            order: document.order,
            listeners: document.listeners.into_iter().map(|l| (l.id.clone(), l)).collect(),
            routes: document.routes.into_iter().map(|route| (route.id.clone(), route)).collect(),
            chains,
            services,
        }
    });
    Loaded { model, diagnostics: problem::finish(source.text, reader.problems) }
}

/// A store with every default: what `store: {}` says.
pub fn default_store() -> weir_model::Telemetry {
    <weir_model::Telemetry as form::Object>::blank()
}

/// Reads a whole configuration from bytes, which have to be UTF-8.
pub fn load_bytes(name: &str, bytes: &[u8], base: &Path) -> Loaded {
    let error = match std::str::from_utf8(bytes) {
        Ok(text) => return load(&Source { name, text, base }),
        Err(error) => error,
    };
    let valid = &bytes[..error.valid_up_to()];
    let line_start = valid.iter().rposition(|b| *b == b'\n').map_or(0, |at| at + 1);
    let in_line = String::from_utf8_lossy(&valid[line_start..]);
    let bad = bytes[valid.len()];
    let mut diagnostic = Diagnostic::whole(format!("the byte 0x{bad:02x} here is not UTF-8"));
    diagnostic.line = valid.split(|b| *b == b'\n').count() as u32;
    diagnostic.column = in_line.chars().count() as u32 + 1;
    diagnostic.span = valid.len()..valid.len();
    diagnostic.help = Some("save the file as UTF-8".into());
    Loaded { model: None, diagnostics: vec![diagnostic] }
}
