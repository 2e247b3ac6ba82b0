//! Network namespaces: the node's, and the pods' with a link to it.

use std::fs;
use std::net::Ipv4Addr;
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
        node.run("sh", &["-c", "echo 1 > /proc/sys/net/ipv4/ip_forward"], "")?;
        Ok(node)
    }

    /// A pod's, linked to the node's.
    ///
    /// The link is routed, with the pod's address alone on it, as the ptp plugin and Calico do it: every packet between
    /// pods passes the node's rules both ways, and answers to a ClusterIP are translated back. On a shared bridge they
    /// would take the short way.
    pub(crate) fn pod(
        name: String,
        node: &Self,
        index: usize,
        address: Ipv4Addr,
        gateway: Ipv4Addr,
    ) -> anyhow::Result<Self> {
        let pod = Self::add(name)?;
        node.ip(&format!(
            "link add veth{index} type veth peer name eth0 netns {}\n\
             address add {gateway}/32 dev veth{index}\n\
             link set veth{index} up\n\
             route add {address}/32 dev veth{index}",
            pod.name
        ))?;
        pod.ip(&format!(
            "link set lo up\n\
             address add {address}/32 dev eth0\n\
             link set eth0 up\n\
             route add {gateway}/32 dev eth0\n\
             route add default via {gateway} dev eth0"
        ))?;
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
