//! Network namespaces: the node's, and the pods' with a link to it.

use std::fs;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::path::{Path, PathBuf};

use anyhow::Context as _;

use crate::program::{command, run};

/// Where `ip netns` keeps namespaces by name.
const FOLDER: &str = "/run/netns";

/// A named network namespace. It stays until it is removed by name.
#[derive(Debug, Clone)]
pub(crate) struct Netns {
    name: String,
}

impl Netns {
    /// The node's: it forwards between pods and holds kube-proxy's rules.
    pub(crate) fn node(prefix: &str) -> anyhow::Result<Self> {
        let node = Self::add(format!("{prefix}node"))?;
        node.ip("link set lo up")?;
        // A kernel without IPv6 has no such file, and then no pod asks for it.
        let forward =
            "cd /proc/sys/net; echo 1 > ipv4/ip_forward; cd ipv6/conf/all 2>&- || exit 0; echo 1 > forwarding";
        node.run("sh", &["-c", forward], "")?;
        Ok(node)
    }

    /// A pod's, linked to the node's.
    ///
    /// The link is routed, with the pod's addresses alone on it, as the ptp plugin and Calico do it: every packet between
    /// pods passes the node's rules both ways, and answers to a ClusterIP are translated back. On a shared bridge they
    /// would take the short way.
    pub(crate) fn pod(
        name: String,
        node: &Self,
        index: usize,
        addresses: &[IpAddr],
        gateway: Ipv4Addr,
    ) -> anyhow::Result<Self> {
        let pod = Self::add(name)?;
        let mut at_node = format!("link add veth{index} type veth peer name eth0 netns {}\n", pod.name);
        let mut at_pod = "link set lo up\n".to_owned();
        for address in addresses {
            let (node_end, pod_end) = match address {
                IpAddr::V4(address) => v4_link(&format!("veth{index}"), *address, gateway),
                IpAddr::V6(address) => v6_link(&format!("veth{index}"), *address),
            };
            at_node += &node_end;
            at_pod += &pod_end;
        }
        node.ip(&at_node)?;
        pod.ip(&at_pod)?;
        Ok(pod)
    }

    fn add(name: String) -> anyhow::Result<Self> {
        run(command("ip").args(["netns", "add", &name]), "")?;
        Ok(Self { name })
    }

    /// What `nsenter --net=` takes.
    pub(crate) fn path(&self) -> PathBuf {
        Path::new(FOLDER).join(&self.name)
    }

    /// Runs a program inside, with `input` on its stdin.
    pub(crate) fn run(&self, program: &str, args: &[&str], input: &str) -> anyhow::Result<()> {
        let inside = format!("--net={}", self.path().display());
        run(command("nsenter").arg(inside).arg(command(program).get_program()).args(args), input)
    }

    /// Removes the namespace's name; the namespace goes with its last process and socket, and its link with it.
    pub(crate) fn remove(&self) -> anyhow::Result<()> {
        run(command("ip").args(["netns", "delete", &self.name]), "")
    }

    /// Commands of `ip`, one a line.
    fn ip(&self, commands: &str) -> anyhow::Result<()> {
        run(command("ip").args(["-netns", &self.name, "-batch", "-"]), commands)
    }
}

/// Commands for the two ends of a pod's link, the node's first.
fn v4_link(link: &str, address: Ipv4Addr, gateway: Ipv4Addr) -> (String, String) {
    (
        format!(
            "address add {gateway}/32 dev {link}\n\
             link set {link} up\n\
             route add {address}/32 dev {link}\n"
        ),
        format!(
            "address add {address}/32 dev eth0\n\
             link set eth0 up\n\
             route add {gateway}/32 dev eth0\n\
             route add default via {gateway} dev eth0\n"
        ),
    )
}

/// The same for IPv6, with link-local addresses of our own: those that the kernel makes are of no use until it has made
/// sure, for seconds, that nobody else has them, and without one a neighbour cannot be asked for.
fn v6_link(link: &str, address: Ipv6Addr) -> (String, String) {
    (
        format!(
            "link set {link} addrgenmode none\n\
             address add fe80::1/64 dev {link} nodad\n\
             link set {link} up\n\
             route add {address}/128 dev {link}\n"
        ),
        format!(
            "link set eth0 addrgenmode none\n\
             address add fe80::2/64 dev eth0 nodad\n\
             address add {address}/128 dev eth0 nodad\n\
             link set eth0 up\n\
             route add default via fe80::1 dev eth0\n"
        ),
    )
}

/// Removes every namespace whose name starts with `prefix`.
pub(crate) fn remove_all(prefix: &str) -> anyhow::Result<()> {
    let Ok(entries) = fs::read_dir(FOLDER) else { return Ok(()) };
    let names: Vec<String> = entries
        .filter_map(Result::ok)
        .filter_map(|entry| entry.file_name().into_string().ok())
        .filter(|name| name.starts_with(prefix))
        .map(|name| format!("netns delete {name}\n"))
        .collect();
    run(command("ip").args(["-force", "-batch", "-"]), &names.concat()).context("removing network namespaces")
}
