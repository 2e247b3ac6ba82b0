//! Requests without end, from several threads, counted.

use std::collections::{BTreeMap, VecDeque};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use super::call::Exchange;
use crate::protocol::{Answer, ConnectCall, Failure, FloodCall, FloodReport, HttpCall, Moment};

const MOST_FAILURES: usize = 10_000;
const LONGEST_TIMELINE: usize = 20_000;

/// A flood under way.
pub(super) struct Flood {
    shared: Arc<Shared>,
    threads: Vec<JoinHandle<()>>,
}

struct Shared {
    started: Instant,
    halted: AtomicBool,
    tally: Mutex<Tally>,
}

#[derive(Default)]
struct Tally {
    answers: BTreeMap<String, usize>,
    total: usize,
    failed: usize,
    failures: Vec<Failure>,
    timeline: VecDeque<(u64, String)>,
}

impl Flood {
    pub(super) fn start(call: FloodCall) -> Self {
        let shared =
            Arc::new(Shared { started: Instant::now(), halted: AtomicBool::new(false), tally: Mutex::default() });
        let threads = (0..call.connections)
            .map(|_| {
                let (shared, call) = (Arc::clone(&shared), call.clone());
                thread::spawn(move || shared.send(&call))
            })
            .collect();
        Self { shared, threads }
    }

    pub(super) fn marker(&self) -> Moment {
        let tally = self.shared.tally();
        Moment { at_ms: self.shared.now(), total: tally.total, failures: tally.failed }
    }

    pub(super) fn halt(self) -> FloodReport {
        self.shared.halted.store(true, Ordering::Relaxed);
        for thread in self.threads {
            // One that panicked has said so on stderr.
            drop(thread.join());
        }
        let tally = std::mem::take(&mut *self.shared.tally());
        FloodReport {
            answers: tally.answers,
            failures: tally.failures,
            timeline: tally.timeline.into(),
            total: tally.total,
        }
    }
}

impl Shared {
    /// One thread: a request at a time until halted.
    fn send(&self, call: &FloodCall) {
        let request = HttpCall { keep_alive: call.keep_alive, ..HttpCall::get(call.to, &call.host) };
        let dial = ConnectCall::to(call.to);
        let mut open = None;
        while !self.halted.load(Ordering::Relaxed) {
            let reused = open.is_some();
            let mut answer = Answer::default();
            let exchange = open.take().map_or_else(|| Exchange::open(&dial), Ok);
            let answered = exchange.and_then(|mut exchange| {
                exchange.request(&request, &mut answer).map(|again| again.then_some(exchange))
            });
            match answered {
                Ok(again) => {
                    open = again;
                    self.count(answer, reused);
                }
                Err(error) => self.fail(error.to_string(), reused),
            }
            if call.pause_ms > 0 {
                thread::sleep(Duration::from_millis(call.pause_ms));
            }
        }
    }

    fn count(&self, answer: Answer, reused: bool) {
        let at_ms = self.now();
        match (answer.status, answer.pod) {
            (Some(200..=299), Some(pod)) => {
                let mut tally = self.tally();
                tally.total += 1;
                *tally.answers.entry(pod.clone()).or_default() += 1;
                if tally.timeline.len() == LONGEST_TIMELINE {
                    tally.timeline.pop_front();
                }
                tally.timeline.push_back((at_ms, pod));
            }
            (status, _) => self.fail(format!("status {}", status.unwrap_or_default()), reused),
        }
    }

    fn fail(&self, error: String, reused: bool) {
        let at_ms = self.now();
        let mut tally = self.tally();
        tally.failed += 1;
        if tally.failures.len() < MOST_FAILURES {
            tally.failures.push(Failure { at_ms, error, reused });
        }
        drop(tally);
        // A refused connect takes microseconds: without a pause, failures would be all this machine does.
        thread::sleep(Duration::from_millis(1));
    }

    fn now(&self) -> u64 {
        u64::try_from(self.started.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    fn tally(&self) -> MutexGuard<'_, Tally> {
        // Counters are whole whatever the thread that held them was doing.
        self.tally.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
