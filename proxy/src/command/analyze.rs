//! `meshlet analyze`: findings about manifests, with stable codes, file, line and column.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context as _;
use clap::{Args, ValueEnum};
use meshlet_routing::analyze::{CODES, Finding, Level, Suppression, analyze};
use serde::Serialize;

use super::{DATA, FINDINGS};
use crate::snapshot::read;

/// Shown below the flags.
pub(crate) const HELP: &str = "\
Examples:
  meshlet analyze manifests/                       everything below the folder, all namespaces
  meshlet analyze -o json -f rules.yaml -f pods.yaml
  meshlet analyze manifests/ -S 'MSH0102=Namespace dev-*' --failure-threshold warning

Exit codes, the same for every output: 0 nothing at or above the threshold, 79 something, 64 wrong usage, 65 nothing could be
read. docs/analyze.md explains every code.";

/// `meshlet analyze`.
#[derive(Debug, Args)]
pub(crate) struct AnalyzeArgs {
    /// Files or folders, read recursively: .yaml, .yml, .json.
    #[arg(value_name = "PATH", required_unless_present_any = ["filename", "list_analyzers"])]
    paths: Vec<PathBuf>,
    /// The same as PATH; repeatable.
    #[arg(short = 'f', long = "filename", value_name = "PATH")]
    filename: Vec<PathBuf>,
    /// All namespaces: always so for files, accepted for habit's sake.
    #[arg(short = 'A', long)]
    all_namespaces: bool,
    /// Folders with all below them: always so, accepted for habit's sake.
    #[arg(short = 'R', long)]
    recursive: bool,
    /// Do not show findings of this code about these objects; `*` stands for any text; repeatable.
    #[arg(short = 'S', long = "suppress", value_name = "CODE=KIND NAMESPACE/NAME")]
    suppress: Vec<Suppression>,
    /// Exit with 79 when there is a finding of this level or a worse one.
    #[arg(long, value_enum, default_value_t = Threshold::Error)]
    failure_threshold: Threshold,
    /// How to print findings.
    #[arg(short = 'o', long, value_enum, default_value_t = Output::Log)]
    output: Output,
    /// Print every code with its meaning, and stop.
    #[arg(long)]
    list_analyzers: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Output {
    /// A line each, as istioctl prints them.
    Log,
    /// The contract's list.
    Json,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Threshold {
    Error,
    Warning,
    Info,
}

impl From<Threshold> for Level {
    fn from(threshold: Threshold) -> Self {
        match threshold {
            Threshold::Error => Self::Error,
            Threshold::Warning => Self::Warning,
            Threshold::Info => Self::Info,
        }
    }
}

/// One finding as JSON.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Shown<'f> {
    code: &'static str,
    level: &'static str,
    origin: &'f str,
    reference: String,
    message: &'f str,
    istio: Option<&'static str>,
    documentation_url: String,
}

/// Prints what is found.
pub(crate) fn run(arguments: &AnalyzeArgs) -> anyhow::Result<ExitCode> {
    if arguments.list_analyzers {
        for code in CODES {
            println!("{}  {:<8} {}", code.id, code.level.as_str(), code.name);
        }
        return Ok(ExitCode::SUCCESS);
    }
    let roots: Vec<PathBuf> = arguments.paths.iter().chain(&arguments.filename).cloned().collect();
    for path in &roots {
        std::fs::metadata(path).with_context(|| format!("{}: name a file or a folder that exists", path.display()))?;
    }
    let (texts, faults) = read::texts(&roots);
    for fault in &faults {
        eprintln!("{fault}");
    }
    let analysis = analyze(texts.iter().map(|(file, text)| (file.as_str(), text.as_str())));
    let suppressed = |finding: &&Finding| !arguments.suppress.iter().any(|suppression| suppression.covers(finding));
    let findings: Vec<&Finding> = analysis.findings.iter().filter(suppressed).collect();
    match arguments.output {
        Output::Log => print!("{}", log(&findings, analysis.objects)),
        Output::Json => {
            let shown: Vec<Shown<'_>> = findings.iter().map(|finding| shown(finding)).collect();
            println!("{}", serde_json::to_string_pretty(&shown)?);
        }
    }
    if analysis.objects == 0 && !(faults.is_empty() && analysis.findings.is_empty()) {
        return Ok(ExitCode::from(DATA));
    }
    let threshold = Level::from(arguments.failure_threshold);
    let failed = findings.iter().any(|finding| finding.level >= threshold);
    Ok(if failed { ExitCode::from(FINDINGS) } else { ExitCode::SUCCESS })
}

fn log(findings: &[&Finding], objects: usize) -> String {
    let line = |finding: &&Finding| {
        let level = match finding.level {
            Level::Error => "Error",
            Level::Warning => "Warning",
            Level::Info => "Info",
        };
        let gap = if finding.origin.is_empty() { "" } else { " " };
        format!("{level} [{}] ({}{gap}{}) {}\n", finding.code.id, finding.origin, finding.reference, finding.message)
    };
    if findings.is_empty() {
        return format!("✔ no findings in {objects} objects\n");
    }
    findings.iter().map(line).collect()
}

fn shown<'f>(finding: &'f Finding) -> Shown<'f> {
    Shown {
        code: finding.code.id,
        level: finding.level.as_str(),
        origin: &finding.origin,
        reference: finding.reference.to_string(),
        message: &finding.message,
        istio: finding.code.istio,
        documentation_url: finding.code.documentation(),
    }
}
