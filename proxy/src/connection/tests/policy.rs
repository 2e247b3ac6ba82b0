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
    let dialled = node.client.meanings.of(ID).expect("a service").dialled;
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

const OVERFLOW: &str = "upstream connect error or disconnect/reset before headers. reset reason: overflow";

/// Answers each request once the gate is open, and counts those that came.
fn gated() -> (Upstream, Arc<AtomicUsize>, Arc<std::sync::atomic::AtomicBool>) {
    let (came, open) = (Arc::new(AtomicUsize::new(0)), Arc::new(std::sync::atomic::AtomicBool::new(false)));
    let (counted, gate) = (Arc::clone(&came), Arc::clone(&open));
    let upstream = Upstream::new(move |conversation, _| {
        while !conversation.head().is_empty() {
            counted.fetch_add(1, Ordering::SeqCst);
            wait_for(|| gate.load(Ordering::SeqCst));
            conversation.send(OK);
        }
    });
    (upstream, came, open)
}

/// A response's head and body.
fn response(client: &mut Conversation) -> (String, String) {
    let head = client.head();
    let length = head.split("content-length: ").nth(1).and_then(|rest| rest.split("\r\n").next());
    let length = length.and_then(|length| length.parse().ok()).unwrap_or_else(|| panic!("{head}"));
    (head, String::from_utf8(client.bytes(length).expect("a body")).expect("text"))
}

fn is_overflow((head, body): &(String, String)) -> bool {
    let overloaded = head.contains("\r\nx-envoy-overloaded: true\r\n");
    assert_eq!(overloaded, head.starts_with("HTTP/1.1 503 ") && body == OVERFLOW, "{head}{body}");
    overloaded
}

#[test]
fn given_an_endpoint_that_fails_in_a_row_then_it_is_left_alone() {
    let broken = Upstream::answering("HTTP/1.1 503 Service Unavailable\r\ncontent-length: 2\r\n\r\nno");
    let good = Upstream::answering(OK);
    let node = Node::http(&good);
    let policy =
        "{loadBalancer: {simple: ROUND_ROBIN}, outlierDetection: {consecutive5xxErrors: 2, maxEjectionPercent: 50}}";
    apply(&node, &[&broken, &good], policy);
    let mut statuses = Vec::new();
    // New connections each time: both workers take part, and agree.
    for _ in 0..40 {
        let mut client = node.connect();
        client.send(GET);
        statuses.push(response(&mut client).0.starts_with("HTTP/1.1 200"));
    }
    assert_eq!(statuses.iter().filter(|good| !**good).count(), 2, "{statuses:?}");
    assert_eq!(broken.received().matches("GET / ").count(), 2);
}

#[test]
fn given_endpoints_that_cannot_be_connected_to_then_they_are_left_alone_until_none_is_left() {
    let node = Node::http(&Upstream::answering(OK));
    let policy = "{outlierDetection: {consecutive5xxErrors: 1, maxEjectionPercent: 100}}";
    let rule = format!(
        "{{apiVersion: networking.istio.io/v1, kind: DestinationRule, metadata: {{name: echo, namespace: shop}}, \
         spec: {{host: echo, trafficPolicy: {policy}}}}}"
    );
    let dialled = node.client.meanings.of(ID).expect("a service").dialled;
    let dialled = SocketAddr::new(dialled.address, dialled.port);
    node.client.table.store(Arc::new(ruled(rules(&rule), Protocol::Http, dialled, &[nobody(), nobody()])));
    let mut client = node.connect();
    client.send(GET);
    assert!(response(&mut client).0.starts_with("HTTP/1.1 503 "));
    let mut client = node.connect();
    client.send(GET);
    assert_eq!(response(&mut client).1, "no healthy upstream");
}

#[test]
fn given_a_limit_on_requests_then_one_more_is_refused_whichever_worker_serves_it_until_one_has_ended() {
    let (upstream, came, open) = gated();
    let node = Node::http(&upstream);
    apply(&node, &[&upstream], "{connectionPool: {http: {http2MaxRequests: 1}}}");
    let mut first = node.connect();
    first.send(GET);
    wait_for(|| came.load(Ordering::SeqCst) == 1);
    for _ in 0..8 {
        let mut other = node.connect();
        other.send(GET);
        assert!(is_overflow(&response(&mut other)));
        // The connection goes on, and the answer was no answer of the endpoint's to try again.
        other.send(GET);
        assert!(is_overflow(&response(&mut other)));
    }
    open.store(true, Ordering::SeqCst);
    first.expect(OK);
    first.send(GET);
    first.expect(OK);
    assert_eq!(came.load(Ordering::SeqCst), 2);
}

#[test]
fn given_a_limit_on_connections_then_requests_wait_for_the_one_of_their_worker() {
    let (upstream, came, open) = gated();
    let node = Node::http(&upstream);
    apply(&node, &[&upstream], "{connectionPool: {tcp: {maxConnections: 1}, http: {http1MaxPendingRequests: 100}}}");
    let mut clients: Vec<Conversation> = (0..8).map(|_| node.connect()).collect();
    clients.iter_mut().for_each(|client| client.send(GET));
    let name = node.client.table.load().clusters().next().expect("a cluster").name.clone();
    let shared = node.client.common.of(&name);
    let pending = || shared.breakers().held(meshlet_routing::balance::Resource::Pending);
    wait_for(|| came.load(Ordering::SeqCst) + usize::try_from(pending()).expect("few") == 8);
    open.store(true, Ordering::SeqCst);
    clients.iter_mut().for_each(|client| client.expect(OK));
    assert!(upstream.connections() <= 2, "each of two workers has its first: {}", upstream.connections());
    assert_eq!(pending(), 0);
}

