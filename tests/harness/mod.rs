//! A node with the founding experiment's pods and the built daemon running: what every node test starts from.

mod bpf;
mod explain;
mod metrics;
mod node;
mod shares;
mod status;
mod wait;
mod way;

pub use bpf::{bpftool, entries, maps};
pub use explain::explain;
pub use metrics::Metrics;
pub use node::{Node, SERVICE_PORT, binary, cluster, daemon_command, mesh_rule, sandbox};
pub use shares::{Shares, assert_share, emulated, many};
pub use status::{named, open, report, status};
pub use wait::wait_for;
pub use way::Way;
