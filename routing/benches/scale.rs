//! What a decision, a change and a whole build cost in worlds of 10, 1 000 and 10 000 services, each with ten endpoints, a
//! VirtualService and a DestinationRule; and what a table takes of memory. Run by `cargo bench -p meshlet-routing`.

use std::alloc::System;
use std::fmt::Write as _;
use std::hint::black_box;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;

use criterion::{BenchmarkId, Criterion, criterion_group, criterion_main};
use meshlet_routing::decide::{Dialled, Outcome, Request, decide};
use meshlet_routing::inventory::Inventory;
use meshlet_routing::manifest;
use meshlet_routing::model::Labels;
use meshlet_routing::table::{Scope, Table};
use meshlet_routing::validate::{Valid, validate};
use stats_alloc::{INSTRUMENTED_SYSTEM, Region, StatsAlloc};

#[global_allocator]
static MEMORY: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

const SIZES: [usize; 3] = [10, 1_000, 10_000];

/// Services of one namespace.
const PER_NAMESPACE: usize = 100;

const ENDPOINTS: usize = 10;

/// A service with its rules; one in ten hashes consistently.
fn service(number: usize) -> String {
    let namespace = format!("n{}", number / PER_NAMESPACE);
    let metadata = |name: &str| format!("metadata: {{name: {name}, namespace: {namespace}}}");
    let address = cluster_ip(number);
    let mut text = format!(
        "{{apiVersion: v1, kind: Service, {}, spec: {{clusterIP: {address}, selector: {{app: s{number}}}, ports: [{{name: http, port: 80}}]}}}}\n---\n",
        metadata(&format!("s{number}"))
    );
    let policy = if number.is_multiple_of(10) {
        "{consistentHash: {httpHeaderName: x-user}}"
    } else {
        "{simple: LEAST_REQUEST}"
    };
    writeln!(
        text,
        "{{apiVersion: networking.istio.io/v1, kind: DestinationRule, {}, spec: {{host: s{number}, trafficPolicy: {{loadBalancer: {policy}}}, \
         subsets: [{{name: v1, labels: {{version: v1}}}}, {{name: v2, labels: {{version: v2}}}}]}}}}\n---\n\
         {{apiVersion: networking.istio.io/v1, kind: VirtualService, {}, spec: {{hosts: [s{number}], http: [\
         {{match: [{{uri: {{prefix: /api/}}, headers: {{x-canary: {{exact: 'true'}}}}}}], route: [{{destination: {{host: s{number}, subset: v2}}}}]}}, \
         {{route: [{{weight: 90, destination: {{host: s{number}, subset: v1}}}}, {{weight: 10, destination: {{host: s{number}, subset: v2}}}}]}}]}}}}\n---",
        metadata(&format!("s{number}")),
        metadata(&format!("s{number}")),
    )
    .expect("a String takes everything");
    for endpoint in 0..ENDPOINTS {
        text.push_str(&pod(number, endpoint, true));
    }
    text
}

/// Within 10.96.0.0/12.
fn cluster_ip(number: usize) -> IpAddr {
    Ipv4Addr::from_bits(0x0a60_0000 + u32::try_from(number).expect("a small number")).into()
}

/// Within 10.0.0.0/9, below the services.
fn pod_ip(place: usize) -> IpAddr {
    Ipv4Addr::from_bits(0x0a00_0000 + u32::try_from(place).expect("a small number")).into()
}

fn pod(number: usize, endpoint: usize, ready: bool) -> String {
    let (namespace, place) = (format!("n{}", number / PER_NAMESPACE), number * ENDPOINTS + endpoint);
    let address = pod_ip(place);
    let (version, ready) = (if endpoint < 8 { "v1" } else { "v2" }, if ready { "True" } else { "False" });
    format!(
        "{{apiVersion: v1, kind: Pod, metadata: {{name: p{place}, namespace: {namespace}, labels: {{app: s{number}, version: {version}}}}}, \
         status: {{podIP: {address}, conditions: [{{type: Ready, status: '{ready}'}}]}}}}\n---\n"
    )
}

