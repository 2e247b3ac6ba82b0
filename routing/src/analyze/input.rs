//! The objects put together, and the clients that their rules are judged for.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use super::{Findings, Place, code};
use crate::enrol::enrol;
use crate::fault::Source;
use crate::manifest::{self, Manifest, Parsed, Unread};
use crate::model::{ExportTo, Hostname, Kind, Labels, Namespace, ObjectRef, Pod, Service, VirtualService, World};
use crate::table::Scope;
use crate::validate::{Validated, validate};

/// What the texts say, object by object.
pub(super) struct Texts {
    pub(super) parsed: Vec<Parsed>,
    /// Every object of a kind that is read, with what became of it; of several by one name the first.
    pub(super) validated: Vec<(Manifest, Validated)>,
    /// The others by that name.
    repeated: Vec<(Manifest, Source)>,
}

impl Texts {
    pub(super) fn parse<'t>(texts: impl IntoIterator<Item = (&'t str, &'t str)>) -> Self {
        let mut parsed: Vec<Parsed> = texts.into_iter().map(|(file, text)| manifest::parse(file, text)).collect();
        let mut first: HashMap<ObjectRef, Source> = HashMap::new();
        let (mut validated, mut repeated) = (Vec::new(), Vec::new());
        for manifest in parsed.iter_mut().flat_map(|parsed| std::mem::take(&mut parsed.manifests)) {
            if let Some(known) = first.get(&manifest.object) {
                repeated.push((manifest, known.clone()));
                continue;
            }
            first.insert(manifest.object.clone(), manifest.source.clone());
            let found = validate(&manifest);
            validated.push((manifest, found));
        }
        Self { parsed, validated, repeated }
    }

    /// Number of objects, of whatever kind.
    pub(super) fn objects(&self) -> usize {
        let others: usize = self.parsed.iter().map(|parsed| parsed.skipped + parsed.unread.len()).sum();
        self.validated.len() + self.repeated.len() + others
    }
}

/// Everything the families of findings look at.
pub(super) struct Input<'t> {
    pub(super) world: World,
    /// Clients that rules may tell apart; each rule that anybody sees is seen by one of them.
    pub(super) scopes: Vec<Scope>,
    /// Namespaces where a captured pod lives.
    pub(super) captured: BTreeSet<Arc<str>>,
    pub(super) unread: Vec<&'t Unread>,
    manifests: HashMap<&'t ObjectRef, &'t Manifest>,
    services: HashMap<Hostname, usize>,
}

impl<'t> Input<'t> {
    pub(super) fn new(texts: &'t Texts, findings: &mut Findings) -> Self {
        let world = World::assemble(texts.validated.iter().filter_map(|(_, validated)| validated.valid.as_ref()));
        let captured = world.pods.iter().filter(|pod| enrol(pod, namespace(&world, &pod.namespace)).captured);
        let captured: BTreeSet<Arc<str>> = captured.map(|pod| Arc::clone(&pod.namespace)).collect();
        for (manifest, first) in &texts.repeated {
            let object = &manifest.object;
            let place = Place {
                object: Some(object),
                origin: object.to_string(),
                path: "",
                reference: manifest.source.clone(),
            };
            let problem = format!("is defined more than once; the one at {first} is used");
            findings.add(&code::REPEATED, place, problem, "delete the others");
        }
        let services = world.services.iter().enumerate().map(|(index, service)| (service.host.clone(), index));
        Self {
            services: services.collect(),
            scopes: scopes(&world, &captured),
            world,
            captured,
            unread: texts.parsed.iter().flat_map(|parsed| &parsed.unread).collect(),
            manifests: texts.validated.iter().map(|(manifest, _)| (&manifest.object, manifest)).collect(),
        }
    }

