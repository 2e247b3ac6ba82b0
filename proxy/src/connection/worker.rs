//! One worker thread: its pods, its connections, its heartbeat.

use std::collections::HashMap;
use std::fs::File;
use std::net::TcpListener;
use std::os::fd::{AsFd as _, BorrowedFd, OwnedFd};
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use tokio::runtime::Runtime;
use tokio::sync::mpsc::UnboundedReceiver;
use tokio::task::LocalSet;
use tokio::time::MissedTickBehavior;

use super::Client;
use super::accept::accept;
use super::buffer::Buffers;
use super::draw::Draw;
use super::log::Log;
use super::pod::Pod;
use super::tls::Configs;
use crate::metrics::Counter;
use crate::snapshot::asked::{AskedNames, ResolvConf};

/// Between two beats of a worker.
const BEAT: Duration = Duration::from_millis(50);

/// Between two rounds of tidying up.
const SWEEP: Duration = Duration::from_secs(5);

/// What a worker is told.
pub(crate) enum Command {
    /// Serve a pod that connects to these.
    Enrol(Arc<Client>, Vec<TcpListener>),
    /// Stop serving the pod with this cookie.
    Withdraw(u64),
    /// Stop serving, giving what is under way this long.
    Shutdown(Duration),
}

/// What a worker needs from outside, acquired before its thread starts so that a failure is reported at once.
pub(crate) struct Resources {
    netns: OwnedFd,
    draw: Draw,
    log: Option<Log>,
    resolv_conf: ResolvConf,
    counter: Counter,
}

impl Resources {
    /// For a worker in the calling thread's network namespace.
    pub(crate) fn new(log: Option<Log>, resolv_conf: ResolvConf, counter: Counter) -> anyhow::Result<Self> {
        let path = "/proc/thread-self/ns/net";
        let netns = File::open(path).with_context(|| format!("opening {path}"))?.into();
        Ok(Self { netns, draw: Draw::seeded()?, log, resolv_conf, counter })
    }
}

/// What the connections of one worker share.
pub(crate) struct Worker {
    /// Memory for bytes under way.
    pub(crate) buffers: Rc<Buffers>,
    /// Numbers for decisions.
    pub(crate) draw: Draw,
    /// The access log, if there is one.
    pub(crate) log: Option<Log>,
    /// Counts the copies of requests that are under way, by its clones.
    pub(crate) copies: Rc<()>,
    /// What handshakes with endpoints are made with.
    pub(crate) tls: Configs,
    /// What names that clients ask for come to.
    pub(crate) names: AskedNames,
    /// What the worker counts.
    pub(crate) counter: Counter,
    netns: OwnedFd,
}

impl Worker {
    /// Before its first connection.
    pub(crate) fn new(resources: Resources) -> Rc<Self> {
        let Resources { netns, draw, log, resolv_conf, counter } = resources;
        let (buffers, copies, tls, names) =
            (Rc::default(), Rc::default(), Configs::default(), AskedNames::new(resolv_conf));
        Rc::new(Self { buffers, draw, log, copies, tls, names, counter, netns })
    }

    /// The network namespace that the thread lives in.
    pub(crate) fn netns(&self) -> BorrowedFd<'_> {
        self.netns.as_fd()
    }
}

/// Runs a worker until it is told to shut down, then until its connections have ended or their time is over.
pub(crate) fn run(runtime: &Runtime, worker: Rc<Worker>, commands: UnboundedReceiver<Command>, beat: &dyn Fn()) {
    let connections = LocalSet::new();
    let drain = runtime.block_on(connections.run_until(obey(worker, commands, beat)));
    // What is left after that is dropped with the set, and a dropped connection is reset.
    let _ = runtime.block_on(async { tokio::time::timeout(drain, connections).await });
}

/// Carries out commands; gives the time to drain.
async fn obey(worker: Rc<Worker>, mut commands: UnboundedReceiver<Command>, beat: &dyn Fn()) -> Duration {
    let mut pods: HashMap<u64, Rc<Pod>> = HashMap::new();
    let mut ticks = tokio::time::interval(BEAT);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut swept = Instant::now();
    let drain = loop {
        tokio::select! {
            biased;
            _ = ticks.tick() => {
                beat();
                worker.counter.hand_over();
                if swept.elapsed() >= SWEEP {
                    swept = Instant::now();
                    pods.values().for_each(|pod| pod.sweep(swept));
                }
            }
            command = commands.recv() => match command {
                Some(Command::Enrol(client, listeners)) => enrol(&worker, &mut pods, client, listeners),
                Some(Command::Withdraw(cookie)) => {
                    if let Some(pod) = pods.remove(&cookie) {
                        pod.close();
                    }
                }
                Some(Command::Shutdown(drain)) => break drain,
                None => break Duration::ZERO,
            },
        }
    };
    pods.values().for_each(|pod| pod.close());
    drain
}

fn enrol(worker: &Rc<Worker>, pods: &mut HashMap<u64, Rc<Pod>>, client: Arc<Client>, listeners: Vec<TcpListener>) {
    let cookie = client.cookie;
    let name = format!("{}/{}", client.namespace, client.pod);
    let pod = Rc::new(Pod::new(client));
    for listener in listeners {
        match tokio::net::TcpListener::from_std(listener) {
            Ok(listener) => drop(tokio::task::spawn_local(accept(Rc::clone(worker), Rc::clone(&pod), listener))),
            // The listener is closed, so the kernel half leaves the pod's connections alone.
            Err(error) => tracing::error!(pod = name, %error, "cannot accept connections"),
        }
    }
    if let Some(before) = pods.insert(cookie, pod) {
        before.close();
    }
}
