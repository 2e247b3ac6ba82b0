//! A table that follows what is written equals one that is compiled anew, and clients that no rule tells apart have the same.

use std::collections::BTreeMap;
use std::sync::Arc;

use proptest::prelude::*;

use crate::inventory::Inventory;
use crate::manifest;
use crate::model::{Labels, ObjectRef};
use crate::table::{Cluster, Distinctions, Scope, Table};
use crate::validate::{Valid, validate};

/// Versions of objects, which refer to each other in every way there is.
const OBJECTS: &[&str] = &[
    "{apiVersion: v1, kind: Service, metadata: {name: web, namespace: shop}, spec: {clusterIP: 10.96.0.1, selector: {app: web}, ports: [{name: http, port: 80}, {name: tcp, port: 7000}, {name: raw, port: 9090}]}}",
    "{apiVersion: v1, kind: Service, metadata: {name: web, namespace: shop}, spec: {clusterIP: 10.96.0.2, selector: {app: web}, ports: [{name: http, port: 8080}, {name: tls, port: 7000}]}}",
    "{apiVersion: v1, kind: Service, metadata: {name: web, namespace: shop}, spec: {type: ExternalName, externalName: api.pay.svc.cluster.local}}",
    "{apiVersion: v1, kind: Service, metadata: {name: api, namespace: pay}, spec: {clusterIP: 10.96.0.1, selector: {app: api}, ports: [{name: http, port: 80}, {name: tls, port: 7000}]}}",
    "{apiVersion: v1, kind: Service, metadata: {name: api, namespace: pay, annotations: {networking.istio.io/exportTo: .}}, spec: {clusterIP: 10.96.0.3, selector: {app: web}, ports: [{name: http, port: 80}]}}",
    "{apiVersion: v1, kind: Service, metadata: {name: db, namespace: shop}, spec: {clusterIP: None, selector: {app: web}, ports: [{name: tcp, port: 7000}, {name: http, port: 80}]}}",
    "{apiVersion: v1, kind: Service, metadata: {name: alias, namespace: shop}, spec: {type: ExternalName, externalName: web.shop.svc.cluster.local}}",
    "{apiVersion: v1, kind: Service, metadata: {name: alias, namespace: shop}, spec: {type: ExternalName, externalName: a.test}}",
    "{apiVersion: v1, kind: Pod, metadata: {name: a, namespace: shop, labels: {app: web, version: v1}}, status: {podIP: 10.1.0.1}}",
    "{apiVersion: v1, kind: Pod, metadata: {name: a, namespace: shop, labels: {app: web, version: v2}}, status: {podIP: 10.1.0.2}}",
    "{apiVersion: v1, kind: Pod, metadata: {name: c, namespace: shop, labels: {app: web, version: v1}}, status: {podIP: 10.1.0.4}}",
    "{apiVersion: v1, kind: Pod, metadata: {name: b, namespace: pay, labels: {app: api, version: v1}}, status: {podIP: 10.1.0.3}}",
    "{apiVersion: v1, kind: Node, metadata: {name: n, labels: {topology.kubernetes.io/zone: z}}}",
    "{apiVersion: networking.istio.io/v1, kind: ServiceEntry, metadata: {name: e, namespace: shop}, spec: {hosts: [a.test, '*.b.test'], resolution: STATIC, ports: [{number: 80, name: http, protocol: HTTP}, {number: 7000, name: tls, protocol: TLS}], endpoints: [{address: 10.5.0.1, labels: {version: v1}}]}}",
    "{apiVersion: networking.istio.io/v1, kind: ServiceEntry, metadata: {name: e, namespace: shop}, spec: {hosts: [web.shop.svc.cluster.local], addresses: [10.96.0.1], resolution: NONE, ports: [{number: 7000, name: tcp, protocol: TCP}]}}",
    "{apiVersion: networking.istio.io/v1, kind: ServiceEntry, metadata: {name: f, namespace: pay}, spec: {hosts: [a.test], resolution: STATIC, ports: [{number: 8080, name: http, protocol: HTTP}], workloadSelector: {labels: {app: api}}}}",
    "{apiVersion: networking.istio.io/v1, kind: VirtualService, metadata: {name: r, namespace: shop}, spec: {hosts: [web], http: [{route: [{weight: 1, destination: {host: web, subset: v1}}, {weight: 2, destination: {host: api.pay.svc.cluster.local}}]}], tcp: [{route: [{destination: {host: db}}]}]}}",
    "{apiVersion: networking.istio.io/v1, kind: VirtualService, metadata: {name: r, namespace: shop}, spec: {hosts: ['*.cluster.local'], http: [{match: [{sourceLabels: {app: web}}], route: [{destination: {host: alias}}]}, {match: [{uri: {prefix: /x}}], mirror: {host: a.test}, route: [{destination: {host: web, subset: v2}}]}]}}",
    "{apiVersion: networking.istio.io/v1, kind: VirtualService, metadata: {name: r, namespace: shop}, spec: {hosts: ['*.local', db], tcp: [{route: [{destination: {host: web, port: {number: 7000}}}]}]}}",
    "{apiVersion: networking.istio.io/v1, kind: VirtualService, metadata: {name: s, namespace: pay}, spec: {hosts: [api.pay.svc.cluster.local, a.test, stranger.test], exportTo: [., shop], http: [{match: [{uri: {prefix: /d}}], delegate: {name: d, namespace: shop}}, {route: [{destination: {host: api}}]}]}}",
    "{apiVersion: networking.istio.io/v1, kind: VirtualService, metadata: {name: s, namespace: pay}, spec: {hosts: ['*.b.test', api.pay.svc.cluster.local], tls: [{match: [{sniHosts: ['*.b.test'], port: 7000}], route: [{destination: {host: api}}]}]}}",
    "{apiVersion: networking.istio.io/v1, kind: VirtualService, metadata: {name: d, namespace: shop}, spec: {http: [{route: [{destination: {host: web, subset: v1}}]}]}}",
    "{apiVersion: networking.istio.io/v1, kind: VirtualService, metadata: {name: d, namespace: shop}, spec: {http: [{route: [{destination: {host: alias}}]}]}}",
    "{apiVersion: networking.istio.io/v1, kind: VirtualService, metadata: {name: d, namespace: shop}, spec: {hosts: [db], http: [{route: [{destination: {host: a.test, subset: v1}}]}], tcp: [{route: [{destination: {host: web, port: {number: 7000}}}]}]}}",
    "{apiVersion: networking.istio.io/v1, kind: DestinationRule, metadata: {name: p, namespace: shop}, spec: {host: web, subsets: [{name: v1, labels: {version: v1}}, {name: v2, labels: {version: v2}}]}}",
    "{apiVersion: networking.istio.io/v1, kind: DestinationRule, metadata: {name: p, namespace: shop}, spec: {host: web, trafficPolicy: {loadBalancer: {consistentHash: {httpHeaderName: x}}}, subsets: [{name: v1, labels: {version: v2}}]}}",
    "{apiVersion: networking.istio.io/v1, kind: DestinationRule, metadata: {name: p, namespace: shop}, spec: {host: '*.svc.cluster.local', trafficPolicy: {connectionPool: {tcp: {maxConnections: 1}}}}}",
    "{apiVersion: networking.istio.io/v1, kind: DestinationRule, metadata: {name: p, namespace: shop}, spec: {host: web, trafficPolicy: {outlierDetection: {}, loadBalancer: {localityLbSetting: {failoverPriority: [version]}}}, subsets: [{name: v1, labels: {app: web}}]}}",
    "{apiVersion: networking.istio.io/v1, kind: DestinationRule, metadata: {name: q, namespace: pay}, spec: {host: api, exportTo: ['*'], trafficPolicy: {loadBalancer: {consistentHash: {useSourceIp: true}}}}}",
    "{apiVersion: networking.istio.io/v1, kind: DestinationRule, metadata: {name: q, namespace: istio-system}, spec: {host: '*', trafficPolicy: {loadBalancer: {simple: RANDOM}}}}",
    "{apiVersion: networking.istio.io/v1, kind: DestinationRule, metadata: {name: q, namespace: shop}, spec: {host: a.test, workloadSelector: {matchLabels: {app: web}}, subsets: [{name: v1, labels: {version: v1}}]}}",
    "{apiVersion: gateway.networking.k8s.io/v1, kind: HTTPRoute, metadata: {name: g, namespace: pay}, spec: {parentRefs: [{group: '', kind: Service, name: api}], rules: [{backendRefs: [{name: api, port: 80}]}]}}",
    "{apiVersion: gateway.networking.k8s.io/v1, kind: HTTPRoute, metadata: {name: g, namespace: shop}, spec: {parentRefs: [{group: '', kind: Service, name: web}, {group: '', kind: Service, name: api, namespace: pay}], rules: [{backendRefs: [{name: db, port: 80}]}]}}",
    "{apiVersion: networking.istio.io/v1, kind: Sidecar, metadata: {name: c, namespace: pay}, spec: {egress: [{hosts: ['./*']}]}}",
    "{apiVersion: networking.istio.io/v1, kind: Sidecar, metadata: {name: c, namespace: shop}, spec: {egress: [{hosts: ['./web.shop.svc.cluster.local', '*/a.test']}]}}",
    "{apiVersion: networking.istio.io/v1, kind: Sidecar, metadata: {name: c, namespace: istio-system}, spec: {egress: [{hosts: ['pay/*']}]}}",
    "{apiVersion: v1, kind: Namespace, metadata: {name: shop}}",
];

