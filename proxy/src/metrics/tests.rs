//! What is added up and how it is written, without a kernel and without workers.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use meshlet_routing::model::{Hostname, Workload};
use meshlet_wire::FlowKey;

use super::ledger::Ledger;
use super::page::{self, Gauges};
use super::{Connections, Destination, Measured, Met, Parties, Service, Tally, Towards};
use crate::connection::Flags;
use crate::kernel::Counts;

const POD: u64 = 7;
const NOTHING: Gauges = Gauges { pods: 0, services: 0 };

fn workload(name: &str, version: Option<&str>) -> Arc<Workload> {
    Arc::new(Workload {
        namespace: "shop".into(),
        name: name.into(),
        app: Some(name.into()),
        version: version.map(Arc::from),
    })
}

fn service() -> Service {
    Service { host: Hostname::service("db", "shop"), name: "db".into(), namespace: "shop".into() }
}

fn endpoint(last: u8, version: &str) -> Destination {
    Destination {
        service: Some(service()),
        subset: Some(version.into()),
        endpoint: Some(SocketAddr::from(([10, 1, 0, last], 5432))),
        workload: Some(workload(&format!("db-{version}"), Some(version))),
    }
}

/// A ledger that knows the pod of `web`.
fn ledger() -> Ledger {
    let mut ledger = Ledger::default();
    ledger.enrol(POD, workload("web", None));
    ledger
}

fn flow(opened: u64, closed: u64, sent: u64, received: u64) -> Counts {
    Counts { opened, closed, sent, received, rtt: closed * 100, failed: 0 }
}

fn key(destination: u32) -> FlowKey {
    FlowKey { pod: POD, destination, reserved: 0 }
}

/// Of one name, the values of the series whose lines hold all of `labels`.
fn values(ledger: &Ledger, name: &str, labels: &[&str]) -> Vec<String> {
    let text = page::write(ledger, NOTHING, 0, "");
    let of_name = |line: &&str| line.strip_prefix(name).is_some_and(|rest| rest.starts_with(['{', ' ']));
    let lines = text.lines().filter(of_name).filter(|line| labels.iter().all(|label| line.contains(label)));
    lines.filter_map(|line| line.rsplit_once(' ')).map(|(_, value)| value.to_owned()).collect()
}

fn check(ledger: &Ledger, name: &str, labels: &[&str], expected: &[&str]) {
    assert_eq!(values(ledger, name, labels), expected, "{name} {labels:?}\n{}", page::write(ledger, NOTHING, 0, ""));
}

#[test]
fn given_connections_then_they_have_what_istios_service_dashboard_asks_for() {
    let mut ledger = ledger();
    let number = ledger.destinations.number(endpoint(1, "v1"));
    ledger.observe(vec![(key(number), flow(3, 2, 10, 2000))], Instant::now());
    let labels = [
        "reporter=\"source\"",
        "source_workload=\"web\"",
        "source_workload_namespace=\"shop\"",
        "destination_workload=\"db-v1\"",
        "destination_workload_namespace=\"shop\"",
        "destination_service=\"db.shop.svc.cluster.local\"",
        "destination_service_name=\"db\"",
        "destination_service_namespace=\"shop\"",
        "connection_security_policy=\"unknown\"",
    ];
    // A source calls sent what its server has sent.
    check(&ledger, "istio_tcp_sent_bytes_total", &labels, &["2000"]);
    check(&ledger, "istio_tcp_received_bytes_total", &labels, &["10"]);
    check(&ledger, "istio_tcp_connections_opened_total", &labels, &["3"]);
    check(&ledger, "istio_tcp_connections_closed_total", &labels, &["2"]);
}

#[test]
fn given_requests_then_they_have_what_istios_service_dashboard_asks_for() {
    let (mut ledger, now) = (ledger(), Instant::now());
    for (milliseconds, sent, received) in [(0.4, 100, 2500), (7.0, 100, 2501), (9e6, 100, 0)] {
        let mut tally = Tally::default();
        let met = Met {
            source: workload("web", None),
            towards: Towards::Nobody,
            endpoint: None,
            code: 503,
            flags: Flags::UH,
        };
        tally.requests.entry(met).or_default().add(Measured { milliseconds, sent, received });
        ledger.take_over(tally, now);
    }
    let labels = [
        "reporter=\"source\"",
        "source_workload=\"web\"",
        "source_workload_namespace=\"shop\"",
        "destination_workload=\"unknown\"",
        "destination_workload_namespace=\"unknown\"",
        "destination_service=\"unknown\"",
        "request_protocol=\"http\"",
        "response_code=\"503\"",
        "response_flags=\"UH\"",
        "connection_security_policy=\"unknown\"",
    ];
    check(&ledger, "istio_requests_total", &labels, &["3"]);
    let (durations, sent, received) =
        ("istio_request_duration_milliseconds", "istio_request_bytes", "istio_response_bytes");
    for (name, sum) in [(durations, "9000007.4"), (sent, "300.0"), (received, "5001.0")] {
        check(&ledger, &format!("{name}_count"), &labels, &["3"]);
        check(&ledger, &format!("{name}_sum"), &labels, &[sum]);
    }
    for (name, bound, count) in [
        (durations, "0.5", "1"),
        (durations, "5.0", "1"),
        (durations, "10.0", "2"),
        (durations, "3600000.0", "2"),
        (durations, "+Inf", "3"),
        (sent, "50.0", "0"),
        (sent, "100.0", "3"),
        (received, "0.5", "1"),
        (received, "2500.0", "2"),
        (received, "5000.0", "3"),
    ] {
        let bound = format!("le=\"{bound}\"");
        let labels: Vec<&str> = labels.iter().copied().chain([&*bound]).collect();
        check(&ledger, &format!("{name}_bucket"), &labels, &[count]);
    }
}

