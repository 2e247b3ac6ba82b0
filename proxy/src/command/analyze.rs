//! `meshlet analyze`: findings about manifests, the same for every output, and so is the exit code.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::bail;
use clap::{ArgAction, Args, ValueEnum};
use meshlet_routing::analyze::{Analysis, CODES, Code, Finding, Level, Suppression, analyze_in};
use serde::Serialize;

use super::mesh::MeshArgs;
use super::print::{json, print, yaml};
use super::{DATA, FINDINGS};
use crate::snapshot::read;

/// Shown below the flags.
pub(crate) const HELP: &str = "\
Examples:
  meshlet analyze manifests/
  meshlet analyze rules.yaml services.yaml -o json --failure-threshold warning              for CI
  meshlet analyze manifests/ -S 'MSH0173=DestinationRule shop/*' -S 'MSH0102=*'
  meshlet analyze --list-analyzers

Give the Services and Pods as well as the rules: what is not among the files counts as not there.
docs/analyze.md explains the codes.
Exit codes: 0 nothing at or above the threshold, 1 no such file, 64 wrong usage, 65 nothing could be parsed or a file not read,
79 findings.";

/// `meshlet analyze`.
#[derive(Debug, Args)]
pub(crate) struct AnalyzeArgs {
    /// Files and folders (read recursively: .yaml, .yml, .json).
    #[arg(value_name = "PATH", required_unless_present_any = ["filename", "list_analyzers"])]
    paths: Vec<PathBuf>,
    /// The same, as the other commands have it; repeatable.
    #[arg(short = 'f', long = "filename", value_name = "PATH")]
    filename: Vec<PathBuf>,
    /// All namespaces: of files, they always are.
    #[arg(short = 'A', long, action = ArgAction::SetTrue)]
    all_namespaces: bool,
    /// Folders with what is in them: they always are.
    #[arg(short = 'R', long, action = ArgAction::SetTrue)]
    recursive: bool,
    /// Leave out findings of a code about an object, `MSH0173=DestinationRule shop/*`; `*` is any text; repeatable.
    #[arg(short = 'S', long = "suppress", value_name = "CODE=OBJECT")]
    suppress: Vec<Suppression>,
    /// Exit with 79 from this level on.
    #[arg(long, value_enum, default_value_t = Threshold::Error)]
    failure_threshold: Threshold,
    #[command(flatten)]
    mesh: MeshArgs,
    /// How to print the findings.
    #[arg(short = 'o', long, value_enum, default_value_t = Output::Log)]
    output: Output,
    /// List what is looked for, and stop.
    #[arg(short = 'L', long, action = ArgAction::SetTrue)]
    list_analyzers: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Threshold {
    Error,
    Warning,
    Info,
}

impl Threshold {
    fn level(self) -> Level {
        match self {
            Self::Error => Level::Error,
            Self::Warning => Level::Warning,
            Self::Info => Level::Info,
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Output {
    /// One line each, for eyes.
    Log,
    /// The contract's list.
    Json,
    /// The same list.
    Yaml,
}

/// A finding as it is printed.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Message<'f> {
    code: &'static str,
    level: &'static str,
    origin: &'f str,
    reference: String,
    message: &'f str,
    istio: Option<&'static str>,
    documentation_url: String,
}

/// A code as it is listed.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Analyzer {
    code: &'static str,
    name: &'static str,
    level: &'static str,
    istio: Option<&'static str>,
    description: &'static str,
    documentation_url: String,
}

/// Prints what is found.
pub(crate) fn run(arguments: &AnalyzeArgs) -> anyhow::Result<ExitCode> {
    if arguments.list_analyzers {
        print(&analyzers(arguments.output)?)?;
        return Ok(ExitCode::SUCCESS);
    }
    let roots: Vec<PathBuf> = arguments.paths.iter().chain(&arguments.filename).cloned().collect();
    if let Some(missing) = roots.iter().find(|root| !root.exists()) {
        bail!("{}: cannot be read: name a file or a folder that exists", missing.display());
    }
    let Some(mesh) = arguments.mesh.read() else { return Ok(ExitCode::from(DATA)) };
    let (texts, unreadable) = texts(&roots);
    for (file, problem) in &unreadable {
        eprintln!("meshlet: {file}: {problem}; the other files are analyzed");
    }
    let mut analysis = analyze_in(mesh, texts.iter().map(|(file, text)| (&**file, &**text)));
    let failed = !unreadable.is_empty() || analysis.objects == 0 && !analysis.findings.is_empty();
    analysis.findings.retain(|finding| !arguments.suppress.iter().any(|suppression| suppression.covers(finding)));
    print(&render(&analysis, arguments.output)?)?;
    if analysis.objects == 0 {
        eprintln!("meshlet: no object could be made out of {} files", texts.len());
    }
    Ok(exit_code(&analysis, failed, arguments.failure_threshold.level()))
}

/// File names with texts, and file names with why there is none.
type Texts = (Vec<(String, String)>, Vec<(String, String)>);

fn texts(roots: &[PathBuf]) -> Texts {
    let (mut good, mut bad) = (Vec::new(), Vec::new());
    for (path, text) in read::texts(roots) {
        let file = path.display().to_string();
        match text {
            Ok(text) => good.push((file, text)),
            Err(problem) => bad.push((file, problem)),
        }
    }
    (good, bad)
}

fn exit_code(analysis: &Analysis, failed: bool, threshold: Level) -> ExitCode {
    if failed {
        ExitCode::from(DATA)
    } else if analysis.findings.iter().any(|finding| finding.level >= threshold) {
        ExitCode::from(FINDINGS)
    } else {
        ExitCode::SUCCESS
    }
}

fn render(analysis: &Analysis, output: Output) -> anyhow::Result<String> {
    let messages: Vec<Message<'_>> = analysis.findings.iter().map(message).collect();
    Ok(match output {
        Output::Json => json(&messages)?,
        Output::Yaml => yaml(&messages)?,
        Output::Log if messages.is_empty() => format!("✔ no findings in {} objects\n", analysis.objects),
        Output::Log => messages.iter().map(line).collect(),
    })
}

fn message(finding: &Finding) -> Message<'_> {
    let place = &finding.reference;
    Message {
        code: finding.code.id,
        level: finding.level.as_str(),
        origin: &finding.origin,
        reference: format!("{}:{}:{}", place.file, place.line, place.column),
        message: &finding.message,
        istio: finding.code.istio,
        documentation_url: finding.code.documentation(),
    }
}

/// `Error [MSH0101] (VirtualService shop/echo rules.yaml:14:9) …`, as istioctl prints it.
fn line(message: &Message<'_>) -> String {
    let level = match message.level {
        "error" => "Error",
        "warning" => "Warning",
        _ => "Info",
    };
    let origin = if message.origin.is_empty() { String::new() } else { format!("{} ", message.origin) };
    // One finding, one line: what a manifest holds may have line breaks of its own.
    let text: String = message.message.chars().map(|letter| if letter.is_control() { ' ' } else { letter }).collect();
    format!("{level} [{}] ({origin}{}) {text}\n", message.code, message.reference)
}

fn analyzers(output: Output) -> anyhow::Result<String> {
    let analyzer = |code: &&'static Code| Analyzer {
        code: code.id,
        name: code.name,
        level: code.level.as_str(),
        istio: code.istio,
        description: code.what,
        documentation_url: code.documentation(),
    };
    let all: Vec<Analyzer> = CODES.iter().map(analyzer).collect();
    Ok(match output {
        Output::Json => json(&all)?,
        Output::Yaml => yaml(&all)?,
        Output::Log => {
            let row = |one: &Analyzer| {
                format!("{}  {:<7}  {:<7}  {}\n", one.code, one.level, one.istio.unwrap_or("-"), one.name)
            };
            all.iter().map(row).collect()
        }
    })
}

#[cfg(test)]
mod tests;