fn objects(text: &str) -> Vec<Valid> {
    let parsed = manifest::parse("bench.yaml", text);
    assert!(parsed.faults.is_empty(), "{:?}", parsed.faults);
    parsed.manifests.iter().map(|manifest| validate(manifest).valid.expect("a valid object")).collect()
}

fn inventory(services: usize) -> Inventory {
    let mut inventory = Inventory::default();
    for number in 0..services {
        objects(&service(number)).iter().for_each(|object| inventory.put(object));
    }
    inventory.settle();
    inventory
}

fn client() -> Scope {
    Scope::new("n0".into(), Arc::new(Labels::new()))
}

fn scale(criterion: &mut Criterion) {
    for services in SIZES {
        let mut inventory = inventory(services);
        let scope = client();
        let region = Region::new(MEMORY);
        let table = Table::build(inventory.world(), &scope);
        let held = region.change();
        let clusters = table.clusters().count();
        let bytes = held.bytes_allocated - held.bytes_deallocated;
        println!(
            "memory: {services} services, {} endpoints, {clusters} clusters: {} KiB, {} bytes a cluster with its routes",
            services * ENDPOINTS,
            bytes / 1024,
            bytes / clusters,
        );
        decision(criterion, services, &table);
        let mut ready = true;
        let toggled = [false, true].map(|ready| objects(&pod(services / 2, 3, ready)).swap_remove(0));
        criterion.benchmark_group("endpoint change").bench_function(BenchmarkId::from_parameter(services), |bencher| {
            bencher.iter(|| {
                ready = !ready;
                inventory.put(&toggled[usize::from(ready)]);
                let change = inventory.settle();
                assert!(change.rules.is_empty() && change.endpoints.len() == 1);
                table.following(inventory.world(), &scope, &change)
            });
        });
        rule_change(criterion, services, &table, &mut inventory);
        criterion
            .benchmark_group("full build")
            .sample_size(10)
            .bench_function(BenchmarkId::from_parameter(services), |bencher| {
                bencher.iter(|| Table::build(inventory.world(), &scope))
            });
    }
}

/// A VirtualService that is written again with other weights.
fn rule_change(criterion: &mut Criterion, services: usize, table: &Table, inventory: &mut Inventory) {
    let number = services / 2;
    let rule = |weight: &str| {
        let text = service(number).replace("weight: 90", weight);
        // Behind the Service and the DestinationRule.
        objects(&text).swap_remove(2)
    };
    let (versions, scope, mut turn) = ([rule("weight: 80"), rule("weight: 90")], client(), 0);
    criterion.benchmark_group("rule change").bench_function(BenchmarkId::from_parameter(services), |bencher| {
        bencher.iter(|| {
            turn += 1;
            inventory.put(&versions[turn % 2]);
            let change = inventory.settle();
            table.following(inventory.world(), &scope, &change)
        });
    });
}

/// The last service: nothing is nearer to the front for its sake. The request meets the second route.
fn decision(criterion: &mut Criterion, services: usize, table: &Table) {
    let number = services - 1;
    let dialled = Dialled { address: cluster_ip(number), port: 80 };
    let authority = format!("s{number}.n{}", number / PER_NAMESPACE);
    let headers: [(&str, &[u8]); 4] =
        [("user-agent", b"curl/8.0"), ("accept", b"*/*"), ("x-user", b"alice"), ("x-request-id", b"1")];
    let request = Request { method: "GET", authority: &authority, path: "/api/cart", headers: &headers, source: None };
    let mut draw = 0_u32;
    criterion.benchmark_group("decision").bench_function(BenchmarkId::from_parameter(services), |bencher| {
        bencher.iter(|| {
            draw = draw.wrapping_add(0x9e37_79b9);
            let decision = decide(black_box(table), dialled, black_box(&request), draw);
            assert!(matches!(decision.outcome, Outcome::Route(_)));
            black_box(decision.outcome);
        });
    });
}

criterion_group!(benches, scale);
criterion_main!(benches);
