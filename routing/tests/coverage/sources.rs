//! Names of the tests that there are.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

/// Every `fn given_…`, `fn gamma_given_…`, `fn sN_M_…` and `fn qN_M_…` below `routing/`.
pub(crate) fn tests() -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    for folder in ["src", "tests"] {
        collect(&Path::new(env!("CARGO_MANIFEST_DIR")).join(folder), &mut names);
    }
    names
}

fn collect(folder: &Path, names: &mut BTreeSet<String>) {
    for entry in fs::read_dir(folder).expect("a folder of the package") {
        let path = entry.expect("an entry of a folder").path();
        if path.is_dir() {
            collect(&path, names);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let text = fs::read_to_string(&path).expect("a source file");
            names.extend(text.lines().filter_map(test_of_line).map(str::to_owned));
        }
    }
}

fn test_of_line(line: &str) -> Option<&str> {
    let (name, _) = line.trim_start().strip_prefix("fn ")?.split_once('(')?;
    let numbered = name.starts_with(['s', 'q']) && name[1..].starts_with(|letter: char| letter.is_ascii_digit());
    (numbered || name.starts_with("given_") || name.starts_with("gamma_given_")).then_some(name)
}
