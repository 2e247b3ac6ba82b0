//! One connection whose bytes are not read: decided once, relayed to one endpoint. When that cannot be connected to, the
//! client's connection is closed: Istio leaves Envoy's `max_connect_attempts` at 1.

use std::future::pending;
use std::io;
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

use meshlet_routing::balance::{Outcome, Permit, Picked, Resource};
use meshlet_routing::decide::{AskedName, Connection, ConnectionDecision, Reason, decide_connection};
use meshlet_routing::model::{ConnectionPool, Family, IdleTimeout, TlsOrigination};
use meshlet_routing::table::{Cluster, RuleKind, RuleRef};
use tokio::net::tcp::{ReadHalf, WriteHalf};

use super::buffer::Buffer;
use super::counted::{self, Counted};
use super::failure::connect_reason;
use super::flags::Flags;
use super::pod::Pod;
use super::relay::{Traffic, idle, relay};
use super::report::{Decided, PASSTHROUGH_CLUSTER, Record};
use super::tls::Peer;
use super::upstreams::Upstreams;
use super::{Client, Downstream, End, upstream};
use crate::metrics::{Destination, Parties};

/// How long a connection may be silent; Envoy's default.
const IDLE_LIMIT: Duration = Duration::from_secs(3600);

/// What is done with a connection; holds nothing of the table.
enum Plan {
    /// To an endpoint of a cluster, chosen with this key.
    Cluster(Arc<Cluster>, Option<u64>, Option<IdleTimeout>),
    /// To what a name comes to, by the policy of a cluster.
    Name(Arc<Cluster>, AskedName, Option<IdleTimeout>),
    /// Where the client dialled, where the rule of a cluster that leads there may ask for TLS.
    Dialled(Option<Arc<TlsOrigination>>),
    /// Nowhere: the connection ends so.
    Closed(Flags, End),
}

/// What else the table said.
struct Terms {
    /// In which list the rule is, and which one it is.
    rule: Option<(RuleKind, Arc<RuleRef>)>,
    reason: Reason,
    /// When the connection ends whatever it does.
    max_duration: Option<Duration>,
}

/// Decides about a connection.
fn decide(client: &Client, downstream: &Downstream, server_name: Option<&str>) -> (Plan, Terms) {
    let table = client.table.load();
    let source = client.source(downstream.dialled);
    let connection = Connection { dialled: downstream.dialled, sni: server_name, source };
    match decide_connection(&table, &connection, downstream.worker.draw.next_u32()) {
        ConnectionDecision::Route(route) => {
            let rule = Some((route.kind, Arc::clone(route.rule)));
            let terms = Terms { rule, reason: route.reason, max_duration: route.max_duration };
            let cluster = Arc::clone(route.cluster);
            match route.asked {
                Some(asked) => (Plan::Name(cluster, asked, route.idle_timeout), terms),
                None => (Plan::Cluster(cluster, route.key, route.idle_timeout), terms),
            }
        }
        ConnectionDecision::Reset(reset) => {
            let rule = reset.rule.map(|(kind, rule)| (kind, Arc::clone(rule)));
            // What REGISTRY_ONLY refuses is over, not broken.
            let end = if rule.is_some() { End::Reset } else { End::Clean };
            let terms = Terms { rule, reason: reset.reason, max_duration: None };
            (Plan::Closed(Flags::named(reset.flag), end), terms)
        }
        ConnectionDecision::Passthrough { tls, reason } => {
            (Plan::Dialled(tls.cloned()), Terms { rule: None, reason, max_duration: None })
        }
    }
}

impl Plan {
    fn cluster(&self) -> Option<&Cluster> {
        match self {
            Self::Cluster(cluster, ..) | Self::Name(cluster, ..) => Some(cluster),
            Self::Dialled(_) | Self::Closed(..) => None,
        }
    }

    /// Envoy's name of the cluster.
    fn name(&self) -> &str {
        match self {
            Self::Cluster(cluster, ..) | Self::Name(cluster, ..) => &cluster.name,
            Self::Dialled(_) => PASSTHROUGH_CLUSTER,
            Self::Closed(..) => "",
        }
    }

    /// Where it leads, as metrics name it, once an endpoint is known or none is to be had.
    fn destination(&self, endpoint: Option<SocketAddr>) -> Destination {
        match self {
            Self::Cluster(cluster, ..) | Self::Name(cluster, ..) => Destination::of(cluster, endpoint),
            Self::Dialled(_) => Destination::dialled(endpoint),
            Self::Closed(..) => Destination::none(),
        }
    }

