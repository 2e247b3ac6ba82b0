//! Manifests from files and folders. What cannot be read or is refused is reported, and the last good version of that
//! object stays in force.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::fs;
use std::hash::{DefaultHasher, Hash, Hasher as _};
use std::path::{Path, PathBuf};
use std::time::UNIX_EPOCH;

use meshlet_routing::fault::{Fault, Severity};
use meshlet_routing::inventory::{Change, Inventory};
use meshlet_routing::manifest::{self, Manifest};
use meshlet_routing::model::{MeshConfig, ObjectRef, World};
use meshlet_routing::validate::validate;
use serde::Serialize;

use super::resolve::Resolved;

/// A file larger than this is not a manifest.
const LARGEST: u64 = 64 * 1024 * 1024;

/// One file as it was read into the world in force.
#[derive(Debug, Clone, Serialize, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Input {
    /// Its path.
    pub(crate) path: PathBuf,
    /// Its size.
    pub(crate) bytes: u64,
    /// Its modification time in nanoseconds since 1970, as text: JSON numbers are too small.
    pub(crate) modified_ns: String,
}

/// The objects in force.
#[derive(Default)]
pub(crate) struct Files {
    roots: Vec<PathBuf>,
    inventory: Inventory,
    /// Where each object in force was read, with a digest of what it says.
    good: BTreeMap<ObjectRef, (PathBuf, u64)>,
    reported: HashSet<String>,
    inputs: Vec<Input>,
    digest: Option<u64>,
}

impl Files {
    /// Files and folders to read in a mesh that is configured so; nothing is read yet.
    pub(crate) fn new(mesh: MeshConfig, roots: Vec<PathBuf>) -> Self {
        Self { roots, inventory: Inventory::new(mesh), ..Self::default() }
    }

    /// The files behind the objects in force.
    pub(crate) fn inputs(&self) -> &[Input] {
        &self.inputs
    }

    /// Whether no object is in force.
    pub(crate) fn is_empty(&self) -> bool {
        self.good.is_empty()
    }

    /// Whether some file is not as it was when it was read.
    pub(crate) fn touched(&self) -> bool {
        let now = list(&self.roots, &mut Vec::new());
        let unchanged =
            |input: &Input| fs::metadata(&input.path).is_ok_and(|metadata| stamp(&input.path, &metadata) == *input);
        now.len() != self.inputs.len() || !self.inputs.iter().all(|input| now.contains(&input.path) && unchanged(input))
    }

    /// What the objects in force make.
    pub(crate) fn world(&self) -> &World {
        self.inventory.world()
    }

    /// The DNS names behind the objects in force.
    pub(crate) fn names(&self) -> impl Iterator<Item = &str> {
        self.inventory.names()
    }

    /// Takes over what names come to, and says what is another in the world.
    pub(crate) fn resolved(&mut self, told: &[Resolved]) -> Change {
        told.iter().for_each(|resolved| self.inventory.resolved(&resolved.name, &resolved.addresses));
        self.inventory.settle()
    }

    /// Reads everything again. `None` when it says what it said before; else what is another in the world, and what is wrong
    /// that was not wrong before.
    pub(crate) fn read(&mut self) -> Option<(Change, Vec<String>)> {
        let mut round = Round::default();
        let texts: Vec<(PathBuf, Result<String, String>)> = list(&self.roots, &mut round.faults)
            .into_iter()
            .map(|path| {
                let text = text(&path).map(|(text, input)| {
                    round.inputs.push(input);
                    text
                });
                (path, text)
            })
            .collect();
        self.inputs = std::mem::take(&mut round.inputs);
        let digest = digest(&(&texts, &round.faults));
        if self.digest.replace(digest) == Some(digest) {
            return None;
        }
        for (path, text) in &texts {
            self.read_file(path, text, &mut round);
        }
        // An object is kept without a good manifest while a refused one stands for it, or while its file cannot be parsed.
        let inventory = &mut self.inventory;
        self.good.retain(|object, (path, _)| {
            let kept = round.seen.contains(object) || round.refused.contains(object) || round.broken.contains(path);
            if !kept {
                inventory.remove(object);
            }
            kept
        });
        let fresh: Vec<String> = round.faults.iter().filter(|fault| !self.reported.contains(*fault)).cloned().collect();
        self.reported = round.faults.into_iter().collect();
        Some((self.inventory.settle(), fresh))
    }

