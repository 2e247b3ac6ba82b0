//! The question put to a running daemon, by its admin API.

use std::io::{self, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use anyhow::{Context as _, anyhow, bail};
use meshlet_routing::explain::Asked;
use serde_json::Value;

/// How long the daemon may take for any step; a large world is compiled for an answer.
const PATIENCE: Duration = Duration::from_secs(30);

/// An answer is smaller than this.
const LARGEST: u64 = 64 << 20;

/// The daemon's answer, the JSON it wrote.
pub(super) fn ask(admin: SocketAddr, asked: &Asked) -> anyhow::Result<String> {
    let question = serde_json::to_string(asked)?;
    let reply = exchange(admin, &question).map_err(|error| {
        anyhow!(
            "no daemon answers at {admin}: {error}; start `meshlet run`, name its address with --admin, or ask about files with -f"
        )
    })?;
    let (status, body) = split(&reply).with_context(|| format!("the answer of {admin}, which is no meshlet's"))?;
    let body = String::from_utf8(body.to_vec()).context("the answer is not UTF-8")?;
    if status == 200 {
        return Ok(body);
    }
    let said: Option<Value> = serde_json::from_str(&body).ok();
    match said.as_ref().and_then(|said| said.get("error")).and_then(Value::as_str) {
        Some(problem) => bail!("the daemon at {admin}: {problem}"),
        None => bail!("the daemon at {admin} answers {status}: is it a meshlet that can explain?"),
    }
}

fn exchange(admin: SocketAddr, question: &str) -> io::Result<Vec<u8>> {
    let mut stream = TcpStream::connect_timeout(&admin, PATIENCE)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    let length = question.len();
    write!(
        stream,
        "POST /api/v1/explain HTTP/1.1\r\nhost: {admin}\r\nconnection: close\r\ncontent-type: application/json\r\n\
         content-length: {length}\r\n\r\n{question}"
    )?;
    let mut reply = Vec::new();
    stream.take(LARGEST).read_to_end(&mut reply)?;
    Ok(reply)
}

/// Status and body; the connection's end is the body's.
fn split(reply: &[u8]) -> anyhow::Result<(u16, &[u8])> {
    let mut headers = [httparse::EMPTY_HEADER; 32];
    let mut head = httparse::Response::new(&mut headers);
    let httparse::Status::Complete(length) = head.parse(reply)? else { bail!("it ends too early") };
    let body = &reply[length..];
    let declared = head.headers.iter().find(|header| header.name.eq_ignore_ascii_case("content-length"));
    let declared = declared.and_then(|header| std::str::from_utf8(header.value).ok()?.parse::<usize>().ok());
    if declared != Some(body.len()) {
        bail!("it is not as long as it says");
    }
    Ok((head.code.unwrap_or_default(), body))
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
        Asked { client, request: Some(request), capture: Capture::Ports, seed: 3, all_rules: true }
    }

    #[tokio::test]
    async fn given_a_daemon_then_its_answer_is_the_one_from_files_and_its_errors_are_told() {
        let parsed = manifest::parse("m.yaml", OBJECTS);
        let world = World::assemble(
            parsed.manifests.iter().filter_map(|manifest| validate(manifest).valid).collect::<Vec<_>>().iter(),
        );
        let expected = crate::command::print::json(&asked("a").answer(&world).expect("an answer")).expect("JSON");
        let (worlds, mut lender) = lending();
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

    #[test]
    fn given_what_is_no_answer_then_it_is_refused() {
        for reply in ["", "HTTP/1.1 200 OK\r\n", "SSH-2.0-x\r\n\r\n", "HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nabc"]
        {
            assert!(split(reply.as_bytes()).is_err(), "{reply}");
        }
        let (status, body) = split(b"HTTP/1.1 404 X\r\nContent-Length: 3\r\n\r\nabc").expect("an answer");
        assert_eq!((status, body), (404, &b"abc"[..]));
    }
}
