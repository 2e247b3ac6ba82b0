//! The engine against scripted endpoints, over loopback, without privileges: pods live in this process's own namespace,
//! and a service id is dialled by hand.

mod bodies;
mod counted;
mod edits;
mod effects;
mod failures;
mod http;
mod lifecycle;
mod mirrors;
mod names;
mod opaque;
mod policy;
mod relay;
mod tcp;
mod tls;
mod tls_server;
mod tries;

use std::io::{ErrorKind, Read as _, Write as _};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::num::NonZeroUsize;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::Receiver;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use arc_swap::ArcSwap;
use meshlet_routing::decide::Dialled;
use meshlet_routing::model::{
    Creation, Endpoint, ExportTo, Hostname, Kind, Labels, ObjectRef, PodAddresses, Protocol, Resolution, Service,
    ServicePort, TrafficDistribution, Workload, World,
};
use meshlet_routing::table::{Scope, Table};
use meshlet_routing::validate::validate;

use super::{Client, Common, Meanings, Netns, Services, Workers};
use crate::metrics::{Tally, channel};
use crate::settings::AccessLog;
use crate::snapshot::asked::ResolvConf;

/// Nothing here takes this long.
const PATIENCE: Duration = Duration::from_secs(10);

/// Service id of the only service, `echo.shop`.
const ID: u32 = 7;

/// What the pod of [`Node`] is called by.
const COOKIE: u64 = 42;

/// An endpoint that follows a script, a thread per connection.
struct Upstream {
    address: SocketAddr,
    connections: Arc<AtomicUsize>,
    /// All that it was sent, over all connections.
    received: Arc<Mutex<Vec<u8>>>,
}

impl Upstream {
    /// `script` is called with each connection and its number from 0.
    fn new(script: impl Fn(&mut Conversation, usize) + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a listener");
        let address = listener.local_addr().expect("its address");
        let (connections, received) = (Arc::new(AtomicUsize::new(0)), Arc::new(Mutex::new(Vec::new())));
        let script = Arc::new(script);
        let (count, log) = (Arc::clone(&connections), Arc::clone(&received));
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let (script, log) = (Arc::clone(&script), Arc::clone(&log));
                let number = count.fetch_add(1, Ordering::SeqCst);
                let mut conversation = Conversation::new(stream.expect("a connection"));
                conversation.log = Some(log);
                std::thread::spawn(move || script(&mut conversation, number));
            }
        });
        Self { address, connections, received }
    }

    /// Answers every request, whose body it does not expect, with `response`.
    fn answering(response: &'static str) -> Self {
        Self::new(move |conversation, _| {
            while !conversation.head().is_empty() {
                conversation.send(response);
            }
        })
    }

    fn connections(&self) -> usize {
        self.connections.load(Ordering::SeqCst)
    }

    fn received(&self) -> String {
        String::from_utf8_lossy(&self.received.lock().expect("no panic held it")).into_owned()
    }
}

/// One end of a connection, blocking.
struct Conversation {
    stream: TcpStream,
    log: Option<Arc<Mutex<Vec<u8>>>>,
}

impl Conversation {
    fn new(stream: TcpStream) -> Self {
        stream.set_read_timeout(Some(PATIENCE)).expect("a time-out");
        stream.set_nodelay(true).expect("no delay");
        Self { stream, log: None }
    }

    /// Sends text; the peer may be gone.
    fn send(&mut self, text: &str) {
        let _ = self.stream.write_all(text.as_bytes());
    }

    /// Reads up to and including the empty line; empty when the peer has ended.
    fn head(&mut self) -> String {
        let mut head = String::new();
        while !head.ends_with("\r\n\r\n") {
            match self.bytes(1).as_deref() {
                Ok([byte]) => head.push(char::from(*byte)),
                _ => return String::new(),
            }
        }
        head
    }

    /// Reads so many bytes.
    fn bytes(&mut self, count: usize) -> std::io::Result<Vec<u8>> {
        let mut bytes = vec![0; count];
        self.stream.read_exact(&mut bytes)?;
        if let Some(log) = &self.log {
            log.lock().expect("no panic held it").extend(&bytes);
        }
        Ok(bytes)
    }

