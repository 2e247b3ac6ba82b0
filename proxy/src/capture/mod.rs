//! Pods of this node: UID → cgroup ([`cgroup`]) → a process in it → its network namespace ([`netns`]), with
//! [`addresses`] of its own → a listener there
//! ([`listener`], for IPv6 behind an [`id_route`]); together an [`enrolled`] pod, and for a while a [`departed`] one; each has its place among all ([`places`]). Facts only: nothing is inferred from probes and no "no" is remembered.

pub(crate) mod addresses;
pub(crate) mod cgroup;
pub(crate) mod departed;
pub(crate) mod enrolled;
mod id_route;
pub(crate) mod listener;
pub(crate) mod netns;
pub(crate) mod places;
