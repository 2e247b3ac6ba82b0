//! A world that is brought up to date equals one that is put together anew.

use std::collections::BTreeMap;
use std::net::IpAddr;

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
    assert!(inventory.settle().rules.holds(&Hostname::service("web", "shop")));
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

fn entry(name: &str, spec: &str) -> String {
    format!(
        "{{apiVersion: networking.istio.io/v1, kind: ServiceEntry, metadata: {{name: {name}, namespace: shop}}, spec: {{hosts: [{name}.test], ports: [{{number: 80, name: http}}], {spec}}}}}"
    )
}

fn addresses(texts: &[&str]) -> Vec<IpAddr> {
    texts.iter().map(|text| text.parse().expect("an address")).collect()
}

#[test]
fn given_names_then_what_they_come_to_are_endpoints_until_nothing_has_the_name_any_more() {
    let mut inventory = Inventory::default();
    inventory.put(&object(&entry("a", "resolution: DNS")).1);
    inventory.put(&object(&entry("b", "resolution: DNS_ROUND_ROBIN, endpoints: [{address: A.test}]")).1);
    inventory.settle();
    assert_eq!(inventory.names().collect::<Vec<_>>(), ["a.test"]);
    let both = Change { endpoints: ["a.test", "b.test"].map(Hostname::new).into(), ..Change::default() };
    inventory.resolved("a.test", &addresses(&["10.0.0.2", "10.0.0.1"]));
    assert_eq!(inventory.settle(), both);
    inventory.resolved("a.test", &addresses(&["10.0.0.2", "10.0.0.1"]));
    inventory.resolved("c.test", &addresses(&["10.0.0.3"]));
    assert!(inventory.settle().is_empty(), "known, and of no meaning");
    // Another order is another first address, and the same set.
    inventory.resolved("a.test", &addresses(&["10.0.0.1", "10.0.0.2"]));
    assert_eq!(inventory.settle().endpoints, [Hostname::new("b.test")].into());
    // The entry says something else of the name, and what it comes to is still known.
    let of_a = |inventory: &Inventory| {
        let host = Hostname::new("a.test");
        inventory.world().services.of_host(&host).next().map(|service| service.ports[0].endpoints.len())
    };
    inventory.put(&object(&entry("a", "resolution: DNS, endpoints: [{address: a.test}]")).1);
    inventory.settle();
    assert_eq!(of_a(&inventory), Some(2));
    for name in ["a", "b"] {
        inventory.remove(&object(&entry(name, "resolution: DNS")).0);
    }
    inventory.settle();
    assert_eq!(inventory.names().count(), 0);
    inventory.put(&object(&entry("a", "resolution: DNS")).1);
    inventory.settle();
    assert_eq!(of_a(&inventory), Some(0), "what it came to long ago says nothing");
}

/// One step in the life of a cluster: an object comes, changes or goes, or a name comes to something else.
#[derive(Debug, Clone)]
enum Step {
    Put(String),
    Remove(String),
    Resolve(&'static str, Vec<IpAddr>),
}

fn step() -> impl Strategy<Value = Step> {
    let name = prop::sample::select(vec!["a", "b", "c"]);
    let app = prop::sample::select(vec!["web", "other"]);
    let ip = prop::sample::select(vec!["10.1.0.1", "10.1.0.2", "10.1.0.3"]);
    let entries = prop::sample::select(vec![
        "resolution: DNS",
        "resolution: DNS_ROUND_ROBIN",
        "resolution: DNS, endpoints: [{address: b.test, labels: {app: web}}, {address: c.test}, {address: 10.1.0.1}]",
        "resolution: DNS_ROUND_ROBIN, endpoints: [{address: a.test}]",
        "resolution: NONE",
    ]);
    let text =
        (0_u8..5, name, app, ip, any::<bool>(), entries).prop_map(|(kind, name, app, ip, ready, spec)| match kind {
            0 => SERVICE.replace("web", app),
            1 => slice(name, app, ip, ready),
            2 => entry(name, spec),
            _ => pod(name, app, ip, ready),
        });
    let host = prop::sample::select(vec!["a.test", "b.test", "c.test"]);
    let some = prop::collection::vec(prop::sample::select(addresses(&["10.2.0.1", "10.2.0.2", "10.1.0.1"])), 0..3);
    prop_oneof![
        5 => text.clone().prop_map(Step::Put),
        2 => text.prop_map(Step::Remove),
        3 => (host, some).prop_map(|(host, addresses)| Step::Resolve(host, addresses)),
    ]
}

proptest! {
    #[test]
    fn given_any_history_then_the_world_equals_one_put_together_of_what_is_left(
        steps in prop::collection::vec(step(), 1..40),
        settle in any::<u64>(),
    ) {
        let mut inventory = Inventory::default();
        let mut left: BTreeMap<ObjectRef, Valid> = BTreeMap::new();
        let mut known: BTreeMap<&str, Vec<IpAddr>> = BTreeMap::new();
        let mut before = seen(inventory.world());
        for (number, step) in steps.into_iter().enumerate() {
            match step {
                Step::Put(text) => {
                    let (reference, valid) = object(&text);
                    inventory.put(&valid);
                    left.insert(reference, valid);
                }
                Step::Remove(text) => {
                    let (reference, _) = object(&text);
                    inventory.remove(&reference);
                    left.remove(&reference);
                }
                Step::Resolve(name, addresses) => {
                    inventory.resolved(name, &addresses);
                    known.insert(name, addresses);
                }
            }
            if settle >> (number % 64) & 1 == 1 {
                let change = inventory.settle();
                let wanted: Vec<&str> = inventory.names().collect();
                known.retain(|name, _| wanted.contains(name));
                let after = seen(inventory.world());
                for (host, endpoints) in &after {
                    let told = change.rules.holds(host) || change.endpoints.contains(host);
                    prop_assert!(told || before.get(host) == Some(endpoints), "{host} changed and nobody was told");
                }
                before = after;
            }
        }
        inventory.settle();
        let mut anew = Inventory::default();
        left.values().for_each(|object| anew.put(object));
        known.iter().for_each(|(name, addresses)| anew.resolved(name, addresses));
        anew.settle();
        prop_assert_eq!(seen(inventory.world()), seen(anew.world()));
    }
}
