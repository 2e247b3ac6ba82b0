//! What the kernel half costs: connections that it decides against direct ones, and pods that it does not touch.

use std::fs;
use std::process::Stdio;

use anyhow::{Context, Result, bail};

use super::paired::{Summary, median};
use crate::step::step;
use crate::{build, packages, process, workspace};

/// Connections decided in connect(2) against direct ones, and an unmarked pod with and without meshlet (needs root)
///
/// Builds pods as the node tests do and alternates short windows of what it compares
/// (A B, then B A), all pods on one CPU and before whoever else is on it:
///
///   bulk, ping-pong, connects
///       One captured pod, one endpoint: to the Service, whose rules the kernel carries out
///       in connect(2), and to the endpoint's own address. For information, the same by
///       kube-proxy, from an unmarked pod.
///   unmarked, ruled
///       Connections of an unmarked pod to a Service without rules, and to that one: meshlet
///       running, and stopped and uninstalled. The hook looks the Service up, and for a
///       ruled one the pod too.
///
/// Only ratios of neighbouring windows count. Printed are their median, quartiles, and a 95 %
/// interval of the median (sign test). `equal within noise`: that interval lies within 0.98
/// to 1.02, or holds 1 and is no wider than 0.10. Wider ones decide nothing: take more rounds,
/// or a machine that does nothing else. Every window is kept in target/bench/l4.txt.
#[derive(clap::Args)]
#[command(verbatim_doc_comment)]
pub(super) struct Arguments {
    /// How often everything is compared, in both orders each time: pairs are twice as many
    #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u32).range(3..))]
    rounds: u32,
    /// Length of a window in milliseconds
    #[arg(long, value_name = "MS", default_value_t = 200, value_parser = clap::value_parser!(u32).range(20..))]
    window: u32,
}

/// A comparison: its name in the output, two paths whose ratio is judged, one for information, and the unit.
struct Comparison {
    name: &'static str,
    paths: [&'static str; 2],
    beside: Option<&'static str>,
    unit: &'static str,
    /// How many of what is measured make one of the unit.
    scale: f64,
}

const COMPARISONS: [Comparison; 5] = [
    Comparison::of("bulk", "MB/s", 1e6),
    Comparison::of("ping-pong", "round trips/s", 1.0),
    Comparison::of("connects", "connections/s", 1.0),
    Comparison::of_unmarked("unmarked"),
    Comparison::of_unmarked("ruled"),
];

impl Comparison {
    const fn of(name: &'static str, unit: &'static str, scale: f64) -> Self {
        Self { name, paths: ["kernel", "direct"], beside: Some("kube-proxy"), unit, scale }
    }

    const fn of_unmarked(name: &'static str) -> Self {
        Self { name, paths: ["with", "without"], beside: None, unit: "connections/s", scale: 1.0 }
    }

    /// Rates of one path, in the order of time.
    fn rates(&self, windows: &[Window], path: &str) -> Vec<f64> {
        windows.iter().filter(|window| window.name == self.name && window.path == path).map(|w| w.rate).collect()
    }

    /// The median rate of a path, in the comparison's unit.
    fn shown(&self, windows: &[Window], path: &str) -> Option<String> {
        let mut rates = self.rates(windows, path);
        rates.sort_by(f64::total_cmp);
        (!rates.is_empty()).then(|| format!("{path} {:.0}", median(&rates) / self.scale))
    }

    fn row(&self, windows: &[Window]) -> Result<String> {
        let [ours, theirs] = self.paths.map(|path| self.rates(windows, path));
        let pairs = ours.len();
        // The n-th window of one is beside the n-th of the other, before it or after it.
        let ratios = ours.iter().zip(&theirs).map(|(ours, theirs)| ours / theirs).collect();
        let summary = Summary::of(ratios).filter(|_| pairs == theirs.len());
        let summary = summary.with_context(|| format!("{}: {pairs} and {} windows", self.name, theirs.len()))?;
        let paths = self.paths.into_iter().chain(self.beside);
        let shown: Vec<_> = paths.filter_map(|path| self.shown(windows, path)).collect();
        let Summary { median, quartiles, interval } = &summary;
        Ok(format!(
            "{:<10} {:>6.3}  {:.3}-{:.3}  {:.3}-{:.3}  {:<21} {pairs:>5}  {} {}",
            self.name,
            median,
            quartiles.0,
            quartiles.1,
            interval.0,
            interval.1,
            summary.verdict().to_string(),
            shown.join(", "),
            self.unit
        ))
    }
}

/// One line of the benchmark.
struct Window<'l> {
    name: &'l str,
    path: &'l str,
    rate: f64,
}

pub(super) fn l4(arguments: &Arguments) -> Result<()> {
    packages::bring(packages::SANDBOX.iter())?;
    if !packages::root() {
        bail!(
            "this benchmark builds pods and loads eBPF, for which it has to be root:\n  sudo env \"PATH=$PATH\" \"HOME=$HOME\" cargo xtask bench l4"
        );
    }
    build::build()?;
    let before = load_average();
    let measured = step("benchmark of the kernel half", || measure(arguments))?;
    let windows: Vec<Window> = measured.lines().filter_map(window).collect();
    println!("{}; load average {before} before, {} after", machine(), load_average());
    println!("windows of {} ms; a ratio of rates above 1: the first path is the faster", arguments.window);
    println!("{:<10} {:>6}  {:<11}  {:<11}  {:<21} pairs  medians", "", "ratio", "quartiles", "95 %", "verdict");
    COMPARISONS.iter().try_for_each(|comparison| {
        println!("{}", comparison.row(&windows)?);
        Ok(())
    })
}

/// Runs the benchmark; what it printed, which is kept too.
fn measure(arguments: &Arguments) -> Result<String> {
    let mut cargo = process::cargo("bench");
    cargo.args(["-p", "meshlet-tests", "--bench", "l4", "--"]);
    cargo.args([arguments.rounds.to_string(), arguments.window.to_string()]);
    cargo.env("MESHLET_BIN", workspace::release("meshlet"));
    cargo.env("MESHLET_AGENT", workspace::release("meshlet-sandbox-agent"));
    let measured = process::read(cargo.stderr(Stdio::inherit()))?;
    let folder = workspace::target().join("bench");
    fs::create_dir_all(&folder).with_context(|| format!("creating {}", folder.display()))?;
    let kept = folder.join("l4.txt");
    fs::write(&kept, &measured).with_context(|| format!("writing {}", kept.display()))?;
    Ok(measured)
}

fn window(line: &str) -> Option<Window<'_>> {
    let mut words = line.split_whitespace();
    Some(Window { name: words.next()?, path: words.next()?, rate: words.next()?.parse().ok()? })
}

/// Processor, CPUs, kernel.
fn machine() -> String {
    let cpus = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = cpus.lines().find_map(|line| line.strip_prefix("model name")?.split_once(": ").map(|(_, model)| model));
    let count = cpus.lines().filter(|line| line.starts_with("processor")).count();
    let kernel = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    format!("{} ({count} CPUs), Linux {}", model.unwrap_or("an unknown processor"), kernel.trim())
}

fn load_average() -> String {
    let load = fs::read_to_string("/proc/loadavg").unwrap_or_default();
    load.split(' ').next().unwrap_or_default().to_owned()
}
