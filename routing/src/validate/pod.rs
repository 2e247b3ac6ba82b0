//! Pods. The API server has checked them: only what is used is read.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;

use super::fields::Fields;
use super::{capture_annotations, metadata, topology, workload};
use crate::model::{ObjectRef, Pod};

/// On the object that stands for a static pod: the UID that the kubelet gave the pod itself, after which it named its cgroup.
/// kubernetes v1.31 pkg/kubelet/pod/mirror_client.go, CreateMirrorPod; pkg/kubelet/config/common.go, applyDefaults
const STATIC_UID: &str = "kubernetes.io/config.mirror";

pub(super) fn read(object: &ObjectRef, fields: &Fields<'_>) -> Option<Pod> {
    let metadata = metadata::read(fields);
    let spec = fields.object("spec");
    let status = fields.object("status");
    let phase = status.as_ref().and_then(|status| status.text("phase"));
    let locality = Arc::new(topology::of_pod(&metadata.labels));
    let (outbound, unused) = capture_annotations::read(&metadata.annotations);
    let workload = Arc::new(workload::read(object, fields, &metadata.labels));
    Some(Pod {
        namespace: object.namespace.clone(),
        name: object.name.clone(),
        uid: metadata.annotations.get(STATIC_UID).cloned().or(metadata.uid),
        labels: Arc::new(metadata.labels),
        annotations: metadata.annotations,
        outbound: Arc::new(outbound),
        unused: unused.into(),
        workload,
        ports: spec.as_ref().map(named_ports).unwrap_or_default(),
        node: spec.as_ref().and_then(|spec| spec.text("nodeName")).map(Arc::from),
        locality,
        addresses: status.as_ref().map(addresses).unwrap_or_default(),
        host_network: spec.as_ref().and_then(|spec| spec.boolean("hostNetwork")).unwrap_or(false),
        completed: matches!(phase, Some("Succeeded" | "Failed")),
        ready: status.as_ref().is_none_or(ready),
    })
}

/// Sidecar containers are init containers that keep running: their ports count.
fn named_ports(spec: &Fields<'_>) -> BTreeMap<Box<str>, u16> {
    let mut ports = BTreeMap::new();
    for container in spec.objects("containers").iter().chain(&spec.objects("initContainers")) {
        for port in container.objects("ports") {
            let tcp = port.text("protocol").is_none_or(|protocol| protocol == "TCP");
            if let (true, Some(name), Some(number)) = (tcp, port.text("name"), port.port("containerPort")) {
                ports.entry(name.into()).or_insert(number);
            }
        }
    }
    ports
}

fn addresses(status: &Fields<'_>) -> Vec<IpAddr> {
    let mut addresses = Vec::new();
    let listed = status.objects("podIPs");
    let of_list = listed.iter().filter_map(|entry| entry.text("ip").map(|text| (entry.path("ip"), text)));
    let first = status.text("podIP").map(|text| (status.path("podIP"), text));
    for (path, text) in of_list.chain(first) {
        match text.parse() {
            Ok(address) if !addresses.contains(&address) => addresses.push(address),
            Ok(_) => {}
            Err(_) => status.report().error(&path, format!("{text:?} is not an IP address"), "write an IP address"),
        }
    }
    addresses
}

fn ready(status: &Fields<'_>) -> bool {
    let conditions = status.objects("conditions");
    let ready = conditions.iter().find(|condition| condition.text("type") == Some("Ready"));
    ready.is_none_or(|condition| condition.text("status") == Some("True"))
}
