//! The machines' file system, all of it in memory: busybox, the node tests, what they start, and the kernel's modules.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};

use super::folder;
use super::kernels::Kernel;
use crate::process;

/// Programs of the host that the tests start.
const HOST: [&str; 5] = ["ip", "nft", "nsenter", "setpriv", "bpftool"];

/// What busybox stands in for.
const APPLETS: [&str; 14] = [
    "sh", "mount", "umount", "mkdir", "cat", "ls", "modprobe", "poweroff", "sleep", "uname", "ln", "env", "echo",
    "kill",
];

/// Subtrees of a kernel's modules that pods and kube-proxy need, with what they depend on.
const MODULES: [&str; 4] = ["net", "lib", "crypto", "drivers/net/veth"];

const INIT: &str = "#!/bin/sh
export PATH=/bin:/sbin TMPDIR=/tmp MESHLET_BIN=/bin/meshlet MESHLET_AGENT=/bin/meshlet-sandbox-agent
export MESHLET_EMULATED=1
mount -t proc proc /proc
mount -t sysfs sys /sys
mount -t devtmpfs dev /dev
mount -t tmpfs tmp /tmp
mount -t tmpfs run /run
mount -t cgroup2 cgroup /sys/fs/cgroup
mount -t bpf bpf /sys/fs/bpf
ip link set lo up
refusal=$(/bin/meshlet run -f /nowhere 2>&1)
case \"$refusal\" in *\"is too old\"*) echo \"$refusal\"; poweroff -f;; esac
/bin/node --test-threads=2 $(cat /filter)
echo \"vm-test: exit $?\"
poweroff -f
";

/// Builds the part that every machine has; gives the archive.
pub(crate) fn base(programs: &[(PathBuf, &str)], filter: &[String]) -> Result<PathBuf> {
    let root = folder().join("root");
    if root.exists() {
        fs::remove_dir_all(&root).with_context(|| format!("removing {}", root.display()))?;
    }
    for folder in ["bin", "sbin", "proc", "sys", "dev", "tmp", "run", "etc", "var", "lib", "lib64", "usr/sbin"] {
        fs::create_dir_all(root.join(folder))?;
    }
    symlink("/run", root.join("var/run"))?;
    copy(&found("busybox")?, &root.join("bin/busybox"))?;
    APPLETS.iter().try_for_each(|applet| symlink("busybox", root.join("bin").join(applet)))?;
    symlink("/bin/busybox", root.join("sbin/modprobe"))?;
    let mut libraries = BTreeSet::new();
    for program in HOST {
        let path = found(program)?;
        copy(&path, &root.join("bin").join(program))?;
        libraries.extend(needed(&path)?);
    }
    for (path, name) in programs {
        // Without its debug information, which is most of it and would have to fit into the machine's memory.
        process::run(Command::new("strip").arg("-o").arg(root.join("bin").join(name)).arg(path))?;
        libraries.extend(needed(path)?);
    }
    for library in libraries {
        let inside = root.join(library.strip_prefix("/").unwrap_or(&library));
        fs::create_dir_all(inside.parent().unwrap_or(&root))?;
        copy(&library, &inside)?;
    }
    fs::write(root.join("filter"), filter.join(" "))?;
    fs::write(root.join("init"), INIT)?;
    fs::set_permissions(root.join("init"), fs::Permissions::from_mode(0o755))?;
    let archive = folder().join("base.cpio");
    pack(&root, &archive)?;
    Ok(archive)
}

/// Puts a kernel's modules beside the base: the kernel reads one archive after the other.
pub(crate) fn with_modules(kernel: &Kernel, base: &Path) -> Result<PathBuf> {
    let root = folder().join(format!("modules-{}", kernel.version));
    if root.exists() {
        fs::remove_dir_all(&root)?;
    }
    let inside = root.join("lib/modules").join(&kernel.release);
    fs::create_dir_all(inside.join("kernel"))?;
    for entry in fs::read_dir(kernel.modules())? {
        let entry = entry?;
        if entry.file_name().to_string_lossy().starts_with("modules.") {
            copy(&entry.path(), &inside.join(entry.file_name()))?;
        }
    }
    for part in MODULES {
        for ending in ["", ".ko", ".ko.xz"] {
            let from = kernel.modules().join("kernel").join(format!("{part}{ending}"));
            let to = inside.join("kernel").join(format!("{part}{ending}"));
            if from.exists() {
                fs::create_dir_all(to.parent().unwrap_or(&inside))?;
                process::run(Command::new("cp").arg("-r").arg(&from).arg(&to))?;
            }
        }
    }
    // Busybox does not unpack them, and not every kernel does.
    process::run(Command::new("find").arg(&inside).args(["-name", "*.ko.xz", "-exec", "xz", "-d", "{}", "+"]))?;
    process::run(Command::new("depmod").arg("-b").arg(&root).arg(&kernel.release))?;
    let modules = folder().join(format!("modules-{}.cpio", kernel.version));
    pack(&root, &modules)?;
    let image = folder().join(format!("{}.cpio", kernel.version));
    let both = [fs::read(base)?, fs::read(&modules)?].concat();
    fs::write(&image, both).with_context(|| format!("writing {}", image.display()))?;
    Ok(image)
}

fn pack(root: &Path, archive: &Path) -> Result<()> {
    let script = "cd \"$1\" && find . | cpio --quiet -o -H newc > \"$2\"";
    process::run(Command::new("sh").args(["-c", script, "pack"]).arg(root).arg(archive))
        .with_context(|| format!("packing {}", archive.display()))
}

fn copy(from: &Path, to: &Path) -> Result<()> {
    fs::copy(from, to).map(drop).with_context(|| format!("copying {} to {}", from.display(), to.display()))
}

fn found(program: &str) -> Result<PathBuf> {
    let folders = ["/usr/sbin", "/sbin", "/usr/bin", "/bin"];
    let found = folders.iter().map(|folder| Path::new(folder).join(program)).find(|path| path.exists());
    found.with_context(|| format!("{program} is not in {}", folders.join(", ")))
}

/// Shared libraries that a program is linked with; a static one needs none.
fn needed(program: &Path) -> Result<Vec<PathBuf>> {
    let output = Command::new("ldd").arg(program).output().context("starting ldd")?;
    let listed = String::from_utf8_lossy(&output.stdout).into_owned();
    let paths = listed.lines().filter_map(|line| line.split_whitespace().find(|word| word.starts_with('/')));
    Ok(paths.map(PathBuf::from).collect())
}
