//! One request, one answer: captured or not, which rule, which endpoints, and what was not used and why.
//!
//! The verdict is what [`enrol`], [`Table::build`], [`decide`] and [`Balance`] say, the functions that the data path runs;
//! this module asks them and writes down what they saw. [`losers`] finds what concerns the host and was passed over.

mod annotations;
mod answer;
mod asked;
mod attached;
mod capture;
mod cluster;
mod connection;
mod families;
mod heads;
mod losers;
mod passed_over;
mod policy;
mod rules;
#[cfg(test)]
mod tests;
mod url;

use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;

pub use crate::table::Capture;
pub use answer::{
    Answered, CaptureShown, ClientShown, DelegateShown, Destination, Explanation, Judged, KeyShown, LoadBalancerShown,
    LoserShown, Pick, RequestShown, RuleShown, ServiceShown, Skipped,
};
pub use asked::{Asked, Unanswerable, Who, Written};
pub use cluster::{OutlierShown, PlaceShown, PoolShown, TlsShown};
pub use policy::{AbortShown, DelayShown, FaultShown, MirrorShown, PolicyShown, RetriesShown};
pub use url::{Header, Url};

use heads::Heads;
use losers::{Concern, Native};
use passed_over::Met;

use crate::balance::{Balance, mix};
use crate::decide::{
    AskedName, Dialled, Outcome, Reason, Request, Selected, Towards, decide, normalize_path, refusal, select,
    without_port,
};
use crate::enrol::{Verdict, enrol};
use crate::model::{
    Family, Hostname, LoadBalancer, Namespace, Pod, PodAddresses, Protocol, Service, VirtualService, World,
};
use crate::table::{Cluster, Leg, Scope, Table, Target, View};
use connection::Reading;

/// Who asks.
#[derive(Debug, Clone)]
pub enum Client<'w> {
    /// A pod of the world.
    Pod(&'w Pod),
    /// A captured pod that does not exist.
    Imaginary(Scope),
}

/// What a client sends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Speech {
    /// HTTP/1.1.
    Http1,
    /// HTTP/2 with prior knowledge.
    Http2,
    /// TLS with the host's name in its ClientHello.
    Tls,
    /// Bytes that are none of these.
    Tcp,
}

/// What is asked.
#[derive(Debug, Clone)]
pub struct Question<'q> {
    /// Who asks.
    pub client: Client<'q>,
    /// What it speaks.
    pub speech: Speech,
    /// The host it looks up, without port.
    pub host: &'q str,
    /// The address dialled, when it is not the host's own.
    pub address: Option<IpAddr>,
    /// The port dialled.
    pub port: u16,
    /// The request; `authority` is the raw Host.
    pub request: Request<'q>,
    /// What is captured.
    pub capture: Capture,
    /// Fixes every draw.
    pub seed: u64,
    /// Judge every rule of the host, not only those up to the one that decides.
    pub all_rules: bool,
}

impl Question<'_> {
    /// The client's own address towards one that it dials, where there is one.
    fn source(&self, dialled: Dialled) -> Option<IpAddr> {
        match &self.client {
            Client::Pod(pod) => PodAddresses::new(&pod.addresses).of(Family::of(dialled.address)),
            Client::Imaginary(_) => self.request.source,
        }
    }
}

/// Answers a question about a request, or about a connection that carries none.
#[must_use]
pub fn explain(world: &World, question: &Question<'_>) -> Explanation {
    let mut explanation = of_request(world, question);
    explanation.not_used.extend(annotations::unused(&question.client, explanation.client.captured));
    explanation
}

