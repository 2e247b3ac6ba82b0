//! Objects as the API server would give them, and the folder that stands for it.

use std::fs::{self, File};
use std::io::Write as _;
use std::net::IpAddr;
use std::path::Path;
use std::time::SystemTime;

use anyhow::Context as _;
use serde_json::{Map, Value, json};

use crate::families::Family;
use crate::objects::NODE;
use crate::pod::{Pod, PodName, PodSpec};
use crate::service::ServiceSpec;

/// The file of a pod in the folder that stands for the API server.
pub(crate) fn pod_file(pod: &PodName) -> String {
    format!("pod.{}.{}.json", pod.namespace(), pod.name())
}

/// Labels or annotations to keep.
pub(crate) fn owned(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
    pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
}

/// A Namespace.
pub(crate) fn namespace(name: &str, labels: &[(&str, &str)]) -> Value {
    // The API server adds this one by itself.
    let own = [("kubernetes.io/metadata.name", name)];
    let labels = map(labels.iter().chain(&own).copied());
    json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": labels}})
}

/// A Pod that runs, on the node where one is named.
pub(crate) fn pod(spec: &PodSpec, uid: &str, addresses: &[IpAddr], node: Option<&str>) -> Value {
    let listed: Vec<Value> = addresses.iter().map(|address| json!({"ip": address})).collect();
    let ports: Vec<Value> = spec.serves.iter().map(|port| json!({"containerPort": port, "protocol": "TCP"})).collect();
    let ready = if spec.ready { "True" } else { "False" };
    let conditions: Vec<Value> =
        [("Initialized", "True"), ("Ready", ready), ("ContainersReady", ready), ("PodScheduled", "True")]
            .iter()
            .map(|(kind, status)| json!({"type": kind, "status": status}))
            .collect();
    json!({
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "namespace": spec.name.namespace(),
            "name": spec.name.name(),
            "uid": uid,
            "labels": pairs(&spec.labels),
            "annotations": pairs(&spec.annotations),
        },
        "spec": {"nodeName": node, "containers": [{"name": "app", "image": "sandbox", "ports": ports}]},
        "status": {"phase": "Running", "podIP": addresses.first(), "podIPs": listed, "conditions": conditions},
    })
}

/// A Service with its ClusterIPs.
pub(crate) fn service(spec: &ServiceSpec, cluster_ips: &[IpAddr]) -> Value {
    let families: Vec<&str> = spec.families.listed().iter().map(|family| family.name()).collect();
    let mut port =
        json!({"name": spec.port_name, "port": spec.port, "targetPort": spec.target_port, "protocol": "TCP"});
    if let Some(protocol) = &spec.app_protocol {
        port["appProtocol"] = json!(protocol);
    }
    json!({
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"namespace": spec.namespace, "name": spec.name},
        "spec": {
            "type": "ClusterIP",
            "clusterIP": cluster_ips.first(),
            "clusterIPs": cluster_ips,
            "ipFamilies": families,
            "ipFamilyPolicy": spec.families.policy(),
            "selector": pairs(&spec.selector),
            "ports": [port],
        },
    })
}

/// The endpoints of a Service in one family, as the endpoint controller writes them: ready or not.
pub(crate) fn endpoint_slice<'p>(spec: &ServiceSpec, family: Family, pods: impl Iterator<Item = &'p Pod>) -> Value {
    let of_family = |pod: &'p Pod| {
        let address = pod.addresses.iter().find(|address| Family::of(**address) == family)?;
        let target = json!({"kind": "Pod", "namespace": pod.spec.name.namespace(), "name": pod.spec.name.name()});
        let conditions = json!({"ready": pod.spec.ready, "serving": pod.spec.ready, "terminating": false});
        Some(json!({"addresses": [address], "conditions": conditions, "nodeName": NODE, "targetRef": target}))
    };
    let endpoints: Vec<Value> = pods.filter_map(of_family).collect();
    json!({
        "apiVersion": "discovery.k8s.io/v1",
        "kind": "EndpointSlice",
        "metadata": {
            "namespace": spec.namespace,
            "name": format!("{}-{}", spec.name, family.name().to_lowercase()),
            "labels": {"kubernetes.io/service-name": spec.name},
        },
        "addressType": family.name(),
        "ports": [{"name": spec.port_name, "port": spec.target_port, "protocol": "TCP"}],
        "endpoints": endpoints,
    })
}

/// Puts a file into the folder at once: no reader ever sees half of it.
#[expect(clippy::disallowed_methods, reason = "only that it differs counts")]
pub(crate) fn write(folder: &Path, file: &str, text: &str) -> anyhow::Result<()> {
    // The name in between is neither visible nor of a kind that is read.
    let draft = folder.join(format!(".{file}.draft"));
    let path = folder.join(file);
    let write = || {
        let mut open = File::create(&draft)?;
        open.write_all(text.as_bytes())?;
        // File systems count time in ticks of milliseconds; two versions of a file must differ in it.
        open.set_modified(SystemTime::now())?;
        fs::rename(&draft, &path)
    };
    write().with_context(|| format!("writing {}", path.display()))
}

/// Takes a file out of the folder.
pub(crate) fn remove(folder: &Path, file: &str) -> anyhow::Result<()> {
    let path = folder.join(file);
    fs::remove_file(&path).with_context(|| format!("removing {}", path.display()))
}

fn pairs(pairs: &[(String, String)]) -> Value {
    map(pairs.iter().map(|(key, value)| (key.as_str(), value.as_str())))
}

fn map<'a>(pairs: impl Iterator<Item = (&'a str, &'a str)>) -> Value {
    Value::Object(pairs.map(|(key, value)| (key.to_owned(), json!(value))).collect::<Map<_, _>>())
}
