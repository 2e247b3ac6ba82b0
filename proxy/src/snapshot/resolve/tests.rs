//! A resolver against nameservers on loopback. Tests wait for questions and answers, never for a time.

use std::collections::HashMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::sync::Mutex;

use hickory_resolver::proto::op::{Message, ResponseCode};
use hickory_resolver::proto::rr::rdata::A;
use hickory_resolver::proto::rr::{RData, Record};
use meshlet_routing::inventory::Change;
use meshlet_routing::model::{Hostname, MeshConfig};
use tempfile::TempDir;
use tokio::net::UdpSocket;

use super::*;
use crate::snapshot::read::Files;

const HASTE: Pace = Pace {
    least: Duration::from_millis(1),
    most: Duration::from_millis(2),
    retry: Duration::from_millis(1),
    retry_most: Duration::from_millis(2),
};

/// What a nameserver says of a name.
#[derive(Clone)]
enum Says {
    Addresses(&'static [[u8; 4]]),
    Code(ResponseCode),
}

/// A nameserver; of names that it was told nothing about it says that there are none.
struct Nameserver {
    address: SocketAddr,
    says: Arc<Mutex<HashMap<&'static str, Says>>>,
    asked: mpsc::UnboundedReceiver<String>,
}

impl Nameserver {
    async fn start(address: SocketAddr) -> Self {
        let socket = UdpSocket::bind(address).await.expect("a socket on loopback");
        let address = socket.local_addr().expect("it is bound");
        let says: Arc<Mutex<HashMap<&'static str, Says>>> = Arc::default();
        let (tell, asked) = mpsc::unbounded_channel();
        tokio::spawn(serve(socket, Arc::clone(&says), tell));
        Self { address, says, asked }
    }

    fn say(&self, name: &'static str, says: Says) {
        self.says.lock().expect("nobody panicked").insert(name, says);
    }