fn objects() -> Vec<(ObjectRef, Valid)> {
    let object = |text: &&str| {
        let parsed = manifest::parse("test.yaml", text);
        let [manifest] = parsed.manifests.as_slice() else { panic!("{:?}", parsed.faults) };
        let validated = validate(manifest);
        (manifest.object.clone(), validated.valid.unwrap_or_else(|| panic!("{text}: {:?}", validated.faults)))
    };
    OBJECTS.iter().map(object).collect()
}

fn scopes() -> [Scope; 3] {
    let web: Labels =
        [("app", "web"), ("version", "v1"), ("team", "a")].map(|(key, value)| (key.into(), value.into())).into();
    [
        Scope::new("shop".into(), Arc::new(web)),
        Scope::new("pay".into(), Arc::default()),
        Scope::new("elsewhere".into(), Arc::default()),
    ]
}

/// A cluster but for what it is found by and how its endpoints are laid out, which follows from the rest.
fn content(cluster: &Cluster) -> String {
    let Cluster { name, service, destination_rule, load_balancer, connection_pool, endpoints, finding, .. } = cluster;
    let Cluster { locality, outlier_detection, unresolved, selector, .. } = cluster;
    format!(
        "{name} {service} {destination_rule:?} {load_balancer:?} {connection_pool:?} {endpoints:?} {finding:?} {locality:?} \
         {outlier_detection:?} {unresolved} {selector:?} {} {}",
        cluster.listed(),
        cluster.layout.groups(),
    )
}