#[test]
fn given_a_limit_on_waiting_requests_then_what_is_beyond_it_is_refused() {
    let (upstream, _, open) = gated();
    let node = Node::http(&upstream);
    apply(&node, &[&upstream], "{connectionPool: {tcp: {maxConnections: 1}, http: {http1MaxPendingRequests: 1}}}");
    let mut clients: Vec<Conversation> = (0..8).map(|_| node.connect()).collect();
    clients.iter_mut().for_each(|client| client.send(GET));
    // Two workers have one connection each at most, and one request may wait: five others are refused while the gate is shut.
    let peek = |client: &Conversation| {
        client.stream.set_nonblocking(true).expect("no waiting");
        let answered = client.stream.peek(&mut [0]).is_ok();
        client.stream.set_nonblocking(false).expect("waiting again");
        answered
    };
    wait_for(|| clients.iter().filter(|client| peek(client)).count() >= 5);
    open.store(true, Ordering::SeqCst);
    let answers: Vec<_> = clients.iter_mut().map(response).collect();
    let refused = answers.iter().filter(|answer| is_overflow(answer)).count();
    assert!((5..8).contains(&refused), "{answers:?}");
}

#[test]
fn given_a_limit_on_requests_per_connection_then_each_has_so_many() {
    for (most, connections) in [(1, 6), (2, 3), (4, 2)] {
        let upstream = Upstream::answering(OK);
        let node = Node::http(&upstream);
        apply(&node, &[&upstream], &format!("{{connectionPool: {{http: {{maxRequestsPerConnection: {most}}}}}}}"));
        let mut client = node.connect();
        for _ in 0..6 {
            client.send(GET);
            client.expect(OK);
        }
        assert_eq!(upstream.connections(), connections, "{most}");
    }
}

#[test]
fn given_an_idle_timeout_or_an_age_then_a_connection_beyond_it_takes_no_request() {
    for limit in ["http: {idleTimeout: 1ms}", "tcp: {idleTimeout: 1ms}", "tcp: {maxConnectionDuration: 1ms}"] {
        let upstream = Upstream::answering(OK);
        let node = Node::http(&upstream);
        apply(&node, &[&upstream], &format!("{{connectionPool: {{{limit}}}}}"));
        let client = std::cell::RefCell::new(node.connect());
        wait_for(|| {
            client.borrow_mut().send(GET);
            client.borrow_mut().expect(OK);
            upstream.connections() > 1
        });
    }
}

#[test]
fn given_a_connect_timeout_then_no_connection_is_waited_for_any_longer() {
    // A listener that nobody accepts from, and whose queue is full: further connections get no answer.
    let full = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).expect("a socket");
    full.bind(&SocketAddr::from((Ipv4Addr::LOCALHOST, 0)).into()).expect("a port");
    full.listen(0).expect("a listener");
    let address = full.local_addr().ok().and_then(|address| address.as_socket()).expect("its address");
    let waiting = TcpStream::connect(address).expect("room for one");
    let node = Node::new(Protocol::Http, address, &[address]);
    let rule = "{apiVersion: networking.istio.io/v1, kind: DestinationRule, metadata: {name: echo, namespace: shop}, \
                spec: {host: echo, trafficPolicy: {connectionPool: {tcp: {connectTimeout: 20ms}}}}}";
    node.client.table.store(Arc::new(ruled(rules(rule), Protocol::Http, address, &[address])));
    let mut client = node.connect();
    client.send(GET);
    let (head, body) = response(&mut client);
    assert!(head.starts_with("HTTP/1.1 503 ") && body.ends_with("reset reason: connection timeout"), "{head}{body}");
    drop(waiting);
}

#[test]
fn given_a_limit_on_retries_then_an_answer_beyond_it_is_delivered_as_it_is() {
    const DOWN: &str = "HTTP/1.1 503 Service Unavailable\r\ncontent-length: 4\r\n\r\ndown";
    let requests = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&requests);
    let upstream = Upstream::new(move |conversation, _| {
        while !conversation.head().is_empty() {
            // The second is the retry of the first, and has no answer.
            match counted.fetch_add(1, Ordering::SeqCst) {
                1 => {}
                _ => conversation.send(DOWN),
            }
        }
    });
    let node = Node::http(&upstream);
    let rules = rules(
        "{apiVersion: networking.istio.io/v1, kind: DestinationRule, metadata: {name: echo, namespace: shop}, \
         spec: {host: echo, trafficPolicy: {connectionPool: {http: {maxRetries: 1}}}}}\n---\n\
         {apiVersion: networking.istio.io/v1, kind: VirtualService, metadata: {name: echo, namespace: shop}, \
         spec: {hosts: [echo], http: [{route: [{destination: {host: echo}}], retries: {attempts: 3, retryOn: 5xx, backoff: 1ms}}]}}",
    );
    node.client.table.store(Arc::new(ruled(rules, Protocol::Http, upstream.address, &[upstream.address])));
    let mut first = node.connect();
    first.send(GET);
    wait_for(|| requests.load(Ordering::SeqCst) == 2);
    let mut second = node.connect();
    second.send(GET);
    second.expect(DOWN);
    assert_eq!(requests.load(Ordering::SeqCst), 3, "no retry of the second");
}
