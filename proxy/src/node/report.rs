//! What the node loop says of itself.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use meshlet_routing::enrol::Verdict;
use meshlet_routing::model::Pod;

use super::Node;
use crate::admin::{Config, PodStatus};
use crate::capture::enrolled::Enrolled;

impl Node {
    /// Has it written back to the cluster who is captured, and what becomes of the rules in force.
    pub(super) fn write_back(&self, verdicts: &[(Pod, Verdict)]) {
        let marked = verdicts.iter().filter(|(_, verdict)| verdict.captured).filter_map(|(pod, _)| pod.uid.clone());
        let armed = |uid: &str| self.enrolled.get(uid).is_some_and(Enrolled::armed);
        self.source.write_back(self.generation, || marked.map(|uid| (uid.clone(), armed(&uid))).collect());
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
