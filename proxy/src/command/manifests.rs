//! `-f`: the objects that a command asks its questions about.

use std::path::PathBuf;

use anyhow::Context as _;

use super::mesh::MeshArgs;
use crate::snapshot::read::Files;

/// Files and folders, read; what is wrong with them goes to stderr. `None` when nothing could be.
pub(crate) fn read(mesh: &MeshArgs, paths: Vec<PathBuf>) -> anyhow::Result<Option<Files>> {
    for path in &paths {
        std::fs::metadata(path)
            .with_context(|| format!("-f {}: name a file or a folder that exists", path.display()))?;
    }
    let Some(mesh) = mesh.read() else { return Ok(None) };
    let mut files = Files::new(mesh, paths);
    let (_, faults) = files.read().unwrap_or_default();
    for fault in &faults {
        eprintln!("{fault}");
    }
    if !faults.is_empty() && files.is_empty() {
        eprintln!("meshlet: nothing could be read from {} files", files.inputs().len());
        return Ok(None);
    }
    Ok(Some(files))
}

/// A seed of its own for every call.
pub(crate) fn any_seed() -> u64 {
    let mut bytes = [0; 8];
    // A seed that is the same every time is no worse than one that is not.
    let _ = rustix::rand::getrandom(&mut bytes, rustix::rand::GetRandomFlags::empty());
    u64::from_ne_bytes(bytes)
}
