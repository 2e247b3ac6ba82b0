//! The question put to a running daemon, by its admin API.

use std::net::SocketAddr;

use anyhow::{Context as _, bail};
use meshlet_routing::explain::Asked;
use serde_json::Value;

use crate::command::daemon::post;

/// The daemon's answer, the JSON it wrote.
pub(super) fn ask(admin: SocketAddr, asked: &Asked) -> anyhow::Result<String> {
    let question = serde_json::to_string(asked)?;
    let reply = post(admin, "/api/v1/explain", &question)
        .context("start `meshlet run`, name its address with --admin, or ask about files with -f")?;
    if reply.status == 200 {
        return Ok(reply.body);
    }
    let said: Option<Value> = serde_json::from_str(&reply.body).ok();
    match said.as_ref().and_then(|said| said.get("error")).and_then(Value::as_str) {
        Some(problem) => bail!("the daemon at {admin}: {problem}"),
        None => bail!("the daemon at {admin} answers {}: is it a meshlet that can explain?", reply.status),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use meshlet_routing::explain::{Capture, Who, Written};
    use meshlet_routing::manifest;
    use meshlet_routing::model::World;
    use meshlet_routing::validate::validate;

    use super::*;
    use crate::admin::{Status, admin};
    use crate::snapshot::loan::lending;

    const OBJECTS: &str = "
{apiVersion: v1, kind: Service, metadata: {name: web, namespace: shop}, spec: {clusterIP: 10.96.0.1, selector: {app: web}, ports: [{name: http, port: 80}]}}
---
{apiVersion: v1, kind: Pod, metadata: {name: a, namespace: shop, labels: {app: web, meshlet.dev/redirect: enabled}}, status: {podIP: 10.1.0.1}}
";

    fn asked(pod: &str) -> Asked {
        let client = Who::Pod { namespace: "shop".into(), pod: pod.into() };
        let headers = vec![("x-user".to_owned(), "alice".to_owned())];
        let request = Written { url: "http://web/x?y=1".into(), method: "PUT".into(), headers, dst: None };
        Asked { client, request: Some(request), capture: Some(Capture::Ports), seed: 3, all_rules: true }
    }

    #[tokio::test]
    async fn given_a_daemon_then_its_answer_is_the_one_from_files_and_its_errors_are_told() {
        let parsed = manifest::parse("m.yaml", OBJECTS);
        let world = World::assemble(
            parsed.manifests.iter().filter_map(|manifest| validate(manifest).valid).collect::<Vec<_>>().iter(),
        );
        let expected = crate::command::print::json(&asked("a").answer(&world).expect("an answer")).expect("JSON");
        let (worlds, mut lender) = lending(Capture::Ruled);
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("an address");
        let serve = axum::serve(listener, admin(&Arc::new(Status::default()), worlds));
        let daemon = async move {
            tokio::select! {
                outcome = async { serve.await } => drop(outcome),
                () = async { loop { let reply = lender.asked().await; lender.lend(&world, reply) } } => {}
            }
        };
        let client = tokio::task::spawn_blocking(move || (ask(address, &asked("a")), ask(address, &asked("b"))));
        tokio::select! {
            () = daemon => panic!("the daemon ended"),
            answers = client => {
                let (answer, nobody) = answers.expect("both were asked");
                assert_eq!(answer.expect("an answer"), expected);
                let error = nobody.expect_err("there is no such pod").to_string();
                assert!(error.contains("there is no pod shop/b (shop/a)"), "{error}");
            }
        }
    }
}
