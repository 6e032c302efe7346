//! Changes of one object of a model, as the admin API makes them.

use std::borrow::Cow;
use std::fmt::Write as _;
use std::sync::Arc;

use weir_model::{Breaker, Id, Kind, Listener, Model, Rank, Route, Service, ServiceId};

use crate::form::{Form, obj, via};
use crate::forms::{LISTENER_NAME, ROUTE_NAME, SERVICE_NAME, Text};
use crate::objects::{RouteText, on_chain};
use crate::problem::{Problem, Span, finish};
use crate::reader::{Known, Reader};
use crate::tree::{self, Entry, Node, Value};
use crate::{Diagnostic, Source};

type Edited = Result<Model, Vec<Diagnostic>>;

/// Whether the text of an object holds its name.
#[derive(Clone, Copy, PartialEq, Eq)]
enum NameKey {
    Inside,
    Outside,
}

/// The model with one route put in. A new route comes last; one that is replaced keeps its place. The name may be
/// left out of the text, and may not be another one.
pub fn put_route(model: &Model, name: &str, source: &Source) -> Edited {
    let route: Route = read(model, name, source, ROUTE_NAME, NameKey::Inside, &via::<RouteText>())?;
    let rank = match model.routes.get(name) {
        Some(old) => old.rank,
        None => {
            let last = model.routes.values().map(|route| route.rank.0).max().unwrap_or(0);
            Rank(last.saturating_add(Rank::STEP))
        }
    };
    let mut next = model.clone();
    next.routes.insert(route.id.clone(), Arc::new(Route { rank, ..route }));
    Ok(next)
}

/// The model with one service put in.
pub fn put_service(model: &Model, name: &str, source: &Source) -> Edited {
    let service: Service = read(model, name, source, SERVICE_NAME, NameKey::Outside, &obj())?;
    let id = ServiceId::new(name).map_err(|e| vec![Diagnostic::whole(e.to_string())])?;
    let origin = weir_model::Origin { source: source.name.into(), line: 1 };
    let mut next = model.clone();
    let service = on_chain(Service { id: id.clone(), origin, ..service }, &next.chains);
    next.services.insert(id, Arc::new(service));
    Ok(next)
}

/// The model with one listener put in. The name may be left out of the text, and may not be another one.
pub fn put_listener(model: &Model, name: &str, source: &Source) -> Edited {
    let listener: Listener = read(model, name, source, LISTENER_NAME, NameKey::Inside, &obj())?;
    let origin = weir_model::Origin { source: source.name.into(), line: 1 };
    let mut next = model.clone();
    next.listeners.insert(listener.id.clone(), Arc::new(Listener { origin, ..listener }));
    Ok(next)
}

/// Reads an object that is to become part of `model`.
fn read<T, K: Kind>(
    model: &Model,
    name: &str,
    source: &Source,
    name_form: Text<Id<K>>,
    name_key: NameKey,
    form: &impl Form<T>,
) -> Result<T, Vec<Diagnostic>> {
    let mut problems = Vec::new();
    let Some(mut root) = tree::parse(source.text, &mut problems) else {
        return Err(finish(source.text, problems));
    };
    if let (Value::Map(entries), NameKey::Inside) = (&mut root.value, name_key) {
        insert_name(entries, name, K::WORD, root.span, &mut problems);
    }
    let mut known = Known::of_model(model);
    if K::WORD == "service" {
        known.add_service(name);
    }
    let mut reader = Reader::new(source, problems, known);
    reader.admin = model.admin.address;
    // The object that is replaced gives its address free.
    let others = model.listeners.values().filter(|l| K::WORD != "listener" || l.id.as_str() != name);
    reader.bound = others.map(|l| (l.address, l.id.to_string())).collect();
    if name_key == NameKey::Outside {
        name_form.parse_at(name, root.span, &mut reader);
    }
    let object = form.read(&root, &mut reader);
    object.filter(|_| !reader.any_error()).ok_or_else(|| finish(source.text, reader.problems))
}

