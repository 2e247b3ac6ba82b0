//! HTTPRoutes of the Gateway API with a Service as parent: a second way to write rules, compiled into the same table.

mod backends;
mod filters;
mod matches;
mod parents;

use meshlet_routing::decide::{Outcome, Request, Respond, Route};
use meshlet_routing::table::Table;

use crate::ask::{decided, get, pod, sent, service, table};

/// A document with an HTTPRoute.
fn http_route(namespace: &str, name: &str, spec: &str) -> String {
    format!(
        "\n---\n{{apiVersion: gateway.networking.k8s.io/v1, kind: HTTPRoute, metadata: {{name: {name}, namespace: {namespace}}}, spec: {spec}}}\n"
    )
}

/// `shop` has the services `web`, which clients ask for, and `a`, `b` and `empty`; `team` has an `a` of its own.
fn shop(rules: &str) -> String {
    let ports = "ports: [{name: http, port: 80}, {name: http-more, port: 8080}]";
    let of = |name: &str, namespace: &str, number: u8| {
        service(namespace, name, &format!("clusterIP: 10.96.0.{number}, {ports}"))
    };
    of("web", "shop", 1)
        + &of("a", "shop", 2)
        + &of("b", "shop", 3)
        + &of("empty", "shop", 4)
        + &of("a", "team", 5)
        + &pod("shop", "web", "v1", "10.1.0.1")
        + &pod("shop", "a", "v1", "10.1.0.2")
        + &pod("shop", "b", "v1", "10.1.0.3")
        + &pod("team", "a", "v1", "10.1.0.4")
        + rules
}

/// A producer's route of `web` with these rules.
fn of_web(rules: &str) -> String {
    http_route("shop", "route", &format!("{{parentRefs: [{{group: '', kind: Service, name: web}}], rules: [{rules}]}}"))
}

/// The same in its shop.
fn shop_of(rules: &str) -> String {
    shop(&of_web(rules))
}

/// The service a request of a client in `shop` to `web` is sent to, or `STATUS FLAG`.
fn goes(table: &Table, request: &Request<'_>) -> String {
    short(&sent(table, "10.96.0.1:80", request, 0))
}

fn short(sent: &str) -> String {
    let host = sent.split('|').nth(3).map(|host| host.trim_end_matches(".svc.cluster.local"));
    host.map_or(sent, |host| host.strip_suffix(".shop").unwrap_or(host)).to_owned()
}

fn routed(text: &str, request: &Request<'_>, look: impl FnOnce(&Route<'_>)) {
    let table = table(text, "shop");
    match decided(&table, "10.96.0.1:80", request, 0).outcome {
        Outcome::Route(route) => look(&route),
        other => panic!("{other:?}"),
    }
}

fn answered(text: &str, request: &Request<'_>, look: impl FnOnce(&Respond<'_>)) {
    let table = table(text, "shop");
    match decided(&table, "10.96.0.1:80", request, 0).outcome {
        Outcome::Respond(respond) => look(&respond),
        other => panic!("{other:?}"),
    }
}

/// Where GETs go, by path.
fn check(text: &str, cases: &[(&str, &str)]) {
    let table = table(text, "shop");
    for (path, expected) in cases {
        assert_eq!(goes(&table, &get("web", path)), *expected, "{path} in {text}");
    }
}
