//! The node loop: what is written and what runs here, made true in the kernel and in the workers. One task, one writer.

mod enrolment;
mod kernel_view;
mod report;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use meshlet_routing::enrol::{Verdict, enrol};
use meshlet_routing::inventory::Change;
use meshlet_routing::model::{Namespace, Pod};
use meshlet_routing::table::{Captured, Scope};
use tokio::sync::Notify;

use crate::admin::Status;
use crate::capture::cgroup;
use crate::capture::departed::Departed;
use crate::capture::enrolled::Enrolled;
use crate::capture::netns::Netns;
use crate::capture::places;
use crate::cluster::Cluster;
use crate::cluster::writes::{Rhythm, Writes};
use crate::connection::{Meanings, Workers};
use crate::kernel::{self, Kernel, Links, Sort};
use crate::metrics::Metrics;
use crate::settings::RunArgs;
use crate::snapshot::loan::{Lender, Worlds, lending};
use crate::snapshot::publish::Published;
use crate::snapshot::resolve::Resolver;
use crate::snapshot::source::{Source, waking};
use crate::snapshot::watch::Watch;
use enrolment::Troubles;

/// Everything is derived again this often, whatever inotify said.
const PERIOD: Duration = Duration::from_millis(500);
/// The same while a wanted pod has no process of its own yet, whose first connect should find the listener: how often, until so
/// long after something has happened. What a process does to become a pod's, inotify does not see.
const EAGER: [(Duration, Duration); 2] =
    [(Duration::from_secs(1), Duration::from_millis(5)), (Duration::from_secs(10), Duration::from_millis(20))];
/// What a cluster tells within so long after a round is taken together: under churn, rounds do not follow one on another.
const GATHER: Duration = Duration::from_millis(20);

/// The node's lock and where its links are pinned.
pub(crate) struct Held {
    kubepods: PathBuf,
    pins: PathBuf,
    // Held, not read: the lock lasts as long as the descriptor.
    _lock: OwnedFd,
}

/// The daemon's single writer.
pub(crate) struct Node {
    settings: RunArgs,
    name: String,
    cgroup_root: PathBuf,
    node_netns: u64,
    held: Option<Held>,
    links: Option<Links>,
    kernel: Kernel,
    workers: Workers,
    source: Source,
    resolver: Resolver,
    published: Published,
    enrolled: BTreeMap<Box<str>, Enrolled>,
    /// UIDs of marked pods that have processes.
    running: BTreeSet<Box<str>>,
    departed: Departed,
    troubles: Troubles,
    wake: Arc<Notify>,
    watch: Watch,
    status: Arc<Status>,
    metrics: Arc<Metrics>,
    worlds: Worlds,
    lender: Lender,
    generation: u64,
}

impl Node {
    /// Takes the lock of the kubepods cgroup, if that exists yet.
    pub(crate) fn hold(cgroup_root: &Path, bpffs: &Path) -> anyhow::Result<Option<Held>> {
        let Some(kubepods) = cgroup::kubepods(cgroup_root) else { return Ok(None) };
        let (pins, lock) = kernel::lock_node(bpffs, &kubepods)?;
        Ok(Some(Held { kubepods, pins, _lock: lock }))
    }

    /// Nothing is captured yet. The objects are the cluster's, where one is given.
    pub(crate) fn new(
        settings: RunArgs,
        cgroup_root: PathBuf,
        held: Option<Held>,
        kernel: Kernel,
        workers: Workers,
        metrics: Arc<Metrics>,
        cluster: Option<kube::Config>,
    ) -> anyhow::Result<Self> {
        let mesh = anyhow::Context::context(settings.mesh.read(), "--mesh-config: correct it, or leave it out")?;
        let (wake, mut watch) = waking();
        let name = settings.node_name();
        let (worlds, lender) = lending(settings.capture.into());
        let source = match cluster {
            Some(config) => {
                let writes = settings.writes_back().then(|| Writes {
                    rhythm: Rhythm::PATIENT,
                    worlds: worlds.clone(),
                    instance: settings.instance(),
                    candidate: settings.candidate(),
                });
                Source::Cluster(Cluster::follow(config, mesh, &name, writes)?)
            }
            None => Source::files(mesh, settings.filename.clone(), &mut watch),
        };
        if held.is_none() && !settings.dry_run {
            tracing::warn!(root = %cgroup_root.display(), "no kubepods cgroup yet: waiting for the kubelet to make one");
        }
        let meanings = Arc::new(Meanings::new(Box::new(kernel.learned.reader())));
        let published = Published::new(kernel.sizes.ids(), settings.capture.into(), meanings);
        Ok(Self {
            name,
            node_netns: Netns::of_node()?.inode(),
            source,
            resolver: Resolver::new(settings.resolv_conf.clone()),
            settings,
            cgroup_root,
            held,
            links: None,
            kernel,
            workers,
            published,
            enrolled: BTreeMap::new(),
            running: BTreeSet::new(),
            departed: Departed::default(),
            troubles: Troubles::default(),
            wake,
            watch,
            status: Arc::default(),
            metrics,
            worlds,
            lender,
            generation: 0,
        })
    }

