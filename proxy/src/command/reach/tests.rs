//! A daemon behind an API server that forwards its port, as the kubelet does it: by websocket, with two channels that begin with
//! the port's number; the first is for bytes, the second for what went wrong.

use std::net::{SocketAddr, TcpListener};
use std::thread::JoinHandle;

use http::{HeaderValue, StatusCode};
use serde_json::json;
use tungstenite::handshake::server::{ErrorResponse, Request, Response};
use tungstenite::{Message, accept_hdr};

use super::*;

/// What becomes of the port.
#[derive(Clone, Copy)]
enum Port {
    /// Somebody answers.
    Answers(&'static str),
    /// Nobody listens.
    Dead(&'static str),
    /// It may not be forwarded.
    Forbidden,
}

const PORT: [u8; 2] = 15000_u16.to_le_bytes();

fn on(channel: u8, bytes: &[u8]) -> Message {
    Message::binary([&[channel], bytes].concat())
}

/// Serves one, and gives back the path that was asked for and the bytes that came through.
#[expect(clippy::result_large_err, reason = "what a refusal is made of is tungstenite's choice")]
fn forwarding(port: Port) -> (SocketAddr, JoinHandle<(String, String)>) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("an address");
    let serve = move || {
        let (stream, _) = listener.accept().expect("a connection");
        let (mut path, mut came) = (String::new(), Vec::new());
        let greeted = accept_hdr(stream, |request: &Request, mut response: Response| {
            path = request.uri().to_string();
            response.headers_mut().insert("sec-websocket-protocol", HeaderValue::from_static("v4.channel.k8s.io"));
            let forbidden = matches!(port, Port::Forbidden);
            let mut refusal = ErrorResponse::new(None);
            *refusal.status_mut() = StatusCode::FORBIDDEN;
            if forbidden { Err(refusal) } else { Ok(response) }
        });
        let Ok(mut socket) = greeted else { return (path, String::new()) };
        socket.send(on(0, &PORT)).and_then(|()| socket.send(on(1, &PORT))).expect("both channels");
        match port {
            Port::Answers(answer) => {
                while !came.ends_with(b"\r\n\r\n") {
                    if let Message::Binary(bytes) = socket.read().expect("a question") {
                        assert_eq!(bytes.first(), Some(&0), "bytes go by the first channel");
                        came.extend_from_slice(&bytes[1..]);
                    }
                }
                let (first, second) = answer.split_at(answer.len() / 2);
                socket.send(on(0, first.as_bytes())).expect("a half");
                socket.send(on(0, second.as_bytes())).expect("the other");
            }
            Port::Dead(why) => {
                socket.send(on(1, why.as_bytes())).expect("what went wrong");
                socket.close(None).expect("closed");
            }
            Port::Forbidden => {}
        }
        // It stays open until the other side has enough.
        while socket.read().is_ok() {}
        (path, String::from_utf8(came).expect("text"))
    };
    (address, std::thread::spawn(serve))
}

async fn asked(port: Port) -> (anyhow::Result<Reply>, (String, String)) {
    let (address, server) = forwarding(port);
    let kubeconfig = json!({
        "apiVersion": "v1", "kind": "Config", "current-context": "c",
        "clusters": [{"name": "c", "cluster": {"server": format!("http://{address}")}}],
        "users": [{"name": "c", "user": {}}], "contexts": [{"name": "c", "context": {"cluster": "c", "user": "c"}}],
    });
    let file = tempfile::NamedTempFile::new().expect("a file");
    std::fs::write(file.path(), kubeconfig.to_string()).expect("a kubeconfig");
    let daemons = Daemons::of(&ClusterArgs::of_kubeconfig(file.path()), "mesh").await.expect("a cluster");
    let pod = DaemonPod { name: "meshlet-a".to_owned(), node: Some("n1".to_owned()) };
    let reply = Daemon::Of(daemons, pod).ask(&Question::get("/api/v1/config")).await;
    let served = tokio::task::spawn_blocking(|| server.join()).await.expect("it ended");
    (reply, served.expect("it went well"))
}

#[tokio::test]
async fn given_a_forwarded_port_then_the_question_goes_through_and_the_answer_comes_back() {
    let (reply, (path, came)) =
        asked(Port::Answers("HTTP/1.1 200 OK\r\ncontent-length: 15\r\n\r\n{\"node\":\"told\"}")).await;
    let reply = reply.expect("an answer");
    assert_eq!((reply.status, &*reply.body), (200, "{\"node\":\"told\"}"));
    assert!(path.starts_with("/api/v1/namespaces/mesh/pods/meshlet-a/portforward?"), "{path}");
    assert!(path.ends_with("ports=15000"), "{path}");
    assert!(came.starts_with("GET /api/v1/config HTTP/1.1\r\n"), "{came}");
}

#[tokio::test]
async fn given_a_port_that_nobody_listens_on_or_that_may_not_be_forwarded_then_it_says_so() {
    for (port, words) in [
        (Port::Dead("dial tcp 127.0.0.1:15000: refused"), &["the kubelet says: dial tcp", "pod mesh/meshlet-a"][..]),
        (Port::Forbidden, &["the verbs get and create on pods/portforward in namespace mesh must be granted"]),
    ] {
        let (reply, _) = asked(port).await;
        let error = format!("{:#}", reply.expect_err("no answer"));
        for word in words {
            assert!(error.contains(word), "{word} is not in: {error}");
        }
    }
}
