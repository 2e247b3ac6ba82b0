//! The programs that see connections end, and the iterator that tells of open ones. They watch all TCP sockets of the machine, since
//! there is no narrower place that costs those of other pods less, and act on those alone that the hooks have picked for.

use std::fs;
use std::os::fd::{AsFd as _, OwnedFd};

use anyhow::{Context as _, bail};
use aya::maps::Map;
use aya::programs::BtfTracePoint;
use aya::programs::iter::Iter;
use aya::{Btf, Ebpf};
use meshlet_wire::Offsets;

use super::{btf, sys};

/// The programs and the tracepoints that they are at.
const TRACEPOINTS: [(&str, &str); 2] = [("meshlet_destroy", "tcp_destroy_sock"), ("meshlet_reset", "tcp_send_reset")];

/// The iterator's program.
const ITERATOR: &str = "meshlet_live";

/// All of them, and where each is, in words.
pub(super) const OBSERVERS: [(&str, &str); 3] = [
    ("meshlet_destroy", "every TCP socket's end"),
    ("meshlet_reset", "every TCP reset"),
    (ITERATOR, "open connections, when asked"),
];

/// Types of the running kernel.
const BTF: &str = "/sys/kernel/btf/vmlinux";

/// What the running kernel says of its own types.
pub(super) struct Types {
    btf: Btf,
    /// Where it keeps what the observers read.
    pub(super) offsets: Offsets,
}

impl Types {
    pub(super) fn read() -> anyhow::Result<Self> {
        let missing = || format!("reading {BTF}: the kernel needs CONFIG_DEBUG_INFO_BTF");
        let offsets = btf::offsets(&fs::read(BTF).with_context(missing)?)?;
        Ok(Self { btf: Btf::from_sys_fs().with_context(missing)?, offsets })
    }
}

/// Loads all of them; nothing is attached yet. Returns what [`sys::iterator`] takes.
pub(super) fn load(ebpf: &mut Ebpf, types: &Types) -> anyhow::Result<OwnedFd> {
    for (name, tracepoint) in TRACEPOINTS {
        at(ebpf, name)?.load(tracepoint, &types.btf).with_context(|| format!("loading program {name}"))?;
    }
    let program: &mut Iter = ebpf.program_mut(ITERATOR).context("the kernel object has no iterator")?.try_into()?;
    program.load("bpf_sk_storage_map", &types.btf).with_context(|| format!("loading program {ITERATOR}"))?;
    let program = program.fd()?.try_clone()?;
    let Some(Map::SkStorage(storage)) = ebpf.map("meshlet_peer") else {
        bail!("the kernel object has no socket storage meshlet_peer")
    };
    sys::link_iterator(program.as_fd(), storage.fd().as_fd()).context("an iterator over sockets")
}

/// Attaches them; they stay as long as `ebpf`.
pub(super) fn attach(ebpf: &mut Ebpf) -> anyhow::Result<()> {
    for (name, tracepoint) in TRACEPOINTS {
        at(ebpf, name)?.attach().with_context(|| format!("attaching {name} to tracepoint {tracepoint}"))?;
    }
    Ok(())
}

fn at<'e>(ebpf: &'e mut Ebpf, name: &str) -> anyhow::Result<&'e mut BtfTracePoint> {
    let program = ebpf.program_mut(name).with_context(|| format!("the kernel object has no program {name}"))?;
    program.try_into().with_context(|| format!("program {name} is of another type"))
}
