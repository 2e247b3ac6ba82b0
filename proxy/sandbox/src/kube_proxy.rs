//! kube-proxy: the nftables rules that make ClusterIPs work for whoever is not captured.

use std::net::SocketAddr;

use anyhow::Context as _;

use crate::netns::Netns;

/// A Service's port at one of its ClusterIPs, and the ready endpoints behind it, which are of the same family.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Balanced {
    pub(crate) address: SocketAddr,
    pub(crate) endpoints: Vec<SocketAddr>,
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
    let (v4, v6): (Vec<_>, Vec<_>) = services.iter().partition(|service| service.address.is_ipv4());
    // A kernel without IPv6 has no such table, and then there is no such Service.
    let v6 = if v6.is_empty() { String::new() } else { table("ip6", &v6) };
    table("ip", &v4) + &v6
}

/// The table of one family, in the place of what it was.
fn table(family: &str, services: &[&Balanced]) -> String {
    let translated: String = services.iter().filter_map(|service| translation(family, service)).collect();
    let refused: String =
        services.iter().map(|service| format!("    {family} daddr {} reject\n", service.address.ip())).collect();
    format!(
        "add table {family} kube-proxy\n\
         delete table {family} kube-proxy\n\
         table {family} kube-proxy {{\n  \
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
fn translation(family: &str, service: &Balanced) -> Option<String> {
    let (ip, port) = (service.address.ip(), service.address.port());
    let numbered = service.endpoints.iter().enumerate();
    let map: Vec<String> =
        numbered.map(|(index, endpoint)| format!("{index} : {} . {}", endpoint.ip(), endpoint.port())).collect();
    let (count, map) = (map.len(), map.join(", "));
    let rule = format!(
        "    {family} daddr {ip} tcp dport {port} dnat {family} to numgen random mod {count} map {{ {map} }}\n"
    );
    (count > 0).then_some(rule)
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
    fn given_an_ipv6_service_then_it_is_in_a_table_of_its_own() {
        let rules = rules(&[balanced("10.96.0.10:8080", &[]), balanced("[fd00::2:a]:8080", &["[fd00::1:a]:80"])]);
        let (v4, v6) = rules.split_once("add table ip6 kube-proxy\ndelete table ip6 kube-proxy\n").expect("two tables");
        assert!(v4.contains("10.96.0.10") && !v4.contains("fd00"), "{v4}");
        let rule = "ip6 daddr fd00::2:a tcp dport 8080 dnat ip6 to numgen random mod 1 map { 0 : fd00::1:a . 80 }";
        assert!(v6.contains(rule) && v6.contains("ip6 daddr fd00::2:a reject"), "{v6}");
    }

    #[test]
    fn given_no_service_then_the_old_rules_go() {
        let rules = rules(&[]);
        assert!(rules.starts_with("add table ip kube-proxy\ndelete table ip kube-proxy\n"), "{rules}");
        assert!(!rules.contains("ip6"), "{rules}");
    }
}
