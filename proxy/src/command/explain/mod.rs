//! `meshlet explain`: one request, one answer, by the engine that the data path uses.

pub(crate) mod answer;
mod daemon;
mod expect;
mod marks;
pub(crate) mod page;

use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context as _;
use clap::{ArgAction, Args, ValueEnum};
use meshlet_routing::explain::{Asked, Header, Url, Who, Written};
use serde::Deserialize as _;
use serde_json::Value;

use super::capture_mode::CaptureMode;
use super::colour::Colour;
use super::daemon::block_on;
use super::mesh::MeshArgs;
use super::print::{json, print, yaml};
use super::reach::Where;
use super::{DATA, FINDINGS, manifests};
use crate::cluster::connect::ClusterArgs;
use answer::Answer;
use expect::Expected;
use page::{Style, page};

/// Shown below the flags.
pub(crate) const HELP: &str = "\
Examples:
  meshlet explain shop/client -f manifests/ --to http://echo:8080/cart -H 'x-user: alice'
  meshlet explain --from-namespace shop -f manifests/ --to http://echo:8080/ -o json
  meshlet explain shop/client -f manifests/                       is the pod captured, and what may its requests meet
  meshlet explain shop/client --to http://echo/                   of the daemon on this node, by what is in force there
  kubectl meshlet explain shop/client --to http://echo/           elsewhere: of the daemon on the pod's node, by port-forward
  meshlet explain shop/client -f m/ --to http://echo/ --expect subset=v2 --expect rule.name=canary     for CI

Exit codes: 0 explained, 1 no such pod or no daemon, 64 wrong usage, 65 nothing could be read, 79 an expectation is not met.";

