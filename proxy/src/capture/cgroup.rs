//! Finding pods in the cgroup tree, in both of the kubelet's layouts.

use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};

/// Levels below the cgroup root that are searched: nested roots (kind, k3s) add a few above kubepods.
const DEEPEST: usize = 8;

/// The topmost kubepods cgroup at or below `root`: `kubepods`, `kubepods.slice`, or a nested kubelet's `…-kubepods.slice`.
pub(crate) fn kubepods(root: &Path) -> Option<PathBuf> {
    let mut level = vec![root.to_owned()];
    for _ in 0..DEEPEST {
        if let Some(found) = level.iter().filter(|path| is_kubepods(path)).min() {
            return Some(found.clone());
        }
        level = level.iter().flat_map(|path| children(path)).collect();
    }
    None
}

fn is_kubepods(path: &Path) -> bool {
    path.file_name().and_then(|name| name.to_str()).is_some_and(|name| {
        name == "kubepods"
            || name == "kubepods.slice"
            || name.ends_with("-kubepods.slice")
            || name.ends_with("-kubepods")
    })
}

/// Every pod cgroup below `kubepods`, by pod UID as the API writes it.
pub(crate) fn pods(kubepods: &Path) -> HashMap<String, PathBuf> {
    let mut found = HashMap::new();
    let mut level = vec![kubepods.to_owned()];
    // kubepods[/quality of service]/pod
    for _ in 0..3 {
        let mut below = Vec::new();
        for path in level.iter().flat_map(|path| children(path)) {
            match path.file_name().and_then(|name| name.to_str()).and_then(pod_uid) {
                Some(uid) => drop(found.insert(uid, path)),
                None => below.push(path),
            }
        }
        level = below;
    }
    found
}

/// The UID in a pod cgroup's name: `kubepods-burstable-pod<uid_with_underscores>.slice` (systemd) or `pod<uid>` (cgroupfs).
fn pod_uid(name: &str) -> Option<String> {
    if let Some(slice) = name.strip_suffix(".slice") {
        let (_, uid) =
            slice.rsplit_once("-pod").or_else(|| slice.split_at_checked(3).filter(|(pod, _)| *pod == "pod"))?;
        return (!uid.is_empty()).then(|| uid.replace('_', "-"));
    }
    name.strip_prefix("pod").filter(|uid| !uid.is_empty()).map(str::to_owned)
}

/// The pod's processes: in the pod's cgroup itself and in its containers'.
pub(crate) fn processes(pod: &Path) -> Vec<u32> {
    let mut found = Vec::new();
    let mut level = vec![pod.to_owned()];
    for _ in 0..4 {
        for path in &level {
            let listed = fs::read_to_string(path.join("cgroup.procs")).unwrap_or_default();
            // 0 stands for a process of another pid namespace, whose /proc entry we could not find.
            found.extend(listed.lines().filter_map(|line| line.parse::<u32>().ok()).filter(|pid| *pid != 0));
        }
        level = level.iter().flat_map(|path| children(path)).collect();
    }
    found
}

fn children(path: &Path) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(path) else { return Vec::new() };
    entries
        .filter_map(Result::ok)
        .filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir()))
        .map(|entry| entry.path())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn given_either_kubelet_layout_when_a_name_is_read_then_the_uid_is_the_apis() {
        let cases = [
            ("kubepods-besteffort-pod0f3e_11_aa.slice", Some("0f3e-11-aa")),
            ("kubepods-pod0f3e_11_aa.slice", Some("0f3e-11-aa")),
            ("kubelet-kubepods-burstable-pod0f3e_11_aa.slice", Some("0f3e-11-aa")),
            ("pod0f3e-11-aa", Some("0f3e-11-aa")),
            ("kubepods-besteffort.slice", None),
            ("burstable", None),
            ("cri-containerd-77aa.scope", None),
        ];
        for (name, uid) in cases {
            assert_eq!(pod_uid(name).as_deref(), uid, "{name}");
        }
    }

    #[test]
    fn given_a_nested_root_when_searched_then_the_topmost_kubepods_is_found() {
        let root = tempfile::tempdir().expect("a temporary folder");
        let nested = root.path().join("docker/kubelet.slice/kubelet-kubepods.slice/kubelet-kubepods-besteffort.slice");
        fs::create_dir_all(nested.join("kubelet-kubepods-besteffort-podab_cd.slice/c1")).expect("folders");
        let found = kubepods(root.path()).expect("a kubepods folder");
        assert!(found.ends_with("kubelet-kubepods.slice"), "{}", found.display());
        assert_eq!(pods(&found).keys().collect::<Vec<_>>(), ["ab-cd"]);
    }
}
