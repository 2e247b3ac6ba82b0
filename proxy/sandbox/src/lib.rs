//! A node with real pods, built on one machine: for `meshlet demo` and the node tests.
//!
//! Pods are network namespaces with a veth to the node's, and processes in cgroups shaped as a kubelet shapes them. The
//! API server is a folder of manifests, a double of the real one ([`ApiServer`]) or, where it is given, the real one
//! ([`real`]), kube-proxy a set of nftables rules in the node's network namespace. What runs in a pod is this package's
//! [`agent`], a server or a client that reports what it sees.
//!
//! Everything is named after one random id. It is removed when the [`Sandbox`] is dropped, and also when its process
//! is killed: a janitor process waits for that.

mod addresses;
mod agent;
mod api;
mod cgroup;
mod client;
mod daemon;
mod families;
mod http;
mod janitor;
mod kube_proxy;
mod manifest;
mod names;
mod netns;
mod objects;
mod pod;
mod process;
mod program;
mod protocol;
pub mod real;
mod sandbox;
mod service;
mod skipped;

pub use agent::agent;
pub use api::{ApiServer, Fault};
pub use cgroup::Layout;
pub use client::Client;
pub use daemon::Daemon;
pub use families::Families;
pub use pod::{PodName, PodSpec};
pub use process::Agent;
pub use protocol::{
    Answer, ConnectCall, Connected, Failure, FloodCall, FloodReport, HttpCall, Interface, Load, LoadCall, LoadReport,
    Moment, RawAnswer, RawCall,
};
pub use sandbox::Sandbox;
pub use service::ServiceSpec;
pub use skipped::skipped;
