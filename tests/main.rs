//! Node tests: the built daemon against real pods, real eBPF and a real kube-proxy rule set. `cargo xtask test` runs them.

mod addresses;
mod annotations;
mod any_address;
mod changing;
mod check;
mod cluster;
mod either_family;
mod enrolment;
mod explain;
mod failure;
mod families;
mod http_effects;
mod http_proxy;
mod http_routes;
mod ids_route;
mod kernel_routes;
mod kernel_view;
mod limits;
mod named_services;
mod redirect;
mod reload;
mod status;
mod telemetry;
mod wrong_input;