    /// Reads as much text as `expected` is long, and compares. Heads of responses are read as a whole, and what they say of
    /// the time that the endpoint took is left out.
    fn expect(&mut self, expected: &str) {
        let (part, rest) = match expected.find("\r\n\r\n") {
            Some(end) if expected.starts_with("HTTP/1.1 ") => expected.split_at(end + 4),
            _ => expected.split_at(
                expected.get(1..).and_then(|rest| rest.find("HTTP/1.1 ")).map_or(expected.len(), |at| at + 1),
            ),
        };
        if part.ends_with("\r\n\r\n") && part.starts_with("HTTP/1.1 ") {
            assert_eq!(untimed(&self.head()), part);
        } else {
            let bytes = self.bytes(part.len()).unwrap_or_else(|error| panic!("{error}, waiting for {part:?}"));
            assert_eq!(String::from_utf8_lossy(&bytes), part);
        }
        if !rest.is_empty() {
            self.expect(rest);
        }
    }

    /// Reads to the end.
    fn rest(&mut self) -> std::io::Result<String> {
        let mut text = Vec::new();
        self.stream.read_to_end(&mut text).map(|_| String::from_utf8_lossy(&text).into_owned())
    }

    /// Reads to the end, or until nothing came for so long.
    fn rest_within(&mut self, limit: Duration) -> std::io::Result<String> {
        self.stream.set_read_timeout(Some(limit))?;
        self.rest()
    }

    /// The peer ends its side with nothing more to say.
    fn expect_end(&mut self) {
        assert_eq!(self.rest().expect("a clean end"), "");
    }

    /// The peer resets, after anything.
    fn expect_reset(&mut self) {
        let kind = self.rest().expect_err("a reset").kind();
        assert_eq!(kind, ErrorKind::ConnectionReset);
    }

    fn half_close(&mut self) {
        self.stream.shutdown(Shutdown::Write).expect("an open connection");
    }

    fn reset(self) {
        let socket = socket2::SockRef::from(&self.stream);
        socket.set_linger(Some(Duration::ZERO)).expect("a linger time");
    }
}

/// A response's head without the time that the endpoint took.
fn untimed(head: &str) -> String {
    head.split_inclusive('\n').filter(|line| !line.starts_with("x-envoy-upstream-service-time: ")).collect()
}

/// No nameservers.
fn nowhere() -> ResolvConf {
    ResolvConf::new("/nowhere".into())
}

/// Two workers that serve one pod, for which `echo.shop` is the only service.
struct Node {
    workers: Option<Workers>,
    capture: SocketAddr,
    client: Arc<Client>,
    /// What the workers have counted and handed over.
    counted: Receiver<Tally>,
}

impl Node {
    /// The service's address is `dialled`, its port declared as `protocol`.
    fn new(protocol: Protocol, dialled: SocketAddr, endpoints: &[SocketAddr]) -> Self {
        Self::resolving(&nowhere(), protocol, dialled, endpoints)
    }

    /// The same, with nameservers.
    fn resolving(resolv_conf: &ResolvConf, protocol: Protocol, dialled: SocketAddr, endpoints: &[SocketAddr]) -> Self {
        let beat = Arc::new(|_| {});
        let count = NonZeroUsize::new(2).expect("two");
        let (tallies, counted) = channel();
        let workers = Workers::start(count, beat, AccessLog::Off, resolv_conf, &tallies).expect("workers");
        let listeners = listeners(count.get());
        let port = listeners[0][0].local_addr().expect("an address").port();
        let capture = SocketAddr::from((Ipv4Addr::from(meshlet_wire::id_address(ID)), port));
        let client = client(protocol, dialled, endpoints);
        workers.enrol(Arc::clone(&client), listeners);
        Self { workers: Some(workers), capture, client, counted }
    }

    /// HTTP, with one endpoint, whose address was dialled: unknown hosts go there too.
    fn http(upstream: &Upstream) -> Self {
        Self::new(Protocol::Http, upstream.address, &[upstream.address])
    }

    /// HTTP, with these endpoints, and one `spec.http` of a VirtualService in force; it may name a service `copy` as well.
    fn ruled(http: &str, endpoints: &[SocketAddr], copies: &[SocketAddr]) -> Self {
        let dialled = nobody();
        let node = Self::new(Protocol::Http, dialled, endpoints);
        let rule = format!(
            "{{apiVersion: networking.istio.io/v1, kind: VirtualService, metadata: {{name: echo, namespace: shop}}, \
             spec: {{hosts: [echo], http: [{http}]}}}}"
        );
        let echo = service("echo", Protocol::Http, dialled, endpoints);
        let copy = service("copy", Protocol::Http, SocketAddr::new([127, 0, 0, 2].into(), dialled.port()), copies);
        node.client.table.store(Arc::new(compiled(rules(&rule), [echo, copy])));
        node
    }

