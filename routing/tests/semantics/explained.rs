//! What `explain` says, as the JSON that it prints.

use std::sync::Arc;

use meshlet_routing::decide::Request;
use meshlet_routing::explain::{Capture, Client, Question, Speech, explain};
use meshlet_routing::table::Scope;
use serde_json::Value;

use crate::ask::world;

/// About a request of an imaginary client in a namespace, to the port 80 of a host.
pub(crate) fn explained(text: &str, namespace: &str, host: &str, request: Request<'_>) -> Value {
    let question = Question {
        client: Client::Imaginary(Scope::new(namespace.into(), Arc::default())),
        speech: Speech::Http1,
        host,
        address: None,
        port: 80,
        request,
        capture: Capture::Ruled,
        seed: 1,
        all_rules: false,
    };
    serde_json::to_value(explain(&world(text), &question)).expect("serialises")
}
