//! What the node loop says of itself.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use meshlet_routing::enrol::{Verdict, refusal};
use meshlet_routing::model::Pod;

use super::Node;
use crate::admin::{Config, PodStatus};
use crate::capture::enrolled::Enrolled;
use crate::cluster::writes::{Capture, Marked};

impl Node {
    /// Has it written back to the cluster who is captured, and what becomes of the rules in force.
    pub(super) fn write_back(&self, verdicts: &[(Pod, Verdict)]) {
        self.source.write_back(self.generation, || {
            let namespaces = self.namespaces();
            let marked = verdicts.iter().filter_map(|(pod, verdict)| {
                let uid = pod.uid.clone()?;
                if verdict.captured {
                    let (capture, unused) = (self.progress(&uid), Arc::clone(&pod.unused));
                    return Some(Marked { uid, capture, unused });
                }
                let reason = refusal(pod, namespaces.get(&*pod.namespace).copied())?;
                Some(Marked { uid, capture: Capture::Refused(reason), unused: Arc::default() })
            });
            marked.collect()
        });
    }

    /// How far the capture of a pod is.
    fn progress(&self, uid: &str) -> Capture {
        let enrolled = self.enrolled.get(uid);
        let trouble = enrolled.and_then(Enrolled::refusal).or_else(|| self.troubles.of(uid));
        match (enrolled.is_some_and(Enrolled::armed), trouble) {
            (true, _) => Capture::Done,
            (false, Some(trouble)) => Capture::Failed(trouble.to_owned()),
            (false, None) => Capture::Pending,
        }
    }

    /// Says what is in force after a round.
    pub(super) fn report(&mut self, verdicts: &[(Pod, Verdict)], changed: bool) {
        let pods: Vec<PodStatus> = verdicts
            .iter()
            .map(|(pod, verdict)| PodStatus {
                namespace: Arc::clone(&pod.namespace),
                name: Arc::clone(&pod.name),
                marked: verdict.captured,
                captured: pod.uid.as_ref().is_some_and(|uid| self.enrolled.get(uid).is_some_and(Enrolled::armed)),
                running: pod.uid.as_ref().is_some_and(|uid| self.running.contains(uid)),
                reason: verdict.reason,
            })
            .collect();
        let services = self.published.captured();
        let (inputs, watches) = (self.source.inputs(), self.source.watches());
        if changed {
            self.source.announce(self.generation, services);
        }
        self.status.maps.store(Arc::new(self.kernel.usage()));
        let ready = (self.links.is_some() || self.settings.dry_run) && self.source.settled();
        self.status.config.store(Arc::new(Config {
            version: env!("CARGO_PKG_VERSION"),
            node: self.name.clone(),
            ready,
            dry_run: self.settings.dry_run,
            generation: self.generation,
            inputs,
            watches,
            pods,
            services,
        }));
        self.status.ready.store(ready, Ordering::Relaxed);
    }
}
