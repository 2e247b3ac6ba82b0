//! Pods that were released while they may still have connections: what those need stays until they have ended.

use std::sync::Weak;

use super::id_route;
use super::netns::Netns;
use crate::connection::Client;

/// A pod that was captured over IPv6.
pub(crate) struct Departing {
    /// `namespace/name`.
    pub(super) name: String,
    pub(super) netns: Netns,
    /// Held by whoever serves it.
    pub(super) client: Weak<Client>,
}

/// All of them. One writer: the node loop.
#[derive(Default)]
pub(crate) struct Departed(Vec<Departing>);

impl Departed {
    /// One more.
    pub(crate) fn add(&mut self, pod: Departing) {
        self.0.push(pod);
    }

    /// Takes the route of service ids from those without connections, unless their network namespace, by its inode, is `in_use`
    /// again. What a killed daemon leaves behind does no harm: nobody dials those addresses.
    pub(crate) fn tidy(&mut self, in_use: impl Fn(u64) -> bool) {
        self.0.retain(|pod| {
            if pod.client.strong_count() > 0 {
                return true;
            }
            if !in_use(pod.netns.inode())
                && let Err(error) = pod.netns.run(id_route::remove)
            {
                tracing::warn!(pod = %pod.name, error = format!("{error:#}"), "a route stays behind");
            }
            false
        });
    }
}
