//! `meshlet run`: builds the parts, runs them, stops them in order.

use std::io::IsTerminal as _;
use std::net::{SocketAddr, TcpListener};
use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, bail};
use tokio::signal::unix::{SignalKind, signal};

use crate::admin::{self, Status};
use crate::connection::Workers;
use crate::kernel::{self, Kernel, Sizes};
use crate::metrics::{self, Metrics};
use crate::node::Node;
use crate::settings::RunArgs;
use crate::snapshot::asked::ResolvConf;

/// Shown below the flags.
pub(crate) const HELP: &str = "\
Marks a pod as captured, strongest first: annotation or label meshlet.dev/redirect: enabled|disabled, label
istio.io/dataplane-mode: meshlet|none, label sidecar.istio.io/inject: \"true\"|\"false\", then the namespace's
meshlet.dev/redirect, istio.io/dataplane-mode and istio-injection. Pods on the host network, in system namespaces
or with a real sidecar never are.

When the daemon stops, pods are native again by themselves. `meshlet uninstall` removes what stays pinned.
Exit codes: 0 stopped when asked to, 1 could not run, 64 wrong usage.";

/// Requests under way are given this long when the daemon is stopped; the kubelet kills after 30 s.
const DRAIN: Duration = Duration::from_secs(10);

/// Sockets that are not the data path's, bound before anything is touched: a taken port must not leave half a daemon.
struct Doors {
    admin: TcpListener,
    metrics: TcpListener,
    health: TcpListener,
}

/// `meshlet run`: 0 when it was asked to stop.
pub(crate) fn run(arguments: RunArgs) -> anyhow::Result<ExitCode> {
    log_to_stderr();
    kernel::check_kernel(&kernel::kernel_release())?;
    kernel::check_capabilities(kernel::capabilities()?)?;
    for path in &arguments.filename {
        std::fs::metadata(path)
            .with_context(|| format!("-f {}: name a file or a folder that exists", path.display()))?;
    }
    let cgroup_root = cgroup_root(&arguments)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().context("starting the runtime")?;
    let cluster = match arguments.filename.as_slice() {
        [] => Some(runtime.block_on(arguments.cluster.config())?),
        _ => None,
    };
    let doors = Doors {
        admin: door(arguments.admin, "--admin")?,
        metrics: door(arguments.metrics, "--metrics")?,
        health: door(arguments.health, "--health")?,
    };
    let threads = arguments.workers.map_or_else(std::thread::available_parallelism, Ok).unwrap_or(NonZeroUsize::MIN);
    let held = if arguments.dry_run {
        None
    } else {
        kernel::mount_bpffs(&arguments.bpffs)?;
        Node::hold(&cgroup_root, &arguments.bpffs)?
    };
    let mut kernel =
        Kernel::load(arguments.failure_policy, threads, Sizes::new(&arguments.map_size), arguments.bpf_log)?;
    let resolv_conf = ResolvConf::new(arguments.resolv_conf.clone());
    let beat = Arc::clone(&kernel.beat);
    let (tallies, counted) = metrics::channel();
    let workers = Workers::start(
        threads,
        Arc::new(move |worker| beat.tick(worker)),
        arguments.access_log,
        &resolv_conf,
        &tallies,
    )?;
    kernel.beat.wait()?;
    let metrics = Metrics::new(kernel.flows.take().context("the kernel's counters")?, counted);
    let node = Node::new(arguments, cgroup_root, held, kernel, workers, Arc::clone(&metrics), cluster)?;
    runtime.block_on(serve(node, doors, metrics))?;
    Ok(ExitCode::SUCCESS)
}

async fn serve(mut node: Node, doors: Doors, metrics: Arc<Metrics>) -> anyhow::Result<()> {
    let mut terminate = signal(SignalKind::terminate()).context("waiting for SIGTERM")?;
    let mut interrupt = signal(SignalKind::interrupt()).context("waiting for SIGINT")?;
    let status: Arc<Status> = node.status();
    for (listener, router) in [
        (doors.admin, admin::admin(&status, node.worlds())),
        (doors.metrics, admin::metrics(&status, metrics)),
        (doors.health, admin::health(&status)),
    ] {
        listener.set_nonblocking(true).context("preparing a listener")?;
        let listener = tokio::net::TcpListener::from_std(listener).context("preparing a listener")?;
        tokio::spawn(async move { axum::serve(listener, router).await });
    }
    tokio::select! {
        outcome = node.run() => outcome?,
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
    tracing::info!("stopping: new connections are native, requests under way are finished");
    node.stop(DRAIN);
    Ok(())
}

fn door(address: SocketAddr, flag: &str) -> anyhow::Result<TcpListener> {
    TcpListener::bind(address)
        .with_context(|| format!("{flag} {address} cannot be listened on: free it or choose another address"))
}

fn cgroup_root(arguments: &RunArgs) -> anyhow::Result<PathBuf> {
    let Some(root) = &arguments.cgroup_root else { return kernel::cgroup2_mount() };
    if !kernel::is_cgroup2(root) {
        bail!(
            "--cgroup-root {} is not in a cgroup v2 file system: name the cgroup v2 mount or a folder in it",
            root.display()
        );
    }
    Ok(root.clone())
}

fn log_to_stderr() {
    let colour = std::io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none();
    let filter = tracing_subscriber::EnvFilter::try_from_env("MESHLET_LOG")
        // What the API client has to say of its troubles is said by who asks, with a remedy.
        .unwrap_or_else(|_| tracing_subscriber::EnvFilter::new("info,kube_client=off"));
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_target(false)
        .with_ansi(colour)
        .init();
}
