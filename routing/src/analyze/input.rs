//! The objects put together, and the clients that their rules are judged for.

use std::borrow::Cow;
use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use super::{Findings, Place, code};
use crate::enrol::enrol;
use crate::fault::Source;
use crate::manifest::{self, Manifest, Parsed, Unread};
use crate::model::{Hostname, Kind, Labels, MeshConfig, Namespace, ObjectRef, Pod, Service, Workload, World};
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
    pub(super) world: Cow<'t, World>,
    /// Namespaces where a captured pod lives.
    pub(super) captured: BTreeSet<Arc<str>>,
    pub(super) unread: Vec<&'t Unread>,
    namespaces: HashMap<Arc<str>, Namespace>,
    manifests: HashMap<&'t ObjectRef, &'t Manifest>,
    services: HashMap<Hostname, usize>,
}

impl<'t> Input<'t> {
    pub(super) fn new(mesh: MeshConfig, texts: &'t Texts, findings: &mut Findings) -> Self {
        let world =
            World::assemble_in(mesh, texts.validated.iter().filter_map(|(_, validated)| validated.valid.as_ref()));
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
        Self {
            unread: texts.parsed.iter().flat_map(|parsed| &parsed.unread).collect(),
            manifests: texts.validated.iter().map(|(manifest, _)| (&manifest.object, manifest)).collect(),
            ..Self::of(Cow::Owned(world))
        }
    }

    /// Of a world alone: where something is written is not known, nor what has no effect on the model.
    pub(super) fn of_world(world: &'t World) -> Self {
        Self::of(Cow::Borrowed(world))
    }

    fn of(world: Cow<'t, World>) -> Self {
        let namespaces: HashMap<Arc<str>, Namespace> =
            world.namespaces.iter().map(|namespace| (Arc::clone(&namespace.name), namespace.clone())).collect();
        let captured = world.pods.iter().filter(|pod| enrol(pod, namespaces.get(&pod.namespace)).captured);
        let captured: BTreeSet<Arc<str>> = captured.map(|pod| Arc::clone(&pod.namespace)).collect();
        let services = world.services.iter().enumerate().map(|(index, service)| (service.host.clone(), index));
        let services = services.collect();
        Self { services, namespaces, world, captured, unread: Vec::new(), manifests: HashMap::new() }
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

    /// The object of a namespace.
    pub(super) fn namespace(&self, name: &str) -> Option<&Namespace> {
        self.namespaces.get(name)
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

/// What marks of a namespace do to a pod that has none of its own.
pub(super) fn plain_pod(namespace: &Arc<str>) -> Pod {
    Pod {
        namespace: Arc::clone(namespace),
        name: "plain".into(),
        uid: None,
        labels: Arc::default(),
        annotations: Labels::new(),
        outbound: Arc::default(),
        unused: Arc::default(),
        workload: Workload::of_itself(Arc::clone(namespace), "plain".into()).into(),
        ports: std::collections::BTreeMap::new(),
        node: None,
        locality: Arc::default(),
        addresses: Vec::new(),
        host_network: false,
        completed: false,
        ready: true,
    }
}