fn of_request(world: &World, question: &Question<'_>) -> Explanation {
    let (mut explanation, scope) = about_client(world, &question.client);
    let path = normalize_path(question.request.path);
    let request = Request { path: &path, ..question.request };
    explanation.request = Some(RequestShown::new(&request));
    let Some(scope) = scope else {
        explanation.not_used = losers::of_native(world, question, Native::Client);
        return explanation;
    };
    let table = Table::build(world, &scope);
    let view = View::new(world, &scope);
    let own = view.services().find(|service| named(view.names(service), question.host));
    let concerned = own.map(|service| service.host.clone());
    let own_address = || question.host.parse().ok().or_else(|| own.and_then(|own| address_of(own, &question.client)));
    let address = question.address.or_else(own_address).or_else(|| nowhere(&table, question, &request));
    let Some(address) = address else {
        explanation.passes("UnknownHost", "native");
        let concern = Concern { asked: question.host, port: question.port, owner: None, met: Met::Requests };
        explanation.not_used = losers::of_captured(&view, world, concerned.as_ref(), &concern);
        return explanation;
    };
    let dialled = Dialled { address: address.to_canonical(), port: question.port };
    let request = Request { source: question.source(dialled), ..request };
    let selected = select(&table, dialled, &request);
    let reading = Reading::new(table.treatment(dialled), question, dialled);
    let (host, owner) = match &reading {
        Reading::Connection(connection) => explanation.place_connection(&table, connection),
        Reading::Requests | Reading::Http2 => explanation.place(&selected),
    };
    if explanation.lacks_family(world, question, dialled) || explanation.excluded(world, question, dialled) {
        return explanation;
    }
    let host = host.or(concerned.as_ref());
    let mut met = Met::new(&table, &reading, dialled);
    let mut capture = capture::judge(world, &question.client, &table, question.capture, dialled);
    if !capture.captured {
        // Unruled: the kernel lets it through, and kube-proxy decides.
        explanation.passes(if host.is_some() { "DefaultRoute" } else { "UnknownHost" }, "native");
        if let Some(missed) = capture::missed(&table, &reading, &selected, dialled) {
            (explanation.reason, capture.message, met) = ("NotAtAnAddress", missed, Met::Nothing);
        }
    } else if let Some(reason) = refusal(&table, dialled, !matches!(reading, Reading::Connection(_))) {
        (explanation.verdict, explanation.reason, explanation.path) = ("reset", reason.as_str(), "proxy");
    } else {
        match &reading {
            Reading::Requests => {
                explanation.decided(&table, dialled, &request, question.seed, &selected);
                explanation.rules = question.all_rules.then(|| rules::judged(&selected, &request));
            }
            Reading::Http2 => explanation.passes(Reason::Http2NotHonoured.as_str(), "proxy"),
            Reading::Connection(connection) => explanation.connected(&table, connection, question.seed),
        }
    }
    explanation.capture = Some(capture);
    explanation.gateways = explanation.virtual_service.as_ref().and_then(|name| gateways(world, name));
    let concern = Concern { asked: question.host, port: question.port, owner, met };
    explanation.not_used = losers::of_captured(&view, world, host, &concern);
    explanation
}

/// Says whether a client is captured and which objects its requests may meet.
#[must_use]
pub fn about(world: &World, client: &Client<'_>) -> Explanation {
    let (mut explanation, scope) = about_client(world, client);
    if let Some(scope) = scope {
        explanation.verdict = "captured";
        explanation.objects = Some(losers::visible(&View::new(world, &scope)));
    }
    explanation.not_used = annotations::unused(client, explanation.client.captured);
    explanation
}

/// The explanation so far, and the scope when the client is captured.
fn about_client(world: &World, client: &Client<'_>) -> (Explanation, Option<Scope>) {
    match client {
        Client::Imaginary(scope) => {
            let verdict = Verdict { captured: true, reason: "Imaginary" };
            (Explanation::new(&scope.namespace, None, verdict), Some(scope.clone()))
        }
        Client::Pod(pod) => {
            let verdict = enrol(pod, namespace_of(world, &pod.namespace));
            let scope = Scope::of_pod(world, pod);
            (Explanation::new(&pod.namespace, Some(&pod.name), verdict), verdict.captured.then_some(scope))
        }
    }
}

fn client_namespace(client: &Client<'_>) -> Arc<str> {
    match client {
        Client::Pod(pod) => Arc::clone(&pod.namespace),
        Client::Imaginary(scope) => Arc::clone(&scope.namespace),
    }
}

fn namespace_of<'w>(world: &'w World, name: &str) -> Option<&'w Namespace> {
    world.namespaces.iter().find(|namespace| &*namespace.name == name)
}

/// For a name without address where every address is captured, or where a rule is for the name, or it is to be refused: no
/// address in particular.
fn nowhere(table: &Table, question: &Question<'_>, request: &Request<'_>) -> Option<IpAddr> {
    let dialled = Dialled { address: IpAddr::V4(Ipv4Addr::UNSPECIFIED), port: question.port };
    let reading = Reading::new(table.treatment(dialled), question, dialled);
    let captured = || table.captures(dialled, question.capture).is_some();
    let missed = || capture::missed(table, &reading, &select(table, dialled, request), dialled).is_some();
    (captured() || missed()).then_some(dialled.address)
}