/// Sees to it that the object holds its name.
fn insert_name<'t>(
    entries: &mut Vec<Entry<'t>>,
    name: &'t str,
    word: &str,
    at: Span,
    problems: &mut Vec<Problem>,
) {
    let value = || Value::Scalar { text: Cow::Borrowed(name), plain: false };
    let Some(entry) = entries.iter_mut().find(|e| e.key == "name") else {
        entries.push(Entry { key: "name".into(), key_span: at, node: Node { span: at, value: value() } });
        return;
    };
    if !matches!(&entry.node.value, Value::Scalar { text, .. } if text == name) {
        let message = format!("the {word} is put under the name `{name}`, but gives itself another one");
        problems.push(Problem::error(entry.node.span, message).help("leave `name` out, or make both equal"));
        // Reading goes on with the right one, so that nothing is said twice.
        entry.node.value = value();
    }
}

/// The model without a route.
pub fn delete_route(model: &Model, name: &str) -> Edited {
    let mut next = model.clone();
    next.routes.remove(name).map(|_| next).ok_or_else(|| missing("route", name, model))
}

/// The model without a service. Refused while a route or a breaker refers to it.
pub fn delete_service(model: &Model, name: &str) -> Edited {
    let mut next = model.clone();
    next.services.remove(name).ok_or_else(|| missing("service", name, model))?;
    let by_route = |route: &&Arc<Route>| route.services().any(|id| id.as_str() == name);
    let mut users: Vec<String> =
        next.routes.values().filter(by_route).map(|r| format!("route {}", r.id)).collect();
    let falls_back = |breaker: &Breaker| breaker.fallback.as_ref().is_some_and(|id| id.as_str() == name);
    let by_breaker = |s: &&Arc<Service>| s.breaker.iter().chain(&s.endpoint_breaker).any(falls_back);
    users.extend(
        next.services.values().filter(by_breaker).map(|s| format!("the breaker of service {}", s.id)),
    );
    refuse_if_used("service", name, users).map(|()| next)
}

/// The model without a listener. Refused while a route names it.
pub fn delete_listener(model: &Model, name: &str) -> Edited {
    let mut next = model.clone();
    next.listeners.remove(name).ok_or_else(|| missing("listener", name, model))?;
    let by_route = |route: &&Arc<Route>| route.listeners.iter().any(|id| id.as_str() == name);
    let users = next.routes.values().filter(by_route).map(|r| format!("route {}", r.id)).collect();
    refuse_if_used("listener", name, users).map(|()| next)
}

fn refuse_if_used(word: &str, name: &str, mut users: Vec<String>) -> Result<(), Vec<Diagnostic>> {
    const NAMED_MAX: usize = 5;
    if users.is_empty() {
        return Ok(());
    }
    users.sort();
    let more = users.len().saturating_sub(NAMED_MAX);
    users.truncate(NAMED_MAX);
    let mut who = users.join(", ");
    if more > 0 {
        let _ = write!(who, " and {more} more");
    }
    let mut diagnostic = Diagnostic::whole(format!("{word} `{name}` is in use by {who}"));
    diagnostic.help = Some("change or delete what refers to it first".into());
    Err(vec![diagnostic])
}

fn missing(word: &str, name: &str, model: &Model) -> Vec<Diagnostic> {
    let names: Vec<&str> = match word {
        "route" => model.routes.iter().map(|(id, _)| id.as_str()).collect(),
        "service" => model.services.iter().map(|(id, _)| id.as_str()).collect(),
        _ => model.listeners.iter().map(|(id, _)| id.as_str()).collect(),
    };
    let mut diagnostic = Diagnostic::whole(format!("there is no {word} named `{name}`"));
    diagnostic.help = crate::suggest::closest(name, names).map(|near| format!("did you mean `{near}`?"));
    vec![diagnostic]
}
