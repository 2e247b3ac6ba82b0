//! Rules that hand their requests to another VirtualService: the root's conditions and policies joined with the delegate's
//! (istio/istio@86c9f01 pilot/pkg/model/virtualservice.go, mergeVirtualServicesIfNeeded).

mod within;

use std::borrow::Cow;
use std::sync::Arc;

use crate::map::HashMap;
use crate::model::{HeaderOperations, HttpAction, HttpMatch, HttpRule, VirtualService, World};

/// VirtualServices without hosts, by namespace and name. Which clients meet them is the roots' to say.
#[derive(Debug, Default)]
pub(crate) struct Delegates<'w>(HashMap<(&'w str, &'w str), &'w VirtualService>);

/// Why a root's rule has no delegate: the rule is dropped, and the others stay.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Undelegated {
    /// There is no such object without hosts.
    NotFound,
    /// The namespace of the root does not see it.
    NotExported,
    /// None of its rules has a match within the root's.
    Outside,
}

/// A rule of a root whose delegate is not used, and why.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Unused<'w> {
    /// Position in `spec.http`.
    pub(crate) index: usize,
    pub(crate) namespace: &'w str,
    pub(crate) name: &'w str,
    pub(crate) because: Undelegated,
}

impl Unused<'_> {
    /// Why, about the rule.
    pub(crate) fn message(&self) -> String {
        let delegate = format!("{}/{}", self.namespace, self.name);
        match self.because {
            Undelegated::NotFound => format!("there is no VirtualService {delegate} without hosts to delegate to"),
            Undelegated::NotExported => {
                format!("VirtualService {delegate} is not exported to the namespace of the root")
            }
            Undelegated::Outside => {
                format!("no match of VirtualService {delegate} lies within those of the root's rule")
            }
        }
    }
}

/// Where a merged rule came from: the delegate, its rule, and for each merged match those of the root and of the delegate that
/// it was made of.
#[derive(Debug)]
pub(crate) struct Delegated<'w> {
    pub(crate) by: &'w VirtualService,
    pub(crate) index: usize,
    entries: Vec<Entries>,
}

/// Positions in the `match` of the root's and of the delegate's rule.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Entries {
    pub(crate) root: Option<usize>,
    pub(crate) delegate: Option<usize>,
}

/// One rule of a VirtualService as it is compiled.
#[derive(Debug)]
pub(crate) struct Placed<'w> {
    /// Position in the object's own `spec.http`.
    pub(crate) index: usize,
    pub(crate) rule: Cow<'w, HttpRule>,
    pub(crate) delegated: Option<Delegated<'w>>,
}

impl Placed<'_> {
    /// Where a match of the rule was written.
    pub(crate) fn entries(&self, entry: Option<usize>) -> Entries {
        match (&self.delegated, entry) {
            (None, root) => Entries { root, delegate: None },
            (Some(delegated), Some(entry)) => delegated.entries.get(entry).copied().unwrap_or_default(),
            (Some(_), None) => Entries::default(),
        }
    }
}

impl<'w> Delegates<'w> {
    pub(crate) fn new(world: &'w World) -> Self {
        let delegates = world.virtual_services.iter().filter(|rule| rule.hosts.is_empty());
        Self(delegates.map(|rule| ((&*rule.object.namespace, &*rule.object.name), rule)).collect())
    }

    /// The delegate that a rule of a root names.
    fn find(&self, root: &VirtualService, namespace: &str, name: &str) -> Result<&'w VirtualService, Undelegated> {
        let found = self.0.get(&(namespace, name)).copied().ok_or(Undelegated::NotFound)?;
        if found.export_to.reaches(&root.object.namespace) { Ok(found) } else { Err(Undelegated::NotExported) }
    }

    /// The rules of a root that are dropped, since their delegates are not used.
    pub(crate) fn unused<'o>(&self, root: &'o VirtualService) -> Vec<Unused<'o>> {
        let rules = root.http.iter().enumerate().filter_map(|(index, rule)| {
            let HttpAction::Delegate { namespace, name, .. } = &rule.action else { return None };
            let because = match self.find(root, namespace, name) {
                Err(because) => because,
                Ok(delegate) if merged(index, rule, delegate).is_empty() => Undelegated::Outside,
                Ok(_) => return None,
            };
            Some(Unused { index, namespace, name, because })
        });
        rules.collect()
    }

    /// The rules of an object, those of delegates in the place of the rules that name them.
    pub(crate) fn placed<'r>(&'r self, object: &'w VirtualService) -> impl Iterator<Item = Placed<'w>> + 'r {
        object.http.iter().enumerate().flat_map(move |(index, rule)| match &rule.action {
            HttpAction::Delegate { namespace, name, .. } => match self.find(object, namespace, name) {
                Ok(delegate) => merged(index, rule, delegate),
                Err(_) => Vec::new(),
            },
            HttpAction::Route(_) | HttpAction::Redirect(_) | HttpAction::Respond(_) => {
                vec![Placed { index, rule: Cow::Borrowed(rule), delegated: None }]
            }
        })
    }
}

