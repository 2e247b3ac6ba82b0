//! Section 1.8: what a connection pool says, what is unset, and what is refused. What limits do is in 4.7.

use std::num::NonZeroU32;
use std::time::Duration;

use meshlet_routing::fault::Severity;
use meshlet_routing::model::{ConnectionPool, IdleTimeout, TcpKeepalive};

use crate::shop::{cluster, faults, rule, table};

fn block(fields: &str) -> String {
    rule(&format!("{{host: web, trafficPolicy: {{connectionPool: {{{fields}}}}}}}"))
}

fn pool(fields: &str) -> ConnectionPool {
    let text = block(fields);
    assert!(faults(&text).is_empty(), "{fields}: {:?}", faults(&text));
    ConnectionPool::clone(&cluster(&table(&text), 8080).expect("a cluster").connection_pool)
}

#[test]
fn s1_8_given_every_field_then_each_is_read() {
    let number = NonZeroU32::new;
    let all = pool(
        "tcp: {maxConnections: 1, connectTimeout: 2s, tcpKeepalive: {probes: 3, time: 4s, interval: 5s}, maxConnectionDuration: 6s, idleTimeout: 7s},
         http: {http1MaxPendingRequests: 8, http2MaxRequests: 9, maxRequestsPerConnection: 10, maxRetries: 11, idleTimeout: 12s,
                h2UpgradePolicy: DO_NOT_UPGRADE, useClientProtocol: true}",
    );
    let expected = ConnectionPool {
        max_connections: number(1),
        connect_timeout: Some(Duration::from_secs(2)),
        keepalive: Some(TcpKeepalive {
            probes: number(3),
            time: Some(Duration::from_secs(4)),
            interval: Some(Duration::from_secs(5)),
        }),
        max_connection_duration: Some(Duration::from_secs(6)),
        tcp_idle: Some(IdleTimeout::After(Duration::from_secs(7))),
        max_pending: number(8),
        max_requests: number(9),
        max_requests_per_connection: number(10),
        max_retries: number(11),
        http_idle: Some(Duration::from_secs(12)),
        use_client_protocol: true,
    };
    assert_eq!(all, expected);
}

#[test]
fn s1_8_given_zero_or_nothing_then_it_is_unset() {
    let zeros = "tcp: {maxConnections: 0, tcpKeepalive: {}}, http: {http1MaxPendingRequests: 0, http2MaxRequests: 0, \
                 maxRequestsPerConnection: 0, maxRetries: 0, h2UpgradePolicy: DEFAULT}";
    assert_eq!(pool(zeros), ConnectionPool { keepalive: Some(TcpKeepalive::default()), ..ConnectionPool::UNSET });
    assert_eq!(pool("tcp: {}"), ConnectionPool::UNSET);
    assert_eq!(ConnectionPool::default(), ConnectionPool::UNSET);
}

#[test]
fn s1_8_given_idle_timeouts_then_that_of_http_is_its_own_and_that_of_tcp_counts_where_it_is_unset() {
    let after = |seconds| Some(IdleTimeout::After(Duration::from_secs(seconds)));
    for (fields, expected) in [
        ("tcp: {idleTimeout: 7s}, http: {idleTimeout: 12s}", after(12)),
        ("tcp: {idleTimeout: 7s}", after(7)),
        ("tcp: {idleTimeout: 0s}", Some(IdleTimeout::Never)),
        ("tcp: {idleTimeout: 0s}, http: {idleTimeout: 12s}", after(12)),
        ("tcp: {}", None),
    ] {
        assert_eq!(pool(fields).idle_timeout(), expected, "{fields}");
    }
}

#[test]
fn s1_8_given_a_pool_that_is_wrong_then_the_fault_says_so() {
    for (fields, severity, expected) in [
        ("", Severity::Error, "connectionPool: sets nothing"),
        ("tcp: {maxConnections: -1}", Severity::Error, "tcp.maxConnections: -1 is not a whole number"),
        ("tcp: {connectTimeout: 0s}", Severity::Error, "tcp.connectTimeout: is less than 1ms"),
        ("tcp: {connectTimeout: soon}", Severity::Error, "tcp.connectTimeout: \"soon\" is not a duration"),
        ("tcp: {maxConnectionDuration: 1us}", Severity::Error, "tcp.maxConnectionDuration: is less than 1ms"),
        ("tcp: {idleTimeout: 1.0005s}", Severity::Error, "tcp.idleTimeout: is no whole number of milliseconds"),
        ("tcp: {tcpKeepalive: {time: 0s}}", Severity::Error, "tcpKeepalive.time: is less than 1ms"),
        ("http: {idleTimeout: 0s}", Severity::Error, "http.idleTimeout: is less than 1ms"),
        ("http: {h2UpgradePolicy: MAYBE}", Severity::Error, "h2UpgradePolicy: \"MAYBE\" is not a policy"),
        ("http: {h2UpgradePolicy: UPGRADE, useClientProtocol: true}", Severity::Error, "contradicts h2UpgradePolicy"),
        ("http: {h2UpgradePolicy: UPGRADE}", Severity::Warning, "h2UpgradePolicy: is not honoured"),
        ("http: {maxConcurrentStreams: 5}", Severity::Warning, "maxConcurrentStreams: is not honoured"),
        ("http: {http2KeepAlive: {interval: 1s}}", Severity::Warning, "http2KeepAlive: is not honoured"),
        ("udp: {}, tcp: {}", Severity::Warning, "connectionPool.udp: is not a known field"),
    ] {
        let found = faults(&block(fields));
        let [fault] = found.as_slice() else { panic!("{fields}: {found:?}") };
        assert_eq!(fault.severity, severity, "{fields}");
        assert!(fault.to_string().contains(expected), "{fault}");
    }
}
