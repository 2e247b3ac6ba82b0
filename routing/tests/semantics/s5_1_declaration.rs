//! Section 5.1: how a port's protocol is declared.

use meshlet_routing::model::Protocol;

use crate::ask::{istio, service, world};

/// The protocol of a Service's port.
fn of(port: &str) -> Protocol {
    let world = world(&service("shop", "web", &format!("clusterIP: 10.96.0.1, ports: [{{{port}}}]")));
    world.services[0].ports[0].protocol
}

#[test]
fn s5_1_given_an_app_protocol_then_it_declares() {
    for (word, expected) in [
        ("http", Protocol::Http),
        ("HTTP", Protocol::Http),
        ("http2", Protocol::Http2),
        ("grpc", Protocol::Grpc),
        ("grpc-web", Protocol::Grpc),
        ("https", Protocol::Tls),
        ("tls", Protocol::Tls),
        ("tcp", Protocol::Tcp),
        ("mongo", Protocol::Tcp),
        ("mysql", Protocol::Tcp),
        ("redis", Protocol::Tcp),
        ("kubernetes.io/h2c", Protocol::Http2),
        ("kubernetes.io/ws", Protocol::Http),
        ("kubernetes.io/wss", Protocol::Tls),
    ] {
        assert_eq!(of(&format!("port: 80, name: x, appProtocol: {word}")), expected, "{word}");
    }
}

#[test]
fn s5_1_given_an_app_protocol_and_a_name_then_the_former_counts() {
    assert_eq!(of("port: 80, name: http-web, appProtocol: tcp"), Protocol::Tcp);
}

#[test]
fn q5_1_given_an_unknown_app_protocol_then_the_port_is_undeclared_even_if_its_name_says_http() {
    assert_eq!(of("port: 80, name: http, appProtocol: acme.io/x"), Protocol::Unknown);
    assert_eq!(of("port: 3306, name: x, appProtocol: acme.io/x"), Protocol::Unknown);
}

#[test]
fn s5_1_given_a_name_then_it_counts_up_to_its_first_dash() {
    for (name, expected) in [
        ("http", Protocol::Http),
        ("http-web-2", Protocol::Http),
        ("http2-a", Protocol::Http2),
        ("grpc", Protocol::Grpc),
        ("grpc-web", Protocol::Grpc),
        ("grpc-web-a", Protocol::Grpc),
        ("https-a", Protocol::Tls),
        ("tls", Protocol::Tls),
        ("tcp-http", Protocol::Tcp),
        ("redis-a", Protocol::Tcp),
        ("mongo", Protocol::Tcp),
        ("mysql", Protocol::Tcp),
        ("httpx", Protocol::Unknown),
        ("web-http", Protocol::Unknown),
    ] {
        assert_eq!(of(&format!("port: 80, name: {name}")), expected, "{name}");
    }
}

#[test]
fn s5_1_given_neither_then_ports_whose_servers_speak_first_are_tcp_and_others_undeclared() {
    for (port, expected) in [
        (25, Protocol::Tcp),
        (53, Protocol::Tcp),
        (3306, Protocol::Tcp),
        (27017, Protocol::Tcp),
        (80, Protocol::Unknown),
        (8080, Protocol::Unknown),
    ] {
        assert_eq!(of(&format!("port: {port}")), expected, "{port}");
    }
    assert_eq!(of("port: 3306, name: http"), Protocol::Http, "a name beats the number");
}

#[test]
fn s5_1_given_udp_then_the_port_is_not_there() {
    let text =
        service("shop", "dns", "clusterIP: 10.96.0.1, ports: [{port: 53, protocol: UDP}, {port: 80, name: http}]");
    let ports: Vec<u16> = world(&text).services[0].ports.iter().map(|port| port.number).collect();
    assert_eq!(ports, [80]);
}

#[test]
fn s5_1_given_a_service_entry_then_its_protocol_field_declares_and_the_ports_name_says_nothing() {
    for (protocol, expected) in [
        ("HTTP", Protocol::Http),
        ("http2", Protocol::Http2),
        ("GRPC", Protocol::Grpc),
        ("HTTPS", Protocol::Tls),
        ("TLS", Protocol::Tls),
        ("TCP", Protocol::Tcp),
        ("MONGO", Protocol::Tcp),
        ("acme", Protocol::Unknown),
        ("''", Protocol::Unknown),
    ] {
        let spec = format!(
            "{{hosts: [a.example.com], resolution: STATIC, ports: [{{number: 3306, name: http, protocol: {protocol}}}]}}"
        );
        let world = world(&istio("ServiceEntry", "shop", "a", &spec));
        assert_eq!(world.services[0].ports[0].protocol, expected, "{protocol}");
    }
}