/// `meshlet explain`.
#[derive(Debug, Args)]
#[command(group = clap::ArgGroup::new("client").required(true).args(["pod", "from_namespace"]))]
pub(crate) struct ExplainArgs {
    /// The client: a pod, in namespace `default` unless written before it.
    #[arg(value_name = "[NAMESPACE/]POD")]
    pod: Option<String>,
    /// Instead of a pod: an imaginary captured client of this namespace.
    #[arg(long, value_name = "NS")]
    from_namespace: Option<String>,
    /// Labels of the imaginary client.
    #[arg(long, value_name = "K=V,…", requires = "from_namespace", value_delimiter = ',', value_parser = label)]
    from_labels: Vec<(String, String)>,
    /// Namespace of the pod.
    #[arg(short = 'n', long, value_name = "NS", conflicts_with = "from_namespace")]
    namespace: Option<String>,
    /// The request: http:// is HTTP/1.1; h2c://, grpc://, https://, tls:// and tcp:// are what their names say. Without it:
    /// is the client captured, and which objects may its requests meet.
    #[arg(long, value_name = "URL", value_parser = url)]
    to: Option<String>,
    /// Its method.
    #[arg(short = 'X', long, value_name = "METHOD", default_value = "GET")]
    method: String,
    /// A header; `host: …` overrides the URL's; repeatable.
    #[arg(short = 'H', long = "header", value_name = "NAME: VALUE")]
    headers: Vec<Header>,
    /// The address dialled, when it is not the service's own.
    #[arg(long, value_name = "IP")]
    dst: Option<IpAddr>,
    /// Read the objects from this file or folder; repeatable. Without it a running daemon is asked.
    #[arg(short = 'f', long = "filename", value_name = "PATH")]
    filename: Vec<PathBuf>,
    #[command(flatten)]
    mesh: MeshArgs,
    /// Ask the daemon that listens here. Without it the one of this machine, if one answers and no cluster is named, or else
    /// the one on the pod's node, by port-forward.
    #[arg(long, value_name = "ADDR", env = "MESHLET_ADMIN")]
    admin: Option<SocketAddr>,
    #[command(flatten)]
    cluster: ClusterArgs,
    /// Namespace of the daemons in the cluster.
    #[arg(long, value_name = "NS", env = "MESHLET_NAMESPACE", default_value = "meshlet-system")]
    meshlet_namespace: String,
    /// What is captured. Default: as the daemon does that is asked, else ruled.
    #[arg(long, value_enum)]
    capture: Option<CaptureMode>,
    /// Show every rule of the host and how each would judge the request, not only those up to the one that decides.
    #[arg(long, action = ArgAction::SetTrue)]
    all_rules: bool,
    /// Fix the draws, so that the same pick comes again.
    #[arg(long, value_name = "N")]
    seed: Option<u64>,
    /// Exit with 79 unless this is so: the keys of a test file's `expect:`, such as verdict, reason, path, virtualService,
    /// rule.name, status, timeout; and subset and endpoint of the pick; repeatable.
    #[arg(long, value_name = "KEY=VALUE")]
    expect: Vec<Expected>,
    /// How to print the answer.
    #[arg(short = 'o', long, value_enum, default_value_t = Output::Table)]
    output: Output,
    /// When the table is coloured.
    #[arg(long, value_name = "WHEN", value_enum, default_value_t = Colour::Auto)]
    color: Colour,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Output {
    /// For eyes.
    Table,
    /// The same with endpoints and every policy.
    Wide,
    /// The contract's.
    Json,
    /// The same in YAML.
    Yaml,
}

fn label(written: &str) -> Result<(String, String), String> {
    let (key, value) = written.split_once('=').ok_or_else(|| format!("{written:?} is not KEY=VALUE"))?;
    Ok((key.to_owned(), value.to_owned()))
}

fn url(written: &str) -> Result<String, String> {
    written.parse::<Url>().map(|_| written.to_owned())
}

/// Prints the answer.
pub(crate) fn run(arguments: &ExplainArgs) -> anyhow::Result<ExitCode> {
    let text = if arguments.filename.is_empty() {
        block_on(arguments.ask())??
    } else {
        let Some(files) = manifests::read(&arguments.mesh, arguments.filename.clone())? else {
            return Ok(ExitCode::from(DATA));
        };
        json(&arguments.asked().answer(files.world())?)?
    };
    let value: Value = serde_json::from_str(&text).context("reading the answer")?;
    print(&match arguments.output {
        Output::Json => text,
        Output::Yaml => yaml(&value)?,
        Output::Table | Output::Wide => {
            let answer = Answer::deserialize(&value).context("reading the answer")?;
            let style = Style { colour: arguments.color.on(), wide: arguments.output == Output::Wide };
            page(&answer, style)
        }
    })?;
    let unmet: Vec<String> = arguments.expect.iter().filter_map(|expected| expected.unmet(&value)).collect();
    for line in &unmet {
        eprintln!("meshlet: {line}");
    }
    Ok(if unmet.is_empty() { ExitCode::SUCCESS } else { ExitCode::from(FINDINGS) })
}

impl ExplainArgs {
    /// What a running daemon says.
    async fn ask(&self) -> anyhow::Result<String> {
        let asked = self.asked();
        let place = Where::of(self.admin, &self.cluster, &self.meshlet_namespace, false).await?;
        let daemon = daemon::of(place, &asked.client).await?;
        daemon::ask(&daemon, &asked).await
    }

    fn asked(&self) -> Asked {
        let request = self.to.as_ref().map(|url| Written {
            url: url.clone(),
            method: self.method.clone(),
            headers: self.headers.iter().cloned().map(Into::into).collect(),
            dst: self.dst,
        });
        let capture = self.capture.map(Into::into);
        let seed = self.seed.unwrap_or_else(manifests::any_seed);
        Asked { client: self.client(), request, capture, seed, all_rules: self.all_rules }
    }

    fn client(&self) -> Who {
        if let Some(namespace) = &self.from_namespace {
            return Who::Imaginary { namespace: namespace.clone(), labels: self.from_labels.iter().cloned().collect() };
        }
        let written = self.pod.as_deref().unwrap_or_default();
        let given = self.namespace.as_deref().unwrap_or("default");
        let (namespace, pod) = written.split_once('/').unwrap_or((given, written));
        Who::Pod { namespace: namespace.to_owned(), pod: pod.to_owned() }
    }
}

#[cfg(test)]
mod tests;
