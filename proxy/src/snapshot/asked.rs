//! Names that clients ask for → addresses, when they are asked for: what Envoy's dynamic forward proxy does. Each worker asks
//! for itself and keeps the answers, so that nothing is shared between threads.

use std::cell::RefCell;
use std::collections::HashMap;
use std::net::IpAddr;
use std::path::PathBuf;
use std::rc::Rc;
use std::time::{Duration, Instant};

use tokio::sync::OnceCell;

use super::nameservers::{Answer, Nameservers};
use super::resolve::PORT;

/// Names that are kept; Envoy's `max_hosts`.
const MOST: usize = 1024;
/// How long one look-up may take; Envoy's `dns_query_timeout`.
const LIMIT: Duration = Duration::from_secs(5);
/// Bounds of an answer's TTL.
const LEAST_TTL: Duration = Duration::from_secs(5);
const MOST_TTL: Duration = Duration::from_secs(300);
/// For how long nobody is asked again who did not know.
const FAILED: Duration = Duration::from_secs(1);

/// Which nameservers are asked.
#[derive(Debug, Clone)]
pub(crate) struct ResolvConf {
    path: PathBuf,
    port: u16,
}

impl ResolvConf {
    /// Those of a `resolv.conf`, where nameservers listen.
    pub(crate) fn new(path: PathBuf) -> Self {
        Self { path, port: PORT }
    }

    #[cfg(test)]
    pub(crate) fn at_port(path: PathBuf, port: u16) -> Self {
        Self { path, port }
    }
}

/// What one worker knows about names. It lives on the worker's thread.
pub(crate) struct AskedNames {
    nameservers: Nameservers,
    known: RefCell<HashMap<Box<str>, Known>>,
}

/// What is known about a name.
#[derive(Debug, Clone, Default)]
struct Known {
    /// Set once by the first who asks; others wait for it.
    found: Rc<OnceCell<Found>>,
    /// What it came to before.
    before: Option<IpAddr>,
}

/// What came of a look-up.
#[derive(Debug, Clone, Copy)]
struct Found {
    address: Option<IpAddr>,
    until: Instant,
}

impl Known {
    /// Whether it is still to be believed, or somebody waits for it.
    fn is_in_use(&self, now: Instant) -> bool {
        self.found.get().map_or(Rc::strong_count(&self.found) > 1, |found| now < found.until)
    }
}

impl AskedNames {
    /// Nobody is asked yet.
    pub(crate) fn new(ResolvConf { path, port }: ResolvConf) -> Self {
        Self { nameservers: Nameservers::new(path, port), known: RefCell::default() }
    }

    /// The first address of a name; `None` when it does not resolve. An address stands for itself.
    pub(crate) async fn address(&self, name: &str) -> Option<IpAddr> {
        if let Ok(address) = name.parse() {
            return Some(address);
        }
        let Known { found, before } = self.known(name, Instant::now())?;
        found.get_or_init(|| self.look_up(name, before)).await.address
    }

    /// What is known, or is to be found out. `None` when there are too many names.
    fn known(&self, name: &str, now: Instant) -> Option<Known> {
        let mut known = self.known.borrow_mut();
        if let Some(entry) = known.get_mut(name) {
            // An old answer is asked for anew; one that is under way is waited for.
            if let Some(old) = entry.found.get().filter(|found| found.until <= now) {
                *entry = Known { before: old.address, ..Known::default() };
            }
            return Some(entry.clone());
        }
        if known.len() >= MOST {
            known.retain(|_, entry| entry.is_in_use(now));
        }
        if known.len() >= MOST {
            tracing::debug!(name, "too many names are asked for");
            return None;
        }
        Some(known.entry(name.into()).or_default().clone())
    }

    /// While nobody knows, the last answer is good.
    async fn look_up(&self, name: &str, before: Option<IpAddr>) -> Found {
        let (address, ttl) = match tokio::time::timeout(LIMIT, self.nameservers.look_up(name)).await {
            Ok(Ok(Answer { addresses, ttl })) => match addresses.first() {
                Some(first) => (Some(*first), ttl.clamp(LEAST_TTL, MOST_TTL)),
                None => (None, LEAST_TTL),
            },
            Ok(Err(error)) => {
                tracing::debug!(name, error = format!("{error:#}"), "does not resolve");
                (before, FAILED)
            }
            Err(_) => {
                tracing::debug!(name, "does not resolve in time");
                (before, FAILED)
            }
        };
        Found { address, until: Instant::now() + ttl }
    }
}

#[cfg(test)]
mod tests;
