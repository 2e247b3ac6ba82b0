//! The experiments: a rule each, and what must come of it for either client.

use super::chance::Share;
use super::interrupt::Interrupt;
use super::measure::{Traffic, observe};
use super::report::{RUNS_WITHOUT_FALSE_ALARM, Report, Row, Verdict};
use super::world::{COPIES, VERSIONS, World};

/// One rule.
struct Experiment {
    name: &'static str,
    rule: &'static str,
    manifest: &'static str,
    /// What the rule asks for from a marked client.
    marked: Expected,
    hosts: &'static [&'static str],
}

/// How requests must spread.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Expected {
    /// As the rule's weights say.
    Weighted,
    /// Over all pods alike, as kube-proxy does it.
    Even,
    /// One value of the header `foo`, one pod.
    Sticky,
}

const EXPERIMENTS: [Experiment; 5] = [
    Experiment {
        name: "weights-mesh",
        rule: "VirtualService, gateways: [mesh], v1 10 %, v2 90 %",
        manifest: concat!(include_str!("rules/subsets.yaml"), include_str!("rules/mesh.yaml")),
        marked: Expected::Weighted,
        hosts: &["httpping-without-sidecar:8080"],
    },
    Experiment {
        name: "weights-no-gateways",
        rule: "VirtualService without gateways, v1 10 %, v2 90 %",
        manifest: concat!(include_str!("rules/subsets.yaml"), include_str!("rules/no_gateways.yaml")),
        marked: Expected::Weighted,
        hosts: &["httpping-without-sidecar:8080"],
    },
    Experiment {
        name: "gateway-only",
        rule: "VirtualService, gateways: [istio-ingress/public] alone: does not apply in the mesh",
        manifest: concat!(include_str!("rules/subsets.yaml"), include_str!("rules/ingress.yaml")),
        marked: Expected::Even,
        hosts: &["httpping-without-sidecar:8080"],
    },
    Experiment {
        name: "consistent-hash",
        rule: "no VirtualService; DestinationRule, consistentHash.httpHeaderName: foo",
        manifest: include_str!("rules/consistent_hash.yaml"),
        marked: Expected::Sticky,
        hosts: &["httpping-without-sidecar:8080"],
    },
    Experiment {
        name: "host-spellings",
        rule: "every spelling of the host; VirtualService, v1 10 %, v2 90 %",
        manifest: concat!(include_str!("rules/subsets.yaml"), include_str!("rules/no_gateways.yaml")),
        marked: Expected::Weighted,
        hosts: &[
            "httpping-without-sidecar",
            "httpping-without-sidecar:8080",
            "httpping-without-sidecar.infra-jinsu-lab",
            "httpping-without-sidecar.infra-jinsu-lab:8080",
            "httpping-without-sidecar.infra-jinsu-lab.svc",
            "httpping-without-sidecar.infra-jinsu-lab.svc:8080",
            "httpping-without-sidecar.infra-jinsu-lab.svc.cluster.local",
            "httpping-without-sidecar.infra-jinsu-lab.svc.cluster.local:8080",
        ],
    },
];

impl Expected {
    /// The share of a version's pods together, in the order of [`VERSIONS`]; none where the draw is not by chance.
    pub(crate) fn shares(self) -> Option<[Share; VERSIONS.len()]> {
        match self {
            Self::Weighted => Some([Share { part: 10, whole: 100 }, Share { part: 90, whole: 100 }]),
            Self::Even => Some([Share { part: 1, whole: 2 }; 2]),
            Self::Sticky => None,
        }
    }

    fn words(self) -> &'static str {
        match self {
            Self::Weighted => "10 % of requests to v1, 90 % to v2, over their pods alike",
            Self::Even => "all six pods alike, as kube-proxy does it",
            Self::Sticky => "one value of the header foo, one pod",
        }
    }
}

/// Runs every experiment for both clients.
pub(crate) fn replay(world: &mut World, requests: u32, interrupt: &Interrupt) -> anyhow::Result<Report> {
    let doubt = 1.0 / f64::from(RUNS_WITHOUT_FALSE_ALARM) / f64::from(cells_by_chance());
    let mut rows = Vec::new();
    for (index, experiment) in EXPERIMENTS.iter().enumerate() {
        eprintln!("{} of {}: {}", index + 1, EXPERIMENTS.len(), experiment.rule);
        world.apply(experiment.manifest)?;
        for (client, expected) in experiment.clients() {
            for host in experiment.hosts {
                let traffic = Traffic { service: world.service, host, requests, interrupt };
                let from = if client == "marked" { &mut world.marked } else { &mut world.unmarked };
                let observed = observe(from, &traffic, expected)?;
                rows.push(Row {
                    name: experiment.name,
                    rule: experiment.rule,
                    client,
                    host: (*host).to_owned(),
                    expected: expected.words(),
                    failures: observed.failures,
                    error: observed.error.clone(),
                    cells: observed.cells(expected, doubt),
                    verdict: Verdict::Off,
                });
            }
        }
    }
    for row in &mut rows {
        row.verdict =
            Verdict::of(row.error.is_none() && row.cells.iter().all(|cell| cell.verdict == Verdict::OnTarget));
    }
    let verdict = Verdict::of(rows.iter().all(|row| row.verdict == Verdict::OnTarget));
    Ok(Report { api_version: "meshlet.dev/v1", kind: "Demo", requests, rows, verdict })
}

impl Experiment {
    /// No rule concerns the unmarked client.
    fn clients(&self) -> [(&'static str, Expected); 2] {
        [("marked", self.marked), ("unmarked", Expected::Even)]
    }
}

/// How many cells a right system could miss by bad luck: they share the doubt.
fn cells_by_chance() -> u32 {
    let cells = VERSIONS.len() * (1 + COPIES.len());
    let by_chance = |experiment: &Experiment| {
        let drawn = experiment.clients().iter().filter(|(_, expected)| expected.shares().is_some()).count();
        drawn * experiment.hosts.len() * cells
    };
    u32::try_from(EXPERIMENTS.iter().map(by_chance).sum::<usize>()).unwrap_or(u32::MAX)
}
