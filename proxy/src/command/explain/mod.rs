//! `meshlet explain`: one request, one answer, by the engine that the data path uses.

mod expect;
mod page;
mod target;

use std::collections::BTreeMap;
use std::io::IsTerminal as _;
use std::net::IpAddr;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::{Context as _, anyhow};
use clap::{Args, ValueEnum};
use meshlet_routing::decide::Request;
use meshlet_routing::explain::{Client, Explanation, Question, about, explain};
use meshlet_routing::model::{Pod, World};
use meshlet_routing::table::Scope;

use super::{DATA, FINDINGS};
use crate::snapshot::read::Files;
use expect::Expectation;
use target::{Header, Target};

/// Shown below the flags.
pub(crate) const HELP: &str = "\
Examples:
  meshlet explain shop/client -f manifests/ --to http://echo:8080/cart -H 'x-user: alice'
  meshlet explain --from-namespace shop -f manifests/ --to http://echo:8080/ -o json
  meshlet explain shop/client -f manifests/                       is the pod captured, and what may its requests meet
  meshlet explain shop/client -f m/ --to http://echo/ --expect subset=v2 --expect verdict=route        for CI

Exit codes: 0 explained, 1 no such pod, 64 wrong usage, 65 nothing could be read, 79 an expectation is not met.";

/// `meshlet explain`.
#[derive(Debug, Args)]
#[command(group = clap::ArgGroup::new("client").required(true).args(["pod", "from_namespace"]))]
pub(crate) struct ExplainArgs {
    /// The client: a pod of the manifests, in namespace `default` unless written before it.
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
    #[arg(long, value_name = "URL")]
    to: Option<Target>,
    /// Its method.
    #[arg(short = 'X', long, value_name = "METHOD", default_value = "GET")]
    method: String,
    /// A header; `host: …` overrides the URL's; repeatable.
    #[arg(short = 'H', long = "header", value_name = "NAME: VALUE")]
    headers: Vec<Header>,
    /// The address dialled, when it is not the service's own.
    #[arg(long, value_name = "IP")]
    dst: Option<IpAddr>,
    /// Read the objects from this file or folder; repeatable.
    #[arg(short = 'f', long = "filename", value_name = "PATH", required = true)]
    filename: Vec<PathBuf>,
    /// Fix the draws, so that the same pick comes again.
    #[arg(long, value_name = "N")]
    seed: Option<u64>,
    /// Exit with 79 unless this is so: verdict, reason, path, service, virtualService, destinationRule, subset, endpoint, status;
    /// repeatable.
    #[arg(long, value_name = "KEY=VALUE")]
    expect: Vec<Expectation>,
    /// How to print the answer.
    #[arg(short = 'o', long, value_enum, default_value_t = Output::Table)]
    output: Output,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Output {
    /// For eyes.
    Table,
    /// The contract's.
    Json,
}

fn label(written: &str) -> Result<(String, String), String> {
    let (key, value) = written.split_once('=').ok_or_else(|| format!("{written:?} is not KEY=VALUE"))?;
    Ok((key.to_owned(), value.to_owned()))
}

/// Prints the answer.
pub(crate) fn run(arguments: &ExplainArgs) -> anyhow::Result<ExitCode> {
    for path in &arguments.filename {
        std::fs::metadata(path)
            .with_context(|| format!("-f {}: name a file or a folder that exists", path.display()))?;
    }
    let mut files = Files::new(arguments.filename.clone());
    let (_, faults) = files.read().unwrap_or_default();
    for fault in &faults {
        eprintln!("{fault}");
    }
    if !faults.is_empty() && files.is_empty() {
        eprintln!("meshlet: nothing could be read from {} files", files.inputs().len());
        return Ok(ExitCode::from(DATA));
    }
    let explanation = answer(arguments, files.world())?;
    match arguments.output {
        Output::Json => println!("{}", serde_json::to_string_pretty(&explanation)?),
        Output::Table => {
            let colour = std::io::stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none();
            print!("{}", page::page(&explanation, colour));
        }
    }
    let unmet: Vec<String> = arguments.expect.iter().filter_map(|expected| expected.unmet(&explanation)).collect();
    for line in &unmet {
        eprintln!("meshlet: {line}");
    }
    Ok(if unmet.is_empty() { ExitCode::SUCCESS } else { ExitCode::from(FINDINGS) })
}

fn answer(arguments: &ExplainArgs, world: &World) -> anyhow::Result<Explanation> {
    let client = client(arguments, world)?;
    let Some(to) = &arguments.to else { return Ok(about(world, &client)) };
    let mut authority = to.authority.clone();
    let mut headers = Vec::new();
    for Header { name, value } in &arguments.headers {
        if name == "host" {
            authority.clone_from(value);
        } else {
            headers.push((name.as_str(), value.as_bytes()));
        }
    }
    let request =
        Request { method: &arguments.method, authority: &authority, path: &to.path, headers: &headers, source: None };
    let question = Question {
        client,
        speech: to.speech,
        host: &to.host,
        address: arguments.dst,
        port: to.port,
        request,
        seed: arguments.seed.unwrap_or_else(rand_seed),
    };
    Ok(explain(world, &question))
}

fn client<'w>(arguments: &ExplainArgs, world: &'w World) -> anyhow::Result<Client<'w>> {
    if let Some(namespace) = &arguments.from_namespace {
        let labels: BTreeMap<Box<str>, Box<str>> =
            arguments.from_labels.iter().map(|(key, value)| (key.as_str().into(), value.as_str().into())).collect();
        return Ok(Client::Imaginary(Scope::new(namespace.as_str().into(), Arc::new(labels))));
    }
    let written = arguments.pod.as_deref().unwrap_or_default();
    let given = arguments.namespace.as_deref().unwrap_or("default");
    let (namespace, name) = written.split_once('/').unwrap_or((given, written));
    let found = world.pods.iter().find(|pod| &*pod.namespace == namespace && &*pod.name == name);
    found.map(Client::Pod).ok_or_else(|| no_such_pod(world, namespace, name))
}

fn no_such_pod(world: &World, namespace: &str, name: &str) -> anyhow::Error {
    let near = |pod: &&Pod| &*pod.name == name || &*pod.namespace == namespace;
    let mut names: Vec<String> =
        world.pods.iter().filter(near).map(|pod| format!("{}/{}", pod.namespace, pod.name)).collect();
    names.truncate(10);
    let known = if names.is_empty() { "the manifests have none there".to_owned() } else { names.join(", ") };
    anyhow!(
        "no pod {namespace}/{name} in the manifests ({known}); name one of them, or ask for an imaginary client by --from-namespace"
    )
}

fn rand_seed() -> u64 {
    let mut bytes = [0; 8];
    // A seed that is the same every time is no worse than one that is not.
    let _ = rustix::rand::getrandom(&mut bytes, rustix::rand::GetRandomFlags::empty());
    u64::from_ne_bytes(bytes)
}
