//! The file as a whole, and the settings that belong to no listener, route or service.

use std::collections::HashMap;
use std::sync::Arc;

use serde_json::json;
use weir_model::{
    AccessLog, AccessLogFormat, Admin, Chain, Listener, Rank, Route, RouteOrder, Service, Telemetry,
};

use super::chain::Chains;
use super::route::{RouteText, unreachable_routes};
use crate::form::{At, Fields, Form, Obj, Object, obj, via};
use crate::forms::{Choice, FILE, HOST, Int, Items, SERVICE_NAME, SOCKET, list, optional, or_none};
use crate::out::Out;
use crate::problem::Span;
use crate::reader::{Reader, Step};
use crate::schema::{Shape, Shapes};
use crate::tree::{Entry, Node, Value};

/// A configuration file.
#[derive(Clone)]
pub(crate) struct Document {
    pub(crate) version: u32,
    pub(crate) admin: Admin,
    pub(crate) workers: Option<u32>,
    pub(crate) access_log: AccessLog,
    pub(crate) store: Option<Arc<Telemetry>>,
    pub(crate) order: RouteOrder,
    pub(crate) listeners: Vec<Arc<Listener>>,
    pub(crate) services: Vec<Arc<Service>>,
    pub(crate) chains: Vec<Arc<Chain>>,
    /// In the order of the text, which their ranks follow.
    pub(crate) routes: Vec<Arc<Route>>,
}

impl Object for Document {
    const NAME: &'static str = "configuration";
    const DOC: &'static str =
        "A configuration file: where requests come in, which go where, and who answers them.";

    fn blank() -> Self {
        Self {
            version: 1,
            admin: Admin::blank(),
            workers: None,
            access_log: AccessLog::blank(),
            store: None,
            order: RouteOrder::Precedence,
            listeners: Vec::new(),
            services: Vec::new(),
            chains: Vec::new(),
            routes: Vec::new(),
        }
    }

    // References are checked as they are read, so what is referred to comes before what refers: the admin
    // interface, listeners, chains, services, routes.
    fn fields(&mut self, f: &mut Fields<'_, '_>) {
        f.required("version", "The format of the file: `1`.", Version, &mut self.version);
        f.key(
            "workers",
            "Worker threads. `none` is one per core.",
            or_none(Int { min: 1, max: 1024 }),
            &mut self.workers,
        );
        f.key("admin", "The admin interface.", AdminForm, &mut self.admin);
        f.key("access_log", "What is logged of requests.", obj(), &mut self.access_log);
        let order = Choice(&[("precedence", RouteOrder::Precedence), ("listed", RouteOrder::Listed)]);
        let doc = "Which route wins where several match. `precedence`: the most specific (host before wildcard before any; \
                   exact path, longest prefix, regex; then method, headers, query; ties by order in the file). `listed`: \
                   the first in the file.";
        f.key("route_order", doc, order, &mut self.order);
        f.key("listeners", "Where requests come in.", Listeners, &mut self.listeners);
        f.key("chains", "Chains: a map from names to chains.", Chains, &mut self.chains);
        f.key(
            "services",
            "Who answers requests: a map from names to services.",
            Services,
            &mut self.services,
        );
        f.key("routes", "Which requests go where.", Routes, &mut self.routes);
        let doc = "The store of metrics, logs and traces; nothing is remembered when not set. `{}` takes every default.";
        f.key("store", doc, optional(Store), &mut self.store);
    }

    fn check<'n>(&self, at: At<'n>, r: &mut Reader<'n>) {
        if self.listeners.is_empty() {
            at.warn("listeners", r, "there are no listeners, so nothing is served");
        }
        unreachable_routes(self, at.node("routes"), r);
    }
}

/// Gathers the names that may be referred to, whether or not what they name is right.
pub(crate) fn collect_names<'n>(root: &'n Node<'n>, r: &mut Reader<'n>) {
    let Value::Map(entries) = &root.value else { return };
    for Entry { key, node, .. } in entries {
        match (&**key, &node.value) {
            ("chains", Value::Map(chains)) => chains.iter().for_each(|c| r.known.add_chain(&c.key)),
            ("services", Value::Map(services)) => services.iter().for_each(|s| r.known.add_service(&s.key)),
            ("listeners", Value::List(items)) => {
                items.iter().filter_map(name_of).for_each(|(name, _)| r.known.add_listener(name));
            }
            _ => {}
        }
    }
}

/// The name that an object in a list gives itself.
fn name_of<'n>(node: &'n Node<'n>) -> Option<(&'n str, Span)> {
    let Value::Map(entries) = &node.value else { return None };
    let entry = entries.iter().find(|e| e.key == "name")?;
    match &entry.node.value {
        Value::Scalar { text, .. } => Some((text, entry.node.span)),
        _ => None,
    }
}

