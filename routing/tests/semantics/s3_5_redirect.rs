//! Section 3.5: redirects and the place they send the client to.

use meshlet_routing::decide::{Outcome, Reason};

use crate::ask::{decided, errors, get, istio, pod, service, table};

fn ruled(entries: &str, redirect: &str, fields: &str) -> String {
    service(
        "shop",
        "web",
        "clusterIP: 10.96.0.1, ports: [{name: http, port: 80}, {name: http-b, port: 8080}, {name: http-c, port: 443}]",
    ) + &pod("shop", "web", "v1", "10.1.0.1")
        + &istio(
            "VirtualService",
            "shop",
            "web",
            &format!("{{hosts: [web], http: [{{{entries}redirect: {{{redirect}}}{fields}}}]}}"),
        )
}

/// Status and location for a request to a port of `web`.
fn redirected(text: &str, port: u16, authority: &str, path: &str) -> (u16, String) {
    let table = table(text, "shop");
    match decided(&table, &format!("10.96.0.1:{port}"), &get(authority, path), 0).outcome {
        Outcome::Respond(respond) => {
            assert_eq!((respond.reason, respond.flag, respond.body), (Reason::Redirect, "-", &b""[..]));
            assert_eq!(respond.rule.map(|rule| rule.index), Some(0));
            let [("location", location)] = &respond.headers[..] else { panic!("{:?}", respond.headers) };
            (respond.status, location.clone())
        }
        other => panic!("{other:?}"),
    }
}

#[track_caller]
fn check(redirect: &str, cases: &[(u16, &str, &str, &str)]) {
    let text = ruled("", redirect, "");
    assert_eq!(errors(&text), [""; 0]);
    for (port, authority, path, expected) in cases {
        assert_eq!(redirected(&text, *port, authority, path).1, *expected, "{redirect} {port} {authority} {path}");
    }
}

#[test]
fn s3_5_given_no_code_then_it_is_301_and_five_others_can_be_asked_for() {
    for (code, expected) in [
        ("", 301),
        (", redirectCode: 0", 301),
        (", redirectCode: 301", 301),
        (", redirectCode: 302", 302),
        (", redirectCode: 303", 303),
        (", redirectCode: 307", 307),
        (", redirectCode: 308", 308),
    ] {
        assert_eq!(redirected(&ruled("", &format!("uri: /b{code}"), ""), 80, "web", "/").0, expected, "{code}");
    }
}

#[test]
fn q3_5_given_any_other_3xx_then_it_is_refused_since_envoy_would_refuse_the_whole_table() {
    for (code, reason) in [(300, "Envoy then refuses"), (304, "Envoy then refuses"), (200, "is no redirect")] {
        let found = errors(&ruled("", &format!("uri: /b, redirectCode: {code}"), ""));
        assert!(found.len() == 1 && found[0].contains(reason), "{found:?}");
    }
}

#[test]
fn s3_5_given_a_uri_then_it_replaces_the_path_and_the_query_stays_unless_it_has_its_own() {
    check(
        "uri: /new",
        &[
            (80, "web", "/old", "http://web/new"),
            (80, "web", "/old?q=1", "http://web/new?q=1"),
            (80, "web:80", "/", "http://web:80/new"),
        ],
    );
    check("uri: '/new?z=2'", &[(80, "web", "/old?q=1", "http://web/new?z=2")]);
    check("uri: new", &[(80, "web", "/old", "http://web/new")]);
}

#[test]
fn s3_5_given_neither_uri_nor_prefix_then_the_path_is_kept() {
    check("authority: other.shop", &[(80, "web", "/a/b?c", "http://other.shop/a/b?c")]);
    check("scheme: https", &[(80, "web", "/a?b", "https://web/a?b")]);
}

#[test]
fn s3_5_given_a_prefix_rewrite_then_the_matched_prefix_is_replaced() {
    let text = |entries| ruled(entries, "prefixRewrite: /new", "");
    for (entries, path, expected) in [
        ("match: [{uri: {prefix: /old}}], ", "/old/x?q", "http://web/new/x?q"),
        ("match: [{uri: {exact: /old}}], ", "/old?q", "http://web/new?q"),
        ("match: [{uri: {regex: '/o.*'}}], ", "/old?q", "http://web/new?q"),
        ("", "/old", "http://web/newold"),
    ] {
        assert_eq!(redirected(&text(entries), 80, "web", path).1, expected, "{entries}");
    }
}

