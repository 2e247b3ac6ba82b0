//! Test files → results.

use std::path::{Path, PathBuf};

use meshlet_routing::cases::{self, Case, Suite, Unmet};
use meshlet_routing::explain::Asked;
use meshlet_routing::model::{MeshConfig, World};
use serde::{Deserialize as _, Serialize};
use serde_json::Value;

use crate::command::explain::answer::Answer;
use crate::command::explain::page;
use crate::command::mesh;
use crate::snapshot::read::Files;

/// What came of the files.
#[derive(Default)]
pub(super) struct Checks {
    pub(super) results: Vec<CaseResult>,
    /// Files that could not be used, and what is wrong with them.
    pub(super) problems: Vec<String>,
}

/// One case.
#[derive(Debug, Serialize)]
pub(super) struct CaseResult {
    pub(super) file: String,
    pub(super) line: u64,
    pub(super) column: u64,
    pub(super) name: String,
    pub(super) passed: bool,
    pub(super) requests: Vec<RequestResult>,
}

/// One of its requests.
#[derive(Debug, Serialize)]
pub(super) struct RequestResult {
    pub(super) client: String,
    /// None when the case is about the client alone.
    pub(super) request: Option<String>,
    pub(super) passed: bool,
    pub(super) failures: Vec<Unmet>,
    /// Why there is no answer.
    pub(super) error: Option<String>,
    /// What decided, in a line.
    pub(super) decided: String,
    /// The rules that were tried before.
    pub(super) skipped: Vec<String>,
    /// The whole answer, of a request that failed.
    pub(super) explanation: Option<Value>,
}

/// `-o json`.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Report<'c> {
    api_version: &'static str,
    kind: &'static str,
    passed: usize,
    failed: usize,
    results: &'c [CaseResult],
}

impl Checks {
    pub(super) fn unreadable(&mut self, path: &Path, problem: &str) {
        self.problems.push(format!("{}: {problem}", path.display()));
    }

    pub(super) fn failed(&self) -> usize {
        self.results.iter().filter(|result| !result.passed).count()
    }

    pub(super) fn report(&self) -> Report<'_> {
        let failed = self.failed();
        let passed = self.results.len() - failed;
        Report { api_version: "meshlet.dev/v1", kind: "TestReport", passed, failed, results: &self.results }
    }

    /// Runs the cases of one file, if it can be read.
    pub(super) fn file(&mut self, mesh: &MeshConfig, file: &Path, further: &[PathBuf]) {
        let text = match std::fs::read_to_string(file) {
            Ok(text) => text,
            Err(error) => return self.unreadable(file, &format!("cannot be read: {error}")),
        };
        let name = file.display().to_string();
        let suite = match cases::parse(&name, &text) {
            Ok(suite) => suite,
            Err(faults) => {
                self.problems.extend(faults.iter().map(|fault| {
                    let (source, field) = (&fault.source, if fault.field.is_empty() { "" } else { ": " });
                    let place = format!("{}:{}:{}", source.file, source.line, source.column);
                    format!("{place}{field}{}: {}; {}", fault.field, fault.problem, fault.remedy)
                }));
                return;
            }
        };
        let Some(files) = self.manifests(mesh, file, &suite, further) else { return };
        self.results.extend(suite.cases.iter().map(|case| check(case, files.world())));
    }

    fn manifests(&mut self, mesh: &MeshConfig, file: &Path, suite: &Suite, further: &[PathBuf]) -> Option<Files> {
        let folder = file.parent().unwrap_or(Path::new(""));
        let mesh = match &suite.mesh_config {
            None => mesh.clone(),
            Some(path) => match mesh::read(&folder.join(path)) {
                Some(mesh) => mesh,
                None => {
                    self.unreadable(file, &format!("meshConfig: {path} cannot be used"));
                    return None;
                }
            },
        };
        let own = suite.manifests.iter().map(|path| folder.join(path));
        let roots: Vec<PathBuf> = own.chain(further.iter().cloned()).collect();
        if roots.is_empty() {
            self.unreadable(file, "names no manifests: list them under manifests:, or give -f");
            return None;
        }
        if let Some(missing) = roots.iter().find(|root| !root.exists()) {
            self.unreadable(file, &format!("manifests: {} does not exist", missing.display()));
            return None;
        }
        let mut files = Files::new(mesh, roots);
        let (_, faults) = files.read().unwrap_or_default();
        for fault in &faults {
            eprintln!("{fault}");
        }
        if !faults.is_empty() && files.is_empty() {
            self.unreadable(file, "none of its manifests could be read");
            return None;
        }
        Some(files)
    }
}

fn check(case: &Case, world: &World) -> CaseResult {
    let requests: Vec<RequestResult> = case.asked.iter().map(|asked| ask(case, asked, world)).collect();
    CaseResult {
        file: case.source.file.to_string(),
        line: case.source.line,
        column: case.source.column,
        name: case.name.clone(),
        passed: requests.iter().all(|request| request.passed),
        requests,
    }
}

fn ask(case: &Case, asked: &Asked, world: &World) -> RequestResult {
    let mut result = RequestResult {
        client: asked.client.to_string(),
        request: asked.request.as_ref().map(ToString::to_string),
        passed: false,
        failures: Vec::new(),
        error: None,
        decided: String::new(),
        skipped: Vec::new(),
        explanation: None,
    };
    let explanation = match asked.answer(world) {
        Ok(explanation) => explanation,
        Err(error) => return RequestResult { error: Some(error.to_string()), ..result },
    };
    result.failures = case.unmet(&explanation);
    result.passed = result.failures.is_empty();
    match serde_json::to_value(&explanation).and_then(|value| Ok((Answer::deserialize(&value)?, value))) {
        Ok((answer, value)) => {
            result.decided = page::summary(&answer);
            result.skipped = page::skipped(&answer);
            result.explanation = (!result.passed).then_some(value);
        }
        Err(error) => result.error = Some(error.to_string()),
    }
    result
}
