//! Which pods are captured: marked, running, and with a network namespace and an address of their own.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Instant;

use meshlet_routing::enrol::Verdict;
use meshlet_routing::model::{Pod, PodAddresses};

use super::Node;
use crate::capture::enrolled::Enrolled;
use crate::capture::netns::Netns;
use crate::capture::{addresses, cgroup, places};

impl Node {
    /// Captures the marked pods that run, and releases those that do not any more; whether one is still waited for.
    pub(super) fn enrol(&mut self, verdicts: &[(Pod, Verdict)], cgroups: &HashMap<String, PathBuf>) -> bool {
        let marked: BTreeMap<&str, &Pod> = verdicts
            .iter()
            .filter(|(_, verdict)| verdict.captured)
            .filter_map(|(pod, _)| Some((pod.uid.as_deref()?, pod)))
            .collect();
        let mut waiting = false;
        let mut present: BTreeSet<Box<str>> = BTreeSet::new();
        for (uid, pod) in marked {
            let found = cgroups.get(uid).map(|path| cgroup::processes(path));
            let Some(processes) = found.filter(|processes| !processes.is_empty()) else {
                waiting = true;
                continue;
            };
            let captured = self.capture(uid, pod, &processes);
            waiting |= !matches!(captured, Ok(true));
            self.troubles.tell(uid, pod, captured.err());
            present.insert(uid.into());
        }
        let gone: Vec<Box<str>> = self.enrolled.keys().filter(|uid| !present.contains(*uid)).cloned().collect();
        for uid in gone {
            self.release(&uid);
        }
        let used: BTreeSet<u64> = self.enrolled.values().map(Enrolled::netns).collect();
        self.departed.tidy(|netns| used.contains(&netns));
        self.troubles.keep(|uid| present.contains(uid));
        self.running = present;
        waiting
    }

    /// Captures a pod, unless it is already. False when none of its processes is in a network namespace of its own yet, or that has
    /// no address yet.
    fn capture(&mut self, uid: &str, pod: &Pod, processes: &[u32]) -> anyhow::Result<bool> {
        let known = self.enrolled.get(uid).map(Enrolled::netns);
        let Some(netns) = Netns::of_pod(processes, self.node_netns, known) else { return Ok(false) };
        let known = self.enrolled.get_mut(uid).filter(|known| known.netns() == netns.inode());
        let addresses = match (PodAddresses::new(&pod.addresses), &known) {
            (told, _) if told != PodAddresses::default() => told,
            (_, Some(known)) => known.addresses,
            (_, None) => netns.run(addresses::own)?,
        };
        if addresses == PodAddresses::default() {
            return Ok(false);
        }
        let scope = self.published.scope(self.source.world(), pod);
        if let Some(known) = known.filter(|known| known.addresses == addresses) {
            known.scope = scope;
            known.annotate(pod);
            return Ok(true);
        }
        self.release(uid);
        let table = self.published.table(self.source.world(), &scope);
        let meanings = self.published.meanings();
        let port = self.settings.capture_port;
        let place = places::free(self.enrolled.values());
        let enrolled = Enrolled::open(pod, scope, addresses, netns, port, place, &self.workers, table, meanings)?;
        self.metrics.enrol(enrolled.cookie, Arc::clone(&pod.workload));
        self.enrolled.insert(uid.into(), enrolled);
        Ok(true)
    }

    /// From here on the pod's connects are native; what it has under way ends in its own time.
    fn release(&mut self, uid: &str) {
        if let Some(pod) = self.enrolled.remove(uid) {
            self.kernel.maps.withdraw(pod.cookie);
            self.workers.withdraw(pod.cookie);
            self.metrics.withdraw(pod.cookie, Instant::now());
            tracing::info!(pod = %pod.name, "released");
            pod.depart().into_iter().for_each(|pod| self.departed.add(pod));
        }
    }
}

/// Why pods are not captured, told once each until it is another reason.
#[derive(Default)]
pub(super) struct Troubles(BTreeMap<Box<str>, String>);

impl Troubles {
    fn tell(&mut self, uid: &str, pod: &Pod, error: Option<anyhow::Error>) {
        let Some(error) = error.map(|error| format!("{error:#}")) else {
            self.0.remove(uid);
            return;
        };
        if self.0.get(uid) != Some(&error) {
            tracing::warn!(pod = %format!("{}/{}", pod.namespace, pod.name), %error, "not captured yet");
            self.0.insert(uid.into(), error);
        }
    }

    /// Why a pod is not captured.
    pub(super) fn of(&self, uid: &str) -> Option<&str> {
        self.0.get(uid).map(String::as_str)
    }

    fn keep(&mut self, here: impl Fn(&str) -> bool) {
        self.0.retain(|uid, _| here(uid));
    }
}