    /// What others may see.
    pub(crate) fn status(&self) -> Arc<Status> {
        Arc::clone(&self.status)
    }

    /// Where the world in force may be read.
    pub(crate) fn worlds(&self) -> Worlds {
        self.worlds.clone()
    }

    /// Runs until dropped; an error is one that no later round can mend.
    pub(crate) async fn run(&mut self) -> anyhow::Result<()> {
        let (mut woken, mut stirred) = (true, Instant::now());
        loop {
            let waiting = self.round(woken)?;
            if woken {
                stirred = Instant::now();
            }
            let eager = EAGER.iter().find(|(until, _)| waiting && stirred.elapsed() < *until);
            woken = self.rest(eager.map_or(PERIOD, |(_, pause)| *pause)).await;
        }
    }

    /// Lends out the world until there is something to read, which is true, or a name has come to something else, or the pause
    /// is over.
    async fn rest(&mut self, pause: Duration) -> bool {
        let begun = tokio::time::Instant::now();
        let mut end = begun + pause;
        loop {
            tokio::select! {
                () = self.wake.notified() => return true,
                () = tokio::time::sleep_until(end) => return false,
                () = self.resolver.ready() => return false,
                asked = self.lender.asked() => self.answer(asked),
                news = self.source.news() => if news { end = end.min(begun + GATHER) },
            }
        }
    }

    /// Captures no more; requests under way have `drain` to end. What is pinned stays, inert or refusing by the policy.
    pub(crate) fn stop(mut self, drain: Duration) {
        self.status.ready.store(false, Ordering::Relaxed);
        self.kernel.beat.abandon_tables();
        for pod in self.enrolled.values() {
            self.kernel.maps.disarm(pod.cookie);
        }
        let farewell = self.source.end();
        std::mem::take(&mut self.enrolled)
            .into_values()
            .filter_map(Enrolled::depart)
            .for_each(|pod| self.departed.add(pod));
        self.workers.shutdown(drain);
        self.departed.tidy(|_| false);
        // It has ended meanwhile, where anything was to be drained.
        farewell.into_iter().for_each(|thread| drop(thread.join()));
    }

    /// Makes everything true once; returns whether a marked pod is still without a process.
    fn round(&mut self, woken: bool) -> anyhow::Result<bool> {
        self.kernel.flush_log();
        self.metrics.round(Instant::now());
        self.resolve();
        let change = self.read(woken);
        let changed = change.is_some();
        self.published.advance(self.source.world(), &change.unwrap_or_default());
        if !self.source.settled() {
            // A part of the rules is not to be taken for all of them.
            self.report(&[], false);
            return Ok(false);
        }
        if self.settings.dry_run {
            let verdicts = self.verdicts();
            if changed {
                self.rehearse(&verdicts);
            }
            self.report(&verdicts, changed);
            return Ok(false);
        }
        if self.held.is_none() {
            self.held = Self::hold(&self.cgroup_root, &self.settings.bpffs)?;
        }
        let found = self.held.as_ref().map(|held| {
            self.watch.add(&held.kubepods);
            cgroup::pods(&held.kubepods)
        });
        let verdicts = self.verdicts();
        let waiting = self.enrol(&verdicts, &found.unwrap_or_default());
        self.publish();
        self.attach()?;
        let (age, meanings) = (Duration::from_secs(self.settings.forget_after.into()), self.published.meanings());
        self.kernel.learned.forget(age, |id| meanings.is_under_way(id));
        self.write_back(&verdicts);
        self.report(&verdicts, changed);
        Ok(waiting)
    }

