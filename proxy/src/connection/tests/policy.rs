//! What a DestinationRule changes about requests under way.

use super::*;

const OK: &str = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";
const GET: &str = "GET / HTTP/1.1\r\nHost: echo\r\n\r\n";

/// Puts a DestinationRule for the node's service in force.
fn apply(node: &Node, upstreams: &[&Upstream], traffic_policy: &str) {
    let text = format!(
        "{{apiVersion: networking.istio.io/v1, kind: DestinationRule, metadata: {{name: echo, namespace: shop}}, \
         spec: {{host: echo, trafficPolicy: {traffic_policy}}}}}"
    );
    let rules = rules(&text);
    let endpoints: Vec<SocketAddr> = upstreams.iter().map(|upstream| upstream.address).collect();
    let dialled = node.client.services.load()[&ID];
    let dialled = SocketAddr::new(dialled.address, dialled.port);
    node.client.table.store(Arc::new(ruled(rules, Protocol::Http, dialled, &endpoints)));
}

#[test]
fn given_a_hashed_cookie_that_is_missing_then_the_response_sets_it_and_the_next_request_goes_to_the_same_endpoint() {
    const COOKIE: &str = "loadBalancer: {consistentHash: {httpCookie: {name: user, ttl: 60s, path: /}}}";
    let upstreams: Vec<Upstream> = (0..4).map(|_| Upstream::answering(OK)).collect();
    let node = Node::http(&upstreams[0]);
    apply(&node, &upstreams.iter().collect::<Vec<_>>(), &format!("{{{COOKIE}}}"));
    for _ in 0..8 {
        let before: Vec<usize> = upstreams.iter().map(|upstream| upstream.received().len()).collect();
        let mut client = node.connect();
        client.send(GET);
        let head = client.head();
        client.expect("ok");
        let line = head.lines().find_map(|line| line.strip_prefix("set-cookie: ")).unwrap_or_else(|| panic!("{head}"));
        let (pair, attributes) = line.split_once(';').expect("attributes");
        assert_eq!(attributes, " Max-Age=60; Path=/; HttpOnly");
        let sent = GET.replace("\r\n\r\n", &format!("\r\ncookie: {}\r\n\r\n", pair.replace('"', "")));
        for _ in 0..5 {
            client.send(&sent);
            client.expect(OK);
        }
        let grown = upstreams.iter().zip(before).filter(|(upstream, before)| upstream.received().len() > *before);
        assert_eq!(grown.count(), 1, "the made cookie decides about the first request as well");
    }
}
