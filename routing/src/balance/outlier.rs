//! Which endpoints are left alone because they fail: Envoy's outlier detection, by count of failures in a row.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::num::NonZeroU32;
use std::time::Duration;

use crate::model::OutlierDetection;

/// The longest ejection, unless the base is longer; Envoy's default.
const LONGEST: Duration = Duration::from_secs(300);

/// What came of a request at an endpoint.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// It answered with this status.
    Answered(u16),
    /// It could not be connected to, or ended the connection before its answer.
    Failed,
    /// It took too long, to connect or to answer.
    TimedOut,
}

/// The endpoints of one cluster that have failed of late, as one client knows them. Time is what has passed since any
/// moment, the same for all calls.
#[derive(Debug, Default)]
pub(crate) struct Outliers {
    hosts: HashMap<SocketAddr, Host>,
    /// When the first look was due, one interval before.
    started: Option<Duration>,
    /// Looks that are done.
    looks: u64,
}

#[derive(Debug, Default)]
struct Host {
    server_errors: u32,
    gateway_errors: u32,
    local_failures: u32,
    /// How many times the base its last ejection lasted, less what it behaved well since.
    ejections: u32,
    out: Option<Ejection>,
}

#[derive(Debug)]
struct Ejection {
    since: Duration,
    lasts: Duration,
}

impl Outliers {
    /// Counts an outcome; whether it throws the endpoint out. `listed` is how many endpoints the cluster has, ready or not.
    pub(crate) fn report(
        &mut self,
        policy: &OutlierDetection,
        address: SocketAddr,
        outcome: Outcome,
        listed: usize,
        now: Duration,
    ) -> bool {
        let out = self.out().count();
        let host = self.hosts.entry(address).or_default();
        let failed = host.count(policy, outcome);
        // The share counts the candidate as well (envoy source/common/upstream/outlier_detection_impl.cc, ejectHost).
        let room = 100 * (out + 1) <= usize::from(policy.max_ejection_percent) * listed;
        let ejects = failed && host.out.is_none() && room;
        if ejects {
            host.eject(policy, now);
        }
        if host.is_clean() {
            self.hosts.remove(&address);
        }
        ejects
    }

    /// Takes back whom it is time for; whether there was any. Looks are an interval apart, and an endpoint comes back at the
    /// first one behind its time. Each further look that finds it in use shortens its next ejection again.
    pub(crate) fn sweep(&mut self, policy: &OutlierDetection, now: Duration) -> bool {
        let started = *self.started.get_or_insert(now);
        let interval = policy.interval.max(Duration::from_millis(1));
        let due = whole(now.saturating_sub(started), interval);
        let mut came_back = false;
        for host in self.hosts.values_mut() {
            let seen = match &host.out {
                None => self.looks,
                Some(out) => {
                    let over = (out.since + out.lasts).saturating_sub(started);
                    let look =
                        whole(over + interval.saturating_sub(Duration::from_nanos(1)), interval).max(self.looks + 1);
                    if look > due {
                        continue;
                    }
                    *host = Host { ejections: host.ejections, ..Host::default() };
                    came_back = true;
                    look
                }
            };
            let healthy = u32::try_from(due.saturating_sub(seen)).unwrap_or(u32::MAX);
            host.ejections = host.ejections.saturating_sub(healthy);
        }
        self.hosts.retain(|_, host| !host.is_clean());
        self.looks = self.looks.max(due);
        came_back
    }

    /// When the next look is due.
    pub(crate) fn next_look(&self, policy: &OutlierDetection) -> Duration {
        let looks = u32::try_from(self.looks + 1).unwrap_or(u32::MAX);
        self.started.unwrap_or_default().saturating_add(policy.interval.saturating_mul(looks))
    }

    /// Forgets endpoints that are gone; whether any of them was out.
    pub(crate) fn retain(&mut self, is_there: impl Fn(&SocketAddr) -> bool) -> bool {
        let before = self.out().count();
        self.hosts.retain(|address, _| is_there(address));
        self.out().count() != before
    }

    /// Those who are out.
    pub(crate) fn out(&self) -> impl Iterator<Item = SocketAddr> {
        self.hosts.iter().filter(|(_, host)| host.out.is_some()).map(|(address, _)| *address)
    }

    /// Whether nobody has failed of late.
    pub(crate) fn is_clean(&self) -> bool {
        self.hosts.is_empty()
    }
}

/// How often one duration fits into another.
fn whole(duration: Duration, part: Duration) -> u64 {
    let times = duration.as_nanos().checked_div(part.as_nanos()).unwrap_or(0);
    u64::try_from(times).unwrap_or(u64::MAX)
}

impl Host {
    /// Whether this makes it as many in a row as the policy bears (envoy source/common/upstream/outlier_detection_impl.cc,
    /// putHttpResponseCode, putResultNoLocalExternalSplit, putResultWithLocalExternalSplit).
    fn count(&mut self, policy: &OutlierDetection, outcome: Outcome) -> bool {
        let status = match (outcome, policy.consecutive_local_origin) {
            (Outcome::Answered(status), _) => {
                self.local_failures = 0;
                status
            }
            (Outcome::Failed | Outcome::TimedOut, Some(limit)) => {
                return reached(&mut self.local_failures, Some(limit));
            }
            (Outcome::Failed, None) => 503,
            (Outcome::TimedOut, None) => 504,
        };
        if !(500..600).contains(&status) {
            (self.server_errors, self.gateway_errors) = (0, 0);
            return false;
        }
        let gateway = if matches!(status, 502..=504) {
            reached(&mut self.gateway_errors, policy.consecutive_gateway)
        } else {
            self.gateway_errors = 0;
            false
        };
        reached(&mut self.server_errors, policy.consecutive_5xx) || gateway
    }

    fn eject(&mut self, policy: &OutlierDetection, now: Duration) {
        let longest = LONGEST.max(policy.base_ejection_time);
        // Beyond the longest it need not count (ejectHost).
        if policy.base_ejection_time.saturating_mul(self.ejections) < longest + policy.base_ejection_time {
            self.ejections += 1;
        }
        let lasts = policy.base_ejection_time.saturating_mul(self.ejections).min(longest);
        self.out = Some(Ejection { since: now, lasts });
    }

    fn is_clean(&self) -> bool {
        self.out.is_none() && [self.server_errors, self.gateway_errors, self.local_failures, self.ejections] == [0; 4]
    }
}

/// Counts one more; at the limit the count starts again, whether the endpoint is thrown out or there is no room for that.
fn reached(count: &mut u32, limit: Option<NonZeroU32>) -> bool {
    let Some(limit) = limit else { return false };
    *count += 1;
    if *count < limit.get() {
        return false;
    }
    *count = 0;
    true
}