/// The delegate's rules that keep a match within the root's.
fn merged<'w>(index: usize, root: &HttpRule, delegate: &'w VirtualService) -> Vec<Placed<'w>> {
    let rules = delegate.http.iter().enumerate().filter_map(|(place, rule)| {
        let (entries, matches) = joined_matches(&root.matches, &rule.matches)?;
        let rule = HttpRule { matches, ..joined(root, rule) };
        let delegated = Some(Delegated { by: delegate, index: place, entries });
        Some(Placed { index, rule: Cow::Owned(rule), delegated })
    });
    rules.collect()
}

/// The delegate's fields where they are set, else the root's.
fn joined(root: &HttpRule, delegate: &HttpRule) -> HttpRule {
    let own = delegate.clone();
    let rewrites = own.rewrite.path.is_some() || own.rewrite.authority.is_some();
    let injects = own.fault.delay.is_some() || own.fault.abort.is_some();
    let action = match (&root.action, own.action) {
        (HttpAction::Delegate { answer: Some(answer), .. }, HttpAction::Route(_)) => {
            HttpAction::Respond(answer.clone())
        }
        (_, own) => own,
    };
    HttpRule {
        name: joined_names(root.name.as_ref(), own.name.as_ref()),
        matches: own.matches,
        action,
        rewrite: if rewrites { own.rewrite } else { root.rewrite.clone() },
        timeout: own.timeout.or(root.timeout),
        retries: own.retries.or_else(|| root.retries.clone()),
        fault: if injects { own.fault } else { root.fault },
        mirrors: if own.mirrors.is_empty() { root.mirrors.clone() } else { own.mirrors },
        cors: own.cors.or_else(|| root.cors.clone()),
        headers: if own.headers == HeaderOperations::default() { root.headers.clone() } else { own.headers },
    }
}

/// Every match of the delegate with every one of the root that it lies within; a side without matches takes the other's. `None`
/// when nothing is left.
fn joined_matches(root: &[HttpMatch], delegate: &[HttpMatch]) -> Option<(Vec<Entries>, Vec<HttpMatch>)> {
    if root.is_empty() {
        let places = (0..delegate.len()).map(|place| Entries { root: None, delegate: Some(place) });
        return Some((places.collect(), delegate.to_vec()));
    }
    if delegate.is_empty() {
        let places = (0..root.len()).map(|place| Entries { root: Some(place), delegate: None });
        return Some((places.collect(), root.to_vec()));
    }
    let pairs = delegate.iter().enumerate().flat_map(|leaf| root.iter().enumerate().map(move |root| (leaf, root)));
    let kept = pairs.filter(|((_, leaf), (_, root))| within::within(root, leaf)).map(|((own, leaf), (place, root))| {
        (Entries { root: Some(place), delegate: Some(own) }, joined_match(root, leaf))
    });
    let kept: (Vec<Entries>, Vec<HttpMatch>) = kept.unzip();
    (!kept.0.is_empty()).then_some(kept)
}

/// The delegate's conditions, and the root's where it has none of the kind.
fn joined_match(root: &HttpMatch, delegate: &HttpMatch) -> HttpMatch {
    let own = delegate.clone();
    HttpMatch {
        name: joined_names(root.name.as_ref(), own.name.as_ref()),
        uri: own.uri.or_else(|| root.uri.clone()),
        scheme: own.scheme.or_else(|| root.scheme.clone()),
        method: own.method.or_else(|| root.method.clone()),
        authority: own.authority.or_else(|| root.authority.clone()),
        headers: with_others(own.headers, &root.headers, |header| &header.name),
        without_headers: with_others(own.without_headers, &root.without_headers, |header| &header.name),
        query_params: with_others(own.query_params, &root.query_params, |query| &query.name),
        port: own.port.or(root.port),
        source_labels: root
            .source_labels
            .iter()
            .chain(&own.source_labels)
            .map(|(k, v)| (k.clone(), v.clone()))
            .collect(),
        source_namespace: own.source_namespace.or_else(|| root.source_namespace.clone()),
        gateways_list_mesh: own.gateways_list_mesh.or(root.gateways_list_mesh),
        ignore_uri_case: own.ignore_uri_case,
    }
}

/// The root's conditions under names that the delegate does not use, then the delegate's.
fn with_others<C: Clone>(own: Vec<C>, root: &[C], name: impl Fn(&C) -> &str) -> Vec<C> {
    let others = root.iter().filter(|other| own.iter().all(|own| name(own) != name(other)));
    others.cloned().collect::<Vec<C>>().into_iter().chain(own).collect()
}

fn joined_names(root: Option<&Arc<str>>, delegate: Option<&Arc<str>>) -> Option<Arc<str>> {
    match (root, delegate) {
        (Some(root), Some(own)) => Some(format!("{root}-{own}").into()),
        (root, own) => own.or(root).cloned(),
    }
}