#[test]
fn given_what_is_not_known_then_the_other_labels_say_so_in_istios_words() {
    let mut ledger = ledger();
    let known = ledger.destinations.number(endpoint(1, "v1"));
    let nobody = ledger.destinations.number(Destination { workload: None, ..endpoint(2, "v1") });
    ledger.observe(vec![(key(known), flow(1, 1, 0, 0)), (key(nobody), flow(2, 2, 0, 0))], Instant::now());
    let both = [
        "source_version=\"unknown\"",
        "source_app=\"web\"",
        "source_canonical_service=\"web\"",
        "source_canonical_revision=\"latest\"",
        "source_principal=\"unknown\"",
        "source_cluster=\"Kubernetes\"",
        "request_protocol=\"tcp\"",
        "response_flags=\"-\"",
    ];
    let name = "istio_tcp_connections_opened_total";
    assert_eq!(values(&ledger, name, &both).len(), 2);
    let known = ["destination_version=\"v1\"", "destination_canonical_revision=\"v1\"", "destination_app=\"db-v1\""];
    check(&ledger, name, &known, &["1"]);
    let unknown = [
        "destination_workload=\"unknown\"",
        "destination_version=\"unknown\"",
        "destination_canonical_service=\"unknown\"",
        "destination_canonical_revision=\"unknown\"",
    ];
    check(&ledger, name, &unknown, &["2"]);
}

#[test]
fn given_counters_that_are_read_again_then_what_was_added_is_added_and_endpoints_of_a_workload_are_one_series() {
    let mut ledger = ledger();
    let [one, other] = [1, 2].map(|last| ledger.destinations.number(endpoint(last, "v1")));
    let now = Instant::now();
    ledger.observe(vec![(key(one), flow(1, 0, 0, 0)), (key(other), flow(5, 5, 50, 500))], now);
    ledger.observe(vec![(key(one), flow(2, 2, 20, 200)), (key(other), flow(5, 5, 50, 500))], now);
    check(&ledger, "istio_tcp_connections_opened_total", &[], &["7"]);
    check(&ledger, "istio_tcp_connections_closed_total", &[], &["7"]);
    check(&ledger, "istio_tcp_received_bytes_total", &[], &["70"]);
    let by_endpoint = ["destination_service=\"db.shop.svc.cluster.local\",subset=\"v1\",endpoint=\"10.1.0.1:5432\""];
    check(&ledger, "meshlet_kernel_connections_opened_total", &by_endpoint, &["2"]);
    check(&ledger, "meshlet_kernel_sent_bytes_total", &by_endpoint, &["20"]);
    check(&ledger, "meshlet_kernel_received_bytes_total", &by_endpoint, &["200"]);
    check(&ledger, "meshlet_kernel_round_trip_seconds_sum", &by_endpoint, &["0.0002"]);
    check(&ledger, "meshlet_kernel_round_trip_seconds_count", &by_endpoint, &["2"]);
}

#[test]
fn given_a_look_that_misses_an_open_connection_then_nothing_is_taken_away_and_nothing_counted_twice() {
    let mut ledger = ledger();
    let number = ledger.destinations.number(endpoint(1, "v1"));
    for told in [flow(3, 1, 30, 300), flow(2, 1, 20, 200), flow(3, 2, 31, 310)] {
        ledger.observe(vec![(key(number), told)], Instant::now());
    }
    check(&ledger, "istio_tcp_connections_opened_total", &[], &["3"]);
    check(&ledger, "istio_tcp_connections_closed_total", &[], &["2"]);
    check(&ledger, "meshlet_kernel_sent_bytes_total", &[], &["31"]);
    check(&ledger, "meshlet_kernel_received_bytes_total", &[], &["310"]);
}

