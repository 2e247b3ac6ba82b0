//! Requests of one row, and who answered them.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use meshlet_sandbox::{Answer, Client, HttpCall};

use super::chance::Share;
use super::experiment::Expected;
use super::interrupt::Interrupt;
use super::report::{Cell, Destination};
use super::world::{COPIES, VERSIONS};

/// Values of the hashed header.
const VALUES: [&str; 12] =
    ["ada", "barbara", "claude", "donald", "edsger", "frances", "grace", "hedy", "ivan", "john", "katherine", "leslie"];

/// Requests between two looks at whether the demo is interrupted.
const BATCH: u32 = 500;

/// What a row sends.
pub(crate) struct Traffic<'a> {
    pub(crate) service: SocketAddr,
    pub(crate) host: &'a str,
    pub(crate) requests: u32,
    pub(crate) interrupt: &'a Interrupt,
}

/// Who answered.
#[derive(Debug, Default)]
pub(crate) struct Observed {
    /// By header value, which is empty where it does not matter, and pod.
    answers: BTreeMap<(&'static str, String), u32>,
    pub(crate) failures: u32,
    pub(crate) error: Option<String>,
}

/// Sends a row's requests.
pub(crate) fn observe(client: &mut Client, traffic: &Traffic<'_>, expected: Expected) -> anyhow::Result<Observed> {
    let mut observed = Observed::default();
    match expected {
        // Most over kept-alive connections, where only a choice per request gives the weights.
        Expected::Weighted => {
            let fresh = traffic.requests / 10;
            send(client, traffic, "", (traffic.requests - fresh, true), &mut observed)?;
            send(client, traffic, "", (fresh, false), &mut observed)?;
        }
        // kube-proxy chooses per connection, and no header matters to it.
        Expected::Even => send(client, traffic, VALUES[0], (traffic.requests, false), &mut observed)?,
        Expected::Sticky => {
            for (index, value) in (0..).zip(VALUES) {
                let (each, over) = (traffic.requests / 12, traffic.requests % 12);
                let requests = each + u32::from(index < over);
                let fresh = requests / 2;
                send(client, traffic, value, (requests - fresh, true), &mut observed)?;
                send(client, traffic, value, (fresh, false), &mut observed)?;
            }
            observed.expect_several_pods();
        }
    }
    Ok(observed)
}

/// Sends so many requests with that value of the header, over kept-alive connections or one connection each.
fn send(
    client: &mut Client,
    traffic: &Traffic<'_>,
    value: &'static str,
    (requests, keep_alive): (u32, bool),
    observed: &mut Observed,
) -> anyhow::Result<()> {
    let mut left = requests;
    while left > 0 {
        traffic.interrupt.check()?;
        let count = left.min(BATCH);
        left -= count;
        let headers = if value.is_empty() { Vec::new() } else { vec![("foo".to_owned(), value.to_owned())] };
        let asked = usize::try_from(count).unwrap_or(usize::MAX);
        let call = HttpCall { count: asked, keep_alive, headers, ..HttpCall::get(traffic.service, traffic.host) };
        let answers = client.http(&call)?;
        for _ in answers.len()..asked {
            observed.fail("was not sent: the requests before it took too long".to_owned());
        }
        for answer in answers {
            observed.count(value, answer);
        }
    }
    Ok(())
}

impl Observed {
    fn count(&mut self, value: &'static str, answer: Answer) {
        match (answer.status, answer.error, answer.pod) {
            (Some(200), None, Some(pod)) => *self.answers.entry((value, pod)).or_default() += 1,
            (_, Some(error), _) => self.fail(error),
            (status, None, _) => {
                self.fail(format!("status {}: {}", status.unwrap_or_default(), answer.body.trim_end()))
            }
        }
    }

    fn fail(&mut self, error: String) {
        self.failures += 1;
        self.error.get_or_insert(error);
    }

    /// A balancer that sends everything to one pod is sticky too, and wrong.
    fn expect_several_pods(&mut self) {
        let mut pods: Vec<&String> = self.answers.keys().map(|(_, pod)| pod).collect();
        pods.sort_unstable();
        pods.dedup();
        if pods.len() < 2 {
            self.error.get_or_insert_with(|| format!("all {} values met the same pod", VALUES.len()));
        }
    }

