//! From a pod's first process to its capture, pods starting as in a cluster. `cargo xtask bench capture` runs this and does the
//! arithmetic: it prints microseconds, a line per pod.

use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use harness::{binary, sandbox};
use meshlet_sandbox::{Daemon, Layout, PodSpec};

/// Longer than any pod should take.
const PATIENCE: Duration = Duration::from_secs(10);

/// Between two looks; what is printed may be too much by so much and the time of a look.
const PAUSE: Duration = Duration::from_micros(200);

fn main() -> anyhow::Result<()> {
    // Cargo adds `--bench`.
    let count = std::env::args().skip(1).find(|argument| argument != "--bench").context("usage: PODS")?;
    let count: usize = count.parse().context("reading the number of pods")?;
    let mut sandbox = sandbox(Layout::Systemd);
    sandbox.namespace("bench", &[])?;
    sandbox.add_pod(PodSpec::new("bench", "first").label("sidecar.istio.io/inject", "true"))?;
    let daemon = Daemon::start(&sandbox, &binary(), &[])?;
    for number in 0..count {
        let spec = PodSpec::new("bench", &format!("pod-{number}")).label("sidecar.istio.io/inject", "true");
        let pod = sandbox.schedule_pod(spec)?;
        let begun = Instant::now();
        while !daemon.is_captured(&pod)? {
            ensure!(begun.elapsed() < PATIENCE, "{pod} is not captured; the log:\n{}", daemon.log());
            std::thread::sleep(PAUSE);
        }
        println!("{}", begun.elapsed().as_micros());
        sandbox.delete_pod(&pod)?;
    }
    Ok(())
}
