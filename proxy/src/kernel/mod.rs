//! All use of aya: the object is loaded ([`load`]), attached by pinned links ([`links`]), and fed through typed maps
//! ([`maps`], [`learned`]); [`outbound`] holds what annotations keep out of capture; [`routes`] has what the kernel decides by itself, laid out ([`layout`], [`cells`])
//! in shared memory ([`words`]), and [`flows`] what it has counted of that; [`sizes`] says how much there may be of everything and [`refusals`] what there was no room for; [`beat`] keeps it armed,
//! [`preflight`] says beforehand what is missing, [`sys`] holds what aya lacks.

mod beat;
mod btf;
mod cells;
mod flows;
mod holdings;
mod layout;
mod learned;
mod links;
mod load;
mod maps;
mod observers;
mod outbound;
mod preflight;
mod refusals;
mod routes;
mod sizes;
mod sys;
mod usage;
mod words;

pub(crate) use flows::{Counts, Flows};
pub(crate) use layout::{Leaf, Pick, RoutePlan};
pub(crate) use learned::PortSet;
pub(crate) use links::{Links, is_bpffs, lock_node, mount_bpffs, uninstall};
pub(crate) use load::{FailurePolicy, Kernel};
#[cfg(test)]
pub(crate) use preflight::Attachment;
pub(crate) use preflight::{
    Attached, capabilities, cgroup2_mount, check_capabilities, check_kernel, displaced, is_cgroup2, kernel_release,
    on_the_way,
};
pub(crate) use sizes::{MapSize, Sizes, Sort};
pub(crate) use sys::netns_cookie;
pub(crate) use usage::MapUsage;
