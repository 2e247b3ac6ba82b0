//! Which running daemon is asked: the one on this machine, or those of a cluster.

use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use anyhow::Context as _;
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::daemon::{Question, Reply};
use crate::cluster::connect::ClusterArgs;
use crate::cluster::daemons::{DaemonPod, Daemons};

/// Where a daemon on this machine listens unless it was told otherwise.
const HERE: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 15000);
/// How long one on this machine may take to accept.
const SOON: Duration = Duration::from_secs(2);

/// A daemon that can be asked.
#[derive(Clone)]
pub(super) enum Daemon {
    /// It listens here.
    At(SocketAddr),
    /// It is a pod of a cluster.
    Of(Daemons, DaemonPod),
}

/// Where daemons are looked for.
pub(super) enum Where {
    /// On this machine.
    Here(SocketAddr),
    /// In a cluster.
    Cluster(Daemons),
}

impl Where {
    /// `admin` if it is given, a named cluster, the daemon of this machine if one answers, or else the usual cluster.
    pub(super) async fn of(
        admin: Option<SocketAddr>,
        cluster: &ClusterArgs,
        namespace: &str,
        elsewhere: bool,
    ) -> anyhow::Result<Self> {
        if let Some(admin) = admin {
            return Ok(Self::Here(admin));
        }
        if cluster.named() || elsewhere {
            return Ok(Self::Cluster(Daemons::of(cluster, namespace).await?));
        }
        if let Ok(Ok(_)) = timeout(SOON, TcpStream::connect(HERE)).await {
            return Ok(Self::Here(HERE));
        }
        let daemons = Daemons::of(cluster, namespace).await;
        Ok(Self::Cluster(
            daemons.with_context(|| format!("no daemon answers at {HERE} (--admin names another address)"))?,
        ))
    }
}

impl Daemon {
    /// By what it was found.
    pub(super) fn title(&self) -> String {
        match self {
            Self::At(address) => address.to_string(),
            Self::Of(daemons, pod) => daemons.title(pod),
        }
    }

    /// The node it is on, as far as that is known before it is asked.
    pub(super) fn node(&self) -> Option<&str> {
        match self {
            Self::At(_) => None,
            Self::Of(_, pod) => pod.node.as_deref(),
        }
    }

    /// Asks it.
    pub(super) async fn ask(&self, question: &Question) -> anyhow::Result<Reply> {
        match self {
            Self::At(address) => question.ask(*address).await,
            Self::Of(daemons, pod) => {
                let mut forwarded = daemons.open(pod).await?;
                let reply = question.ask_over(&mut forwarded.stream, &format!("pod {}", daemons.title(pod))).await;
                match reply {
                    Ok(reply) => Ok(reply),
                    Err(error) => match forwarded.trouble().await {
                        Some(trouble) => Err(error.context(format!("the kubelet says: {}", trouble.trim()))),
                        None => Err(error),
                    },
                }
            }
        }
    }
}

#[cfg(test)]
mod tests;
