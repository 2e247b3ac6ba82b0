//! A double of the Kubernetes API server: what a client of its lists, watches and writes behaves as with the real one, and
//! tests can make it fail in every way that the real one has.
//!
//! [`store`] is what etcd is, [`request`] reads paths and queries, [`discovery`], [`answer`], [`watch`], [`write`] and [`review`] are
//! the answers, [`connection`] joins them. A thread per connection; no TLS, and a token is taken for the name of an account.

mod answer;
mod clock;
mod connection;
mod discovery;
mod faults;
mod request;
mod resources;
mod review;
mod store;
#[cfg(test)]
mod tests;
mod watch;
mod write;

use std::collections::{BTreeMap, HashMap};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use anyhow::{Context as _, bail};
use serde_json::{Value, json};

pub use faults::Fault;

use discovery::Served;
use request::Objects;
use resources::Resource;
use store::{Key, Store};

/// What all connections share.
#[derive(Debug, Default)]
pub(crate) struct Shared {
    /// Guards the state below; nothing is written to a client while it is held.
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug)]
struct State {
    store: Store,
    served: Served,
    faults: HashMap<&'static str, Fault>,
    requests: Vec<String>,
    /// What somebody writes just before the next write of a client to the same object.
    rivals: Vec<(Key, Value)>,
    /// Writes that were refused because somebody else had written.
    conflicts: usize,
    /// Open connections by a number of their own.
    connections: BTreeMap<u64, TcpStream>,
    accepted: u64,
    down: bool,
    /// Whether lists can be asked for as watches.
    streaming: bool,
    /// Whether the second page of a list is too old by the time it is asked for.
    expired_lists: bool,
    bookmark_every: Duration,
}

impl Default for State {
    fn default() -> Self {
        Self {
            store: Store::default(),
            served: Served::default(),
            faults: HashMap::new(),
            requests: Vec::new(),
            rivals: Vec::new(),
            conflicts: 0,
            connections: BTreeMap::new(),
            accepted: 0,
            down: false,
            streaming: true,
            expired_lists: false,
            bookmark_every: Duration::from_secs(60),
        }
    }
}

impl State {
    /// Lets somebody be faster than the write to these objects that comes now.
    fn outrun(&mut self, of: &Objects) {
        let Some(key) = of.key() else { return };
        if let Some(place) = self.rivals.iter().position(|(rival, _)| *rival == key) {
            let (key, object) = self.rivals.remove(place);
            // Without an expected version nothing is refused.
            drop(self.store.put(key, object, None));
        }
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn wait<'g>(&self, state: MutexGuard<'g, State>, longest: Duration) -> MutexGuard<'g, State> {
        self.changed.wait_timeout(state, longest).unwrap_or_else(PoisonError::into_inner).0
    }

    fn notify(&self) {
        self.changed.notify_all();
    }
}

/// A running double. Dropping it closes everything.
#[derive(Debug)]
pub struct ApiServer {
    shared: Arc<Shared>,
    address: SocketAddr,
    accepting: Option<JoinHandle<()>>,
}

impl ApiServer {
    /// Starts without any object, on loopback.
    ///
    /// # Errors
    /// When there is no free port.
    pub fn start() -> anyhow::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").context("finding a port for the API server")?;
        let address = listener.local_addr().context("finding a port for the API server")?;
        let shared = Arc::new(Shared::default());
        let accepting = accept(listener, &shared);
        Ok(Self { shared, address, accepting: Some(accepting) })
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// A kubeconfig that leads to it.
    #[must_use]
    pub fn kubeconfig(&self) -> String {
        self.kubeconfig_of("system:anonymous")
    }

    /// One for an account, which is believed.
    #[must_use]
    pub fn kubeconfig_of(&self, account: &str) -> String {
        let config = json!({
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [{"name": "double", "cluster": {"server": format!("http://{}", self.address)}}],
            "users": [{"name": "nobody", "user": {"token": account}}],
            "contexts": [{"name": "double", "context": {"cluster": "double", "user": "nobody"}}],
            "current-context": "double",
        });
        format!("{config:#}\n")
    }

    /// Creates an object, or replaces it.
    ///
    /// # Errors
    /// When it has no name or its kind is not one that the double knows.
    pub fn apply(&self, object: Value) -> anyhow::Result<()> {
        self.put(object)?;
        self.shared.notify();
        Ok(())
    }

    /// Creates or replaces many objects before anybody is told of one.
    ///
    /// # Errors
    /// As [`Self::apply`], for the first that is wrong.
    pub fn apply_all(&self, objects: impl IntoIterator<Item = Value>) -> anyhow::Result<()> {
        objects.into_iter().try_for_each(|object| self.put(object))?;
        self.shared.notify();
        Ok(())
    }

    fn put(&self, object: Value) -> anyhow::Result<()> {
        let (_, key) = identify(&object)?;
        let written = self.shared.lock().store.put(key, object, None);
        written.map(drop).map_err(|refused| anyhow::anyhow!("not written: {refused:?}"))
    }

    /// Writes an object just before a client writes to it the next time, which then comes too late if it names the version that
    /// it has read. Asked for several times, it is done before as many writes.
    ///
    /// # Errors
    /// As [`Self::apply`].
    pub fn outrun(&self, object: Value) -> anyhow::Result<()> {
        let (_, key) = identify(&object)?;
        self.shared.lock().rivals.push((key, object));
        Ok(())
    }

    /// How many writes were answered 409.
    #[must_use]
    pub fn conflicts(&self) -> usize {
        self.shared.lock().conflicts
    }