struct Version;

impl Form<u32> for Version {
    fn read<'n>(&self, node: &'n Node<'n>, r: &mut Reader<'n>) -> Option<u32> {
        match r.text(node, "the version of the format")? {
            "1" => Some(1),
            other => {
                r.error(node.span, format!("version `{other}` is not known")).help =
                    Some("this program reads `version: 1`".into());
                None
            }
        }
    }

    fn write(&self, version: &u32) -> Out {
        Out::Int((*version).into())
    }

    fn shape(&self, _: &mut Shapes) -> Shape {
        Shape::new(json!({ "const": 1 }), "`1`")
    }
}

/// The admin interface; what is read after it is compared with its address.
struct AdminForm;

impl Form<Admin> for AdminForm {
    fn read<'n>(&self, node: &'n Node<'n>, r: &mut Reader<'n>) -> Option<Admin> {
        let admin: Admin = obj().read(node, r)?;
        r.admin = admin.address;
        Some(admin)
    }

    fn write(&self, admin: &Admin) -> Out {
        obj().write(admin)
    }

    fn shape(&self, shapes: &mut Shapes) -> Shape {
        shapes.object::<Admin>()
    }
}

impl Object for Admin {
    const NAME: &'static str = "admin";
    const DOC: &'static str = "The interface for people and programs that operate Weir.";

    fn blank() -> Self {
        Self {
            address: Some(([127, 0, 0, 1], 9901).into()),
            socket: None,
            token_file: None,
            hosts: Vec::new(),
        }
    }

    fn fields(&mut self, f: &mut Fields<'_, '_>) {
        f.key("address", "Address to bind. `none` switches it off.", or_none(SOCKET), &mut self.address);
        f.key(
            "socket",
            "A Unix socket beside it; whoever may open it needs no token.",
            optional(FILE),
            &mut self.socket,
        );
        let doc = "File with the token that writes need; generated with mode 0600 when missing.";
        f.key("token_file", doc, optional(FILE), &mut self.token_file);
        let doc = "Host names under which it may be asked for, beside loopback names and its own address.";
        f.key("hosts", doc, HostNames, &mut self.hosts);
    }

    fn check<'n>(&self, at: At<'n>, r: &mut Reader<'n>) {
        if let Some(address) = self.address.filter(|a| !a.ip().to_canonical().is_loopback()) {
            let message = format!("the admin interface is reachable from other machines at {address}");
            at.warn("address", r, message).help =
                Some("bind it to 127.0.0.1 unless the network in front of it is trusted".into());
        }
    }
}

/// Names of hosts, without wildcards.
struct HostNames;

impl Form<Vec<String>> for HostNames {
    fn read<'n>(&self, node: &'n Node<'n>, r: &mut Reader<'n>) -> Option<Vec<String>> {
        let hosts: Vec<weir_model::HostPattern> = list(HOST, Items::Any).read(node, r)?;
        if hosts.iter().any(|h| matches!(h, weir_model::HostPattern::Wildcard(_))) {
            r.error(node.span, "wildcards are not allowed here").help = Some("name each host".into());
            return None;
        }
        Some(hosts.iter().map(ToString::to_string).collect())
    }

    fn write(&self, hosts: &Vec<String>) -> Out {
        Out::List(hosts.iter().map(Out::text).collect())
    }

    fn shape(&self, shapes: &mut Shapes) -> Shape {
        Form::<Vec<weir_model::HostPattern>>::shape(&list(HOST, Items::Any), shapes)
    }
}

impl Object for AccessLog {
    const NAME: &'static str = "access log";
    const DOC: &'static str = "One record per request.";

    fn blank() -> Self {
        Self { format: AccessLogFormat::Auto, file: None }
    }

    fn fields(&mut self, f: &mut Fields<'_, '_>) {
        let format = Choice(&[
            ("auto", AccessLogFormat::Auto),
            ("json", AccessLogFormat::Json),
            ("text", AccessLogFormat::Text),
            ("off", AccessLogFormat::Off),
        ]);
        f.key("format", "`auto` is readable on a terminal and JSON elsewhere.", format, &mut self.format);
        f.key("file", "File to append to; standard output when not set.", optional(FILE), &mut self.file);
    }
}

