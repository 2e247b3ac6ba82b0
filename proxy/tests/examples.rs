//! Every example's cases, by the built binary; a folder without cases is a failure.

use std::path::{Path, PathBuf};
use std::process::Command;

fn examples() -> Vec<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../config/examples");
    let entries = std::fs::read_dir(root).expect("the examples");
    let mut folders: Vec<PathBuf> = entries.filter_map(Result::ok).map(|entry| entry.path()).collect();
    folders.retain(|path| path.is_dir());
    folders.sort();
    folders
}

#[test]
fn given_every_example_when_its_cases_run_then_they_pass_and_nothing_is_reported() {
    let folders = examples();
    assert!(!folders.is_empty());
    for folder in folders {
        for file in ["cases.yaml", "README.md"] {
            assert!(folder.join(file).is_file(), "{} has no {file}", folder.display());
        }
        let output =
            Command::new(env!("CARGO_BIN_EXE_meshlet")).arg("test").arg(&folder).output().expect("meshlet ran");
        let (stdout, stderr) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        assert_eq!(output.status.code(), Some(0), "{}\n{stdout}{stderr}", folder.display());
        assert_eq!(stderr, "", "{}: a field that is not honoured, or an object that is refused", folder.display());
    }
}

#[test]
fn given_every_example_then_the_index_lists_it() {
    let index = Path::new(env!("CARGO_MANIFEST_DIR")).join("../config/examples/README.md");
    let index = std::fs::read_to_string(index).expect("the index");
    for folder in examples() {
        let name = folder.file_name().expect("a name").to_string_lossy().into_owned();
        assert!(index.contains(&format!("[{name}]({name})")), "config/examples/README.md does not list {name}");
    }
}
