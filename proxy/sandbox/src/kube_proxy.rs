//! kube-proxy: the nftables rules that make ClusterIPs work for whoever is not captured.

use std::net::SocketAddrV4;

use anyhow::Context as _;

use crate::netns::Netns;

/// A Service's port and the ready endpoints behind it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Balanced {
    pub(crate) address: SocketAddrV4,
    pub(crate) endpoints: Vec<SocketAddrV4>,
}

/// The rules in force in a node's network namespace.
#[derive(Debug)]
pub(crate) struct KubeProxy {
    node: Netns,
    in_force: String,
}

impl KubeProxy {
    /// No Service yet.
    pub(crate) fn new(node: Netns) -> Self {
        Self { node, in_force: String::new() }
    }

    /// Puts exactly these Services in force, at once; connections that are open stay where they are.
    pub(crate) fn sync(&mut self, services: &[Balanced]) -> anyhow::Result<()> {
        let rules = rules(services);
        if rules != self.in_force {
            self.node.run("nft", &["-f", "-"], &rules).context("setting kube-proxy's rules")?;
            self.in_force = rules;
        }
        Ok(())
    }
}

/// One transaction for `nft -f`, with the choices of kube-proxy's nftables mode: a random endpoint for each connection,
/// and a refusal of whatever else is sent to a ClusterIP
/// (kubernetes v1.31 pkg/proxy/nftables/proxier.go, writeServiceToEndpointRules and cluster-ips-check).
fn rules(services: &[Balanced]) -> String {
    let translated: String = services.iter().filter_map(translation).collect();
    let refused: String =
        services.iter().map(|service| format!("    ip daddr {} reject\n", service.address.ip())).collect();
    format!(
        "add table ip kube-proxy\n\
         delete table ip kube-proxy\n\
         table ip kube-proxy {{\n  \
           chain services {{\n    \
             type nat hook prerouting priority dstnat\n\
         {translated}  }}\n  \
           chain cluster-ips-check {{\n    \
             type filter hook prerouting priority dstnat + 10\n\
         {refused}  }}\n\
         }}\n"
    )
}

/// The rule of a Service that has endpoints.
fn translation(service: &Balanced) -> Option<String> {
    let (ip, port) = (service.address.ip(), service.address.port());
    let numbered = service.endpoints.iter().enumerate();
    let map: Vec<String> =
        numbered.map(|(index, endpoint)| format!("{index} : {} . {}", endpoint.ip(), endpoint.port())).collect();
    let (count, map) = (map.len(), map.join(", "));
    (count > 0)
        .then(|| format!("    ip daddr {ip} tcp dport {port} dnat ip to numgen random mod {count} map {{ {map} }}\n"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn balanced(address: &str, endpoints: &[&str]) -> Balanced {
        let parse = |text: &str| text.parse().expect("an address and a port");
        Balanced { address: parse(address), endpoints: endpoints.iter().map(|text| parse(text)).collect() }
    }

    #[test]
    fn given_a_service_with_endpoints_then_each_is_chosen_with_the_same_chance() {
        let rules = rules(&[balanced("10.96.0.10:8080", &["10.128.0.10:80", "10.128.0.11:80"])]);
        let rule = "ip daddr 10.96.0.10 tcp dport 8080 dnat ip to numgen random mod 2 map { 0 : 10.128.0.10 . 80, 1 : 10.128.0.11 . 80 }";
        assert!(rules.contains(rule), "{rules}");
    }

    #[test]
    fn given_a_service_without_endpoints_then_it_refuses() {
        let rules = rules(&[balanced("10.96.0.10:8080", &[])]);
        assert!(rules.contains("ip daddr 10.96.0.10 reject"), "{rules}");
        assert!(!rules.contains("dnat ip"), "{rules}");
    }

    #[test]
    fn given_no_service_then_the_old_rules_go() {
        let rules = rules(&[]);
        assert!(rules.starts_with("add table ip kube-proxy\ndelete table ip kube-proxy\n"), "{rules}");
    }
}
