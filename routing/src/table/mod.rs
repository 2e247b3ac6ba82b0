//! What a connection looks up: compiled for one client scope, immutable, shared by every pod of that scope.
//!
//! [`rules`] picks the virtual services that the scope sees and [`destination_rules`] the policies, [`compiler`] turns a (host, port,
//! subset) into endpoints and a policy, [`virtual_host`] compiles routes, [`targets`] their destinations, [`domains`] says under which names they live.

mod action;
mod by_host;
mod capture;
mod clusters;
mod compiled;
mod compiler;
mod delegation;
mod destination_rules;
mod domains;
mod effects;
mod filter_chains;
mod http_routes;
mod kernel;
mod lens;
mod localities;
mod mirrors;
mod policy;
mod registry;
mod routes;
mod rules;
mod scope;
mod sidecars;
mod targets;
#[cfg(test)]
mod tests;
mod virtual_host;

use std::net::IpAddr;
use std::sync::Arc;

use crate::decide::Dialled;
use crate::inventory::Change;
use crate::model::{OutboundTraffic, Protocol, World};

pub(crate) use action::{Action, Forward};
pub(crate) use by_host::ByHost;
pub use capture::{Capture, Captured, Meaning};
use clusters::ClusterTable;
pub use clusters::{Cluster, ClusterId, Finding, Target};
use compiled::{Compiled, Earlier};
use compiler::Clusters;
pub(crate) use delegation::{Delegates, Undelegated, Unused};
pub use effects::Effects;
pub use filter_chains::RuleKind;
pub(crate) use filter_chains::{ConnectionRoute, FilterChains};
pub(crate) use http_routes::Unattached;
pub use kernel::{KernelDestination, KernelPick, KernelRoute, NeedsProxy};
pub(crate) use lens::{Lens, look_each};
pub(crate) use mirrors::MirrorLeg;
use routes::Routes;
pub(crate) use rules::View;
pub use scope::{Distinctions, Scope};
pub(crate) use targets::Leg;
pub(crate) use virtual_host::{Route, RouteMatch, VirtualHost};

/// Which rule decided; shared by every request that it takes.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RuleRef {
    /// `namespace/name` of the VirtualService; `None` for HTTPRoutes and for a service's default route.
    pub virtual_service: Option<Arc<str>>,
    /// `namespace/name` of the HTTPRoute, if it is one's.
    pub http_route: Option<Arc<str>>,
    /// Position in `spec.http`, `spec.tls` or `spec.tcp`, or in `spec.rules`.
    pub index: usize,
    /// Position in that rule's `match`; `None` when it has none.
    pub entry: Option<usize>,
    /// Envoy's route name: the rule's own, joined with the match's by a dot; `default` for a default route; else empty.
    pub name: Arc<str>,
    /// The rule of another object that it stands for.
    pub delegate: Option<DelegateRef>,
}

/// A rule of a delegate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DelegateRef {
    /// `namespace/name` of the VirtualService.
    pub virtual_service: Arc<str>,
    /// Position in its `spec.http`.
    pub index: usize,
    /// Position in that rule's `match`; `None` when it has none.
    pub entry: Option<usize>,
}

/// Everything one scope's requests are decided by.
#[derive(Debug, Clone, Default)]
pub struct Table {
    /// What rules say, whatever the endpoints are.
    routes: Arc<Routes>,
    clusters: ClusterTable,
    /// What the routes were put together of.
    compiled: Arc<Compiled>,
}

impl Table {
    /// Compiles the world as clients of `scope` see it. The order of objects has no influence.
    #[must_use]
    pub fn build(world: &World, scope: &Scope) -> Self {
        let view = View::new(world, scope);
        Self::compile(&view, Clusters::new(&view))
    }

    /// The table of the same scope in a world that changed so since it was built. What does not depend on what changed is kept.
    #[must_use]
    pub fn following(&self, world: &World, scope: &Scope, change: &Change) -> Self {
        let touched = &change.rules;
        let mut clusters = self.clusters.clone();
        let services = change.endpoints.iter().flat_map(|host| world.services.of_host(host));
        services.for_each(|service| clusters.follow(service));
        if touched.is_empty() {
            return Self { routes: Arc::clone(&self.routes), clusters, compiled: Arc::clone(&self.compiled) };
        }
        let view = View::new(world, scope);
        if touched.is_everything() {
            return Self::compile(&view, Clusters::new(&view));
        }
        let earlier = Earlier { compiled: &self.compiled, routes: &self.routes, touched };
        Self::compile(&view, Clusters::since(&view, clusters, Some(earlier)))
    }

    fn compile<'v>(view: &'v View<'_>, mut clusters: Clusters<'v, '_>) -> Self {
        let routes = Routes::build(view, &mut clusters);
        let (clusters, compiled) = clusters.finish();
        Self { routes: Arc::new(routes), clusters, compiled: Arc::new(compiled) }
    }

    /// All clusters that some route names.
    pub fn clusters(&self) -> impl Iterator<Item = &Arc<Cluster>> {
        self.clusters.all()
    }

    /// A cluster that a route of this table names.
    #[must_use]
    pub fn cluster(&self, id: ClusterId) -> &Arc<Cluster> {
        self.clusters.get(id)
    }

    /// Addresses and ports that this scope's rules give a meaning to: these are captured.
    pub fn ruled(&self) -> impl Iterator<Item = (IpAddr, u16)> + '_ {
        self.routes.ruled()
    }

    /// Ports that are captured whatever the address, since a rule is for a name that has none.
    pub fn ruled_anywhere(&self) -> impl Iterator<Item = u16> + '_ {
        self.routes.ruled_anywhere()
    }

    /// What becomes of what the scope does not know.
    #[must_use]
    pub fn outbound(&self) -> OutboundTraffic {
        self.routes.outbound
    }

    /// Whether anything listens at an address and port: a service's own, or one for every address.
    #[must_use]
    pub fn listens(&self, dialled: Dialled) -> bool {
        self.routes.listens(dialled)
    }

    /// Whether nothing but HTTP is declared for an address and port.
    #[must_use]
    pub fn is_http_alone(&self, dialled: Dialled) -> bool {
        self.routes.is_http_alone(dialled)
    }

    /// How a connection's bytes are to be read.
    #[must_use]
    pub fn treatment(&self, dialled: Dialled) -> Protocol {
        self.routes.treatment(dialled)
    }

    /// Whether a rule for the service at an address and port wants TLS for requests, for some of them at least. Who cannot
    /// read them cannot send them on.
    #[must_use]
    pub fn originates_tls(&self, dialled: Dialled) -> bool {
        let speaks = |leg: &Leg| matches!(leg.target, Target::Cluster(id) if self.cluster(id).tls.is_some());
        self.routes.legs(dialled).any(speaks)
    }

    /// What a listener does with bytes that are not HTTP; `None` when there is none, or none but for HTTP.
    pub(crate) fn filter_chains(&self, dialled: Dialled) -> Option<&FilterChains> {
        self.routes.filter_chains(dialled)
    }

    /// The virtual host of a request: by name on ports declared HTTP, by address on undeclared ones.
    pub(crate) fn virtual_host(&self, dialled: Dialled, host: &str) -> Option<&VirtualHost> {
        self.routes.virtual_host(dialled, host)
    }
}
