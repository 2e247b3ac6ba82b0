use std::path::PathBuf;

use super::*;
use crate::command::check::page::page;
use crate::kernel::Attachment;

/// Root, all that is needed, nobody else.
fn good() -> Facts {
    Facts {
        kernel: "6.12.4-amd64".into(),
        capabilities: Ok(u64::MAX),
        cgroup: Ok("/sys/fs/cgroup".into()),
        kubepods: Some("/sys/fs/cgroup/kubepods.slice".into()),
        bpffs: ("/sys/fs/bpf".into(), true),
        programs: Some(Ok(())),
        on_the_way: vec![attached("connect4", "/sys/fs/cgroup/kubepods.slice", &["meshlet_conn4"])],
        daemon: Some(Daemon::Answers { ready: Ok(()), config: Ok((3, Vec::new(), 7)) }),
    }
}

fn attached(hook: &'static str, cgroup: &str, names: &[&str]) -> Attached {
    let programs = names.iter().zip(41..).map(|(name, id)| Attachment { id, name: (*name).to_owned() }).collect();
    Attached { hook, cgroup: PathBuf::from(cgroup), multi: true, programs }
}

fn check(facts: &Facts, holds: bool, expected: &str) {
    let report = judge(facts);
    assert_eq!(page(&report, false), expected);
    assert_eq!(report.holds(), holds);
}

#[test]
fn given_a_good_node_then_every_line_passes() {
    check(
        &good(),
        true,
        "\
kernel
------
√ Linux 6.12.4-amd64 is new enough
√ the capabilities suffice
√ the kernel takes the programs and maps

cgroups and file systems
------------------------
√ cgroup v2 is at /sys/fs/cgroup
√ pods are below /sys/fs/cgroup/kubepods.slice
√ a BPF file system is at /sys/fs/bpf

programs on the hooks
---------------------
√ connect4, in this order: meshlet_conn4 (id 41) at /sys/fs/cgroup/kubepods.slice

daemon
------
√ the daemon is ready
√ 3 pods are captured, for 7 service addresses

Status check results are √
",
    );
}

#[test]
fn given_an_old_kernel_and_no_cgroup_v2_then_both_are_told_with_what_to_do() {
    let facts = Facts {
        kernel: "5.10.0-30-amd64".into(),
        cgroup: Err("no cgroup v2 is mounted: boot with systemd.unified_cgroup_hierarchy=1".into()),
        kubepods: None,
        programs: None,
        on_the_way: Vec::new(),
        daemon: None,
        ..good()
    };
    check(
        &facts,
        false,
        "\
kernel
------
× kernel 5.10.0-30-amd64 is too old
    meshlet needs Linux 5.15 or newer on this node
√ the capabilities suffice

cgroups and file systems
------------------------
× no cgroup v2 is mounted
    boot with systemd.unified_cgroup_hierarchy=1
√ a BPF file system is at /sys/fs/bpf

programs on the hooks
---------------------
√ no program is attached

Status check results are ×
",
    );
}

#[test]
fn given_a_missing_capability_then_it_is_named_with_its_purpose() {
    // All but CAP_SYS_PTRACE.
    let facts = Facts { capabilities: Ok(!(1 << 19)), programs: None, ..good() };
    let page = page(&judge(&facts), false);
    let expected = "\
√ Linux 6.12.4-amd64 is new enough
× missing capabilities: CAP_SYS_PTRACE (to find the pods' network namespaces in /proc)
    run as root, or add them to securityContext.capabilities.add of the DaemonSet
";
    assert!(page.contains(expected), "{page}");
    assert!(page.ends_with("results are ×\n"), "{page}");
}

#[test]
fn given_foreign_programs_then_the_order_is_shown_and_who_stands_before_us_or_in_the_way_is_named() {
    let kubepods = "/sys/fs/cgroup/kubepods.slice";
    let root = attached("connect4", "/sys/fs/cgroup", &["cil_sock4_conne"]);
    for (on_the_way, holds, expected) in [
        (
            vec![attached("connect4", kubepods, &["meshlet_conn4"]), root.clone()],
            true,
            "√ connect4, in this order: meshlet_conn4 (id 41) at /sys/fs/cgroup/kubepods.slice, then cil_sock4_conne (id 41) at \
             /sys/fs/cgroup\n\n",
        ),
        (
            vec![attached("connect4", kubepods, &["mb_sock4_connec", "meshlet_conn4"])],
            true,
            "‼ Merbridge's program mb_sock4_connec (id 41) runs before ours at /sys/fs/cgroup/kubepods.slice\n    if it rewrites \
             destinations",
        ),
        (
            vec![Attached { multi: false, ..root }],
            false,
            "× cgroup /sys/fs/cgroup carries a foreign connect4 program that was not attached with the \"multi\" flag\n    \
             attaching below it would displace it",
        ),
    ] {
        let report = judge(&Facts { on_the_way, ..good() });
        let page = page(&report, false);
        assert!(page.contains(expected), "{page}");
        assert_eq!(report.holds(), holds, "{page}");
    }
}

#[test]
fn given_a_daemon_that_is_silent_waiting_or_short_of_pods_then_the_page_says_so() {
    let waiting = Ok((1, vec!["shop/cart".to_owned()], 7));
    for (daemon, holds, expected) in [
        (
            Daemon::Silent("no daemon answers at 127.0.0.1:15021: refused".into()),
            false,
            "× no daemon answers at 127.0.0.1:15021",
        ),
        (
            Daemon::Answers { ready: Err("the first sync is under way".into()), config: Ok((0, Vec::new(), 0)) },
            false,
            "× the daemon is not ready: the first sync is under way\n    see its log; --wait 60s",
        ),
        (
            Daemon::Answers { ready: Ok(()), config: waiting },
            true,
            "‼ 1 pods are captured; marked and not captured yet: shop/cart\n",
        ),
    ] {
        let report = judge(&Facts { daemon: Some(daemon), ..good() });
        let page = page(&report, false);
        assert!(page.contains(expected), "{page}");
        assert_eq!(report.holds(), holds, "{page}");
    }
}