    /// Connects as the pod would be redirected.
    fn connect(&self) -> Conversation {
        Conversation::new(TcpStream::connect(self.capture).expect("a listener"))
    }

    fn workers(&self) -> &Workers {
        self.workers.as_ref().expect("not shut down")
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        if let Some(workers) = self.workers.take() {
            workers.shutdown(Duration::ZERO);
        }
    }
}

fn listeners(count: usize) -> Vec<Vec<TcpListener>> {
    let mut port = 0;
    (0..count)
        .map(|_| {
            let socket = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).expect("a socket");
            socket.set_reuse_port(true).expect("a shared port");
            socket.set_nonblocking(true).expect("no blocking");
            socket.bind(&SocketAddr::from((Ipv4Addr::UNSPECIFIED, port)).into()).expect("a port");
            socket.listen(128).expect("a listener");
            let listener = TcpListener::from(socket);
            port = listener.local_addr().expect("its address").port();
            vec![listener]
        })
        .collect()
}

pub(crate) fn client(protocol: Protocol, dialled: SocketAddr, endpoints: &[SocketAddr]) -> Arc<Client> {
    let meanings = Arc::new(Meanings::new(Box::new(|_| None)));
    meanings.publish(Services::from([(ID, Dialled { address: dialled.ip(), port: dialled.port() })]));
    Arc::new(Client {
        namespace: "shop".into(),
        pod: "client".into(),
        workload: Workload::of_itself("shop".into(), "client".into()).into(),
        cookie: COOKIE,
        addresses: PodAddresses { v4: Some(Ipv4Addr::LOCALHOST), v6: None },
        netns: Netns::Current,
        table: Arc::new(ArcSwap::from_pointee(table(protocol, dialled, endpoints))),
        meanings,
        common: Common::default(),
    })
}

/// What manifests say, all of it valid.
fn rules(text: &str) -> World {
    let parsed = meshlet_routing::manifest::parse("rules.yaml", text);
    let mut valid = Vec::new();
    for manifest in &parsed.manifests {
        let validated = validate(manifest);
        assert!(validated.faults.is_empty(), "{:?}", validated.faults);
        valid.extend(validated.valid);
    }
    World::assemble(&valid)
}

fn table(protocol: Protocol, dialled: SocketAddr, endpoints: &[SocketAddr]) -> Table {
    ruled(World::default(), protocol, dialled, endpoints)
}

/// With rules beside the service.
fn ruled(rules: World, protocol: Protocol, dialled: SocketAddr, endpoints: &[SocketAddr]) -> Table {
    compiled(rules, [service("echo", protocol, dialled, endpoints)])
}

fn compiled<const N: usize>(rules: World, services: [Service; N]) -> Table {
    let world = World { services: services.into_iter().collect(), ..rules };
    Table::build(&world, &Scope::new("shop".into(), Arc::new(Labels::new())))
}

/// A service of the namespace `shop` with one port.
fn service(name: &str, protocol: Protocol, dialled: SocketAddr, endpoints: &[SocketAddr]) -> Service {
    let mut endpoints: Vec<Endpoint> = endpoints.iter().map(|address| Endpoint::new(*address)).collect();
    endpoints.sort_by_key(|endpoint| endpoint.address);
    Service {
        object: ObjectRef { kind: Kind::Service, namespace: "shop".into(), name: name.into() },
        resolution: Resolution::Endpoints,
        aliases: Vec::new(),
        node_local: false,
        distribution: TrafficDistribution::Any,
        name: name.into(),
        namespace: "shop".into(),
        host: Hostname::service(name, "shop"),
        addresses: vec![dialled.ip()],
        ports: vec![ServicePort {
            number: dialled.port(),
            name: "http".into(),
            protocol,
            endpoints: endpoints.into(),
            names: Arc::default(),
        }],
        export_to: ExportTo::All,
        created: Creation::default(),
    }
}

/// A port of loopback where nobody listens, now or later: it stays bound.
fn nobody() -> SocketAddr {
    let socket = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).expect("a socket");
    socket.bind(&SocketAddr::from((Ipv4Addr::LOCALHOST, 0)).into()).expect("a free port");
    let address = socket.local_addr().ok().and_then(|address| address.as_socket()).expect("its address");
    std::mem::forget(socket);
    address
}

/// Waits for a condition, not for a time.
fn wait_for(condition: impl Fn() -> bool) {
    let start = std::time::Instant::now();
    while !condition() {
        assert!(start.elapsed() < PATIENCE, "waited in vain");
        std::thread::sleep(Duration::from_millis(5));
    }
}