/// All that a table says, whatever the order, with clusters in the place of their ids.
fn told(table: &Table) -> Vec<String> {
    let mut lines: Vec<String> = format!("{:#?}", table.routes).lines().map(|line| line.trim().to_owned()).collect();
    let of_id = |place: &str| {
        let place: usize = place.trim_end_matches(',').parse().ok()?;
        table.clusters.at(place).map(|cluster| content(cluster))
    };
    let mut is_id = false;
    for line in &mut lines {
        if std::mem::replace(&mut is_id, line == "ClusterId(") {
            *line = of_id(line).expect("a cluster that is there");
        }
    }
    lines.extend(table.clusters().map(|cluster| content(cluster)));
    lines.sort();
    lines
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn given_any_history_then_a_table_that_followed_it_equals_one_compiled_of_what_is_left_and_so_does_the_one_of_its_likes(
        start in prop::collection::vec(any::<bool>(), OBJECTS.len()),
        steps in prop::collection::vec((0..OBJECTS.len(), any::<bool>(), any::<bool>()), 1..24),
    ) {
        let objects = objects();
        let mut inventory = Inventory::default();
        objects.iter().zip(start).filter(|(_, there)| *there).for_each(|((_, valid), _)| inventory.put(valid));
        inventory.settle();
        let mut tables: BTreeMap<Scope, Table> =
            scopes().into_iter().map(|scope| (scope.clone(), Table::build(inventory.world(), &scope))).collect();
        for (place, comes, settles) in steps {
            let (object, valid) = &objects[place];
            if comes { inventory.put(valid) } else { inventory.remove(object) }
            if !settles {
                continue;
            }
            let change = inventory.settle();
            let world = inventory.world();
            for (scope, table) in &mut tables {
                *table = table.following(world, scope, &change);
                let anew = told(&Table::build(world, scope));
                prop_assert_eq!(told(table), &*anew, "{:?} in {:?}", object, scope);
                let narrowed = Distinctions::of(world).narrowed(scope.clone());
                prop_assert_eq!(told(&Table::build(world, &narrowed)), &*anew, "{:?} is not {:?}", narrowed, scope);
            }
        }
    }
}
