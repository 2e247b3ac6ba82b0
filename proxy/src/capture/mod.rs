//! Pods of this node: UID → cgroup ([`cgroup`]) → a process in it → its network namespace ([`netns`]) → a listener there
//! ([`listener`]); together an [`enrolled`] pod. Facts only: nothing is inferred from probes and no "no" is remembered.

pub(crate) mod cgroup;
pub(crate) mod enrolled;
pub(crate) mod listener;
pub(crate) mod netns;
