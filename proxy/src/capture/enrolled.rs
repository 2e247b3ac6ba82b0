//! A captured pod: its listeners, its table, its entry in the hooks' maps.

use std::net::{Ipv4Addr, TcpListener};
use std::sync::Arc;

use anyhow::Context as _;
use arc_swap::ArcSwap;
use meshlet_routing::model::Pod;
use meshlet_routing::table::{Scope, Table};
use meshlet_wire::PodEntry;

use super::listener;
use super::netns::Netns;
use crate::connection::{self, Client, Services, Workers};
use crate::kernel::{Kernel, SockOpsLink};

/// A captured pod.
pub(crate) struct Enrolled {
    /// `namespace/name`.
    pub(crate) name: String,
    /// What its rules depend on; changes with its labels.
    pub(crate) scope: Scope,
    /// Its own IPv4 address.
    pub(crate) address: Ipv4Addr,
    /// Inode of its network namespace.
    pub(crate) netns: u64,
    /// Cookie of its network namespace, the key in the hooks' maps.
    pub(crate) cookie: u64,
    port: u16,
    /// Its place among the pods of the node, for what is hashed by its address.
    pub(crate) place: u32,
    /// What the hooks know of it.
    armed: Option<PodEntry>,
    /// Counts its open connections while it lives.
    _observer: Option<SockOpsLink>,
    table: Arc<ArcSwap<Table>>,
    /// Keeps the socket that the hooks look up at hand; the workers own the listening.
    first: TcpListener,
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
        address: Ipv4Addr,
        netns: Netns,
        port: u16,
        place: u32,
        observer: Option<SockOpsLink>,
        workers: &Workers,
        table: Arc<Table>,
        services: Arc<ArcSwap<Services>>,
    ) -> anyhow::Result<Self> {
        let opened = netns.run(|| listener::open(port, workers.count()))?;
        let first = opened.sockets.first().context("no worker")?.try_clone().context("sharing the listener")?;
        let table = Arc::new(ArcSwap::new(table));
        let (inode, cookie) = (netns.inode(), opened.cookie);
        let client = Client {
            namespace: Arc::clone(&pod.namespace),
            pod: Arc::clone(&pod.name),
            cookie,
            address,
            netns: connection::Netns::Fd(netns.into_file()),
            table: Arc::clone(&table),
            services,
            common: connection::Common::default(),
        };
        workers.enrol(Arc::new(client), opened.sockets);
        let name = format!("{}/{}", pod.namespace, pod.name);
        Ok(Self {
            name,
            scope,
            address,
            netns: inode,
            cookie,
            port: opened.port,
            place,
            armed: None,
            _observer: observer,
            table,
            first,
        })
    }

    /// Lets the hooks redirect to it, and tells them by which rules.
    pub(crate) fn arm(&mut self, kernel: &mut Kernel, scope: u32) -> anyhow::Result<()> {
        let (address, port) = (self.address.octets(), self.port.to_be_bytes());
        let entry = PodEntry { address, port, reserved: [0; 2], scope, place: self.place };
        if self.armed != Some(entry) {
            kernel.maps.enrol(self.cookie, entry, &self.first)?;
            self.armed = Some(entry);
            tracing::info!(pod = %self.name, "captured");
        }
        Ok(())
    }

    /// Its requests are decided by `table` from now on.
    pub(crate) fn follow(&self, table: Arc<Table>) {
        if !Arc::ptr_eq(&self.table.load(), &table) {
            self.table.store(table);
        }
    }
}
