//! The lease that makes one daemon of all the one that writes about rules, as Kubernetes' own leader election has it: who holds
//! it renews it, and who sees that it has not been renewed for as long as it lasts takes it over. Clocks of different nodes are
//! never compared: what counts is how long this node has seen the same. Who stops gives it back.

use std::time::{Duration, Instant};

use k8s_openapi::jiff::Timestamp;
use kube::api::PostParams;
use kube::core::Request;
use serde_json::{Value, json};
use tokio::sync::watch;
use tokio::time::timeout;

use super::super::rights::Right;
use super::Wanted;
use super::desk::{Desk, Refusal};

pub(super) const RIGHT: Right = Right {
    role: "Role",
    ..Right::to_write(
        "coordination.k8s.io",
        "leases",
        &["get", "create", "update"],
        "no daemon can be the one that writes conditions and Events",
    )
};

const NAME: &str = "meshlet";

/// Who asks for the lease.
#[derive(Debug, Clone)]
pub(crate) struct Candidate {
    /// The namespace of the lease.
    pub(crate) namespace: String,
    /// Another one for every daemon.
    pub(crate) name: String,
}

/// How long it lasts, and how often its holder renews it. The others look about as often as it lasts: with a thousand nodes, to
/// look often would cost more than to wait a little longer.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Terms {
    pub(crate) lasts: Duration,
    pub(crate) renewed: Duration,
}

/// What others hold, as it was last seen.
#[derive(Debug, Default)]
struct Seen(Option<(Value, Instant)>);

#[derive(Debug, PartialEq)]
enum Step {
    /// It is ours, or nobody's: this is to be written, with how often it has changed hands.
    Take(u64),
    /// Somebody has it.
    Wait,
}

impl Seen {
    /// What to do about a lease.
    fn step(&mut self, spec: &Value, own: &str, lasts: Duration, now: Instant) -> Step {
        let holder = spec["holderIdentity"].as_str().unwrap_or_default();
        let transitions = spec["leaseTransitions"].as_u64().unwrap_or_default();
        if holder == own {
            return Step::Take(transitions);
        }
        let seconds = spec["leaseDurationSeconds"].as_u64().map_or(lasts, Duration::from_secs);
        let expired = match &self.0 {
            Some((known, since)) if known == spec => now.duration_since(*since) >= seconds,
            _ => {
                self.0 = Some((spec.clone(), now));
                false
            }
        };
        if holder.is_empty() || expired { Step::Take(transitions + 1) } else { Step::Wait }
    }
}

/// Asks for the lease and keeps it for as long as anything is wanted to be written, and then gives it back.
pub(super) async fn hold(
    candidate: Candidate,
    terms: Terms,
    mut desk: Desk,
    holding: watch::Sender<bool>,
    mut wanted: watch::Receiver<Option<Wanted>>,
) {
    let ended = async { while wanted.changed().await.is_ok() {} };
    tokio::select! {
        () = keep(&candidate, terms, &mut desk, &holding) => return,
        () = ended => {}
    }
    if holding.send_replace(false) && matches!(give_back(&candidate, &mut desk).await, Ok(true)) {
        tracing::info!(lease = %candidate.lease(), "given back");
    }
}

async fn keep(candidate: &Candidate, terms: Terms, desk: &mut Desk, holding: &watch::Sender<bool>) {
    let mut seen = Seen::default();
    let mut renewed = Instant::now();
    loop {
        let begun = Instant::now();
        // An answer that comes later is of no use.
        let turn = timeout(terms.renewed, turn(candidate, terms, desk, &mut seen)).await;
        let held = match turn {
            Ok(Ok(held)) => held,
            // Ours for as long as nobody else can have taken it.
            Ok(Err(_)) | Err(_) => *holding.borrow() && renewed.elapsed() < terms.lasts * 2 / 3,
        };
        if matches!(turn, Ok(Ok(true))) {
            renewed = begun;
        }
        if held != *holding.borrow() {
            tracing::info!(lease = %candidate.lease(), held, "who writes about rules has changed");
        }
        if holding.send(held).is_err() {
            return;
        }
        let share = f64::from(desk.draw().next_u32()) / f64::from(u32::MAX);
        let pause =
            if held { terms.renewed.mul_f64(1.0 - share / 4.0) } else { terms.lasts.mul_f64(1.0 + share / 2.0) };
        let opens = desk.opens().map(|opens| opens.saturating_duration_since(Instant::now()));
        tokio::time::sleep(pause.max(opens.unwrap_or_default())).await;
    }
}

