//! Section 2.2: names a client may put into Host.

use crate::ask::{get, istio, pod, sent, service, table};

const PORTS: &str = "ports: [{name: http, port: 80}]";
const WEB: &str = "outbound|80||web.shop.svc.cluster.local";
const ALL: &str = "10.96.0.9:80";

/// `web` and `any` in `shop`.
fn shop() -> String {
    service("shop", "web", &format!("clusterIP: 10.96.0.1, {PORTS}"))
        + &service("shop", "any", &format!("clusterIP: 10.96.0.9, {PORTS}"))
        + &pod("shop", "web", "v1", "10.1.0.1")
        + &pod("shop", "any", "v1", "10.1.0.9")
}

fn external(namespace: &str, name: &str, target: &str) -> String {
    format!(
        "\n---\n{{apiVersion: v1, kind: Service, metadata: {{name: {name}, namespace: {namespace}}}, spec: {{type: ExternalName, externalName: {target}}}}}\n"
    )
}

/// Every name as it is and with any port: all of them lead there, or none.
fn check(text: &str, client: &str, names: &[&str], expected: &str) {
    let table = table(text, client);
    for name in names {
        for authority in [(*name).to_owned(), format!("{name}:80"), format!("{name}:4711"), format!("{name}:")] {
            assert_eq!(sent(&table, ALL, &get(&authority, "/"), 0), expected, "{authority} in {client}");
        }
    }
}

#[test]
fn s2_2_given_a_client_at_home_then_every_form_is_known() {
    let forms = [
        "web",
        "web.shop",
        "web.shop.svc",
        "web.shop.svc.cluster.local",
        "web.shop.svc.cluster.local.",
        "10.96.0.1",
        "Web.SHOP",
    ];
    check(&shop(), "shop", &forms, WEB);
}

#[test]
fn s2_2_given_a_client_elsewhere_then_every_form_but_the_bare_name_is_known() {
    let forms = ["web.shop", "web.shop.svc", "web.shop.svc.cluster.local", "web.shop.svc.cluster.local.", "10.96.0.1"];
    check(&shop(), "pay", &forms, WEB);
    check(&shop(), "pay", &["web"], "passthrough");
}

#[test]
fn s2_2_given_a_service_of_that_name_at_home_then_the_bare_name_is_its() {
    let own = service("pay", "web", &format!("clusterIP: 10.96.0.2, {PORTS}")) + &pod("pay", "web", "v1", "10.1.0.2");
    check(&(shop() + &own), "pay", &["web"], "outbound|80||web.pay.svc.cluster.local");
}

#[test]
fn s2_2_given_other_forms_or_the_address_of_a_pod_then_nobody_has_them() {
    check(
        &shop(),
        "shop",
        &["web.shop.svc.cluster", "10.1.0.1", "x.web", "x.web.shop.svc.cluster.local"],
        "passthrough",
    );
}

#[test]
fn s2_2_given_a_headless_service_then_names_below_each_of_its_forms_are_its_pods() {
    let text =
        shop() + &service("shop", "db", &format!("clusterIP: None, {PORTS}")) + &pod("shop", "db", "v1", "10.1.0.5");
    let route = istio("VirtualService", "shop", "db", "{hosts: [db], http: [{route: [{destination: {host: web}}]}]}");
    let text = text + &route;
    check(
        &text,
        "shop",
        &["db", "x.db", "x.db.shop", "x.db.shop.svc", "x.db.shop.svc.cluster.local", "a.b.db.shop"],
        WEB,
    );
    check(&text, "pay", &["db.shop", "x.db.shop", "x.db.shop.svc.cluster.local"], WEB);
    check(&text, "pay", &["x.db"], "passthrough");
}

#[test]
fn s2_2_given_both_families_then_each_address_is_a_name() {
    let both = service("shop", "six", &format!("clusterIP: 10.96.0.6, clusterIPs: [10.96.0.6, 'fd00::6'], {PORTS}"));
    let text = shop() + &both + &pod("shop", "six", "v1", "10.1.0.6");
    check(&text, "shop", &["10.96.0.6", "[fd00::6]"], "outbound|80||six.shop.svc.cluster.local");
}

#[test]
fn s2_2_given_an_external_name_service_then_its_names_are_its_targets() {
    let text = shop() + &external("pay", "alias", "web.shop.svc.cluster.local");
    check(&text, "pay", &["alias", "alias.pay", "alias.pay.svc", "alias.pay.svc.cluster.local"], WEB);
    check(&text, "shop", &["alias.pay", "alias.pay.svc.cluster.local."], WEB);
    check(&text, "shop", &["alias"], "passthrough");
}

#[test]
fn s2_2_given_external_names_in_a_row_then_the_last_one_counts_and_a_circle_leads_nowhere() {
    let row =
        external("pay", "one", "two.pay.svc.cluster.local") + &external("pay", "two", "web.shop.svc.cluster.local");
    check(&(shop() + &row), "pay", &["one", "two"], WEB);
    let circle =
        external("pay", "one", "two.pay.svc.cluster.local") + &external("pay", "two", "one.pay.svc.cluster.local");
    check(&(shop() + &circle), "pay", &["one", "two"], "passthrough");
    check(&(shop() + &external("pay", "one", "example.com")), "pay", &["one"], "passthrough");
}

#[test]
fn s2_2_given_wildcards_then_an_exact_name_comes_first_and_the_longest_wildcard_next() {
    let entry = |name: &str, host: &str, last: u8| {
        let spec = format!(
            "{{hosts: ['{host}'], resolution: STATIC, ports: [{{number: 80, name: http, protocol: HTTP}}], endpoints: [{{address: 10.2.0.{last}}}]}}"
        );
        istio("ServiceEntry", "shop", name, &spec)
    };
    let text = shop()
        + &entry("a", "*.example.com", 1)
        + &entry("b", "*.api.example.com", 2)
        + &entry("c", "x.api.example.com", 3)
        + &entry("d", "example.com", 4);
    check(&text, "shop", &["x.api.example.com"], "outbound|80||x.api.example.com");
    check(&text, "shop", &["y.api.example.com", "a.b.api.example.com"], "outbound|80||*.api.example.com");
    check(&text, "shop", &["api.example.com", "Y.example.com"], "outbound|80||*.example.com");
    check(&text, "shop", &["example.com"], "outbound|80||example.com");
    check(&text, "shop", &["notexample.com"], "passthrough");
}

#[test]
fn s2_2_given_a_host_of_a_rule_that_is_no_service_then_it_has_exactly_that_name() {
    let route =
        istio("VirtualService", "shop", "r", "{hosts: [api.shop], http: [{route: [{destination: {host: web}}]}]}");
    check(&(shop() + &route), "shop", &["api.shop"], WEB);
    check(&(shop() + &route), "shop", &["api", "api.shop.svc.cluster.local"], "passthrough");
}
