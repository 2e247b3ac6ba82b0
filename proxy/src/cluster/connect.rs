//! How the API server is reached, as kubectl would: the one place where a client is made.

use std::net::IpAddr;
use std::path::PathBuf;

use anyhow::{Context as _, anyhow};
use clap::Args;
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::{Client, Config};

/// Flags of every command that asks a cluster.
#[derive(Debug, Clone, Default, Args)]
pub(crate) struct ClusterArgs {
    /// Reach the cluster by this kubeconfig. Default: $KUBECONFIG, ~/.kube/config, else the pod's own service account.
    #[arg(long, value_name = "PATH", env = "MESHLET_KUBECONFIG")]
    kubeconfig: Option<PathBuf>,
    /// Use this context of the kubeconfig. Default: its current one.
    #[arg(long, value_name = "NAME", env = "MESHLET_CONTEXT")]
    context: Option<String>,
}

impl ClusterArgs {
    /// Whether a cluster is named.
    pub(crate) fn named(&self) -> bool {
        self.kubeconfig.is_some() || self.context.is_some()
    }

    /// Of a kubeconfig alone.
    #[cfg(test)]
    pub(crate) fn of_kubeconfig(path: &std::path::Path) -> Self {
        Self { kubeconfig: Some(path.to_owned()), context: None }
    }

    /// Where the API server is and who asks; nobody is asked yet.
    ///
    /// # Errors
    /// Nothing says where, or what does cannot be read.
    pub(crate) async fn config(&self) -> anyhow::Result<Config> {
        let options = KubeConfigOptions { context: self.context.clone(), ..KubeConfigOptions::default() };
        let config = match (&self.kubeconfig, &self.context) {
            (Some(path), _) => {
                let reading = || format!("--kubeconfig {}: name a kubeconfig that can be read", path.display());
                let kubeconfig = Kubeconfig::read_from(path).with_context(reading)?;
                Config::from_custom_kubeconfig(kubeconfig, &options).await.with_context(reading)?
            }
            (None, Some(context)) => Config::from_kubeconfig(&options)
                .await
                .with_context(|| format!("--context {context}: name one of the kubeconfig's contexts"))?,
            // The error says what it comes of by itself: its sources would say it twice more.
            (None, None) => Config::infer().await.map_err(|error| {
                anyhow!(
                    "no cluster to read from: give a kubeconfig (--kubeconfig), run in a pod with a service account, or name manifests (-f): {error}"
                )
            })?,
        };
        Ok(config)
    }
}

/// A client; to be made in the runtime that it is used in. Who asks repeats what fails, at a pace of his own.
pub(crate) fn client(mut config: Config) -> anyhow::Result<Client> {
    config.default_retry = false;
    // HTTPS_PROXY is for https, and as with kubectl never for this machine itself.
    let host = config.cluster_url.host().unwrap_or_default().trim_matches(['[', ']']);
    let here = host == "localhost" || host.parse().is_ok_and(|address: IpAddr| address.is_loopback());
    if here || config.cluster_url.scheme_str() == Some("http") {
        config.proxy_url = None;
    }
    // Where nothing is verified none of the machine's certificates is needed, and an image may have none.
    if config.cluster_url.scheme_str() == Some("http") {
        config.root_cert.get_or_insert_default();
    }
    Client::try_from(config).context("preparing the connection to the API server")
}
