//! A captured pod: its listeners, its table, its entry in the hooks' maps.

use std::net::TcpListener;
use std::sync::{Arc, Weak};
use std::time::Instant;

use anyhow::Context as _;
use arc_swap::ArcSwap;
use meshlet_routing::model::{OutboundCapture, Pod, PodAddresses, UnusedAnnotation};
use meshlet_routing::table::{Scope, Table};
use meshlet_wire::PodEntry;

use super::departed::Departing;
use super::listener;
use super::netns::Netns;
use crate::connection::{self, Client, Meanings, Workers};
use crate::kernel::{Kernel, Sort};

/// A captured pod.
pub(crate) struct Enrolled {
    /// `namespace/name`.
    pub(crate) name: String,
    /// What its rules depend on; changes with its labels.
    pub(crate) scope: Scope,
    /// Its own addresses.
    pub(crate) addresses: PodAddresses,
    /// Its network namespace.
    netns: Netns,
    /// Cookie of its network namespace, the key in the hooks' maps.
    pub(crate) cookie: u64,
    port: u16,
    port_v6: Option<u16>,
    /// Its place among the pods of the node, for what is hashed by its address.
    pub(crate) place: u32,
    /// What its annotations keep out of capture.
    outbound: Arc<OutboundCapture>,
    /// Its annotations without effect, which its owner has been told of.
    unused: Arc<[UnusedAnnotation]>,
    /// What the hooks know of it.
    armed: Option<PodEntry>,
    /// Why they could not be told.
    refusal: Option<String>,
    table: Arc<ArcSwap<Table>>,
    /// Keeps the socket that the hooks look up at hand; the workers own the listening.
    first: TcpListener,
    /// Held by whoever serves it.
    client: Weak<Client>,
}

impl Enrolled {
    /// Opens the pod's listeners and lets the workers accept on them; the hooks know nothing of it yet.
    #[expect(
        clippy::too_many_arguments,
        reason = "a pod's identity, its rules and who serves it, all from different owners"
    )]
    pub(crate) fn open(
        pod: &Pod,
        scope: Scope,
        addresses: PodAddresses,
        netns: Netns,
        port: u16,
        place: u32,
        workers: &Workers,
        table: Arc<Table>,
        meanings: Arc<Meanings>,
    ) -> anyhow::Result<Self> {
        let opened = netns.run(|| listener::open(port, workers.count(), addresses.v6.is_some()))?;
        let first = opened
            .sockets
            .first()
            .and_then(|sockets| sockets.first())
            .context("no worker")?
            .try_clone()
            .context("sharing the listener")?;
        let table = Arc::new(ArcSwap::new(table));
        let cookie = opened.cookie;
        let client = Arc::new(Client {
            namespace: Arc::clone(&pod.namespace),
            pod: Arc::clone(&pod.name),
            workload: Arc::clone(&pod.workload),
            cookie,
            addresses,
            netns: connection::Netns::Fd(netns.try_clone()?.into_file()),
            table: Arc::clone(&table),
            meanings,
            common: connection::Common::default(),
        });
        workers.enrol(Arc::clone(&client), opened.sockets);
        let name = format!("{}/{}", pod.namespace, pod.name);
        let mut enrolled = Self {
            name,
            scope,
            addresses,
            netns,
            cookie,
            port: opened.port,
            port_v6: opened.port_v6,
            place,
            outbound: Arc::default(),
            unused: Arc::default(),
            armed: None,
            refusal: None,
            table,
            first,
            client: Arc::downgrade(&client),
        };
        enrolled.annotate(pod);
        Ok(enrolled)
    }

    /// Follows the pod's annotations; its owner is told once of each that has no effect.
    pub(crate) fn annotate(&mut self, pod: &Pod) {
        self.outbound = Arc::clone(&pod.outbound);
        for annotation in pod.unused.iter().filter(|annotation| !self.unused.contains(annotation)) {
            tracing::warn!(pod = %self.name, "{annotation}");
        }
        self.unused = Arc::clone(&pod.unused);
    }

    /// Whether the hooks redirect to it.
    pub(crate) fn armed(&self) -> bool {
        self.armed.is_some()
    }

    /// Why the hooks do not redirect to it.
    pub(crate) fn refusal(&self) -> Option<&str> {
        self.refusal.as_deref()
    }

    /// What the hooks know of it; `None` where it is not captured.
    pub(crate) fn entry(&self) -> Option<&PodEntry> {
        self.armed.as_ref()
    }

    /// Lets the hooks redirect to it, and tells them by which rules.
    ///
    /// # Errors
    /// When they cannot be told, with what there is no room for: it is native then.
    pub(crate) fn arm(&mut self, kernel: &mut Kernel, scope: u32, now: Instant) -> Result<(), (Sort, anyhow::Error)> {
        let armed = self.try_arm(kernel, scope, now);
        self.refusal = armed.as_ref().err().map(|(_, error)| format!("{error:#}"));
        if armed.is_err() && self.armed.take().is_some() {
            kernel.maps.withdraw(self.cookie);
        }
        armed
    }

    fn try_arm(&mut self, kernel: &mut Kernel, scope: u32, now: Instant) -> Result<(), (Sort, anyhow::Error)> {
        let list = kernel.outbound.list(&self.outbound, now)?;
        let own = &self.addresses;
        let entry = PodEntry {
            address_v6: own.v6.map_or([0; 16], |v6| v6.octets()),
            address: own.v4.map_or([0; 4], |v4| v4.octets()),
            // A family that the pod has no address of is native: the app is to meet what it would meet without us.
            port: own.v4.map_or(0, |_| self.port).to_be_bytes(),
            port_v6: self.port_v6.unwrap_or(0).to_be_bytes(),
            scope,
            place: self.place,
            list,
        };
        if self.armed != Some(entry) {
            kernel.maps.enrol(self.cookie, entry, &self.first).map_err(|error| (Sort::Pods, error))?;
            self.armed = Some(entry);
            tracing::info!(pod = %self.name, ipv4 = own.v4.is_some(), ipv6 = self.port_v6.is_some(), "captured");
        }
        Ok(())
    }

    /// Inode of its network namespace.
    pub(crate) fn netns(&self) -> u64 {
        self.netns.inode()
    }

    /// What is to be kept of a pod that is released until its connections have ended.
    pub(crate) fn depart(self) -> Option<Departing> {
        self.port_v6.map(|_| Departing { name: self.name, netns: self.netns, client: self.client })
    }

    /// Its requests are decided by `table` from now on.
    pub(crate) fn follow(&self, table: Arc<Table>) {
        if !Arc::ptr_eq(&self.table.load(), &table) {
            self.table.store(table);
        }
    }
}
