use std::path::PathBuf;

use super::*;
use crate::command::check::page;
use crate::command::check::report::Report;
use crate::kernel::Attachment;

/// Root, all that is needed, nobody else.
fn good() -> Facts {
    Facts {
        kernel: "6.12.4-amd64".into(),
        capabilities: Ok(u64::MAX),
        cgroup: Ok("/sys/fs/cgroup".into()),
        kubepods: Some("/sys/fs/cgroup/kubepods.slice".into()),
        bpffs: ("/sys/fs/bpf".into(), true),
        programs: Some(Ok(None)),
        on_the_way: vec![attached("connect4", "/sys/fs/cgroup/kubepods.slice", &["meshlet_conn4"])],
        daemon: Some(Daemon::Answers { ready: Ok(()), config: Ok((3, Vec::new(), 7)) }),
    }
}

fn attached(hook: &'static str, cgroup: &str, names: &[&str]) -> Attached {
    let programs = names.iter().zip(41..).map(|(name, id)| Attachment { id, name: (*name).to_owned() }).collect();
    Attached { hook, cgroup: PathBuf::from(cgroup), multi: true, programs }
}

fn report(facts: &Facts) -> Report {
    Report { sections: judge(facts, None) }
}

fn page(report: &Report) -> String {
    page::page(report, false, false)
}

fn check(facts: &Facts, holds: bool, expected: &str) {
    let report = report(facts);
    assert_eq!(page(&report), expected);
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
fn given_a_kernel_without_btf_then_what_is_not_counted_is_a_warning() {
    let missing = "reading /sys/kernel/btf/vmlinux: the kernel needs CONFIG_DEBUG_INFO_BTF: No such file or directory";
    let report = report(&Facts { programs: Some(Ok(Some(missing.into()))), ..good() });
    let page = page(&report);
    assert!(
        page.contains(&format!("‼ connections whose endpoint the kernel picks cannot be counted: {missing}\n")),
        "{page}"
    );
    assert!(page.contains("least request"), "{page}");
    assert!(report.holds(), "all else works");
}

#[test]
fn given_a_missing_capability_then_it_is_named_with_its_purpose() {
    // All but CAP_SYS_PTRACE.
    let facts = Facts { capabilities: Ok(!(1 << 19)), programs: None, ..good() };
    let page = page(&report(&facts));
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
        let report = report(&Facts { on_the_way, ..good() });
        let page = page(&report);
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
        let report = report(&Facts { daemon: Some(daemon), ..good() });
        let page = page(&report);
        assert!(page.contains(expected), "{page}");
        assert_eq!(report.holds(), holds, "{page}");
    }
}

#[test]
fn given_no_daemon_on_this_machine_when_the_clusters_are_pods_then_it_is_no_failure_and_how_to_ask_one_is_said() {
    let daemon = Daemon::Silent("no daemon answers at 127.0.0.1:15021: refused".into());
    let report = Report { sections: judge(&Facts { daemon: Some(daemon), ..good() }, Some("mesh")) };
    let page = page(&report);
    let expected = "– no daemon answers at 127.0.0.1:15021: refused\n    kubectl -n mesh exec daemonset/meshlet -- ";
    assert!(page.contains(expected), "{page}");
    assert!(report.holds(), "{page}");
}

#[test]
fn given_a_machine_that_is_no_node_then_that_is_said_with_how_to_look_at_one() {
    for (pre, expected) in
        [(false, "    kubectl -n mesh exec daemonset/meshlet -- "), (true, "kubectl debug node/NAME ")]
    {
        let report = Report { sections: vec![not_here("mesh", pre)] };
        let page = page(&report);
        assert!(page.starts_with("node\n----\n– capabilities, cgroup v2,") && page.contains(expected), "{page}");
        assert!(report.holds(), "{page}");
    }
    for (kubepods, capabilities, of_a_node) in [
        (true, Ok(1 << 21), true),
        (true, Ok(0), false),
        (false, Ok(u64::MAX), false),
        (true, Err("no /proc".into()), false),
    ] {
        let facts = Facts { kubepods: kubepods.then(|| "/sys/fs/cgroup/kubepods".into()), capabilities, ..good() };
        assert_eq!(facts.of_a_node(), of_a_node, "{facts:?}");
    }
}
