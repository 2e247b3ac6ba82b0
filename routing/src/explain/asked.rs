//! A question as it is written down: on a command line, in a test file, in a call to a daemon.

use std::collections::BTreeMap;
use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::url::{Header, Url};
use super::{Capture, Client, Explanation, Question, about, explain};
use crate::decide::Request;
use crate::model::{Labels, Pod, World};
use crate::table::Scope;

/// A question that holds all it names; its JSON is what the daemon's API takes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Asked {
    /// Who asks.
    pub client: Who,
    /// The request; without it: is the client captured, and what may its requests meet.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub request: Option<Written>,
    /// What is captured; where it is not said, what the daemon captures that is asked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub capture: Option<Capture>,
    /// Fixes every draw.
    #[serde(default)]
    pub seed: u64,
    /// Judge every rule of the host, not only those up to the one that decides.
    #[serde(default)]
    pub all_rules: bool,
}

/// The client by name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged, rename_all = "camelCase", deny_unknown_fields)]
pub enum Who {
    /// A pod of the world.
    Pod {
        /// Its namespace.
        namespace: String,
        /// Its name.
        pod: String,
    },
    /// A captured client that does not exist.
    Imaginary {
        /// Its namespace.
        namespace: String,
        /// Its labels.
        #[serde(default)]
        labels: BTreeMap<String, String>,
    },
}

/// A request as it is written.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Written {
    /// `scheme://host[:port][/path]`.
    pub url: String,
    /// Its method.
    #[serde(default = "get")]
    pub method: String,
    /// Name and value of each line; `host` takes the place of the URL's.
    #[serde(default)]
    pub headers: Vec<(String, String)>,
    /// The address dialled, when it is not the host's own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dst: Option<IpAddr>,
}

fn get() -> String {
    "GET".to_owned()
}

/// Why there is no answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Unanswerable {
    /// The world has no such pod.
    NoSuchPod {
        /// `namespace/name` as asked for.
        pod: String,
        /// Some of the same name or namespace.
        near: Vec<String>,
    },
    /// The request makes no sense.
    Request(String),
}

impl fmt::Display for Unanswerable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoSuchPod { pod, near } => {
                let near = if near.is_empty() { "there are none there".to_owned() } else { near.join(", ") };
                write!(
                    f,
                    "there is no pod {pod} ({near}); name one of them, or ask for an imaginary client by its namespace"
                )
            }
            Self::Request(problem) => f.write_str(problem),
        }
    }
}

impl std::error::Error for Unanswerable {}

impl Asked {
    /// The answer in a world.
    ///
    /// # Errors
    /// When the world has no such pod, or the request cannot be read.
    pub fn answer(&self, world: &World) -> Result<Explanation, Unanswerable> {
        let client = self.client.find(world)?;
        let Some(request) = &self.request else { return Ok(about(world, &client)) };
        let target: Url =
            request.url.parse().map_err(|problem| Unanswerable::Request(format!("{}: {problem}", request.url)))?;
        let (mut authority, mut headers) = (target.authority.as_str(), Vec::new());
        for (name, value) in &request.headers {
            match name.to_ascii_lowercase() {
                name if name == "host" => authority = value,
                name => headers.push((name, value.as_bytes())),
            }
        }
        let headers: Vec<(&str, &[u8])> = headers.iter().map(|(name, value)| (&**name, *value)).collect();
        let method = &request.method;
        let question = Question {
            client,
            speech: target.speech,
            host: &target.host,
            address: request.dst.map(|address| address.to_canonical()),
            port: target.port,
            request: Request { method, authority, path: &target.path, headers: &headers, source: None },
            capture: self.capture.unwrap_or_default(),
            seed: self.seed,
            all_rules: self.all_rules,
        };
        Ok(explain(world, &question))
    }
}

impl Who {
    fn find<'w>(&self, world: &'w World) -> Result<Client<'w>, Unanswerable> {
        match self {
            Self::Imaginary { namespace, labels } => {
                let labels: Labels = labels.iter().map(|(key, value)| (&**key, &**value)).map(boxed).collect();
                Ok(Client::Imaginary(Scope::new(namespace.as_str().into(), Arc::new(labels))))
            }
            Self::Pod { namespace, pod } => {
                let same = |found: &&Pod| *found.namespace == **namespace && *found.name == **pod;
                let near = |found: &&Pod| *found.namespace == **namespace || *found.name == **pod;
                let shown = |found: &Pod| format!("{}/{}", found.namespace, found.name);
                world.pods.iter().find(same).map(Client::Pod).ok_or_else(|| Unanswerable::NoSuchPod {
                    pod: format!("{namespace}/{pod}"),
                    near: world.pods.iter().filter(near).map(shown).take(10).collect(),
                })
            }
        }
    }
}

fn boxed((key, value): (&str, &str)) -> (Box<str>, Box<str>) {
    (key.into(), value.into())
}

impl fmt::Display for Who {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Pod { namespace, pod } => write!(f, "{namespace}/{pod}"),
            Self::Imaginary { namespace, .. } => write!(f, "an imaginary client of {namespace}"),
        }
    }
}

/// As a command line has it: `PUT http://echo:8080/cart -H 'x-user: alice'`.
impl fmt::Display for Written {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.method, self.url)?;
        self.headers.iter().try_for_each(|(name, value)| write!(f, " -H '{name}: {value}'"))?;
        self.dst.map_or(Ok(()), |address| write!(f, " --dst {address}"))
    }
}

impl From<Header> for (String, String) {
    fn from(header: Header) -> Self {
        (header.name, header.value)
    }
}