/// Reports names that stand twice; both objects are still read.
fn unique_names<'n>(word: &str, items: &'n [Node<'n>], r: &mut Reader<'n>) {
    let mut seen: HashMap<&str, Span> = HashMap::with_capacity(items.len());
    for (at, item) in items.iter().enumerate() {
        let Some((name, span)) = name_of(item) else { continue };
        if let Some(first) = seen.insert(name, span) {
            r.within(Step::Index(at), |r| {
                let problem = r.error(span, format!("there are two {word}s named `{name}`"));
                problem.related = Some((first, "the first is here".into()));
                problem.help = Some("give one of them another name".into());
            });
        }
    }
}

/// The items of a list of objects, each read on its own.
pub(super) fn items<'n, T>(
    word: &str,
    node: &'n Node<'n>,
    r: &mut Reader<'n>,
    mut read: impl FnMut(usize, &'n Node<'n>, &mut Reader<'n>) -> Option<T>,
) -> Option<Vec<T>> {
    let Value::List(items) = &node.value else {
        r.expected(node, &format!("a list of {word}s"));
        return None;
    };
    unique_names(word, items, r);
    let mut values = Vec::with_capacity(items.len());
    for (at, item) in items.iter().enumerate() {
        values.extend(r.within(Step::Index(at), |r| read(at, item, r)));
    }
    (values.len() == items.len()).then_some(values)
}

fn list_shape(item: &Shape) -> Shape {
    Shape::new(json!({ "type": "array", "items": item.schema }), format!("list of {}", item.words))
}

struct Listeners;

impl Form<Vec<Arc<Listener>>> for Listeners {
    fn read<'n>(&self, node: &'n Node<'n>, r: &mut Reader<'n>) -> Option<Vec<Arc<Listener>>> {
        items("listener", node, r, |_, item, r| {
            let listener: Listener = obj().read(item, r)?;
            r.bound.push((listener.address, listener.id.to_string()));
            Some(Arc::new(Listener { origin: r.origin(item.span), ..listener }))
        })
    }

    fn write(&self, value: &Vec<Arc<Listener>>) -> Out {
        Out::List(value.iter().map(|l| obj().write(&**l)).collect())
    }

    fn shape(&self, shapes: &mut Shapes) -> Shape {
        list_shape(&shapes.object::<Listener>())
    }
}

/// The store, shared by whoever reads the model.
struct Store;

impl Form<Arc<Telemetry>> for Store {
    fn read<'n>(&self, node: &'n Node<'n>, r: &mut Reader<'n>) -> Option<Arc<Telemetry>> {
        obj::<Telemetry>().read(node, r).map(Arc::new)
    }

    fn write(&self, value: &Arc<Telemetry>) -> Out {
        obj().write(&**value)
    }

    fn shape(&self, shapes: &mut Shapes) -> Shape {
        shapes.object::<Telemetry>()
    }
}

struct Routes;

impl Form<Vec<Arc<Route>>> for Routes {
    fn read<'n>(&self, node: &'n Node<'n>, r: &mut Reader<'n>) -> Option<Vec<Arc<Route>>> {
        items("route", node, r, |at, item, r| {
            let route: Route = via::<RouteText>().read(item, r)?;
            Some(Arc::new(Route { rank: Rank((at as u64 + 1) * Rank::STEP), ..route }))
        })
    }

    fn write(&self, value: &Vec<Arc<Route>>) -> Out {
        Out::List(value.iter().map(|route| via::<RouteText>().write(&**route)).collect())
    }

    fn shape(&self, shapes: &mut Shapes) -> Shape {
        list_shape(&shapes.object::<RouteText>())
    }
}

struct Services;

impl Form<Vec<Arc<Service>>> for Services {
    fn read<'n>(&self, node: &'n Node<'n>, r: &mut Reader<'n>) -> Option<Vec<Arc<Service>>> {
        let Value::Map(entries) = &node.value else {
            r.expected(node, "a map from names to services");
            return None;
        };
        let mut values = Vec::with_capacity(entries.len());
        for Entry { key, key_span, node } in entries {
            r.within(Step::Key(key), |r| {
                let id = SERVICE_NAME.parse_at(key, *key_span, r);
                let service: Option<Service> = obj().read(node, r);
                let (Some(id), Some(service)) = (id, service) else { return };
                values.push(Arc::new(Service { id, origin: r.origin(*key_span), ..service }));
            });
        }
        (values.len() == entries.len()).then_some(values)
    }

    fn write(&self, value: &Vec<Arc<Service>>) -> Out {
        Out::Map(value.iter().map(|s| (s.id.to_string(), Obj::write(&obj(), &**s))).collect())
    }

    fn shape(&self, shapes: &mut Shapes) -> Shape {
        let item = shapes.object::<Service>();
        let schema = json!({ "type": "object", "additionalProperties": item.schema });
        Shape::new(schema, format!("map from names to {}", item.words))
    }
}
