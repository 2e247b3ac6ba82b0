//! The binary as a plugin of kubectl, and its completion scripts.

use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::{Command, Output};

const MESHLET: &str = env!("CARGO_BIN_EXE_meshlet");

fn call(program: &Path, arguments: &[&str]) -> (Option<i32>, String) {
    let Output { status, stdout, stderr } = Command::new(program).args(arguments).output().expect("it ran");
    (status.code(), String::from_utf8([stdout, stderr].concat()).expect("UTF-8"))
}

#[test]
fn given_it_is_called_as_a_plugin_then_it_does_the_same_and_its_usage_says_how_it_was_called() {
    let folder = tempfile::tempdir().expect("a folder");
    let plugin = folder.path().join("kubectl-meshlet");
    symlink(MESHLET, &plugin).expect("a link");
    for (arguments, code, usage) in [
        (&["--help"][..], 0, "[COMMAND]"),
        (&["explain", "--help"], 0, "explain"),
        (&["explain"], 64, "explain"),
        (&["check", "--nonsense"], 64, "check"),
    ] {
        for (program, name) in [(plugin.as_path(), "kubectl meshlet"), (Path::new(MESHLET), "meshlet")] {
            let (ended, said) = call(program, arguments);
            assert_eq!(ended, Some(code), "{said}");
            let expected = format!("Usage: {name} {}", usage.trim_start_matches("[COMMAND]"));
            assert!(said.contains(&expected), "{expected:?} is not in:\n{said}");
        }
    }
    assert_eq!(call(&plugin, &["version"]), call(Path::new(MESHLET), &["version"]));
}

#[test]
fn given_a_shell_then_its_script_is_printed_and_without_one_usage_is() {
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let (code, script) = call(Path::new(MESHLET), &["completion", shell]);
        assert_eq!(code, Some(0), "{script}");
        let has = |word| script.contains(word);
        assert!(has("uninstall") && has("kubeconfig") && !has("sandbox-agent"), "{shell}: {script}");
    }
    assert_eq!(call(Path::new(MESHLET), &["completion"]).0, Some(64));
    let (code, script) = call(Path::new(MESHLET), &["completion", "bash"]);
    let path = tempfile::NamedTempFile::new().expect("a file");
    std::fs::write(path.path(), script).expect("written");
    let checked = Command::new("bash").arg("-n").arg(path.path()).status().expect("bash ran");
    assert!(code == Some(0) && checked.success(), "bash reads it");
}
