//! What the facts of the node mean: a line each, and for what is wrong a remedy.

use std::path::Path;

use super::cluster::by_exec;
use super::facts::{Daemon, Facts};
use super::report::{Check, Section};
use crate::kernel::{self, Attached};

/// Programs of others that translate a pod's connects, by what their names begin with.
const TRANSLATORS: [(&str, &str); 4] =
    [("cil_sock", "Cilium"), ("cgroup_connect", "Kmesh"), ("mb_sock", "Merbridge"), ("cali_ctlb_", "Calico")];

/// Judges. `elsewhere`: the namespace of a cluster's daemons, which listen inside their pods.
pub(super) fn judge(facts: &Facts, elsewhere: Option<&str>) -> Vec<Section> {
    let mut sections = vec![
        Section { title: "kernel", checks: kernel_checks(facts) },
        Section { title: "cgroups and file systems", checks: places(facts) },
        Section { title: "programs on the hooks", checks: hooks(facts) },
    ];
    let daemon = facts.daemon.as_ref().map(|found| daemon(found, elsewhere));
    sections.extend(daemon.map(|checks| Section { title: "daemon", checks }));
    sections
}

/// What is said of the node where this machine is none.
pub(super) fn not_here(namespace: &str, pre: bool) -> Section {
    let remedy = if pre {
        "on a node, as root: meshlet check --pre; or kubectl debug node/NAME -it --profile=sysadmin --image=IMAGE -- /meshlet check --pre \
         --cgroup-root /host/sys/fs/cgroup --bpffs /host/sys/fs/bpf"
            .to_owned()
    } else {
        by_exec(namespace)
    };
    let message = "capabilities, cgroup v2, the programs on the hooks and what its daemon captures were not looked at: this is no node of the \
                   cluster, or not as root";
    Section { title: "node", checks: vec![Check::skipped(message, remedy)] }
}

fn kernel_checks(facts: &Facts) -> Vec<Check> {
    let release = match kernel::check_kernel(&facts.kernel) {
        Ok(()) => Check::pass(format!("Linux {} is new enough", facts.kernel)),
        Err(error) => Check::of_error(&format!("{error:#}")),
    };
    let capabilities = match &facts.capabilities {
        Err(error) => Check::fail(error, "mount /proc"),
        Ok(bits) => match kernel::check_capabilities(*bits) {
            Ok(()) => Check::pass("the capabilities suffice"),
            Err(error) => Check::fail(
                format!("{error:#}").split("; ").next().unwrap_or_default(),
                "run as root, or add them to securityContext.capabilities.add of the DaemonSet",
            ),
        },
    };
    let programs = facts.programs.as_ref().map(|loaded| match loaded {
        Ok(None) => Check::pass("the kernel takes the programs and maps"),
        Ok(Some(error)) => Check::warning(
            format!("connections whose endpoint the kernel picks cannot be counted: {error}"),
            "needed are a kernel with BTF (CONFIG_DEBUG_INFO_BTF) and CAP_PERFMON or CAP_SYS_ADMIN; all else works, but least request and \
             the metrics know nothing of these connections",
        ),
        Err(error) => Check::fail(
            format!("the kernel refuses the programs: {error}"),
            "if a security module or a seccomp profile forbids bpf(2), allow it; else report this message with the kernel's version",
        ),
    });
    [release, capabilities].into_iter().chain(programs).collect()
}

fn places(facts: &Facts) -> Vec<Check> {
    let cgroup = match &facts.cgroup {
        Ok(folder) => Check::pass(format!("cgroup v2 is at {}", folder.display())),
        Err(error) => Check::of_error(error),
    };
    let kubepods = facts.cgroup.as_ref().ok().map(|folder| match &facts.kubepods {
        Some(kubepods) => Check::pass(format!("pods are below {}", kubepods.display())),
        None => Check::warning(
            format!("no kubepods cgroup below {}", folder.display()),
            "is the kubelet running here, and does --cgroup-root name the host's cgroup v2? The daemon waits for it",
        ),
    });
    let bpffs = match &facts.bpffs {
        (path, true) => Check::pass(format!("a BPF file system is at {}", path.display())),
        (path, false) => Check::warning(
            format!("no BPF file system at {}", path.display()),
            format!("the daemon mounts one if it may; on the host: mount -t bpf bpf {}", path.display()),
        ),
    };
    [cgroup].into_iter().chain(kubepods).chain([bpffs]).collect()
}

