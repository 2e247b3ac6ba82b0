//! Services of `type: ExternalName`: further names of what they lead to.

use crate::map::HashMap;
use crate::model::{Alias, Hostname};
use crate::validate::ServiceSpec;

/// The aliases of each host, in order of name. One leads on over however many of its kind; one that leads back to itself
/// stands for nothing (istio/istio@86c9f01 pilot/pkg/model/push_context.go, resolveServiceAliases).
pub(super) fn aliases<'s>(services: impl Iterator<Item = &'s ServiceSpec>) -> HashMap<Hostname, Vec<Alias>> {
    let external: Vec<(Hostname, &ServiceSpec, &Hostname)> = services
        .filter_map(|service| {
            let target = service.external_name.as_ref()?;
            Some((Hostname::service(&service.object.name, &service.object.namespace), service, target))
        })
        .collect();
    let targets: HashMap<&Hostname, &Hostname> = external.iter().map(|(host, _, target)| (host, *target)).collect();
    let mut found: HashMap<Hostname, Vec<Alias>> = HashMap::default();
    for (host, service, target) in &external {
        // A chain is no longer than there are aliases, or it is a circle.
        let end = (0..external.len()).fold(*target, |name, _| targets.get(name).unwrap_or(&name));
        if !targets.contains_key(end) {
            let (object, export_to) = (service.object.clone(), service.export_to.clone());
            found.entry(end.clone()).or_default().push(Alias { object, host: host.clone(), export_to });
        }
    }
    found.values_mut().for_each(|aliases| aliases.sort_by(|one, other| one.host.cmp(&other.host)));
    found
}