    fn limits(&self) -> &ConnectionPool {
        match self {
            Self::Cluster(cluster, ..) | Self::Name(cluster, ..) => &cluster.connection_pool,
            Self::Dialled(_) | Self::Closed(..) => &ConnectionPool::UNSET,
        }
    }

    fn peer(&self) -> Option<Peer> {
        let tls = match self {
            Self::Cluster(cluster, ..) | Self::Name(cluster, ..) => cluster.tls.as_ref(),
            Self::Dialled(tls) => tls.as_ref(),
            Self::Closed(..) => None,
        };
        tls.map(Peer::of_bytes)
    }

    fn idle_limit(&self) -> Option<Duration> {
        match self {
            Self::Cluster(_, _, Some(idle)) | Self::Name(_, _, Some(idle)) => match idle {
                IdleTimeout::Never => None,
                IdleTimeout::After(limit) => Some(*limit),
            },
            Self::Cluster(_, _, None) | Self::Name(_, _, None) | Self::Dialled(_) | Self::Closed(..) => {
                Some(IDLE_LIMIT)
            }
        }
    }
}

/// Where a connection goes, and what counts it there.
struct Chosen {
    address: SocketAddr,
    _busy: Option<Picked>,
    _counted: Option<Permit>,
    upstreams: Option<Rc<Upstreams>>,
}

impl Chosen {
    /// Takes note of whether the endpoint could be connected to: all that there is to know about it
    /// (envoy source/common/tcp_proxy/tcp_proxy.cc, onUpstreamConnection and onGenericPoolFailure).
    fn report(&self, plan: &Plan, connected: Result<(), &io::Error>) {
        let (Plan::Cluster(cluster, ..), Some(upstreams)) = (plan, &self.upstreams) else { return };
        let outcome = match connected {
            Ok(()) => Outcome::Answered(200),
            Err(error) if error.kind() == io::ErrorKind::TimedOut => Outcome::TimedOut,
            Err(_) => Outcome::Failed,
        };
        upstreams.report(cluster, self.address, outcome);
    }
}

/// Serves a connection to its end. `first` was already read from it; `server_name` is that of its ClientHello.
pub(crate) async fn serve(
    downstream: &Downstream,
    read: &mut ReadHalf<'_>,
    write: &mut WriteHalf<'_>,
    first: Option<Buffer>,
    server_name: Option<&str>,
) -> End {
    let (plan, terms) = decide(&downstream.pod.client, downstream, server_name);
    let mut record = Record::new(downstream.accepted, plan.name(), "");
    let rule = terms.rule.as_ref().map(|(kind, rule)| (*kind, &**rule));
    let subset = plan.cluster().and_then(|cluster| cluster.subset.as_deref());
    record.decided = Some(Decided { rule, subset, reason: terms.reason });
    record.server_name = server_name;
    carry_out(downstream, &plan, terms.max_duration, (read, write), first, record).await
}

/// Takes HTTP/2, which is not spoken here yet, to where the client dialled, unless a rule wants its requests in TLS: they
/// must not be found in the clear. `first` was already read.
pub(crate) async fn passthrough(
    downstream: &Downstream,
    read: &mut ReadHalf<'_>,
    write: &mut WriteHalf<'_>,
    first: Buffer,
) -> End {
    let plan = match downstream.pod.client.table.load().originates_tls(downstream.dialled) {
        true => Plan::Closed(Flags::UF, End::Reset),
        false => Plan::Dialled(None),
    };
    let record = Record::new(downstream.accepted, plan.name(), "");
    carry_out(downstream, &plan, None, (read, write), Some(first), record).await
}

async fn carry_out(
    downstream: &Downstream,
    plan: &Plan,
    max_duration: Option<Duration>,
    down: (&mut ReadHalf<'_>, &mut WriteHalf<'_>),
    first: Option<Buffer>,
    mut record: Record<'_>,
) -> End {
    let traffic = Traffic::default();
    let relayed = async {
        match choose(downstream, plan).await {
            Ok(chosen) => to(downstream, plan, &chosen, down, first, &traffic, &mut record).await,
            Err((flags, end)) => {
                record.flags = flags;
                counted::failed(downstream, &plan.destination(None), flags);
                end
            }
        }
    };
    let end = tokio::select! {
        biased;
        end = relayed => Some(end),
        () = over(downstream.accepted, max_duration) => None,
    };
    let end = end.unwrap_or_else(|| {
        // As with silence, both sides are ended and neither is reset.
        record.flags |= Flags::DT;
        End::Clean
    });
    record.received = traffic.received.get();
    record.sent = traffic.sent.get();
    downstream.report(&record);
    end
}

