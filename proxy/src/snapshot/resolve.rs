//! Names behind ServiceEntries → addresses, for the node's loop. Each name has a task of its own, which asks again when the
//! answer is old and tells the loop what is another; the loop never waits for one.

use std::collections::HashMap;
use std::net::IpAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{Semaphore, mpsc};
use tokio::task::JoinHandle;

use super::nameservers::{Answer, Nameservers};
use crate::connection::Draw;

/// Where nameservers listen; `resolv.conf` cannot say otherwise.
pub(super) const PORT: u16 = 53;
/// Names that are asked for at a time.
const AT_A_TIME: usize = 32;

/// When a name is asked for again.
#[derive(Debug, Clone, Copy)]
struct Pace {
    /// Bounds of an answer's TTL.
    least: Duration,
    most: Duration,
    /// After the first failure, and after many.
    retry: Duration,
    retry_most: Duration,
}

impl Pace {
    const PATIENT: Self = Self {
        least: Duration::from_secs(5),
        most: Duration::from_secs(300),
        retry: Duration::from_secs(1),
        retry_most: Duration::from_secs(60),
    };

    fn refresh(&self, ttl: Duration) -> Duration {
        ttl.clamp(self.least, self.most)
    }

    /// Twice as long after each failure in a row; `draw` is uniform over all of `u32` and takes up to a half of it away, so
    /// that nodes do not ask in step.
    fn retry(&self, failures: u32, draw: u32) -> Duration {
        let doubled = 2_u32.checked_pow(failures.saturating_sub(1)).unwrap_or(u32::MAX);
        let longest = self.retry.saturating_mul(doubled).min(self.retry_most);
        longest.mul_f64(1.0 - f64::from(draw) / f64::from(u32::MAX) / 2.0)
    }
}

/// What a name comes to now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Resolved {
    /// As it was wanted.
    pub(crate) name: Box<str>,
    /// In the order of the answer; none when there is no such name.
    pub(crate) addresses: Vec<IpAddr>,
}

/// The loop's side.
pub(crate) struct Resolver {
    asking: Arc<Asking>,
    followed: HashMap<Box<str>, Following>,
    told: mpsc::UnboundedReceiver<Resolved>,
    waiting: Vec<Resolved>,
}

/// What all names share.
struct Asking {
    nameservers: Nameservers,
    pace: Pace,
    permits: Semaphore,
    tell: mpsc::UnboundedSender<Resolved>,
}

/// Ends with what holds it.
struct Following(JoinHandle<()>);

impl Drop for Following {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl Resolver {
    /// Asks the nameservers of this file; no name is wanted yet.
    pub(crate) fn new(resolv_conf: PathBuf) -> Self {
        Self::with(Nameservers::new(resolv_conf, PORT), Pace::PATIENT)
    }

    fn with(nameservers: Nameservers, pace: Pace) -> Self {
        let (tell, told) = mpsc::unbounded_channel();
        let asking = Asking { nameservers, pace, permits: Semaphore::new(AT_A_TIME), tell };
        Self { asking: Arc::new(asking), followed: HashMap::new(), told, waiting: Vec::new() }
    }

    /// Follows these names and no others, in a runtime of tokio's.
    pub(crate) fn want<'n>(&mut self, names: impl Iterator<Item = &'n str>) {
        let mut known = std::mem::take(&mut self.followed);
        for name in names {
            let following = known
                .remove(name)
                .unwrap_or_else(|| Following(tokio::spawn(follow(name.into(), Arc::clone(&self.asking)))));
            self.followed.insert(name.into(), following);
        }
    }

    /// Waits until [`Self::told`] has something to say. It may be dropped while it waits; nothing is lost by that.
    pub(crate) async fn ready(&mut self) {
        if self.waiting.is_empty() {
            // `asking` holds the other side, so that there always is a next one.
            self.waiting.extend(self.told.recv().await);
        }
    }

    /// What names have come to since it was last asked, in order.
    pub(crate) fn told(&mut self) -> Vec<Resolved> {
        let mut told = std::mem::take(&mut self.waiting);
        told.extend(std::iter::from_fn(|| self.told.try_recv().ok()));
        told
    }
}

/// Asks for a name for as long as it is wanted. While nobody knows, the last answer is good.
async fn follow(name: Box<str>, asking: Arc<Asking>) {
    let mut known: Vec<IpAddr> = Vec::new();
    let mut failures = 0;
    loop {
        let found = asking.look_up(&name).await;
        let pause = match found {
            Ok(Answer { addresses, ttl }) => {
                // No address is an answer as well: Envoy's clusters are empty then
                // (envoyproxy/envoy source/extensions/network/dns_resolver/cares/dns_impl.cc, isResponseWithNoRecords).
                if failures > 0 && !addresses.is_empty() {
                    tracing::info!(name = %name, "resolves again");
                }
                failures = if addresses.is_empty() { failures + 1 } else { 0 };
                if addresses.is_empty() && failures == 1 {
                    tracing::warn!(name = %name, "no such name, or no IPv4 address: its endpoints have none");
                }
                let pause = if addresses.is_empty() { asking.retry(failures) } else { asking.pace.refresh(ttl) };
                if addresses != known {
                    tracing::debug!(name = %name, ?addresses, "resolved");
                    known.clone_from(&addresses);
                    if asking.tell.send(Resolved { name: name.clone(), addresses }).is_err() {
                        return;
                    }
                }
                pause
            }
            Err(error) => {
                failures += 1;
                if failures == 1 {
                    let error = format!("{error:#}");
                    tracing::warn!(name = %name, error, "does not resolve: what it came to last stays in force");
                }
                asking.retry(failures)
            }
        };
        tokio::time::sleep(pause).await;
    }
}

impl Asking {
    async fn look_up(&self, name: &str) -> anyhow::Result<Answer> {
        // It is never closed.
        let _permit = self.permits.acquire().await;
        self.nameservers.look_up(name).await
    }

    fn retry(&self, failures: u32) -> Duration {
        // Without random numbers nodes may ask in step, and no worse comes of it.
        let draw = Draw::seeded().map_or(0, |draw| draw.next_u32());
        self.pace.retry(failures, draw)
    }
}

#[cfg(test)]
mod tests;