    /// Deletes an object, given by its `apiVersion`, `kind` and name.
    ///
    /// # Errors
    /// When it is not there.
    pub fn delete(&self, object: &Value) -> anyhow::Result<()> {
        let (_, key) = identify(object)?;
        let deleted = self.shared.lock().store.delete(&key);
        self.shared.notify();
        deleted.map(drop).map_err(|refused| anyhow::anyhow!("{} is not deleted: {refused:?}", key.name))
    }

    /// An object as it is now, with what clients have written into it.
    #[must_use]
    pub fn get(&self, plural: &str, namespace: &str, name: &str) -> Option<Value> {
        let key =
            Key { plural: resources::named(plural)?.plural, namespace: namespace.to_owned(), name: name.to_owned() };
        self.shared.lock().store.get(&key).map(|found| found.value.clone())
    }

    /// Objects of a resource, in the order of their names.
    #[must_use]
    pub fn list(&self, plural: &str) -> Vec<Value> {
        let Some(resource) = resources::named(plural) else { return Vec::new() };
        self.shared.lock().store.list(resource.plural, None).map(|(_, found)| found.value.clone()).collect()
    }

    /// The version of the last write to a resource; 0 when there was none.
    #[must_use]
    pub fn version_of(&self, plural: &str) -> u64 {
        self.shared.lock().store.version_of(plural)
    }

    /// Forgets all events so far: a watch that is not up to date gets 410.
    pub fn compact(&self) {
        self.shared.lock().store.compact();
        self.shared.notify();
    }

    /// Answers requests for a resource wrongly from now on, or (`None`) rightly again. Watches that are open end.
    ///
    /// # Panics
    /// When there is no such resource.
    pub fn fault(&self, plural: &str, fault: Option<Fault>) {
        let resource = resource(plural);
        {
            let mut state = self.shared.lock();
            match fault {
                Some(fault) => state.faults.insert(resource.plural, fault),
                None => state.faults.remove(resource.plural),
            };
        }
        self.disconnect();
    }

    /// Serves a resource in these versions alone; in none as if its CRD were not there.
    ///
    /// # Panics
    /// When there is no such resource.
    pub fn serve(&self, plural: &str, versions: &[&str]) {
        self.shared.lock().served.only(resource(plural), versions);
        self.shared.notify();
    }

    /// Whether lists can be asked for as watches; they can at first.
    pub fn stream_lists(&self, offered: bool) {
        self.shared.lock().streaming = offered;
    }

    /// Whether the second page of every list is too old by the time it is asked for.
    pub fn expire_lists(&self, expired: bool) {
        self.shared.lock().expired_lists = expired;
    }

    /// How often a watch without events says how far it is.
    pub fn bookmark_every(&self, period: Duration) {
        self.shared.lock().bookmark_every = period;
    }

    /// Method, path and query of all requests so far.
    #[must_use]
    pub fn requests(&self) -> Vec<String> {
        self.shared.lock().requests.clone()
    }

    /// Closes all connections.
    pub fn disconnect(&self) {
        let open = std::mem::take(&mut self.shared.lock().connections);
        for stream in open.into_values() {
            // It may have been closed by the other side.
            drop(stream.shutdown(Shutdown::Both));
        }
    }

    /// Refuses connections, as while the API server restarts.
    pub fn down(&mut self) {
        self.shared.lock().down = true;
        self.shared.notify();
        // Whoever accepts is woken to see that it is to stop.
        drop(TcpStream::connect(self.address));
        if let Some(accepting) = self.accepting.take() {
            drop(accepting.join());
        }
        self.disconnect();
    }

    /// Listens again, at the same address and with the same objects.
    ///
    /// # Errors
    /// When somebody else has taken the port.
    pub fn up(&mut self) -> anyhow::Result<()> {
        self.shared.lock().down = false;
        let listener = TcpListener::bind(self.address).context("listening again")?;
        self.accepting = Some(accept(listener, &self.shared));
        Ok(())
    }
}

impl Drop for ApiServer {
    fn drop(&mut self) {
        self.down();
    }
}

fn accept(listener: TcpListener, shared: &Arc<Shared>) -> JoinHandle<()> {
    let shared = Arc::clone(shared);
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            if shared.lock().down {
                return;
            }
            let Ok(stream) = stream else { continue };
            let shared = Arc::clone(&shared);
            std::thread::spawn(move || {
                let number = enter(&shared, &stream);
                // What went wrong is the client's to see.
                drop(connection::serve(&shared, stream));
                shared.lock().connections.remove(&number);
            });
        }
    })
}

fn enter(shared: &Shared, stream: &TcpStream) -> u64 {
    let mut state = shared.lock();
    state.accepted += 1;
    let number = state.accepted;
    if let Ok(stream) = stream.try_clone() {
        state.connections.insert(number, stream);
    }
    number
}

fn identify(object: &Value) -> anyhow::Result<(&'static Resource, Key)> {
    let text = |key: &str| object[key].as_str().unwrap_or_default();
    let (api_version, kind) = (text("apiVersion"), text("kind"));
    let Some(resource) = resources::of_object(api_version, kind) else {
        bail!("{api_version} {kind} is no resource of the double's: add it to api/resources.rs");
    };
    let name = object["metadata"]["name"].as_str().with_context(|| format!("a {kind} without metadata.name"))?;
    let namespace = object["metadata"]["namespace"].as_str().unwrap_or("default");
    let namespace = if resource.namespaced { namespace } else { "" };
    Ok((resource, Key { plural: resource.plural, namespace: namespace.to_owned(), name: name.to_owned() }))
}

fn resource(plural: &str) -> &'static Resource {
    resources::named(plural).unwrap_or_else(|| panic!("there is no resource {plural}: see api/resources.rs"))
}