/// The address a client dials by the service's name, as its resolver gives it: one of the service, of a pod when it is headless,
/// and of both families the first that the client has an address of. A service without any may be anywhere.
fn address_of(service: &Service, client: &Client<'_>) -> Option<IpAddr> {
    let pods = || {
        let endpoints = service.ports.iter().flat_map(|port| port.endpoints.iter());
        endpoints.flat_map(|endpoint| [Some(endpoint.address), endpoint.twin]).flatten().map(|address| address.ip())
    };
    let mut found: Vec<IpAddr> = service.addresses.clone();
    if service.headless() {
        found.extend(pods());
    }
    let dialled = |address: IpAddr| Dialled { address, port: 0 };
    let first = found.iter().find(|address| families::missing(client, dialled(**address)).is_none());
    let first = first.or_else(|| found.first()).copied();
    first.or_else(|| (!service.headless()).then_some(IpAddr::V4(Ipv4Addr::UNSPECIFIED)))
}

/// `gateways` of a virtual service by `namespace/name`, as written.
fn gateways(world: &World, name: &str) -> Option<Vec<Arc<str>>> {
    let (namespace, name) = name.split_once('/')?;
    let same = |rule: &&VirtualService| *rule.object.namespace == *namespace && *rule.object.name == *name;
    let rule = world.virtual_services.iter().find(same)?;
    Some(rule.gateways.iter().map(|gateway| Arc::from(&**gateway)).collect())
}

fn named(names: Vec<String>, host: &str) -> bool {
    names.iter().any(|name| name.eq_ignore_ascii_case(without_port(host)))
}

fn host_of<'t>(selected: &Selected<'t>) -> Option<&'t (Hostname, u16, Protocol)> {
    match selected {
        Selected::Nobody => None,
        Selected::Host(host) | Selected::Route(host, _) => host.service.as_ref(),
    }
}

/// The virtual service whose routes the host has, whether one of them takes the request or not.
fn owner<'t>(selected: &Selected<'t>) -> Option<&'t str> {
    let route = match selected {
        Selected::Nobody => None,
        Selected::Host(host) => host.routes.first(),
        Selected::Route(_, route) => Some(*route),
    };
    route.and_then(|route| route.rule.virtual_service.as_deref())
}

impl Explanation {
    /// What the names say, whatever is done with the request: whose they are, and which virtual service has their routes.
    fn place<'t>(&mut self, selected: &Selected<'t>) -> (Option<&'t Hostname>, Option<&'t str>) {
        self.service = host_of(selected).map(|(host, port, protocol)| ServiceShown {
            host: host.to_string(),
            port: *port,
            protocol: protocol.as_str(),
        });
        (host_of(selected).map(|(host, ..)| host), owner(selected))
    }

    fn passes(&mut self, reason: &'static str, path: &'static str) {
        (self.verdict, self.reason, self.path) = ("passthrough", reason, path);
    }

    /// What the data path does with the request.
    fn decided(&mut self, table: &Table, dialled: Dialled, request: &Request<'_>, seed: u64, selected: &Selected<'_>) {
        self.path = "proxy";
        let family = Family::of(dialled.address);
        self.skipped = rules::skipped(selected, request);
        self.virtual_service = owner(selected).map(str::to_owned);
        if let Selected::Route(_, route) = selected {
            self.http_route = route.rule.http_route.as_deref().map(str::to_owned);
            let ruled = route.rule.virtual_service.is_some() || self.http_route.is_some();
            self.rule = ruled.then(|| RuleShown::new("http", &route.rule));
            self.destinations = destinations(table, route.action.legs(), family);
            self.policy = PolicyShown::new(route);
        }
        let draw = u32::try_from(mix(seed) >> 32).unwrap_or(0);
        let pod = self.client.pod.clone();
        let heads = |route, cluster| Heads { request, dialled, pod: pod.as_ref(), route, cluster };
        match decide(table, dialled, request, draw).outcome {
            Outcome::Passthrough(reason) => self.passes(reason.as_str(), "proxy"),
            Outcome::Respond(respond) => {
                let redirect = respond.reason == Reason::Redirect;
                self.verdict = if redirect { "redirect" } else { "respond" };
                self.reason = respond.reason.as_str();
                self.response = Some(Answered {
                    status: respond.status,
                    flag: respond.flag,
                    headers: heads(respond.rule.map_or("", |rule| &*rule.name), "").answered(&respond),
                    body: String::from_utf8_lossy(respond.body).into_owned(),
                });
            }
            Outcome::Route(route) => {
                self.verdict = if route.towards == Towards::Dialled { "passthrough" } else { "route" };
                self.reason = route.reason.as_str();
                self.request = Some(heads(&*route.rule.name, &*route.cluster.name).sent(&route));
                self.pick = match &route.towards {
                    Towards::Name(asked) => Some(picked_name(route.cluster, asked)),
                    Towards::Endpoint | Towards::Dialled => pick(route.cluster, route.key, seed, family),
                };
            }
        }
    }
}

