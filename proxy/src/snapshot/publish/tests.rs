use meshlet_routing::inventory::Touched;
use meshlet_routing::manifest;
use meshlet_routing::model::Labels;
use meshlet_routing::validate::validate;

use super::*;
use crate::kernel::{Leaf, Pick};
use crate::metrics::Destinations;

/// A service at the only address here, with one endpoint, and a policy that a kernel can carry out.
fn world(name: &str, endpoint: &str) -> World {
    let text = format!(
        "{{apiVersion: v1, kind: Service, metadata: {{name: {name}, namespace: shop}}, spec: {{clusterIP: 10.96.0.1, ports: [{{name: tcp, port: 90}}]}}}}
---
{{apiVersion: discovery.k8s.io/v1, kind: EndpointSlice, metadata: {{name: {name}-1, namespace: shop, labels: {{kubernetes.io/service-name: {name}}}}}, ports: [{{name: tcp, port: 90}}], endpoints: [{{addresses: [{endpoint}]}}]}}
---
{{apiVersion: networking.istio.io/v1, kind: DestinationRule, metadata: {{name: {name}, namespace: shop}}, spec: {{host: {name}, trafficPolicy: {{loadBalancer: {{simple: RANDOM}}}}}}}}"
    );
    let parsed = manifest::parse("world.yaml", &text);
    World::assemble(&parsed.manifests.iter().filter_map(|found| validate(found).valid).collect::<Vec<_>>())
}

fn scope() -> Scope {
    Scope::new("shop".into(), Arc::new(Labels::new()))
}

fn to(endpoint: [u8; 4], destination: u32) -> RoutePlan {
    RoutePlan::Sole(Leaf { pick: Pick::Random, slots: vec![(SocketAddr::from((endpoint, 90)), destination)] })
}

/// With one client's scope, and its routes laid out.
fn published(world: &World, now: Instant) -> (Published, Destinations) {
    let (mut published, mut destinations) =
        (Published::new(8, Capture::Ruled, Arc::new(Meanings::new(Box::new(|_| None)))), Destinations::default());
    published.table(world, &scope());
    published.follow(now);
    let routes = published.routes(&mut destinations, Vec::new(), now).expect("the first ones");
    assert_eq!(routes, BTreeMap::from([(RouteKey { scope: 1, service: 1 }, to([10, 1, 0, 1], 1))]));
    (published, destinations)
}

#[test]
fn given_an_address_that_goes_and_nothing_else_then_its_routes_go_with_its_id() {
    let now = Instant::now();
    let (mut published, mut destinations) = published(&world("a", "10.1.0.1"), now);
    assert_eq!(published.routes(&mut destinations, Vec::new(), now), None, "they are what they were");
    published.keep(&BTreeSet::new());
    published.follow(now);
    assert_eq!(published.routes(&mut destinations, Vec::new(), now), Some(BTreeMap::new()));
}

#[test]
fn given_a_service_that_takes_over_anothers_address_then_it_has_the_id_and_all_routes_are_its_own() {
    let now = Instant::now();
    let (mut published, mut destinations) = published(&world("a", "10.1.0.1"), now);
    let services = published.services();
    let next = world("b", "10.1.0.2");
    published.advance(&next, &Change { rules: Touched::EVERYTHING, ..Change::default() });
    published.table(&next, &scope());
    published.follow(now);
    let routes = published.routes(&mut destinations, Vec::new(), now).expect("others");
    assert_eq!(routes, BTreeMap::from([(RouteKey { scope: 1, service: 1 }, to([10, 1, 0, 2], 2))]));
    assert_eq!(published.services(), services, "an id is an address's, whoever has that");
}

#[test]
fn given_routes_that_there_was_no_room_for_then_they_are_asked_for_again_after_a_while() {
    let now = Instant::now();
    let (mut published, mut destinations) = published(&world("a", "10.1.0.1"), now);
    published.again = Some(now + AGAIN);
    assert_eq!(published.routes(&mut destinations, Vec::new(), now), None);
    assert!(published.routes(&mut destinations, Vec::new(), now + AGAIN).is_some_and(|routes| routes.len() == 1));
}
