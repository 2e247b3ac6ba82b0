//! One look-up of a name, by the system's configuration. It is read again whenever it is another.

use std::net::IpAddr;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use anyhow::Context as _;
use hickory_resolver::config::ResolverConfig;
use hickory_resolver::net::runtime::TokioRuntimeProvider;
use hickory_resolver::proto::rr::Name;
use hickory_resolver::system_conf::parse_resolv_conf;
use hickory_resolver::{Resolver, TokioResolver};

const HOSTS: &str = "/etc/hosts";

/// What a name comes to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Answer {
    /// In the order of the answer; none when there is no such name, or it has no IPv4 address.
    pub(super) addresses: Vec<IpAddr>,
    /// How long it is to be believed.
    pub(super) ttl: Duration,
}

/// The nameservers of a `resolv.conf`, and `/etc/hosts`.
pub(super) struct Nameservers {
    path: PathBuf,
    port: u16,
    /// What both files said when they were last read.
    read: Mutex<Option<(Stamp, Arc<Read>)>>,
}

/// When `resolv.conf` and the hosts file were last written.
type Stamp = [Option<SystemTime>; 2];

struct Read {
    resolver: TokioResolver,
    search: Vec<Name>,
    ndots: usize,
}

impl Nameservers {
    /// Nothing is read yet, so that a missing file makes look-ups fail and nothing else.
    pub(super) fn new(path: PathBuf, port: u16) -> Self {
        Self { path, port, read: Mutex::default() }
    }

    /// Fails when nobody knows: that is no answer.
    pub(super) async fn look_up(&self, name: &str) -> anyhow::Result<Answer> {
        let read = self.read()?;
        let mut failure = None;
        // Here and not in the library, which takes a search domain's "no such name" for the answer when the name itself could
        // not be asked for: all endpoints would be gone.
        for candidate in candidates(name, &read.search, read.ndots)? {
            // One answer serves all clients of the node, most of which have IPv4: for these Istio's clusters are V4_ONLY
            // (istio/istio@86c9f01 pilot/pkg/networking/core/cluster_builder.go, buildCluster). One of IPv6 alone cannot use it.
            match read.resolver.ipv4_lookup(candidate).await {
                Ok(lookup) => {
                    let answers = lookup.answers();
                    let addresses: Vec<IpAddr> = answers.iter().filter_map(|record| record.data.ip_addr()).collect();
                    let ttl = answers.iter().map(|record| record.ttl).min().unwrap_or_default();
                    if !addresses.is_empty() {
                        return Ok(Answer { addresses, ttl: Duration::from_secs(ttl.into()) });
                    }
                }
                Err(error) if error.is_no_records_found() => {}
                Err(error) => failure = Some(error),
            }
        }
        match failure {
            Some(error) => Err(error.into()),
            None => Ok(Answer { addresses: Vec::new(), ttl: Duration::ZERO }),
        }
    }

    fn read(&self) -> anyhow::Result<Arc<Read>> {
        let written = |path: &std::path::Path| std::fs::metadata(path).and_then(|metadata| metadata.modified()).ok();
        let stamp = [written(&self.path), written(HOSTS.as_ref())];
        let mut read = self.read.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, known)) = read.as_ref().filter(|(known, _)| *known == stamp) {
            return Ok(Arc::clone(known));
        }
        let fresh = Arc::new(self.read_anew().with_context(|| format!("reading {}", self.path.display()))?);
        *read = Some((stamp, Arc::clone(&fresh)));
        Ok(fresh)
    }

    fn read_anew(&self) -> anyhow::Result<Read> {
        let (written, mut options) = parse_resolv_conf(std::fs::read(&self.path)?)?;
        let mut servers = written.name_servers().to_vec();
        servers
            .iter_mut()
            .flat_map(|server| &mut server.connections)
            .for_each(|connection| connection.port = self.port);
        let config = ResolverConfig::from_parts(None, Vec::new(), servers);
        let mut builder = Resolver::builder_with_config(config, TokioRuntimeProvider::default());
        let ndots = options.ndots;
        // Whoever asks keeps the answer.
        options.cache_size = 0;
        *builder.options_mut() = options;
        Ok(Read { resolver: builder.build()?, search: written.search().to_vec(), ndots })
    }
}

/// The names to ask for, in order, as resolv.conf(5) has it: with `ndots` dots the name itself comes first, and one that ends
/// with a dot stands alone.
fn candidates(name: &str, search: &[Name], ndots: usize) -> anyhow::Result<Vec<Name>> {
    let written = Name::from_str_relaxed(name)?;
    let mut itself = written.clone();
    itself.set_fqdn(true);
    if written.is_fqdn() {
        return Ok(vec![itself]);
    }
    // A name that gets too long by a domain is none.
    let searched = search.iter().filter_map(|domain| written.clone().append_domain(domain).ok());
    Ok(match name.bytes().filter(|byte| *byte == b'.').count() >= ndots {
        true => [itself].into_iter().chain(searched).collect(),
        false => searched.chain([itself.clone()]).collect(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn given_a_name_then_dots_and_ndots_say_what_is_asked_for_first() {
        let search =
            ["shop.svc.cluster.local.", "cluster.local."].map(|name| Name::from_str_relaxed(name).expect("a name"));
        for (name, ndots, expected) in [
            ("a.example.com", 1, "a.example.com. a.example.com.shop.svc.cluster.local. a.example.com.cluster.local."),
            ("a.example.com", 5, "a.example.com.shop.svc.cluster.local. a.example.com.cluster.local. a.example.com."),
            ("a.example.com.", 5, "a.example.com."),
        ] {
            let found: Vec<String> =
                candidates(name, &search, ndots).expect("names").iter().map(ToString::to_string).collect();
            assert_eq!(found.join(" "), expected);
        }
    }
}
