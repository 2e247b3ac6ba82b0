//! What a match of a TCP and of a TLS rule have in common.

use super::super::fields::Fields;
use crate::model::{L4Match, Subnet};

pub(super) fn read(entry: &Fields<'_>) -> L4Match {
    let subnets = entry.texts("destinationSubnets");
    let subnet = |(path, written): &(String, &str)| {
        let found = Subnet::parse(written);
        if found.is_none() {
            entry.report().error(path, format!("{written:?} is not a subnet"), "write one such as 10.96.0.0/12");
        }
        found
    };
    let gateways = entry.texts("gateways");
    L4Match {
        destination_subnets: subnets.iter().filter_map(subnet).collect(),
        // 0 is what Istio reads for an absent one.
        port: if entry.any("port").is_some_and(|port| port == 0) { None } else { entry.port("port") },
        source_labels: entry.labels("sourceLabels"),
        source_namespace: entry.text("sourceNamespace").filter(|name| !name.is_empty()).map(Box::from),
        gateways_only: !gateways.is_empty() && gateways.iter().all(|(_, name)| *name != "mesh"),
    }
}
