//! A nameserver for tests. They wait for questions and answers, never for a time.

use std::collections::HashMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use hickory_resolver::proto::op::{Message, ResponseCode};
use hickory_resolver::proto::rr::rdata::A;
use hickory_resolver::proto::rr::{RData, Record};
use tokio::net::UdpSocket;
use tokio::sync::mpsc;

/// What a nameserver says of a name.
#[derive(Clone)]
pub(crate) enum Says {
    /// These, for no time.
    Addresses(&'static [[u8; 4]]),
    /// An error, or none at all.
    Code(ResponseCode),
}

/// A nameserver; of names that it was told nothing about it says that there are none.
pub(crate) struct Nameserver {
    pub(crate) address: SocketAddr,
    says: Arc<Mutex<HashMap<&'static str, Says>>>,
    asked: mpsc::UnboundedReceiver<String>,
}

impl Nameserver {
    pub(crate) async fn start(address: SocketAddr) -> Self {
        let socket = UdpSocket::bind(address).await.expect("a socket on loopback");
        let address = socket.local_addr().expect("it is bound");
        let says: Arc<Mutex<HashMap<&'static str, Says>>> = Arc::default();
        let (tell, asked) = mpsc::unbounded_channel();
        tokio::spawn(serve(socket, Arc::clone(&says), tell));
        Self { address, says, asked }
    }

    pub(crate) fn say(&self, name: &'static str, says: Says) {
        self.says.lock().expect("nobody panicked").insert(name, says);
    }

    /// Waits until a name was asked for so many times from now on.
    pub(crate) async fn asked(&mut self, name: &str, times: usize) {
        while self.asked.try_recv().is_ok() {}
        let mut left = times;
        while left > 0 {
            left -= usize::from(self.asked.recv().await.expect("it runs") == name);
        }
    }

    /// All names that were asked for and that nobody has been told of.
    pub(crate) fn asked_so_far(&mut self) -> Vec<String> {
        std::iter::from_fn(|| self.asked.try_recv().ok()).collect()
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

/// A `resolv.conf` that names it, written so many seconds after 1970.
pub(crate) fn write(folder: &Path, nameserver: &Nameserver, more: &str, seconds: u64) {
    let path = folder.join("resolv.conf");
    let text = format!("nameserver {}\noptions timeout:1 attempts:1\n{more}\n", nameserver.address.ip());
    std::fs::write(&path, text).expect("a file");
    let file = std::fs::File::options().append(true).open(&path).expect("the file");
    let written = std::time::UNIX_EPOCH + Duration::from_secs(seconds);
    file.set_modified(written).expect("a time of its own");
}
