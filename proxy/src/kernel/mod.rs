//! All use of aya: the object is loaded ([`load`]), attached by pinned links ([`links`]), and fed through typed maps
//! ([`maps`]); [`routes`] lays out what the kernel decides by itself, in shared memory ([`words`]); [`beat`] keeps it armed, [`preflight`] says beforehand what is missing, [`sys`] holds what aya lacks.

mod beat;
mod cells;
mod links;
mod load;
mod maps;
mod preflight;
mod routes;
mod sys;
mod words;

pub(crate) use aya::programs::sock_ops::SockOpsLink;
pub(crate) use links::{Links, lock_node, mount_bpffs, uninstall};
pub(crate) use load::{FailurePolicy, Kernel};
pub(crate) use preflight::{cgroup2_mount, check_capabilities, check_kernel, is_cgroup2};
pub(crate) use routes::{Leaf, Pick, RoutePlan};
pub(crate) use sys::netns_cookie;