#[test]
fn given_connects_that_nobody_accepted_then_they_are_opened_and_closed_with_the_flag() {
    let mut ledger = ledger();
    let number = ledger.destinations.number(endpoint(1, "v1"));
    ledger.observe(vec![(key(number), Counts { failed: 2, ..Counts::default() })], Instant::now());
    ledger.observe(vec![(key(number), Counts { failed: 3, ..flow(1, 0, 0, 0) })], Instant::now());
    for (name, flag, expected) in [
        ("istio_tcp_connections_opened_total", "response_flags=\"UF\"", "3"),
        ("istio_tcp_connections_closed_total", "response_flags=\"UF\"", "3"),
        ("istio_tcp_connections_opened_total", "response_flags=\"-\"", "1"),
        ("istio_tcp_connections_closed_total", "response_flags=\"-\"", "0"),
    ] {
        check(&ledger, name, &[flag], &[expected]);
    }
    check(&ledger, "meshlet_kernel_connections_failed_total", &[], &["3"]);
    check(&ledger, "meshlet_kernel_connections_opened_total", &[], &["1"]);
}

#[test]
fn given_an_address_that_another_pod_has_got_then_the_old_connection_is_still_the_old_pods() {
    let mut ledger = ledger();
    let old = ledger.destinations.number(endpoint(1, "v1"));
    let now = Instant::now();
    ledger.observe(vec![(key(old), flow(1, 0, 0, 0))], now);
    ledger.destinations.begin();
    let new = ledger.destinations.number(endpoint(1, "v2"));
    assert_ne!(old, new);
    ledger.tidy(now);
    ledger.observe(vec![(key(old), flow(1, 1, 8, 9)), (key(new), flow(1, 0, 0, 0))], now);
    check(&ledger, "istio_tcp_connections_closed_total", &["destination_version=\"v1\""], &["1"]);
    check(&ledger, "istio_tcp_connections_closed_total", &["destination_version=\"v2\""], &["0"]);
}

#[test]
fn given_a_pod_that_goes_then_its_connections_are_over_and_the_kernel_forgets_them() {
    let mut ledger = ledger();
    let number = ledger.destinations.number(endpoint(1, "v1"));
    let now = Instant::now();
    assert_eq!(ledger.observe(vec![(key(number), flow(3, 1, 0, 0))], now), []);
    assert_eq!(ledger.withdraw(POD, now), [key(number)]);
    check(&ledger, "istio_tcp_connections_closed_total", &[], &["3"]);
    // What it may have begun since is nobody's.
    assert_eq!(ledger.observe(vec![(key(number), flow(1, 0, 0, 0))], now), [key(number)]);
    check(&ledger, "istio_tcp_connections_opened_total", &[], &["3"]);
}

#[test]
fn given_an_hour_without_anything_then_series_are_dropped_whose_connections_are_over() {
    let mut ledger = ledger();
    let [over, open] = [1, 2].map(|last| ledger.destinations.number(endpoint(last, &format!("v{last}"))));
    let (start, hour) = (Instant::now(), Duration::from_secs(3600));
    let flows = vec![(key(over), flow(4, 4, 0, 0)), (key(open), flow(4, 3, 0, 0))];
    ledger.observe(flows.clone(), start);
    ledger.destinations.begin();
    assert_eq!(ledger.observe(flows.clone(), start + hour / 2), []);
    ledger.tidy(start + hour / 2);
    check(&ledger, "istio_tcp_connections_opened_total", &[], &["4", "4"]);
    assert_eq!(ledger.observe(flows, start + hour), [key(over)], "no route leads there, nobody is connected");
    ledger.tidy(start + hour);
    for name in ["istio_tcp_connections_opened_total", "meshlet_kernel_connections_opened_total"] {
        check(&ledger, name, &[], &["4"]);
    }
    let closed = vec![(key(open), flow(4, 4, 1, 1))];
    ledger.observe(closed, start + hour);
    check(&ledger, "istio_tcp_connections_closed_total", &["destination_version=\"v2\""], &["4"]);
}

#[test]
fn given_what_workers_and_the_kernel_have_counted_for_the_same_parties_then_it_is_one_series() {
    let mut ledger = ledger();
    let (destination, now) = (endpoint(1, "v1"), Instant::now());
    let parties = Parties::new(&workload("web", None), &destination, Flags::NONE);
    let number = ledger.destinations.number(destination.clone());
    ledger.observe(vec![(key(number), flow(1, 1, 10, 20))], now);
    for _ in 0..2 {
        let mut tally = Tally::default();
        tally.tcp.insert(parties.clone(), Connections { opened: 1, closed: 1, sent: 100, received: 200 });
        ledger.take_over(tally, now);
    }
    check(&ledger, "istio_tcp_connections_opened_total", &[], &["3"]);
    check(&ledger, "istio_tcp_sent_bytes_total", &[], &["420"]);
    check(&ledger, "meshlet_kernel_connections_opened_total", &[], &["1"]);
    let mut tally = Tally::default();
    let failed = Parties { flags: Flags::UF, ..parties };
    tally.tcp.insert(failed, Connections { opened: 1, closed: 1, ..Connections::default() });
    ledger.take_over(tally, now);
    check(&ledger, "istio_tcp_connections_opened_total", &["response_flags=\"UF\""], &["1"]);
    check(&ledger, "istio_tcp_connections_opened_total", &["response_flags=\"-\""], &["3"]);
}