    /// Reads the objects again; what is another if they say something else.
    fn read(&mut self, woken: bool) -> Option<Change> {
        let change = self.source.read(woken)?;
        self.generation += 1;
        self.lender.renew();
        self.resolver.want(self.source.names());
        Some(change)
    }

    /// Takes over what names have come to: other endpoints, and nothing else.
    fn resolve(&mut self) {
        let change = self.source.resolved(&self.resolver.told());
        if !change.is_empty() {
            self.lender.renew();
            self.published.advance(self.source.world(), &change);
        }
    }

    /// By name.
    fn namespaces(&self) -> HashMap<&str, &Namespace> {
        self.source.world().namespaces.iter().map(|found| (&*found.name, found)).collect()
    }

    /// This node's pods with their verdicts.
    fn verdicts(&self) -> Vec<(Pod, Verdict)> {
        let namespaces = self.namespaces();
        let here = |pod: &&Pod| self.source.is_here(pod, &self.name);
        self.source
            .world()
            .pods
            .iter()
            .filter(here)
            .map(|pod| (pod.clone(), enrol(pod, namespaces.get(&*pod.namespace).copied())))
            .collect()
    }

    /// Says what would be captured.
    fn rehearse(&mut self, verdicts: &[(Pod, Verdict)]) {
        for (pod, verdict) in verdicts.iter().filter(|(_, verdict)| verdict.captured) {
            let scope = self.published.scope(self.source.world(), pod);
            let table = self.published.table(self.source.world(), &scope);
            let services = Captured::of([&*table].into_iter(), self.settings.capture.into());
            let name = format!("{}/{}", pod.namespace, pod.name);
            tracing::info!(pod = %name, reason = verdict.reason, %services, "would capture");
        }
    }

    /// Tables first, then what the kernel decides, then the hooks: a connection never meets an id that a worker cannot read,
    /// nor a route that is not its own.
    fn publish(&mut self) {
        let used: BTreeSet<Scope> = self.enrolled.values().map(|pod| pod.scope.clone()).collect();
        for pod in self.enrolled.values() {
            pod.follow(self.published.table(self.source.world(), &pod.scope));
        }
        self.published.keep(&used);
        let now = Instant::now();
        self.published.capture(self.source.world(), &mut self.kernel, now);
        let pods = places::addresses(self.enrolled.values());
        self.published.lay_out(self.source.world(), &mut self.kernel, &self.metrics, pods, now);
        let mut refused = Vec::new();
        for pod in self.enrolled.values_mut() {
            let scope = self.published.number(&pod.scope);
            if let Err((sort, error)) = pod.arm(&mut self.kernel, scope, now) {
                refused.push((sort, format!("Pod {}", pod.name), error));
            }
        }
        self.kernel.outbound.sweep(now);
        for sort in [Sort::Pods, Sort::Ports, Sort::Ranges] {
            let of_sort = || refused.iter().filter(|(own, ..)| *own == sort);
            let names = of_sort().map(|(_, name, _)| name.clone()).collect();
            self.kernel.refusals.renew(sort, names, of_sort().next().map(|(.., error)| error));
        }
    }

    fn attach(&mut self) -> anyhow::Result<()> {
        if let Some(severed) = self.links.take_if(|links| !links.intact()) {
            tracing::warn!(cgroup = %severed.cgroup().display(), "the links were severed: attaching again");
            severed.discard();
            self.held = None;
            self.held = Self::hold(&self.cgroup_root, &self.settings.bpffs)?;
        }
        if let (None, Some(held)) = (&self.links, &self.held) {
            self.kernel.observe();
            if let Some(error) = &self.kernel.unobserved {
                tracing::warn!(%error, "connections whose endpoint the kernel picks are not counted: least-request and metrics lack them");
            }
            let links = Links::attach(&mut self.kernel, &held.kubepods, &held.pins)?;
            tracing::info!(cgroup = %links.cgroup().display(), "attached");
            self.links = Some(links);
        }
        Ok(())
    }
}