    /// Waits until a name was asked for so many times from now on.
    async fn asked(&mut self, name: &str, times: usize) {
        while self.asked.try_recv().is_ok() {}
        let mut left = times;
        while left > 0 {
            left -= usize::from(self.asked.recv().await.expect("it runs") == name);
        }
    }
}

async fn serve(socket: UdpSocket, says: Arc<Mutex<HashMap<&'static str, Says>>>, tell: mpsc::UnboundedSender<String>) {
    let mut buffer = [0; 1500];
    while let Ok((length, client)) = socket.recv_from(&mut buffer).await {
        let question = Message::from_vec(&buffer[..length]).expect("a question");
        let query = question.queries[0].clone();
        let name = query.name().to_string().to_ascii_lowercase();
        let said = says.lock().expect("nobody panicked").get(&*name).cloned();
        let mut answer = Message::response(question.id, question.op_code);
        answer.add_query(query.clone());
        match said.unwrap_or(Says::Code(ResponseCode::NXDomain)) {
            Says::Addresses(addresses) => {
                for octets in addresses {
                    let address = RData::A(A(Ipv4Addr::from(*octets)));
                    answer.add_answer(Record::from_rdata(query.name().clone(), 0, address));
                }
            }
            Says::Code(code) => answer.metadata.response_code = code,
        }
        let bytes = answer.to_vec().expect("it can be written");
        // The client may be gone, and the test with it.
        drop(socket.send_to(&bytes, client).await);
        drop(tell.send(name));
    }
}

fn write(folder: &Path, nameserver: &Nameserver, more: &str, seconds: u64) {
    let path = folder.join("resolv.conf");
    let text = format!("nameserver {}\noptions timeout:1 attempts:1\n{more}\n", nameserver.address.ip());
    std::fs::write(&path, text).expect("a file");
    let file = std::fs::File::options().append(true).open(&path).expect("the file");
    let written = std::time::UNIX_EPOCH + Duration::from_secs(seconds);
    file.set_modified(written).expect("a time of its own");
}

/// A resolver that asks one nameserver.
async fn asking(more: &str) -> (Nameserver, TempDir, Resolver) {
    let nameserver = Nameserver::start(([127, 0, 0, 1], 0).into()).await;
    let folder = TempDir::new().expect("a folder");
    write(folder.path(), &nameserver, more, 1);
    let path = folder.path().join("resolv.conf");
    let resolver = Resolver::with(Nameservers::new(path, nameserver.address.port()), HASTE);
    (nameserver, folder, resolver)
}

/// The next that is told, in a word.
async fn next(resolver: &mut Resolver) -> String {
    resolver.ready().await;
    let told = resolver.told();
    told.iter().map(|resolved| format!("{} {:?}", resolved.name, resolved.addresses)).collect::<Vec<_>>().join("; ")
}

#[tokio::test]
async fn given_a_name_then_it_is_asked_for_again_and_only_another_answer_is_told() {
    let (mut nameserver, _folder, mut resolver) = asking("").await;
    nameserver.say("a.test.", Says::Addresses(&[[10, 0, 0, 2], [10, 0, 0, 1]]));
    resolver.want(["a.test"].into_iter());
    assert_eq!(next(&mut resolver).await, "a.test [10.0.0.2, 10.0.0.1]");
    nameserver.asked("a.test.", 3).await;
    assert_eq!(resolver.told(), []);
    nameserver.say("a.test.", Says::Addresses(&[[10, 0, 0, 1], [10, 0, 0, 2]]));
    assert_eq!(next(&mut resolver).await, "a.test [10.0.0.1, 10.0.0.2]", "the order may be of meaning");
}

#[tokio::test]
async fn given_nobody_who_knows_then_the_last_answer_stays_until_there_is_another() {
    let (mut nameserver, _folder, mut resolver) = asking("search b.test c.test").await;
    nameserver.say("a.test.", Says::Addresses(&[[10, 0, 0, 1]]));
    resolver.want(["a.test"].into_iter());
    assert_eq!(next(&mut resolver).await, "a.test [10.0.0.1]");
    for code in [ResponseCode::ServFail, ResponseCode::Refused] {
        nameserver.say("a.test.", Says::Code(code));
        // The search list is asked as well, and says that there is no such name: that is no answer to the question.
        nameserver.asked("a.test.c.test.", 2).await;
        assert_eq!(resolver.told(), [], "{code}");
    }
    nameserver.say("a.test.", Says::Addresses(&[[10, 0, 0, 2]]));
    assert_eq!(next(&mut resolver).await, "a.test [10.0.0.2]");
}

#[tokio::test]
async fn given_that_there_is_no_such_name_any_more_then_it_comes_to_nothing() {
    let (nameserver, _folder, mut resolver) = asking("").await;
    for gone in [Says::Code(ResponseCode::NXDomain), Says::Addresses(&[])] {
        nameserver.say("a.test.", Says::Addresses(&[[10, 0, 0, 1]]));
        resolver.want(["a.test"].into_iter());
        assert_eq!(next(&mut resolver).await, "a.test [10.0.0.1]");
        nameserver.say("a.test.", gone);
        assert_eq!(next(&mut resolver).await, "a.test []");
    }
}

#[tokio::test]
async fn given_a_search_list_then_a_short_name_is_found_by_it_and_one_that_ends_with_a_dot_is_not() {
    let (mut nameserver, _folder, mut resolver) = asking("search b.test\noptions ndots:3").await;
    nameserver.say("a.shop.b.test.", Says::Addresses(&[[10, 0, 0, 1]]));
    resolver.want(["a.shop", "a.shop."].into_iter());
    assert_eq!(next(&mut resolver).await, "a.shop [10.0.0.1]");
    nameserver.asked("a.shop.", 3).await;
    assert_eq!(resolver.told(), []);
}

#[tokio::test]
async fn given_a_name_that_is_no_longer_wanted_then_nobody_asks_for_it_and_the_others_go_on() {
    let (nameserver, _folder, mut resolver) = asking("").await;
    resolver.want(["a.test", "b.test"].into_iter());
    let tasks = ["a.test", "b.test"].map(|name| resolver.followed[name].0.abort_handle());
    resolver.want(["b.test"].into_iter());
    while !tasks[0].is_finished() {
        tokio::task::yield_now().await;
    }
    nameserver.say("b.test.", Says::Addresses(&[[10, 0, 0, 1]]));
    assert_eq!(next(&mut resolver).await, "b.test [10.0.0.1]");
    assert!(!tasks[1].is_finished());
    drop(resolver);
    while !tasks[1].is_finished() {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn given_another_resolv_conf_then_its_nameserver_is_asked() {
    let (first, folder, mut resolver) = asking("").await;
    let port = first.address.port();
    let second = Nameserver::start(([127, 0, 0, 2], port).into()).await;
    first.say("a.test.", Says::Addresses(&[[10, 0, 0, 1]]));
    second.say("a.test.", Says::Addresses(&[[10, 0, 0, 2]]));
    resolver.want(["a.test"].into_iter());
    assert_eq!(next(&mut resolver).await, "a.test [10.0.0.1]");
    write(folder.path(), &second, "", 2);
    assert_eq!(next(&mut resolver).await, "a.test [10.0.0.2]");
    std::fs::remove_file(folder.path().join("resolv.conf")).expect("it is there");
    second.say("a.test.", Says::Addresses(&[[10, 0, 0, 3]]));
    write(folder.path(), &second, "", 3);
    assert_eq!(next(&mut resolver).await, "a.test [10.0.0.3]");
}

#[tokio::test]
async fn given_an_entry_in_a_file_then_its_names_are_wanted_and_what_they_come_to_are_endpoints() {
    let (nameserver, folder, mut resolver) = asking("").await;
    nameserver.say("a.test.", Says::Addresses(&[[10, 0, 0, 2], [10, 0, 0, 1]]));
    let path = folder.path().join("entry.yaml");
    let text = "{apiVersion: networking.istio.io/v1, kind: ServiceEntry, metadata: {name: a, namespace: shop}, \
                spec: {hosts: [A.test], resolution: DNS, ports: [{number: 80, name: http, protocol: HTTP}]}}";
    std::fs::write(&path, text).expect("a file");
    let mut files = Files::new(MeshConfig::default(), vec![path.clone()]);
    files.read().expect("something new");
    resolver.want(files.names());
    resolver.ready().await;
    let change = files.resolved(&resolver.told());
    assert_eq!(change, Change { endpoints: [Hostname::new("a.test")].into(), ..Change::default() });
    let found: Vec<String> =
        files.world().services[0].ports[0].endpoints.iter().map(|endpoint| endpoint.address.to_string()).collect();
    assert_eq!(found, ["10.0.0.1:80", "10.0.0.2:80"]);
    std::fs::write(&path, "").expect("a file");
    files.read().expect("something new");
    assert_eq!(files.names().count(), 0);
}

#[test]
fn given_a_ttl_then_it_has_bounds_and_failures_are_retried_ever_later_and_not_in_step() {
    let seconds = Duration::from_secs;
    for (ttl, expected) in [(0, 5), (4, 5), (30, 30), (86_400, 300)] {
        assert_eq!(Pace::PATIENT.refresh(seconds(ttl)), seconds(expected));
    }
    for (failures, expected) in [(1, 1), (2, 2), (3, 4), (6, 32), (7, 60), (100, 60)] {
        assert_eq!(Pace::PATIENT.retry(failures, 0), seconds(expected), "{failures}");
        assert_eq!(Pace::PATIENT.retry(failures, u32::MAX), seconds(expected) / 2, "{failures}");
    }
}
