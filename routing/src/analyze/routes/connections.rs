//! TCP and TLS rules of a VirtualService that earlier ones hide.

use std::collections::BTreeSet;

use super::super::destinations::List;
use super::super::input::Input;
use super::super::{Findings, code, list as names};
use crate::model::{HostPattern, L4Match, Subnet, VirtualService};

/// One entry of a match, or what a rule without any stands for.
struct Entry<'r> {
    rule: usize,
    conditions: &'r L4Match,
    server_names: &'r [HostPattern],
}

/// Rules and entries that take nothing. What validation has said of the same field is not said again.
pub(super) fn hidden(input: &Input<'_>, rule: &VirtualService, findings: &mut Findings) {
    let everything = L4Match::default();
    let tcp = rule.tcp.iter().enumerate().map(|(index, tcp)| {
        let entry = |conditions| Entry { rule: index, conditions, server_names: &[HostPattern::Any] };
        match &*tcp.matches {
            [] => vec![entry(&everything)],
            matches => matches.iter().map(entry).collect(),
        }
    });
    hidden_of(input, rule, List::Tcp, tcp.collect(), findings);
    let tls = rule.tls.iter().enumerate().map(|(index, tls)| {
        let entries = tls.matches.iter();
        let entries = entries.map(|found| (&found.conditions, &*found.sni_hosts));
        entries.map(|(conditions, server_names)| Entry { rule: index, conditions, server_names }).collect()
    });
    hidden_of(input, rule, List::Tls, tls.collect(), findings);
}

fn hidden_of(
    input: &Input<'_>,
    rule: &VirtualService,
    list: List,
    rules: Vec<Vec<Entry<'_>>>,
    findings: &mut Findings,
) {
    let name = list.as_str();
    let mut earlier: Vec<Entry<'_>> = Vec::new();
    for (index, entries) in rules.into_iter().enumerate() {
        let path = format!("spec.{name}[{index}]");
        let mut found: Vec<(usize, BTreeSet<usize>)> = Vec::new();
        let mut by_others = !entries.is_empty();
        for (position, entry) in entries.into_iter().enumerate() {
            let before = earlier.iter().filter(|wide| wide.rule < index);
            by_others &= takers(list, before, &entry).is_some();
            found.extend(takers(list, earlier.iter(), &entry).map(|by| (position, by)));
            earlier.push(entry);
        }
        let said = |findings: &Findings, path: &str| {
            findings.0.iter().any(|known| known.object.as_ref() == Some(&rule.object) && known.path == path)
        };
        if by_others {
            if !said(findings, &path) && !said(findings, &format!("{path}.match[0]")) {
                let by: BTreeSet<usize> = found.into_iter().flat_map(|(_, by)| by).collect();
                let by = names(by.into_iter().map(|by| format!("{name}[{by}]")));
                let problem = format!("is never reached: what it matches, {by} takes before");
                let remedy = "move it before that one, narrow that one's match, or remove it";
                findings.add(&code::UNREACHABLE_RULE, input.place(&rule.object, &path), problem, remedy);
            }
            continue;
        }
        for (position, by) in found {
            let path = format!("{path}.match[{position}]");
            if !said(findings, &path) {
                let by = names(by.into_iter().map(|by| format!("{name}[{by}]")));
                let problem = format!("takes nothing: entries of {by} before it take the same connections");
                let remedy = "remove it, or move it before those";
                findings.add(&code::INEFFECTIVE_MATCH, input.place(&rule.object, &path), problem, remedy);
            }
        }
    }
}

/// The rules whose entries together take every connection that a later entry would; `None` when some are left.
fn takers<'e>(
    list: List,
    earlier: impl Iterator<Item = &'e Entry<'e>> + Clone,
    entry: &Entry<'_>,
) -> Option<BTreeSet<usize>> {
    let subnets: Vec<Option<&Subnet>> = match &*entry.conditions.destination_subnets {
        [] => vec![None],
        subnets => subnets.iter().map(Some).collect(),
    };
    let claims = subnets.iter().flat_map(|subnet| entry.server_names.iter().map(move |name| (*subnet, name)));
    let taker = |(subnet, name): (Option<&Subnet>, &HostPattern)| {
        let wide = earlier.clone().filter(|wide| source_covers(wide.conditions, entry.conditions));
        let mut wide = wide.filter(|wide| wide.server_names.contains(name));
        // A narrower subnet and a narrower name come first whatever the order, but for TCP rules: those behind one for every
        // address are not even built.
        let taken = wide.find(|wide| match (&*wide.conditions.destination_subnets, subnet) {
            ([], None) => true,
            ([], Some(_)) => list == List::Tcp,
            (subnets, Some(subnet)) => subnets.contains(subnet),
            (_, None) => false,
        });
        taken.map(|wide| wide.rule)
    };
    claims.map(taker).collect()
}

/// Whether the conditions on client and port hold wherever those of another entry do.
fn source_covers(wide: &L4Match, narrow: &L4Match) -> bool {
    // Spelled out so that a condition that is new to the model cannot be forgotten here.
    let L4Match { destination_subnets: _, port, source_labels, source_namespace, gateways_only } = wide;
    !gateways_only
        && port.is_none_or(|port| narrow.port == Some(port))
        && source_labels.iter().all(|(key, value)| narrow.source_labels.get(key) == Some(value))
        && source_namespace.as_ref().is_none_or(|wanted| narrow.source_namespace.as_ref() == Some(wanted))
}
