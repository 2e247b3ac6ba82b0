//! What is loaded, as bpftool would find it.

use super::load::{HOOKS, Kernel, OBSERVER};

impl Kernel {
    /// Names and ids of the programs at the node's cgroup.
    pub(crate) fn hooks(&self) -> Vec<(&'static str, u32)> {
        HOOKS.into_iter().filter_map(|(name, _)| Some((name, self.program_id(name)?))).collect()
    }

    /// The program at captured pods' own cgroups: its name and id.
    pub(crate) fn observer(&self) -> Option<(&'static str, u32)> {
        Some((OBSERVER, self.program_id(OBSERVER)?))
    }

    fn program_id(&self, name: &str) -> Option<u32> {
        Some(self.ebpf.program(name)?.info().ok()?.id())
    }
}