fn hooks(facts: &Facts) -> Vec<Check> {
    let displaced = facts.on_the_way.iter().filter(|attached| !attached.multi);
    let mut checks: Vec<Check> = displaced.map(|attached| Check::of_error(&kernel::displaced(attached))).collect();
    for hook in ["connect4", "connect6", "getpeername4", "getpeername6"] {
        let order: Vec<&Attached> = facts.on_the_way.iter().filter(|attached| attached.hook == hook).collect();
        if order.iter().any(|attached| attached.multi) {
            checks.push(Check::pass(format!("{hook}, in this order: {}", in_order(&order))));
        }
    }
    checks.extend(before_us(facts));
    if checks.is_empty() {
        checks.push(Check::pass("no program is attached"));
    }
    checks
}

fn in_order(order: &[&Attached]) -> String {
    let of_cgroup = |attached: &&Attached| {
        let names: Vec<String> = attached.programs.iter().map(|one| format!("{} (id {})", one.name, one.id)).collect();
        format!("{} at {}", names.join(", "), attached.cgroup.display())
    };
    order.iter().map(of_cgroup).collect::<Vec<_>>().join(", then ")
}

/// Who translates a connect before our program would see it: attached deeper, or earlier at the same cgroup.
fn before_us(facts: &Facts) -> Vec<Check> {
    let ours = |name: &str| name.starts_with("meshlet_");
    let kubepods: Option<&Path> = facts.kubepods.as_deref();
    let connects = facts.on_the_way.iter().filter(|attached| attached.hook.starts_with("connect"));
    let mut found = Vec::new();
    for attached in connects.filter(|attached| Some(&*attached.cgroup) == kubepods) {
        let earlier = attached.programs.iter().take_while(|program| !ours(&program.name));
        for program in earlier.filter(|program| !program.name.is_empty()) {
            let whose = TRANSLATORS.iter().find(|(prefix, _)| program.name.starts_with(prefix));
            let whose =
                whose.map_or_else(|| "an unknown program".to_owned(), |(_, owner)| format!("{owner}'s program"));
            found.push(Check::warning(
                format!("{whose} {} (id {}) runs before ours at {}", program.name, program.id, attached.cgroup.display()),
                "if it rewrites destinations, rules never see the Service's address: attach it at the cgroup root instead",
            ));
        }
    }
    found
}

fn daemon(found: &Daemon, elsewhere: Option<&str>) -> Vec<Check> {
    let (ready, config) = match (found, elsewhere) {
        (Daemon::Silent(error), Some(namespace)) => return vec![Check::skipped(error, by_exec(namespace))],
        (Daemon::Silent(error), None) => {
            return vec![Check::fail(
                error,
                "start it (meshlet run, or the DaemonSet), or name its listeners with --admin and --health; --pre leaves this out",
            )];
        }
        (Daemon::Answers { ready, config }, _) => (ready, config),
    };
    let ready = match ready {
        Ok(()) => Check::pass("the daemon is ready"),
        Err(said) => Check::fail(format!("the daemon is not ready: {said}"), "see its log; --wait 60s gives it time"),
    };
    let pods = match config {
        Err(error) => Check::fail(error, "name the admin listener with --admin"),
        Ok((captured, waiting, services)) if waiting.is_empty() => {
            Check::pass(format!("{captured} pods are captured, for {services} service addresses"))
        }
        Ok((captured, waiting, _)) => Check::warning(
            format!("{captured} pods are captured; marked and not captured yet: {}", waiting.join(", ")),
            "a pod without processes is waited for; for any other the daemon's log says why",
        ),
    };
    vec![ready, pods]
}

#[cfg(test)]
mod tests;