    /// The manifest of an object.
    pub(super) fn manifest(&self, object: &ObjectRef) -> Option<&'t Manifest> {
        self.manifests.get(object).copied()
    }

    /// A field of an object.
    pub(super) fn place<'p>(&self, object: &'p ObjectRef, path: &'p str) -> Place<'p> {
        let reference = self.manifests.get(object).map(|manifest| manifest.place(path));
        let reference = reference.unwrap_or(Source { file: "".into(), line: 1, column: 1 });
        Place { object: Some(object), origin: object.to_string(), path, reference }
    }

    /// Objects of a kind, valid or not, in order of name.
    pub(super) fn objects(&self, kind: Kind) -> impl Iterator<Item = &'t Manifest> + '_ {
        let mut found: Vec<&'t Manifest> =
            self.manifests.values().copied().filter(|manifest| manifest.object.kind == kind).collect();
        found.sort_by(|one, other| one.object.cmp(&other.object));
        found.into_iter()
    }

    /// The service of a full name.
    pub(super) fn service(&self, host: &Hostname) -> Option<&Service> {
        self.services.get(host).and_then(|index| self.world.services.get(*index))
    }

    /// The service that somebody means who writes `name.namespace` or `name.namespace.svc`, which is no service's name.
    pub(super) fn meant(&self, host: &Hostname) -> Option<&Service> {
        let short = host.as_str().strip_suffix(".svc").unwrap_or(host.as_str());
        let (name, namespace) = short.split_once('.')?;
        self.service(&Hostname::service(name, namespace))
    }
}

/// The object of a namespace.
pub(super) fn namespace<'w>(world: &'w World, name: &str) -> Option<&'w Namespace> {
    world.namespaces.iter().find(|namespace| &*namespace.name == name)
}

/// What marks of a namespace do to a pod that has none of its own.
pub(super) fn plain_pod(namespace: &Arc<str>) -> Pod {
    Pod {
        namespace: Arc::clone(namespace),
        name: "plain".into(),
        uid: None,
        labels: Arc::default(),
        annotations: Labels::new(),
        ports: std::collections::BTreeMap::new(),
        node: None,
        addresses: Vec::new(),
        host_network: false,
        completed: false,
        ready: true,
    }
}

/// The clients that rules may tell apart. Where captured pods are known, clients live in their namespaces; otherwise in any
/// that has something but destination rules. Namespaces that a rule names count always. Those that no rule can tell from
/// another are represented by one.
fn scopes(world: &World, captured: &BTreeSet<Arc<str>>) -> Vec<Scope> {
    let mut named: BTreeSet<Arc<str>> = BTreeSet::new();
    let mut labels: BTreeSet<Labels> = BTreeSet::from([Labels::new()]);
    for rule in &world.virtual_services {
        named.extend(exported(&rule.export_to).iter().cloned());
        for entry in rule.http.iter().flat_map(|http| &http.matches) {
            named.extend(entry.source_namespace.as_deref().map(Arc::from));
            labels.insert(entry.source_labels.clone());
        }
    }
    let living: BTreeSet<Arc<str>> = if captured.is_empty() { inhabited(world) } else { captured.clone() };
    let mut distinct: BTreeSet<&Arc<str>> = world.virtual_services.iter().map(|rule| &rule.object.namespace).collect();
    for rule in &world.destination_rules {
        labels.extend(rule.selector.clone());
        distinct.insert(&rule.object.namespace);
        distinct.extend(exported(&rule.export_to));
    }
    distinct.extend(world.services.iter().flat_map(|service| exported(&service.export_to)));
    let alike = living.iter().find(|name| !distinct.contains(name)).cloned();
    let mut namespaces: BTreeSet<Arc<str>> = living.iter().filter(|name| distinct.contains(name)).cloned().collect();
    namespaces.extend(alike.into_iter().chain(named));
    let scope = |namespace: &Arc<str>, labels: &Labels| Scope::new(Arc::clone(namespace), Arc::new(labels.clone()));
    namespaces.iter().flat_map(|namespace| labels.iter().map(move |labels| scope(namespace, labels))).collect()
}

fn exported(export_to: &ExportTo) -> &[Arc<str>] {
    match export_to {
        ExportTo::All => &[],
        ExportTo::Namespaces(names) => names,
    }
}

fn inhabited(world: &World) -> BTreeSet<Arc<str>> {
    let of_rules = world.virtual_services.iter().map(|rule: &VirtualService| &rule.object.namespace);
    let of_services = world.services.iter().map(|service| &service.namespace);
    let of_pods = world.pods.iter().map(|pod| &pod.namespace);
    let declared = world.namespaces.iter().map(|namespace| &namespace.name);
    let mut all: BTreeSet<Arc<str>> = of_rules.chain(of_services).chain(of_pods).chain(declared).cloned().collect();
    if all.is_empty() {
        all.insert("default".into());
    }
    all
}