/// Returns when so long has passed since; `None`: never.
async fn over(since: Instant, limit: Option<Duration>) {
    match limit.and_then(|limit| since.checked_add(limit)) {
        Some(due) => tokio::time::sleep_until(due.into()).await,
        None => pending().await,
    }
}

/// The endpoint of a connection, or the flags and the end of one that gets none.
async fn choose(downstream: &Downstream, plan: &Plan) -> Result<Chosen, (Flags, End)> {
    let Downstream { worker, pod, dialled, .. } = downstream;
    match plan {
        Plan::Closed(flags, end) => Err((*flags, *end)),
        Plan::Dialled(_) => {
            let address = SocketAddr::new(dialled.address, dialled.port);
            Ok(Chosen { address, _busy: None, _counted: None, upstreams: None })
        }
        Plan::Name(cluster, asked, _) => {
            let (upstreams, permit) = counted(pod, cluster)?;
            let address = worker.names.address(&asked.name).await.ok_or((Flags::DF, End::Reset))?;
            let address = SocketAddr::new(address, asked.port);
            Ok(Chosen { address, _busy: None, _counted: Some(permit), upstreams: Some(upstreams) })
        }
        Plan::Cluster(cluster, key, _) => {
            let (upstreams, permit) = counted(pod, cluster)?;
            let wanted = (*key, Family::of(dialled.address));
            let picked = upstreams.pick(cluster, wanted, worker.draw.next(), &[]).ok_or((Flags::UH, End::Reset))?;
            Ok(Chosen {
                address: picked.address,
                _busy: Some(picked),
                _counted: Some(permit),
                upstreams: Some(upstreams),
            })
        }
    }
}

/// Counts a connection to a cluster, if its limits let it have one more.
fn counted(pod: &Pod, cluster: &Cluster) -> Result<(Rc<Upstreams>, Permit), (Flags, End)> {
    let upstreams = pod.upstreams(&cluster.name);
    let permit = upstreams.breakers().take(Resource::Connections, &cluster.connection_pool);
    Ok((upstreams, permit.ok_or((Flags::UO, End::Reset))?))
}

/// Relays to one address until both sides have ended, or have been silent for too long.
async fn to(
    downstream: &Downstream,
    plan: &Plan,
    chosen: &Chosen,
    (read, write): (&mut ReadHalf<'_>, &mut WriteHalf<'_>),
    first: Option<Buffer>,
    traffic: &Traffic,
    record: &mut Record<'_>,
) -> End {
    let (worker, client) = (&downstream.worker, &downstream.pod.client);
    record.upstream = Some(chosen.address);
    let (place, peer) = ((&client.netns, &**worker), plan.peer());
    let connected = upstream::connect(place, chosen.address, plan.limits(), peer.as_ref()).await;
    chosen.report(plan, connected.as_ref().map(drop));
    let mut stream = match connected {
        Ok(stream) => stream,
        Err(error) => {
            record.flags = Flags::UF;
            record.failure = Some(connect_reason(&error));
            counted::failed(downstream, &plan.destination(record.upstream), record.flags);
            return End::Reset;
        }
    };
    record.upstream_local = downstream.logs().then(|| stream.local_addr().ok()).flatten();
    let parties = Parties::new(&client.workload, &plan.destination(Some(chosen.address)), Flags::NONE);
    let counted = Counted::open(&worker.counter, parties, traffic);
    let relayed = {
        let (mut up_read, mut up_write) = stream.split();
        tokio::select! {
            biased;
            end = relay((read, write), (&mut up_read, &mut up_write), first, &worker.buffers, traffic) => Some(end),
            () = idle(traffic, plan.idle_limit()) => None,
            never = counted.keep_telling() => match never {},
        }
    };
    // Silent for too long: Envoy ends both sides and resets neither.
    relayed.unwrap_or(End::Clean)
}
