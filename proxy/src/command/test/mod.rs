//! `meshlet test`: what people expect of their rules, checked by the engine that routes.

mod check;
mod junit;
mod report;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Args, ValueEnum};

use super::colour::Colour;
use super::mesh::MeshArgs;
use super::print::{json, print, yaml};
use super::{DATA, FINDINGS};
use check::Checks;

/// Shown below the flags.
pub(crate) const HELP: &str = "\
A test file, cases.yaml:

  apiVersion: meshlet.dev/v1
  kind: Test
  manifests: [services.yaml, rules.yaml]          # relative to this file; or -f
  client: shop/client                             # or {namespace: shop, labels: {app: web}}
  cases:
  - name: one request in ten meets the new version
    request: http://echo:8080/cart
    expect:
      virtualService: shop/echo
      destinations: [{subset: v1, share: 90%}, {subset: v2, share: 10%}]
  - name: testers always do
    requests:
    - {url: http://echo:8080/, headers: {x-group: testers}}
    - {method: [GET, PUT], authority: echo:8080, uri: [/, /cart], headers: {x-group: testers}}
    expect: {subset: v2, timeout: 2s}
    not: {path: native}

Examples:
  meshlet test cases.yaml
  meshlet test config/ -o junit > report.xml      every cases.yaml below the folder, for CI
  meshlet test cases.yaml -f cluster-dump.yaml    further manifests

docs/test.md has every key.
Exit codes: 0 all passed, 64 wrong usage, 65 a file cannot be read or has an unknown key, 79 a test failed.";

/// `meshlet test`.
#[derive(Debug, Args)]
pub(crate) struct TestArgs {
    /// Test files, and folders whose files named cases.yaml are (recursively).
    #[arg(value_name = "FILE", required = true)]
    files: Vec<PathBuf>,
    /// Read objects from this file or folder as well, for every test file; repeatable.
    #[arg(short = 'f', long = "filename", value_name = "PATH")]
    filename: Vec<PathBuf>,
    #[command(flatten)]
    mesh: MeshArgs,
    /// How to print the results.
    #[arg(short = 'o', long, value_enum, default_value_t = Output::Table)]
    output: Output,
    /// When the table is coloured.
    #[arg(long, value_name = "WHEN", value_enum, default_value_t = Colour::Auto)]
    color: Colour,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Output {
    /// For eyes: what failed and why.
    Table,
    /// The same with every request.
    Wide,
    /// Everything.
    Json,
    /// The same in YAML.
    Yaml,
    /// JUnit's XML, which CI systems show.
    Junit,
}

/// Runs the tests.
pub(crate) fn run(arguments: &TestArgs) -> anyhow::Result<ExitCode> {
    let Some(mesh) = arguments.mesh.read() else { return Ok(ExitCode::from(DATA)) };
    let mut checks = Checks::default();
    for root in &arguments.files {
        let files = test_files(root);
        if files.is_empty() {
            checks.unreadable(root, "there is no cases.yaml in it or below it");
        }
        for file in files {
            checks.file(&mesh, &file, &arguments.filename);
        }
    }
    for problem in &checks.problems {
        eprintln!("{problem}");
    }
    print(&match arguments.output {
        Output::Table => report::table(&checks, false, arguments.color.on()),
        Output::Wide => report::table(&checks, true, arguments.color.on()),
        Output::Json => json(&checks.report())?,
        Output::Yaml => yaml(&serde_json::to_value(checks.report())?)?,
        Output::Junit => junit::xml(&checks),
    })?;
    Ok(if !checks.problems.is_empty() {
        ExitCode::from(DATA)
    } else if checks.failed() > 0 {
        ExitCode::from(FINDINGS)
    } else {
        ExitCode::SUCCESS
    })
}

/// The file itself, or every `cases.yaml` in a folder, in order of path.
fn test_files(root: &Path) -> Vec<PathBuf> {
    if !root.is_dir() {
        return vec![root.to_owned()];
    }
    let mut files = Vec::new();
    collect(root, 0, &mut files);
    files.sort();
    files
}

fn collect(folder: &Path, depth: usize, files: &mut Vec<PathBuf>) {
    let Ok(entries) = std::fs::read_dir(folder) else { return };
    for path in entries.filter_map(Result::ok).map(|entry| entry.path()) {
        if path.is_dir() {
            let hidden = path.file_name().is_some_and(|name| name.to_string_lossy().starts_with('.'));
            // A link may close a circle.
            if !hidden && depth < 16 {
                collect(&path, depth + 1, files);
            }
        } else if path.file_name().is_some_and(|name| name == "cases.yaml" || name == "cases.yml") {
            files.push(path);
        }
    }
}