    fn read_file(&mut self, path: &Path, text: &Result<String, String>, round: &mut Round) {
        let text = match text {
            Ok(text) => text,
            Err(problem) => {
                round.broken.insert(path.to_owned());
                round.faults.push(format!("{}: {problem}; the last good version stays in force", path.display()));
                return;
            }
        };
        let parsed = manifest::parse(&path.display().to_string(), text);
        if parsed.faults.iter().any(|fault| fault.object.is_none() && fault.severity == Severity::Error) {
            round.broken.insert(path.to_owned());
        }
        for fault in &parsed.faults {
            round.refuse(fault);
        }
        for manifest in &parsed.manifests {
            self.take(manifest, path, round);
        }
    }

    fn take(&mut self, manifest: &Manifest, path: &Path, round: &mut Round) {
        if round.seen.contains(&manifest.object) {
            round.faults.push(format!(
                "{}: {}: is defined more than once; the first one is used: delete the others",
                manifest.source, manifest.object
            ));
            return;
        }
        let validated = validate(manifest);
        for fault in &validated.faults {
            round.refuse(fault);
        }
        // A refused one was noted with its faults; one that is fine and has no effect leaves nothing in force.
        if let Some(valid) = validated.valid {
            round.seen.insert(manifest.object.clone());
            let digest = digest(&serde_json::Value::Object(manifest.body.clone()));
            let known = self.good.insert(manifest.object.clone(), (path.to_owned(), digest));
            if known.is_none_or(|(_, known)| known != digest) {
                self.inventory.put(&valid);
            }
        }
    }
}

/// What one reading found.
#[derive(Default)]
struct Round {
    seen: BTreeSet<ObjectRef>,
    refused: BTreeSet<ObjectRef>,
    broken: HashSet<PathBuf>,
    faults: Vec<String>,
    inputs: Vec<Input>,
}

impl Round {
    fn refuse(&mut self, fault: &Fault) {
        if let (Some(object), Severity::Error) = (&fault.object, fault.severity) {
            self.refused.insert(object.clone());
        }
        self.faults.push(fault.to_string());
    }
}

/// Every manifest file at or below the roots with its text, or with why it cannot be read. Roots that do not exist are left out.
pub(crate) fn texts(roots: &[PathBuf]) -> Vec<(PathBuf, Result<String, String>)> {
    let read = |path: PathBuf| {
        let text = text(&path).map(|(text, _)| text);
        (path, text)
    };
    list(roots, &mut Vec::new()).into_iter().map(read).collect()
}

fn digest(said: &impl Hash) -> u64 {
    let mut hasher = DefaultHasher::new();
    said.hash(&mut hasher);
    hasher.finish()
}

fn text(path: &Path) -> Result<(String, Input), String> {
    let metadata = fs::metadata(path).map_err(|error| format!("cannot be read: {error}"))?;
    if metadata.len() > LARGEST {
        return Err(format!("is {} bytes long: a manifest may have {LARGEST}", metadata.len()));
    }
    let bytes = fs::read(path).map_err(|error| format!("cannot be read: {error}"))?;
    let input = stamp(path, &metadata);
    String::from_utf8(bytes).map(|text| (text, input)).map_err(|_| "is not UTF-8 text".to_owned())
}

fn stamp(path: &Path, metadata: &fs::Metadata) -> Input {
    let modified = metadata.modified().ok().and_then(|time| time.duration_since(UNIX_EPOCH).ok()).unwrap_or_default();
    Input { path: path.to_owned(), bytes: metadata.len(), modified_ns: modified.as_nanos().to_string() }
}

/// Every manifest file at or below the roots, in a stable order.
fn list(roots: &[PathBuf], faults: &mut Vec<String>) -> BTreeSet<PathBuf> {
    let mut files = BTreeSet::new();
    for root in roots {
        match fs::metadata(root) {
            Ok(metadata) if metadata.is_dir() => walk(root, 0, &mut files),
            Ok(_) => drop(files.insert(root.clone())),
            Err(error) => {
                // Listed all the same: its objects stay in force while the file is being replaced.
                faults.push(format!("{}: cannot be read: {error}", root.display()));
            }
        }
    }
    files
}

fn walk(folder: &Path, depth: usize, files: &mut BTreeSet<PathBuf>) {
    let Ok(entries) = fs::read_dir(folder) else { return };
    for path in entries.filter_map(Result::ok).map(|entry| entry.path()) {
        let hidden = path.file_name().is_some_and(|name| name.to_string_lossy().starts_with('.'));
        if hidden {
            // A mounted ConfigMap keeps its data under ..data and links to it from visible names.
            continue;
        }
        if path.is_dir() {
            // A link may close a circle.
            if depth < 16 {
                walk(&path, depth + 1, files);
            }
        } else if path.extension().is_some_and(|kind| kind == "yaml" || kind == "yml" || kind == "json") {
            files.insert(path);
        }
    }
}
