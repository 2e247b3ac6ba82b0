//! Addresses of a family that the client has none of.

use super::{Client, Explanation, Question, capture, losers};
use crate::decide::Dialled;
use crate::model::{Family, PodAddresses, World};

/// The family of an address, if the client has no address of it. An imaginary client has any, and so may a pod without status.
pub(super) fn missing(client: &Client<'_>, dialled: Dialled) -> Option<Family> {
    let Client::Pod(pod) = client else { return None };
    let family = Family::of(dialled.address);
    let own = PodAddresses::new(&pod.addresses);
    let somewhere = !dialled.address.is_unspecified() && !pod.addresses.is_empty();
    (somewhere && own.of(family).is_none()).then_some(family)
}

impl Explanation {
    /// Whether the hooks leave the connection alone because the pod has no address of its family: then that is the answer.
    pub(super) fn lacks_family(&mut self, world: &World, question: &Question<'_>, dialled: Dialled) -> bool {
        let Some(family) = missing(&question.client, dialled) else { return false };
        (self.verdict, self.reason, self.path) = ("bypass", "NoAddressOfFamily", "native");
        let name = match family {
            Family::V4 => "IPv4",
            Family::V6 => "IPv6",
        };
        let message = format!("the pod has no {name} address in status.podIPs: what it dials there is left alone");
        self.capture = Some(capture::left_alone(question.capture, dialled, message));
        self.not_used = losers::of_native(world, question, losers::Native::Client);
        true
    }
}
