//! The cluster's side: [`facts`] asks the API and judges nothing, [`verdicts`], [`meshes`] and [`daemons`] judge and ask nothing.

mod daemons;
mod facts;
mod meshes;
#[cfg(test)]
mod tests;
mod verdicts;

pub(super) use facts::{Cluster, look};
pub(super) use verdicts::{by_exec, judge};