/// Looks at the lease, and writes it where it is or becomes ours.
async fn turn(candidate: &Candidate, terms: Terms, desk: &mut Desk, seen: &mut Seen) -> Result<bool, Refusal> {
    let now = format!("{:.6}", Timestamp::now());
    let mut lease = candidate.read(desk).await?.unwrap_or(Value::Null);
    let fresh = lease.is_null();
    let taken = match fresh {
        true => 0,
        false => match seen.step(&lease["spec"], &candidate.name, terms.lasts, Instant::now()) {
            Step::Wait => return Ok(false),
            Step::Take(transitions) => transitions,
        },
    };
    let renewed = lease["spec"]["holderIdentity"] == *candidate.name;
    let acquired = if renewed { lease["spec"]["acquireTime"].take() } else { json!(now) };
    // Whole seconds: what lasts shorter is a test's.
    let seconds = terms.lasts.as_secs().max(1);
    lease["spec"] = json!({"holderIdentity": candidate.name, "leaseDurationSeconds": seconds, "acquireTime": acquired,
        "renewTime": now, "leaseTransitions": taken});
    candidate.write(desk, lease, fresh).await
}

/// Says that nobody holds it, if it is ours, as client-go does with `ReleaseOnCancel`: who looks next takes it.
async fn give_back(candidate: &Candidate, desk: &mut Desk) -> Result<bool, Refusal> {
    let Some(mut lease) = candidate.read(desk).await? else { return Ok(false) };
    if lease["spec"]["holderIdentity"] != *candidate.name {
        return Ok(false);
    }
    let now = format!("{:.6}", Timestamp::now());
    let transitions = lease["spec"]["leaseTransitions"].take();
    lease["spec"] = json!({"holderIdentity": "", "leaseDurationSeconds": 1, "acquireTime": now, "renewTime": now,
        "leaseTransitions": transitions});
    candidate.write(desk, lease, false).await
}

impl Candidate {
    fn lease(&self) -> String {
        format!("{}/{NAME}", self.namespace)
    }

    fn requests(&self) -> Request {
        Request::new(format!("/apis/coordination.k8s.io/v1/namespaces/{}/leases", self.namespace))
    }

    async fn read(&self, desk: &mut Desk) -> Result<Option<Value>, Refusal> {
        desk.find(self.requests().get(NAME, &kube::api::GetParams::default())).await
    }

    /// Whether it was written. Its version is the one that was read: of several who want it, one gets it.
    async fn write(&self, desk: &mut Desk, mut lease: Value, fresh: bool) -> Result<bool, Refusal> {
        lease["apiVersion"] = json!("coordination.k8s.io/v1");
        lease["kind"] = json!("Lease");
        lease["metadata"]["name"] = json!(NAME);
        lease["metadata"]["namespace"] = json!(self.namespace);
        let body = lease.to_string().into_bytes();
        let post = PostParams { field_manager: Some(super::MANAGER.to_owned()), ..PostParams::default() };
        let requests = self.requests();
        let request = if fresh { requests.create(&post, body) } else { requests.replace(NAME, &post, body) };
        match desk.send(request).await {
            Ok(_) => Ok(true),
            Err(Refusal::Object) => Ok(false),
            Err(closed) => Err(closed),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn given_a_lease_of_somebody_else_then_it_is_taken_once_it_was_seen_unrenewed_for_as_long_as_it_lasts() {
        let lease = |holder: &str, renewed: &str| json!({"holderIdentity": holder, "leaseDurationSeconds": 15, "renewTime": renewed, "leaseTransitions": 3});
        let (mut seen, begun) = (Seen::default(), Instant::now());
        let mut step =
            |spec: &Value, second| seen.step(spec, "us", Duration::from_secs(15), begun + Duration::from_secs(second));
        for (spec, second, wanted) in [
            // The time that is written counts for nothing, old as it may be.
            (lease("them", "2001-01-01T00:00:00Z"), 0, Step::Wait),
            (lease("them", "2001-01-01T00:00:00Z"), 14, Step::Wait),
            (lease("them", "2001-01-01T00:00:05Z"), 16, Step::Wait),
            (lease("them", "2001-01-01T00:00:05Z"), 30, Step::Wait),
            (lease("them", "2001-01-01T00:00:05Z"), 31, Step::Take(4)),
            (lease("us", "2001-01-01T00:00:09Z"), 32, Step::Take(3)),
            (lease("", "2001-01-01T00:00:09Z"), 33, Step::Take(4)),
            (lease("others", "2001-01-01T00:00:10Z"), 34, Step::Wait),
        ] {
            assert_eq!(step(&spec, second), wanted, "{spec} {second}");
        }
    }
}
