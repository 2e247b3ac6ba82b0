//! A world that is brought up to date equals one that is put together anew.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::{Change, Inventory};
use crate::manifest;
use crate::model::{Hostname, ObjectRef, Service, World};
use crate::validate::{Valid, validate};

const SERVICE: &str = "{apiVersion: v1, kind: Service, metadata: {name: web, namespace: shop}, spec: {clusterIP: 10.96.0.1, selector: {app: web}, ports: [{name: http, port: 80}]}}";

fn pod(name: &str, app: &str, ip: &str, ready: bool) -> String {
    let ready = if ready { "True" } else { "False" };
    format!(
        "{{apiVersion: v1, kind: Pod, metadata: {{name: {name}, namespace: shop, labels: {{app: {app}}}}}, status: {{podIP: {ip}, conditions: [{{type: Ready, status: '{ready}'}}]}}}}"
    )
}

fn slice(name: &str, service: &str, ip: &str, ready: bool) -> String {
    format!(
        "{{apiVersion: discovery.k8s.io/v1, kind: EndpointSlice, metadata: {{name: {name}, namespace: shop, labels: {{kubernetes.io/service-name: {service}}}}}, ports: [{{name: http, port: 80}}], endpoints: [{{addresses: [{ip}], conditions: {{ready: {ready}}}}}]}}"
    )
}

fn object(text: &str) -> (ObjectRef, Valid) {
    let parsed = manifest::parse("test.yaml", text);
    let [manifest] = parsed.manifests.as_slice() else { panic!("{:?}", parsed.faults) };
    let validated = validate(manifest);
    (manifest.object.clone(), validated.valid.unwrap_or_else(|| panic!("{:?}", validated.faults)))
}

/// What a change of endpoints can be seen by.
fn seen(world: &World) -> BTreeMap<Hostname, String> {
    let endpoints = |service: &Service| format!("{:?}", service.ports);
    world.services.iter().map(|service| (service.host.clone(), endpoints(service))).collect()
}

fn web() -> Change {
    Change { endpoints: [Hostname::service("web", "shop")].into(), ..Change::default() }
}

#[test]
fn given_a_pod_that_becomes_unready_then_only_its_services_have_other_endpoints() {
    let mut inventory = Inventory::default();
    for text in [SERVICE, &SERVICE.replace("web", "other").replace("0.1", "0.2"), &pod("a", "web", "10.1.0.1", true)] {
        inventory.put(&object(text).1);
    }
    assert!(inventory.settle().rules);
    inventory.put(&object(&pod("a", "web", "10.1.0.1", false)).1);
    assert_eq!(inventory.settle(), Change { clients: true, ..web() });
    inventory.put(&object(&pod("a", "web", "10.1.0.1", false)).1);
    assert!(inventory.settle().is_empty(), "the same again is no change");
}

#[test]
fn given_slices_then_what_they_say_of_a_pod_follows_the_pod() {
    let mut inventory = Inventory::default();
    for text in [SERVICE, &slice("web-1", "web", "10.1.0.1", true), &pod("a", "v1", "10.1.0.1", true)] {
        inventory.put(&object(text).1);
    }
    inventory.settle();
    // Its labels are what subsets select on, wherever the address comes from.
    inventory.put(&object(&pod("a", "v2", "10.1.0.1", true)).1);
    assert_eq!(inventory.settle(), Change { clients: true, ..web() });
    // A second slice takes over, then the first one goes: nothing is lost in between.
    inventory.put(&object(&slice("web-2", "web", "10.1.0.1", true)).1);
    assert!(inventory.settle().is_empty());
    inventory.remove(&object(&slice("web-1", "web", "10.1.0.1", true)).0);
    assert!(inventory.settle().is_empty());
    inventory.put(&object(&pod("a", "v3", "10.1.0.1", true)).1);
    assert_eq!(inventory.settle(), Change { clients: true, ..web() });
    inventory.remove(&object(&slice("web-2", "web", "10.1.0.1", true)).0);
    assert_eq!(inventory.settle(), web(), "without slices the selector counts");
}

/// One step in the life of a cluster: an object comes, changes or goes.
fn step() -> impl Strategy<Value = (String, bool)> {
    let name = prop::sample::select(vec!["a", "b", "c"]);
    let app = prop::sample::select(vec!["web", "other"]);
    let ip = prop::sample::select(vec!["10.1.0.1", "10.1.0.2", "10.1.0.3"]);
    let text = (0_u8..4, name, app, ip, any::<bool>()).prop_map(|(kind, name, app, ip, ready)| match kind {
        0 => SERVICE.replace("web", app),
        1 => slice(name, app, ip, ready),
        _ => pod(name, app, ip, ready),
    });
    (text, prop::bool::weighted(0.7))
}

proptest! {
    #[test]
    fn given_any_history_then_the_world_equals_one_put_together_of_what_is_left(
        steps in prop::collection::vec(step(), 1..40),
        settle in any::<u64>(),
    ) {
        let mut inventory = Inventory::default();
        let mut left: BTreeMap<ObjectRef, Valid> = BTreeMap::new();
        let mut before = seen(inventory.world());
        for (number, (text, put)) in steps.iter().enumerate() {
            let (reference, valid) = object(text);
            if *put {
                inventory.put(&valid);
                left.insert(reference, valid);
            } else {
                inventory.remove(&reference);
                left.remove(&reference);
            }
            if settle >> (number % 64) & 1 == 1 {
                let change = inventory.settle();
                let after = seen(inventory.world());
                for (host, endpoints) in &after {
                    let told = change.rules || change.endpoints.contains(host);
                    prop_assert!(told || before.get(host) == Some(endpoints), "{host} changed and nobody was told");
                }
                before = after;
            }
        }
        inventory.settle();
        prop_assert_eq!(seen(inventory.world()), seen(&World::assemble(left.values())));
    }
}
