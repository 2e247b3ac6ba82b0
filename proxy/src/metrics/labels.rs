//! Istio's labels of a series, in its spelling and its order.

use meshlet_routing::model::Workload;

use super::{Destination, Parties, Service};

/// What is not known is called so.
const UNKNOWN: &str = "unknown";
/// The cluster's name where nobody has given it one.
const CLUSTER: &str = "Kubernetes";
/// The canonical revision of what has none.
const LATEST: &str = "latest";

/// Names and values.
pub(super) type Labels<'s> = Vec<(&'static str, &'s str)>;

/// Of `istio_tcp_*`; `flags` are those of the parties, as text.
pub(super) fn tcp<'s>(parties: &'s Parties, flags: &'s str) -> Labels<'s> {
    let mut labels = of_parties(parties);
    labels.push(("request_protocol", "tcp"));
    labels.extend(of_end(flags));
    labels
}

/// Of `istio_request*`; `flags` and `code` are those of the series, as text.
pub(super) fn request<'s>(parties: &'s Parties, flags: &'s str, code: &'s str) -> Labels<'s> {
    let mut labels = of_parties(parties);
    // What gRPC says of itself comes in HTTP/2 alone.
    labels.extend([("request_protocol", "http"), ("response_code", code), ("grpc_response_status", "")]);
    labels.extend(of_end(flags));
    labels
}

/// No identity is checked and no TLS terminated here; a source never says what a connection was secured by.
fn of_end(flags: &str) -> [(&'static str, &str); 2] {
    [("response_flags", flags), ("connection_security_policy", UNKNOWN)]
}

/// Of what the kernel has picked; `endpoint` is the destination's, as text.
pub(super) fn picked<'s>(destination: &'s Destination, endpoint: &'s str) -> Labels<'s> {
    vec![
        ("destination_service", destination.service.as_ref().map_or(UNKNOWN, |service| service.host.as_str())),
        ("subset", destination.subset.as_deref().unwrap_or_default()),
        ("endpoint", endpoint),
    ]
}

fn of_parties(Parties { source, service, workload, .. }: &Parties) -> Labels<'_> {
    let source = Side::of(Some(source));
    let destination = Side::of(workload.as_deref());
    let (host, name, namespace) = service.as_ref().map_or((UNKNOWN, UNKNOWN, UNKNOWN), of_service);
    vec![
        ("reporter", "source"),
        ("source_workload", source.workload),
        ("source_workload_namespace", source.namespace),
        ("source_principal", UNKNOWN),
        ("source_app", source.app),
        ("source_version", source.version),
        ("source_cluster", source.cluster),
        ("source_canonical_service", source.service),
        ("source_canonical_revision", source.revision),
        ("destination_workload", destination.workload),
        ("destination_workload_namespace", destination.namespace),
        ("destination_principal", UNKNOWN),
        ("destination_app", destination.app),
        ("destination_version", destination.version),
        ("destination_cluster", destination.cluster),
        ("destination_canonical_service", destination.service),
        ("destination_canonical_revision", destination.revision),
        ("destination_service", host),
        ("destination_service_name", name),
        ("destination_service_namespace", namespace),
    ]
}

fn of_service(Service { host, name, namespace }: &Service) -> (&str, &str, &str) {
    (host.as_str(), name, namespace)
}

/// One end's labels.
struct Side<'s> {
    workload: &'s str,
    namespace: &'s str,
    app: &'s str,
    version: &'s str,
    cluster: &'s str,
    service: &'s str,
    revision: &'s str,
}

impl<'s> Side<'s> {
    fn of(workload: Option<&'s Workload>) -> Self {
        let Some(Workload { namespace, name, app, version }) = workload else {
            return Self {
                workload: UNKNOWN,
                namespace: UNKNOWN,
                app: UNKNOWN,
                version: UNKNOWN,
                cluster: UNKNOWN,
                service: UNKNOWN,
                revision: UNKNOWN,
            };
        };
        Self {
            workload: name,
            namespace,
            app: app.as_deref().unwrap_or(UNKNOWN),
            version: version.as_deref().unwrap_or(UNKNOWN),
            cluster: CLUSTER,
            service: app.as_deref().unwrap_or(name),
            revision: version.as_deref().unwrap_or(LATEST),
        }
    }
}
