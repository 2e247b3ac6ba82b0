//! What a route does with the requests it takes.

use std::sync::Arc;

use super::compiler::Clusters;
use super::effects::Effects;
use super::mirrors::MirrorLeg;
use super::targets::{Leg, Targets};
use crate::model::{
    CorsPolicy, Destination, DirectResponse, HashKey, HttpAction, HttpRule, PathRewrite, Redirect, Split,
};

/// What a route does.
#[derive(Debug)]
pub(crate) enum Action {
    /// It sends them on.
    Forward(Forward),
    /// It sends the client elsewhere.
    Redirect(Redirect, Arc<Effects>),
    /// It answers.
    Respond(DirectResponse, Arc<Effects>),
}

/// Sending on.
#[derive(Debug)]
pub(crate) struct Forward {
    pub(crate) targets: Targets,
    /// Hashed together, in the order of the destinations.
    pub(crate) keys: Vec<HashKey>,
    /// Who gets copies.
    pub(crate) mirrors: Box<[MirrorLeg]>,
    pub(crate) path: Option<PathRewrite>,
    pub(crate) cors: Option<Arc<CorsPolicy>>,
    /// Status of the answer when the destination is not there.
    pub(crate) missing: u16,
}

impl Action {
    /// What a rule does for clients that dial a port. `None` for what stands for the rules of others.
    pub(super) fn new(clusters: &mut Clusters<'_, '_>, rule: &HttpRule, port: u16) -> Option<Self> {
        match &rule.action {
            HttpAction::Route(split) => Some(Self::Forward(Forward::new(clusters, rule, split, port))),
            HttpAction::Redirect(redirect) => {
                Some(Self::Redirect(redirect.clone(), Arc::new(Effects::of_answer(rule))))
            }
            HttpAction::Respond(answer) => Some(Self::Respond(answer.clone(), Arc::new(Effects::of_answer(rule)))),
            HttpAction::Delegate { .. } => None,
        }
    }

    /// The same with another answer for a destination that is not there.
    pub(super) fn missing(self, status: u16) -> Self {
        match self {
            Self::Forward(forward) => Self::Forward(Forward { missing: status, ..forward }),
            other => other,
        }
    }

    /// What it does with what it sends on; an answer sends nothing on.
    pub(crate) fn forward(&self) -> Option<&Forward> {
        match self {
            Self::Forward(forward) => Some(forward),
            Self::Redirect(..) | Self::Respond(..) => None,
        }
    }

    /// Its destinations, in written order.
    pub(crate) fn legs(&self) -> &[Leg] {
        self.forward().map_or(&[], |forward| forward.targets.legs())
    }
}

impl Forward {
    fn new(clusters: &mut Clusters<'_, '_>, rule: &HttpRule, split: &Split, port: u16) -> Self {
        // Without a port it is the listener's: Istio looks the service up among those that have it.
        let number = |destination: &Destination| destination.port.unwrap_or(port);
        let mut keys: Vec<HashKey> = Vec::new();
        for (_, destination) in split.destinations() {
            let (named, subset) = (destination.port.is_some(), destination.subset.as_deref());
            let key = clusters.hash_key(&destination.host, number(destination), named, subset);
            keys.extend(key.filter(|key| !keys.contains(key)));
        }
        let (sole, hashed) = (matches!(split, Split::Sole(_)), !keys.is_empty());
        let retries = clusters.default_retries();
        let targets = Targets::new(split, |destination| {
            let target = clusters.target(&destination.host, number(destination), destination.subset.as_deref());
            let effects = Effects::of_destination(rule, destination, sole, retries, hashed);
            (number(destination), target, Arc::new(effects))
        });
        let mirrors = rule.mirrors.iter().map(|mirror| MirrorLeg::new(clusters, mirror, port)).collect();
        Self { targets, keys, mirrors, path: rule.rewrite.path.clone(), cors: rule.cors.clone(), missing: 503 }
    }

    /// All of a service's port, as it is.
    pub(super) fn plain(targets: Targets, keys: Vec<HashKey>) -> Self {
        Self { targets, keys, mirrors: [].into(), path: None, cors: None, missing: 503 }
    }
}