#[test]
fn s3_5_given_an_authority_then_it_replaces_host_and_its_port() {
    check("authority: 'other.shop:81'", &[(80, "web:8080", "/", "http://other.shop:81/")]);
    check("authority: other.shop, port: 82", &[(80, "web:8080", "/", "http://other.shop:82/")]);
}

#[test]
fn s3_5_given_a_port_then_it_is_written_and_the_one_in_host_removed() {
    check("port: 9000", &[(80, "web", "/", "http://web:9000/"), (80, "web:8080", "/", "http://web:9000/")]);
    check("port: 9000, scheme: https", &[(80, "web:80", "/", "https://web:9000/")]);
    // The default port of the scheme is never written (ApplyRedirect).
    check("port: 443, scheme: https", &[(80, "web:80", "/", "https://web/"), (80, "web", "/", "https://web/")]);
}

#[test]
fn s3_5_given_another_scheme_then_port_80_of_host_goes_and_others_stay() {
    check(
        "scheme: https",
        &[
            (80, "web:80", "/", "https://web/"),
            (8080, "web:8080", "/", "https://web:8080/"),
            (80, "web", "/", "https://web/"),
        ],
    );
    check("scheme: http", &[(80, "web:80", "/", "http://web:80/")]);
}

#[test]
fn s3_5_given_the_requests_port_then_the_dialled_one_is_written_unless_it_is_the_schemes_default() {
    check(
        "derivePort: FROM_REQUEST_PORT",
        &[
            (8080, "web", "/", "http://web:8080/"),
            (8080, "web:1", "/", "http://web:8080/"),
            (80, "web", "/", "http://web/"),
        ],
    );
    check(
        "derivePort: FROM_REQUEST_PORT, scheme: https",
        &[
            (80, "web", "/", "https://web:80/"),
            (443, "web", "/", "https://web/"),
            (8080, "web", "/", "https://web:8080/"),
        ],
    );
    check("derivePort: FROM_REQUEST_PORT, authority: o", &[(8080, "web", "/", "http://o:8080/")]);
}

#[test]
fn s3_5_given_the_protocols_default_port_then_hosts_own_is_left_alone() {
    for derive in ["derivePort: FROM_PROTOCOL_DEFAULT, uri: /b", "uri: /b"] {
        check(derive, &[(8080, "web:8080", "/", "http://web:8080/b"), (8080, "web", "/", "http://web/b")]);
    }
}

#[test]
fn s3_5_given_a_redirect_then_it_needs_no_endpoint_and_neither_draws_nor_cors_matter() {
    let text = ruled("", "uri: /b", ", corsPolicy: {allowOrigins: [{exact: '*'}]}");
    let table = table(&text, "shop");
    let headers: &[(&str, &[u8])] = &[("origin", b"http://a"), ("access-control-request-method", b"GET")];
    let request = meshlet_routing::decide::Request { method: "OPTIONS", headers, ..get("web", "/") };
    for draw in [0, u32::MAX] {
        let Outcome::Respond(respond) = decided(&table, "10.96.0.1:80", &request, draw).outcome else {
            panic!("no answer")
        };
        assert_eq!((respond.status, respond.response_lines.len()), (301, 0));
    }
}

#[test]
fn s3_5_given_a_redirect_that_says_too_much_or_nothing_then_it_is_refused() {
    for (redirect, problems) in [
        ("", 1),
        ("redirectCode: 302", 1),
        ("uri: ''", 1),
        ("scheme: ftp", 1),
        ("port: 65536", 1),
        ("port: 0", 0),
        ("port: 81, derivePort: FROM_REQUEST_PORT", 1),
        ("derivePort: SOMEHOW", 1),
        ("uri: /a, prefixRewrite: /b", 1),
        ("uri: \"/a\\r\\nx: y\"", 1),
    ] {
        let found = errors(&ruled("", redirect, ""));
        assert_eq!(found.len(), problems, "{redirect} {found:?}");
    }
}

#[test]
fn s1_2_given_anything_else_that_decides_beside_a_redirect_then_it_is_refused() {
    for (fields, problems) in [
        (", route: [{destination: {host: web}}]", 1),
        (", fault: {abort: {httpStatus: 500, percentage: {value: 1}}}", 1),
        (", rewrite: {uri: /c}", 1),
        (", directResponse: {status: 200}", 1),
        (", route: []", 0),
        (", headers: {response: {set: {a: b}}}", 0),
    ] {
        let found = errors(&ruled("", "uri: /b", fields));
        assert_eq!(found.len(), problems, "{fields} {found:?}");
    }
}
