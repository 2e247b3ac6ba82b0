//! `/api/v1/bpf`: what the kernel holds, by names. It is put together when it is asked for, from what the node loop wrote there.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Json, Response};
use axum::routing::get;
use serde::{Deserialize, Serialize};

use crate::snapshot::loan::Worlds;

/// The answer; `meshlet status --bpf` reads it back.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct Bpf {
    /// Programs of the hooks.
    pub(crate) programs: Vec<Program>,
    /// Maps whose entries come and go.
    pub(crate) maps: Vec<Map>,
    /// Captured pods.
    pub(crate) pods: Vec<CapturedPod>,
    /// Addresses that have a meaning of their own.
    pub(crate) addresses: Vec<CapturedAddress>,
    /// Ports, or ranges of them, that are captured at every other address.
    pub(crate) ports: Vec<String>,
    /// What the kernel decides by itself; all else that is captured goes to the proxy.
    pub(crate) routes: Vec<KernelRoute>,
}

/// A program.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct Program {
    /// As bpftool shows it.
    pub(crate) name: String,
    /// As bpftool shows it.
    pub(crate) id: u32,
    /// Where it is attached, in words where that is at many; empty while it is not.
    pub(crate) cgroup: String,
}

/// A map.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct Map {
    /// As bpftool shows it.
    pub(crate) name: String,
    /// In use.
    pub(crate) entries: u64,
    /// That there is room for.
    pub(crate) max_entries: u64,
    /// Objects that there was no room for.
    pub(crate) refused: u64,
}

/// A pod that the hooks know.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct CapturedPod {
    /// `namespace/name`.
    pub(crate) pod: String,
    /// Cookie of its network namespace, by which the hooks find it.
    pub(crate) netns_cookie: u64,
    /// Its own.
    pub(crate) addresses: Vec<IpAddr>,
    /// Of the listener in its network namespace; `None` where it has no IPv4 address.
    pub(crate) listener_port: Option<u16>,
    /// The same on IPv6.
    pub(crate) listener_port_v6: Option<u16>,
    /// Among the pods of the node, for what is hashed by its address.
    pub(crate) place: u32,
    /// Pods of one scope see the same rules.
    pub(crate) scope: u32,
}

/// An address that pods dial.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct CapturedAddress {
    /// Address and port.
    pub(crate) address: String,
    /// Host of the service that has it, where one is known.
    pub(crate) host: Option<String>,
    /// What stands for it on the way to the proxy; `None` when it is left native where its port is captured.
    pub(crate) id: Option<u32>,
}

/// What the connects of some pods to one address meet.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct KernelRoute {
    /// Whose.
    pub(crate) scope: u32,
    /// Those of them that run here, `namespace/name`.
    pub(crate) clients: Vec<String>,
    /// Address and port.
    pub(crate) address: String,
    /// Host of the service, where one is known.
    pub(crate) host: Option<String>,
    /// Where they lead; shares add up to 1.
    pub(crate) destinations: Vec<Leg>,
}

/// One destination.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct Leg {
    /// Host of its service, where it differs or not; `None` where it is none's.
    pub(crate) host: Option<String>,
    /// The subset.
    pub(crate) subset: Option<String>,
    /// Of the connects.
    pub(crate) share: f64,
    /// How an endpoint is picked, in words.
    pub(crate) mode: String,
    /// Picked from; none at all means that the connect is refused.
    pub(crate) endpoints: Vec<Endpoint>,
}

/// One endpoint.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Endpoint {
    /// Where.
    pub(crate) address: SocketAddr,
    /// Of the destination's connects.
    pub(crate) share: f64,
    /// Connections to it from pods of this node that the kernel picked it for, by whichever route.
    pub(crate) open: u64,
}

pub(super) fn router(worlds: Worlds) -> Router {
    Router::new().route("/api/v1/bpf", get(answer)).with_state(Arc::new(worlds))
}

async fn answer(State(worlds): State<Arc<Worlds>>) -> Response {
    match worlds.bpf().await {
        Some(bpf) => Json(bpf).into_response(),
        None => (StatusCode::SERVICE_UNAVAILABLE, Json(serde_json::json!({"error": "the daemon is stopping"})))
            .into_response(),
    }
}