/// Whoever sends it on looks the name up.
fn picked_name(cluster: &Cluster, asked: &AskedName) -> Pick {
    let subset = cluster.subset.as_deref().map(str::to_owned);
    Pick { subset, endpoint: asked.to_string(), pod: None, sticky: false }
}

/// The endpoint that the seed draws.
fn pick(cluster: &Cluster, key: Option<u64>, seed: u64, family: Family) -> Option<Pick> {
    let picked = Balance::new().pick(cluster, key, mix(seed.wrapping_add(1)), &[])?;
    let endpoint = cluster.endpoints.iter().find(|endpoint| endpoint.address == picked.address);
    Some(Pick {
        subset: cluster.subset.as_deref().map(str::to_owned),
        endpoint: cluster.towards(picked.address, family).to_string(),
        pod: endpoint.and_then(|endpoint| endpoint.pod.clone()),
        sticky: cluster.load_balancer.hash_key().is_some() && key.is_some(),
    })
}

fn destinations(table: &Table, legs: &[Leg], family: Family) -> Vec<Destination> {
    let total = legs.last().map_or(0, |leg| leg.upper);
    let mut below = 0;
    let shown = |leg: &Leg| {
        let own = leg.upper - below;
        below = leg.upper;
        let cluster = match leg.target {
            Target::Cluster(id) => Some(table.cluster(id)),
            Target::UnknownHost | Target::UnknownSubset => None,
        };
        Destination {
            host: leg.host.to_string(),
            subset: leg.subset.as_deref().map(str::to_owned),
            port: leg.port,
            weight: leg.weight,
            share: share(own, total),
            cluster: format!("outbound|{}|{}|{}", leg.port, leg.subset.as_deref().unwrap_or_default(), leg.host),
            destination_rule: cluster.and_then(|cluster| cluster.destination_rule.as_deref().map(str::to_owned)),
            endpoints: cluster.map(|cluster| endpoints(cluster, family)).unwrap_or_default(),
            load_balancer: cluster.map(|cluster| balancer(&cluster.load_balancer)),
            outlier_detection: cluster.and_then(|cluster| OutlierShown::of(cluster)),
            connection_pool: cluster.and_then(|cluster| PoolShown::of(&cluster.connection_pool)),
            tls: cluster.and_then(|cluster| TlsShown::of(cluster)),
            locality: cluster.map(|cluster| PlaceShown::all(cluster)).unwrap_or_default(),
        }
    };
    legs.iter().map(shown).collect()
}

/// `part / total`, both sums of 32-bit weights that a double holds exactly as long as they are below 2^53.
fn share(part: u64, total: u64) -> f64 {
    let double = |number: u64| {
        let (high, low) = (number >> 32, number & u64::from(u32::MAX));
        f64::from(u32::try_from(high).unwrap_or(u32::MAX)) * 4_294_967_296.0
            + f64::from(u32::try_from(low).unwrap_or(0))
    };
    if total == 0 { 0.0 } else { double(part) / double(total) }
}

fn endpoints(cluster: &Cluster, family: Family) -> Vec<String> {
    cluster.endpoints.iter().map(|endpoint| endpoint.towards(family).to_string()).collect()
}

fn balancer(load_balancer: &LoadBalancer) -> LoadBalancerShown {
    let policy = match load_balancer {
        LoadBalancer::Passthrough => "passthrough",
        LoadBalancer::RoundRobin => "round_robin",
        LoadBalancer::Random => "random",
        LoadBalancer::LeastRequest => "least_request",
        LoadBalancer::RingHash { .. } => "ring_hash",
        LoadBalancer::Maglev { .. } => "maglev",
    };
    LoadBalancerShown { policy, key: load_balancer.hash_key().map(KeyShown::new) }
}
