//! From a VirtualService to bytes: what a route changes about requests and responses, and what it answers itself.

use super::*;

const OK: &str = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";

const ROUTE: &str = "route: [{destination: {host: echo}}]";

/// The head that an endpoint of a rule gets for a request, and the client's answer, the endpoint's being `answer`.
fn exchange(http: &str, request: &str, answer: &'static str) -> (String, String) {
    let upstream = Upstream::answering(answer);
    let node = Node::ruled(http, &[upstream.address], &[]);
    let mut client = node.connect();
    client.send(request);
    let head = untimed(&client.head());
    (upstream.received(), head)
}

fn lines(head: &str) -> Vec<&str> {
    let of_all = ["x-request-id: ", "x-forwarded-proto: ", "x-envoy-attempt-count: "];
    let lines = head.trim_end().split("\r\n");
    lines.filter(|line| !of_all.iter().any(|start| line.starts_with(start))).collect()
}

fn get(path: &str) -> String {
    format!("GET {path} HTTP/1.1\r\nHost: echo\r\nX-User: alice\r\nX-Drop: 1\r\n\r\n")
}

#[test]
fn given_a_rewrite_then_the_endpoint_gets_the_new_path_and_host_and_may_see_the_old_ones() {
    let rule = format!("{{match: [{{uri: {{prefix: /old}}}}], {ROUTE}, rewrite: {{uri: /new, authority: web.shop}}}}");
    let (sent, _) = exchange(&rule, &get("/old/a?b=/old"), OK);
    assert_eq!(
        lines(&sent),
        [
            "GET /new/a?b=/old HTTP/1.1",
            "host: web.shop",
            "x-user: alice",
            "x-drop: 1",
            "x-envoy-original-host: echo",
            "x-envoy-original-path: /old/a?b=/old",
        ]
    );
}

#[test]
fn given_header_operations_then_both_directions_are_changed() {
    let rule = format!(
        "{{{ROUTE}, headers: {{request: {{remove: [x-drop], set: {{x-user: bob}}, add: {{x-from: '%REQ(x-user)% 100%%'}}}}, \
         response: {{remove: [server], set: {{x-code: 'was %RESPONSE_CODE%'}}}}}}}}"
    );
    let answer = "HTTP/1.1 200 OK\r\nServer: x\r\nContent-Length: 0\r\n\r\n";
    let (sent, received) = exchange(&rule, &get("/"), answer);
    assert_eq!(lines(&sent), ["GET / HTTP/1.1", "host: echo", "x-user: bob", "x-from: alice 100%"]);
    assert_eq!(lines(&received), ["HTTP/1.1 200 OK", "x-code: was 200", "content-length: 0"]);
}

#[test]
fn given_a_redirect_then_the_client_is_sent_there_and_can_go_on() {
    let upstream = Upstream::answering(OK);
    let rule = format!(
        "{{match: [{{uri: {{prefix: /old}}}}], redirect: {{uri: /new, authority: web.shop, redirectCode: 308}}, \
         headers: {{response: {{set: {{x-a: '1'}}}}}}}}, {{{ROUTE}}}"
    );
    let node = Node::ruled(&rule, &[upstream.address], &[]);
    let mut client = node.connect();
    for method in ["GET", "HEAD", "POST"] {
        client.send(&format!("{method} /old/x?y HTTP/1.1\r\nHost: echo\r\n\r\n"));
        client.expect(
            "HTTP/1.1 308 Permanent Redirect\r\ncontent-length: 0\r\nlocation: http://web.shop/new?y\r\nx-a: 1\r\n\r\n",
        );
    }
    client.send(&get("/"));
    client.expect(OK);
}

#[test]
fn given_a_direct_response_then_it_has_its_body_but_for_head_and_no_endpoint_is_asked() {
    let rule = "{directResponse: {status: 418, body: {string: teapot}}, \
                headers: {response: {set: {content-type: text/x, content-length: '99'}}}}";
    let node = Node::ruled(rule, &[], &[]);
    let mut client = node.connect();
    let head = "HTTP/1.1 418 I'm a teapot\r\ncontent-length: 6\r\ncontent-type: text/x\r\n\r\n";
    for (method, body) in [("GET", "teapot"), ("HEAD", ""), ("GET", "teapot")] {
        client.send(&format!("{method} / HTTP/1.1\r\nHost: echo\r\n\r\n"));
        client.expect(&format!("{head}{body}"));
    }
    client.send("POST / HTTP/1.1\r\nHost: echo\r\nContent-Length: 5\r\n\r\nhello");
    client.expect(&format!("{head}teapot"));
    client.send("GET / HTTP/1.1\r\nHost: echo\r\nConnection: close\r\n\r\n");
    client.expect(&format!("{}connection: close\r\n\r\nteapot", head.trim_end_matches("\r\n").to_owned() + "\r\n"));
    client.expect_end();
}