    /// Compares with what was expected; `doubt` is what each cell has.
    pub(crate) fn cells(&self, expected: Expected, doubt: f64) -> Vec<Cell> {
        expected.shares().map_or_else(|| self.sticky(), |shares| self.drawn(shares, doubt))
    }

    fn drawn(&self, shares: [Share; VERSIONS.len()], doubt: f64) -> Vec<Cell> {
        let of = self.answers.values().sum();
        let met =
            |pod: &str| self.answers.iter().filter(|((_, other), _)| other == pod).map(|(_, count)| count).sum::<u32>();
        let (mut subsets, mut pods) = (Vec::new(), Vec::new());
        for (version, share) in VERSIONS.into_iter().zip(shares) {
            let each = Share { whole: share.whole * 3, ..share };
            let mut together = 0;
            for copy in COPIES {
                let pod = format!("{version}-{copy}");
                let count = met(&pod);
                together += count;
                pods.push(Cell::drawn(Destination::Pod(pod), each, count, of, doubt));
            }
            subsets.push(Cell::drawn(Destination::Subset(version.to_owned()), share, together, of, doubt));
        }
        subsets.append(&mut pods);
        subsets
    }

    fn sticky(&self) -> Vec<Cell> {
        let cell = |value: &'static str| {
            let answers = || self.answers.iter().filter(move |((of, _), _)| *of == value);
            let (pod, most) =
                answers().max_by_key(|(_, count)| **count).map_or(("none", 0), |((_, pod), count)| (pod, *count));
            let destination = Destination::Sticky { value: value.to_owned(), pod: pod.to_owned() };
            Cell::certain(destination, most, answers().map(|(_, count)| count).sum())
        };
        VALUES.into_iter().map(cell).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::command::demo::report::Verdict;

    fn answered(by: &[(&'static str, &str, u32)]) -> Observed {
        let answers = by.iter().map(|(value, pod, count)| ((*value, (*pod).to_owned()), *count)).collect();
        Observed { answers, ..Observed::default() }
    }

    #[test]
    fn given_weights_when_answers_are_compared_then_subsets_and_pods_have_a_cell_each() {
        let observed = answered(&[("", "v1-a", 34), ("", "v1-b", 33), ("", "v1-c", 33), ("", "v2-a", 900)]);
        let cells = observed.cells(Expected::Weighted, 1e-6);
        let verdict = |name: &str| {
            cells
                .iter()
                .find(|cell| matches!(&cell.destination, Destination::Subset(of) | Destination::Pod(of) if of == name))
        };
        let cases = [
            ("v1", 100, Verdict::OnTarget),
            ("v2", 900, Verdict::OnTarget),
            ("v1-a", 34, Verdict::OnTarget),
            ("v2-a", 900, Verdict::Off),
            ("v2-b", 0, Verdict::Off),
        ];
        for (name, count, expected) in cases {
            let cell = verdict(name).expect("a cell for every destination");
            assert_eq!((cell.count, cell.of, cell.verdict), (count, 1000, expected), "{name}");
        }
    }

    #[test]
    fn given_the_hash_when_one_value_meets_two_pods_then_its_cell_is_off() {
        let observed = answered(&[("ada", "v1-a", 9), ("ada", "v1-b", 1), ("barbara", "v2-a", 10)]);
        let cells = observed.cells(Expected::Sticky, 1e-6);
        let sticky = |value: &str, pod: &str| Destination::Sticky { value: value.to_owned(), pod: pod.to_owned() };
        assert_eq!((&cells[0].destination, cells[0].verdict), (&sticky("ada", "v1-a"), Verdict::Off));
        assert_eq!((&cells[1].destination, cells[1].verdict), (&sticky("barbara", "v2-a"), Verdict::OnTarget));
        assert_eq!(cells[2].verdict, Verdict::Off, "a value without an answer");
    }

    #[test]
    fn given_the_hash_when_all_values_meet_one_pod_then_the_row_is_off() {
        let mut observed = answered(&[("ada", "v1-a", 9), ("barbara", "v1-a", 9)]);
        observed.expect_several_pods();
        assert!(observed.error.is_some());
    }
}
