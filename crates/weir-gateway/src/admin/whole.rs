//! The whole configuration for programs.

use std::path::Path;

use serde_json::{Map, Value, json};
use weir_model::{AccessLogFormat, Model, RouteOrder};

/// What `weir_config::print` says, as JSON: `PUT /config` takes it, being YAML.
pub(super) fn print_json(model: &Model) -> Value {
    let mut routes: Vec<_> = model.routes.values().collect();
    routes.sort_by(|a, b| (a.rank, &a.id).cmp(&(b.rank, &b.id)));
    let mut listeners: Vec<_> = model.listeners.values().collect();
    listeners.sort_by(|a, b| a.id.cmp(&b.id));
    let services: Map<String, Value> =
        model.services.values().map(|s| (s.id.to_string(), weir_config::print_service(s))).collect();
    let mut whole = json!({
        "version": 1,
        "workers": model.workers.map_or_else(|| json!("none"), |workers| json!(workers)),
        "admin": present([
            ("address", Some(model.admin.address.map_or_else(|| "none".into(), |a| a.to_string().into()))),
            ("socket", model.admin.socket.as_ref().map(|file| path(file))),
            ("token_file", model.admin.token_file.as_ref().map(|file| path(file))),
            ("hosts", Some(json!(model.admin.hosts))),
        ]),
        "access_log": present([
            ("format", Some(json!(match model.access_log.format {
                AccessLogFormat::Auto => "auto",
                AccessLogFormat::Json => "json",
                AccessLogFormat::Text => "text",
                AccessLogFormat::Off => "off",
            }))),
            ("file", model.access_log.file.as_ref().map(|file| path(file))),
        ]),
        "route_order": match model.order {
            RouteOrder::Precedence => "precedence",
            RouteOrder::Listed => "listed",
        },
        "listeners": listeners.into_iter().map(|l| weir_config::print_listener(l)).collect::<Value>(),
        "services": services,
        "routes": routes.into_iter().map(|r| weir_config::print_route(r)).collect::<Value>(),
    });
    if !model.chains.is_empty() {
        let chains = model.chains.iter().map(|(id, c)| (id.to_string(), weir_config::print_chain(c)));
        whole["chains"] = chains.collect::<Map<_, _>>().into();
    }
    if let Some(store) = &model.store {
        whole["store"] = weir_config::print_store(store);
    }
    whole
}

fn path(path: &Path) -> Value {
    path.display().to_string().into()
}

fn present<const N: usize>(entries: [(&str, Option<Value>); N]) -> Value {
    entries
        .into_iter()
        .filter_map(|(key, value)| Some((key.to_owned(), value?)))
        .collect::<Map<_, _>>()
        .into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_back_as_the_same() {
        #[track_caller]
        fn check(text: &str) {
            let load = |text: &str| {
                let loaded =
                    weir_config::load(&weir_config::Source { name: "test", text, base: Path::new("/base") });
                loaded.model.unwrap_or_else(|| panic!("{:?}", loaded.diagnostics))
            };
            let model = load(text);
            assert_eq!(
                weir_config::print(&load(&print_json(&model).to_string())),
                weir_config::print(&model)
            );
        }
        check(weir_config::embedded_default());
        check(include_str!("../../../weir-config/tests/full.yaml"));
    }
}