const CORS: &str = "corsPolicy: {allowOrigins: [{exact: 'http://a'}], allowMethods: [GET, PUT], maxAge: 1m}";

#[test]
fn given_cors_then_a_preflight_is_answered_and_an_answer_is_marked() {
    let upstream =
        Upstream::answering("HTTP/1.1 200 OK\r\naccess-control-allow-origin: *\r\ncontent-length: 2\r\n\r\nok");
    let node = Node::ruled(&format!("{{{ROUTE}, {CORS}}}"), &[upstream.address], &[]);
    let mut client = node.connect();
    client.send("OPTIONS / HTTP/1.1\r\nHost: echo\r\nOrigin: http://a\r\nAccess-Control-Request-Method: PUT\r\n\r\n");
    let preflight = client.head();
    for line in ["HTTP/1.1 200 OK", "access-control-allow-origin: http://a", "access-control-allow-methods: GET,PUT"] {
        assert!(preflight.contains(&format!("{line}\r\n")), "{preflight}");
    }
    assert_eq!(upstream.connections(), 0);
    client.send("GET / HTTP/1.1\r\nHost: echo\r\nOrigin: http://a\r\n\r\n");
    client.expect("HTTP/1.1 200 OK\r\naccess-control-allow-origin: http://a\r\ncontent-length: 2\r\n\r\nok");
    client.send("GET / HTTP/1.1\r\nHost: echo\r\nOrigin: http://b\r\n\r\n");
    client.expect("HTTP/1.1 200 OK\r\naccess-control-allow-origin: *\r\ncontent-length: 2\r\n\r\nok");
}

#[test]
fn given_an_error_of_the_routers_then_the_routes_operations_and_cors_apply_to_it() {
    let rule = format!("{{{ROUTE}, {CORS}, headers: {{response: {{set: {{x-a: '1'}}}}}}}}");
    for endpoints in [vec![], vec![nobody()]] {
        let node = Node::ruled(&rule, &endpoints, &[]);
        let mut client = node.connect();
        client.send("GET / HTTP/1.1\r\nHost: echo\r\nOrigin: http://a\r\n\r\n");
        let head = client.head();
        assert!(head.starts_with("HTTP/1.1 503 ") && head.contains("\r\nx-a: 1\r\n"), "{head}");
        assert!(head.contains("\r\naccess-control-allow-origin: http://a\r\n"), "{head}");
    }
}

#[test]
fn given_an_injected_abort_then_the_routes_operations_do_not_apply_to_it() {
    let rule = format!(
        "{{{ROUTE}, fault: {{abort: {{httpStatus: 500, percentage: {{value: 100}}}}}}, \
         headers: {{response: {{set: {{x-a: '1'}}}}}}}}"
    );
    let node = Node::ruled(&rule, &[nobody()], &[]);
    let mut client = node.connect();
    client.send(&get("/"));
    let head = client.head();
    assert!(head.starts_with("HTTP/1.1 500 ") && !head.contains("x-a"), "{head}");
}

#[test]
fn given_a_mirror_then_it_gets_the_head_as_the_route_has_changed_it() {
    let (upstream, mirror) = (Upstream::answering(OK), Upstream::answering(OK));
    let rule = format!(
        "{{{ROUTE}, mirror: {{host: copy}}, rewrite: {{uri: /new}}, headers: {{request: {{set: {{x-a: '1'}}}}}}}}"
    );
    let node = Node::ruled(&rule, &[upstream.address], &[mirror.address]);
    let mut client = node.connect();
    client.send(&get("/"));
    client.expect(OK);
    wait_for(|| mirror.received().ends_with("\r\n\r\n"));
    assert_eq!(mirror.received(), upstream.received().replace("host: echo\r\n", "host: echo-shadow\r\n"));
    assert!(mirror.received().starts_with("GET /new HTTP/1.1\r\n") && mirror.received().contains("\r\nx-a: 1\r\n"));
}
