//! What the kernel holds, for eyes: by names, not by numbers.

use crate::admin::bpf::{Bpf, KernelRoute, Leg};
use crate::command::columns::columns;

/// The page of one node.
pub(super) fn page(node: &str, bpf: &Bpf) -> String {
    let mut sections = vec![format!("node {node}\n"), programs(bpf), maps(bpf)];
    let listed = [pods(bpf), addresses(bpf), ports(bpf), routes(bpf)];
    sections.extend(listed.into_iter().flatten());
    sections.join("\n")
}

fn programs(bpf: &Bpf) -> String {
    let rows: Vec<_> = bpf
        .programs
        .iter()
        .map(|program| {
            let cgroup = if program.cgroup.is_empty() { "not attached" } else { &program.cgroup };
            [program.name.clone(), program.id.to_string(), cgroup.to_owned()]
        })
        .collect();
    columns(["PROGRAM", "ID", "CGROUP"], &rows)
}

fn maps(bpf: &Bpf) -> String {
    let row = |map: &crate::admin::bpf::Map| {
        [map.name.clone(), map.entries.to_string(), map.max_entries.to_string(), map.refused.to_string()]
    };
    columns(["MAP", "ENTRIES", "MAX", "REFUSED"], &bpf.maps.iter().map(row).collect::<Vec<_>>())
}

fn pods(bpf: &Bpf) -> Option<String> {
    let port = |port: Option<u16>| port.map_or_else(|| "-".to_owned(), |port| port.to_string());
    let rows: Vec<_> = bpf
        .pods
        .iter()
        .map(|pod| {
            let addresses: Vec<String> = pod.addresses.iter().map(ToString::to_string).collect();
            let listeners = format!("{} {}", port(pod.listener_port), port(pod.listener_port_v6));
            let (cookie, place, scope) = (pod.netns_cookie, pod.place, pod.scope);
            [pod.pod.clone(), addresses.join(" "), listeners, cookie.to_string(), place.to_string(), scope.to_string()]
        })
        .collect();
    let heading = ["POD", "ADDRESSES", "LISTENER V4 V6", "NETNS COOKIE", "PLACE", "SCOPE"];
    (!rows.is_empty()).then(|| columns(heading, &rows))
}

fn addresses(bpf: &Bpf) -> Option<String> {
    let rows: Vec<_> = bpf
        .addresses
        .iter()
        .map(|captured| {
            let id = captured.id.map_or_else(|| "native".to_owned(), |id| id.to_string());
            [captured.address.clone(), host(captured.host.as_ref()), id]
        })
        .collect();
    (!rows.is_empty()).then(|| columns(["ADDRESS", "SERVICE", "ID"], &rows))
}

fn ports(bpf: &Bpf) -> Option<String> {
    (!bpf.ports.is_empty()).then(|| format!("PORTS CAPTURED AT EVERY OTHER ADDRESS\n{}\n", bpf.ports.join(" ")))
}

/// A line per endpoint.
fn routes(bpf: &Bpf) -> Option<String> {
    let rows: Vec<_> =
        bpf.routes.iter().flat_map(|route| route.destinations.iter().flat_map(|leg| lines(route, leg))).collect();
    let heading = ["KERNEL ROUTE", "CLIENTS", "DESTINATION", "PICKED", "ENDPOINT", "SHARE", "OPEN"];
    (!rows.is_empty()).then(|| columns(heading, &rows))
}

fn lines(route: &KernelRoute, leg: &Leg) -> Vec<[String; 7]> {
    let name = match &route.host {
        Some(host) => format!("{host} ({})", route.address),
        None => route.address.clone(),
    };
    // The service itself is named already.
    let destination = match &leg.subset {
        Some(subset) if leg.host == route.host => format!("subset {subset}"),
        Some(subset) => format!("{} subset {subset}", host(leg.host.as_ref())),
        None => host(leg.host.as_ref()),
    };
    let line = |endpoint: String, share: f64, open: String| {
        let share = format!("{:.1}%", share * 100.0);
        [name.clone(), route.clients.join(" "), destination.clone(), leg.mode.clone(), endpoint, share, open]
    };
    if leg.endpoints.is_empty() {
        return vec![line("none".to_owned(), leg.share, "-".to_owned())];
    }
    let of = |endpoint: &crate::admin::bpf::Endpoint| {
        line(endpoint.address.to_string(), leg.share * endpoint.share, endpoint.open.to_string())
    };
    leg.endpoints.iter().map(of).collect()
}

fn host(known: Option<&String>) -> String {
    known.map_or_else(|| "-".to_owned(), Clone::clone)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn given_what_the_kernel_holds_then_the_page_has_it_by_names() {
        let bpf: Bpf = serde_json::from_value(json!({
            "programs": [{"name": "meshlet_conn4", "id": 7, "cgroup": "/c"}, {"name": "meshlet_conn6", "id": 8}],
            "maps": [{"name": "meshlet_pods", "entries": 1, "maxEntries": 4096, "refused": 0}],
            "pods": [{"pod": "shop/a", "addresses": ["10.1.0.1"], "listenerPort": 15001, "netnsCookie": 99, "scope": 3}],
            "addresses": [{"address": "10.96.0.1:80", "host": "web", "id": 5}, {"address": "10.96.0.2:80"}],
            "ports": ["80", "8080-8090"],
            "routes": [{"scope": 3, "clients": ["shop/a"], "address": "10.96.0.1:80", "host": "web", "destinations": [
                {"host": "web", "subset": "v1", "share": 0.25, "mode": "in turn", "endpoints": [
                    {"address": "10.1.0.2:80", "share": 0.5, "open": 4}, {"address": "10.1.0.3:80", "share": 0.5, "open": 0}]},
                {"host": "api", "subset": "v2", "share": 0.25, "mode": "in turn", "endpoints": [
                    {"address": "10.1.0.4:80", "share": 1.0, "open": 1}]},
                {"share": 0.5, "mode": "refused"},
            ]}],
        }))
        .expect("an answer");
        let expected = "node n\n\
            \n\
            PROGRAM         ID   CGROUP\n\
            meshlet_conn4   7    /c\n\
            meshlet_conn6   8    not attached\n\
            \n\
            MAP            ENTRIES   MAX    REFUSED\n\
            meshlet_pods   1         4096   0\n\
            \n\
            POD      ADDRESSES   LISTENER V4 V6   NETNS COOKIE   PLACE   SCOPE\n\
            shop/a   10.1.0.1    15001 -          99             0       3\n\
            \n\
            ADDRESS        SERVICE   ID\n\
            10.96.0.1:80   web       5\n\
            10.96.0.2:80   -         native\n\
            \n\
            PORTS CAPTURED AT EVERY OTHER ADDRESS\n\
            80 8080-8090\n\
            \n\
            KERNEL ROUTE         CLIENTS   DESTINATION     PICKED    ENDPOINT      SHARE   OPEN\n\
            web (10.96.0.1:80)   shop/a    subset v1       in turn   10.1.0.2:80   12.5%   4\n\
            web (10.96.0.1:80)   shop/a    subset v1       in turn   10.1.0.3:80   12.5%   0\n\
            web (10.96.0.1:80)   shop/a    api subset v2   in turn   10.1.0.4:80   25.0%   1\n\
            web (10.96.0.1:80)   shop/a    -               refused   none          50.0%   -\n";
        assert_eq!(page("n", &bpf), expected);
        assert_eq!(page("n", &Bpf::default()), "node n\n\nPROGRAM   ID   CGROUP\n\nMAP   ENTRIES   MAX   REFUSED\n");
    }
}
