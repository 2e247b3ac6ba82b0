//! One connection whose bytes are not read: decided once, relayed to one endpoint. When that cannot be connected to, the
//! client's connection is closed: Istio leaves Envoy's `max_connect_attempts` at 1.

use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use meshlet_routing::balance::{Permit, Picked, Resource};
use meshlet_routing::decide::{AskedName, Connection, ConnectionDecision, decide_connection};
use meshlet_routing::model::{ConnectionPool, IdleTimeout, TlsOrigination};
use meshlet_routing::table::Cluster;
use tokio::net::tcp::{ReadHalf, WriteHalf};

use super::buffer::Buffer;
use super::failure::connect_reason;
use super::flags::Flags;
use super::pod::Pod;
use super::relay::{Traffic, idle, relay};
use super::report::{PASSTHROUGH_CLUSTER, Record};
use super::tls::Peer;
use super::upstreams::Upstreams;
use super::{Client, Downstream, End, upstream};

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

impl Plan {
    fn new(client: &Client, downstream: &Downstream, server_name: Option<&str>) -> Self {
        let table = client.table.load();
        let source = Some(client.address.into());
        let connection = Connection { dialled: downstream.dialled, sni: server_name, source };
        match decide_connection(&table, &connection, downstream.worker.draw.next_u32()) {
            ConnectionDecision::Route(route) => match route.asked {
                Some(asked) => Self::Name(Arc::clone(route.cluster), asked, route.idle_timeout),
                None => Self::Cluster(Arc::clone(route.cluster), route.key, route.idle_timeout),
            },
            ConnectionDecision::Reset(reset) => {
                // What REGISTRY_ONLY refuses is over, not broken.
                Self::Closed(Flags::named(reset.flag), if reset.rule.is_some() { End::Reset } else { End::Clean })
            }
            ConnectionDecision::Passthrough { tls, .. } => Self::Dialled(tls.cloned()),
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
    _upstreams: Option<Rc<Upstreams>>,
}

/// Serves a connection to its end. `first` was already read from it; `server_name` is that of its ClientHello.
pub(crate) async fn serve(
    downstream: &Downstream,
    read: &mut ReadHalf<'_>,
    write: &mut WriteHalf<'_>,
    first: Option<Buffer>,
    server_name: Option<&str>,
) -> End {
    let plan = Plan::new(&downstream.pod.client, downstream, server_name);
    carry_out(downstream, &plan, (read, write), first).await
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
    carry_out(downstream, &plan, (read, write), Some(first)).await
}

async fn carry_out(
    downstream: &Downstream,
    plan: &Plan,
    down: (&mut ReadHalf<'_>, &mut WriteHalf<'_>),
    first: Option<Buffer>,
) -> End {
    let mut record = Record::new(downstream.accepted, plan.name(), "");
    let traffic = Traffic::default();
    let end = match choose(downstream, plan).await {
        Ok(chosen) => to(downstream, plan, &chosen, down, first, &traffic, &mut record).await,
        Err((flags, end)) => {
            record.flags = flags;
            end
        }
    };
    record.received = traffic.received.get();
    record.sent = traffic.sent.get();
    downstream.report(&record);
    end
}

/// The endpoint of a connection, or the flags and the end of one that gets none.
async fn choose(downstream: &Downstream, plan: &Plan) -> Result<Chosen, (Flags, End)> {
    let Downstream { worker, pod, dialled, .. } = downstream;
    match plan {
        Plan::Closed(flags, end) => Err((*flags, *end)),
        Plan::Dialled(_) => {
            let address = SocketAddr::new(dialled.address, dialled.port);
            Ok(Chosen { address, _busy: None, _counted: None, _upstreams: None })
        }
        Plan::Name(cluster, asked, _) => {
            let (upstreams, permit) = counted(pod, cluster)?;
            let address = worker.names.address(&asked.name).await.ok_or((Flags::DF, End::Reset))?;
            let address = SocketAddr::new(address, asked.port);
            Ok(Chosen { address, _busy: None, _counted: Some(permit), _upstreams: Some(upstreams) })
        }
        Plan::Cluster(cluster, key, _) => {
            let (upstreams, permit) = counted(pod, cluster)?;
            let picked = upstreams.pick(cluster, *key, worker.draw.next(), &[]).ok_or((Flags::UH, End::Reset))?;
            Ok(Chosen {
                address: picked.address,
                _busy: Some(picked),
                _counted: Some(permit),
                _upstreams: Some(upstreams),
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
    let mut stream = match upstream::connect(place, chosen.address, plan.limits(), peer.as_ref()).await {
        Ok(stream) => stream,
        Err(error) => {
            record.flags = Flags::UF;
            record.failure = Some(connect_reason(&error));
            return End::Reset;
        }
    };
    record.upstream_local = downstream.logs().then(|| stream.local_addr().ok()).flatten();
    let relayed = {
        let (mut up_read, mut up_write) = stream.split();
        tokio::select! {
            biased;
            end = relay((read, write), (&mut up_read, &mut up_write), first, &worker.buffers, traffic) => Some(end),
            () = idle(traffic, plan.idle_limit()) => None,
        }
    };
    // Silent for too long: Envoy ends both sides and resets neither.
    relayed.unwrap_or(End::Clean)
}
