//! What is loaded, as bpftool would find it.

use super::load::{HOOKS, Kernel};
use super::observers::OBSERVERS;

impl Kernel {
    /// Names and ids of the programs at the node's cgroup.
    pub(crate) fn hooks(&self) -> Vec<(&'static str, u32)> {
        HOOKS.into_iter().filter_map(|(name, _)| Some((name, self.program_id(name)?))).collect()
    }

    /// Names and ids of the programs that see connections end, and where each is, in words; none where they could not be had.
    pub(crate) fn observers(&self) -> Vec<(&'static str, u32, &'static str)> {
        OBSERVERS.into_iter().filter_map(|(name, place)| Some((name, self.program_id(name)?, place))).collect()
    }

    fn program_id(&self, name: &str) -> Option<u32> {
        Some(self.ebpf.program(name)?.info().ok()?.id())
    }
}
