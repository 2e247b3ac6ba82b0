//! Takes a pod's connections, each into a task of its own.

use std::io;
use std::pin::pin;
use std::rc::Rc;
use std::time::{Duration, Instant};

use tokio::net::{TcpListener, TcpStream};

use super::meanings::Meaning;
use super::pod::Pod;
use super::worker::Worker;
use super::{Client, Downstream, End, origin, relay, serve};

/// How long to wait when the process or the machine is short of something: trying again at once would only burn the CPU.
const BACK_OFF: Duration = Duration::from_millis(50);

/// How long a closed pod is still listened to: a connect that the hook has let through may be on its way, and what is in
/// the queue of a listener that closes is reset.
const LINGER: Duration = Duration::from_millis(200);

/// Accepts until the pod is closed and nothing is on its way any more; the listener closes with it.
pub(crate) async fn accept(worker: Rc<Worker>, pod: Rc<Pod>, listener: TcpListener) {
    let mut over = pin!(async {
        pod.closed().await;
        tokio::time::sleep(LINGER).await;
    });
    loop {
        let accepted = tokio::select! {
            biased;
            accepted = listener.accept() => accepted,
            () = &mut over => return,
        };
        match accepted {
            Ok((stream, peer)) => {
                let accepted = Accepted { stream, end: End::Reset };
                if let Some(meaning) = origin::dialled(&accepted.stream, &pod.client) {
                    let (worker, pod, dialled) = (Rc::clone(&worker), Rc::clone(&pod), meaning.dialled);
                    let downstream = Downstream { worker, pod, dialled, peer, accepted: Instant::now() };
                    tokio::task::spawn_local(accepted.serve(downstream, meaning));
                }
            }
            // The client gave up while it was waiting.
            Err(error) if error.kind() == io::ErrorKind::ConnectionAborted => {}
            Err(error) => {
                let Client { namespace, pod, .. } = &*pod.client;
                tracing::warn!(%namespace, %pod, %error, "accepting a connection");
                tokio::time::sleep(BACK_OFF).await;
            }
        }
    }
}

/// A connection that is reset when dropped, unless it has ended well: half a response must not look like a whole one.
struct Accepted {
    stream: TcpStream,
    end: End,
}

impl Accepted {
    async fn serve(mut self, downstream: Downstream, _keeps_its_id: Meaning) {
        // Without it small answers would only be slower.
        let _ = self.stream.set_nodelay(true);
        // The listener's, which has done its work; without one there is nothing to detach.
        let _ = socket2::SockRef::from(&self.stream).detach_filter();
        self.end = serve(&downstream, &mut self.stream).await;
    }
}

impl Drop for Accepted {
    fn drop(&mut self) {
        if self.end == End::Reset {
            relay::reset(&self.stream);
        }
    }
}
