//! One connection of a client: requests in, answers out.

use std::borrow::Cow;
use std::io::{self, BufReader, BufWriter, Write};
use std::net::TcpStream;
use std::thread::sleep;
use std::time::Duration;

use serde_json::{Value, json};

use super::Shared;
use super::answer::{Answer, View};
use super::discovery::not_found;
use super::faults::Fault;
use super::request::{Objects, Query, Target, target};
use super::review::review;
use super::watch::watch;
use super::write::write;
use crate::http::{self, write_chunk};

/// Serves a connection until it is closed. An error is the client's, who sees the connection close.
pub(crate) fn serve(shared: &Shared, stream: TcpStream) -> io::Result<()> {
    // An answer is small and waited for.
    stream.set_nodelay(true)?;
    let mut reader = BufReader::new(stream.try_clone()?);
    let mut writer = BufWriter::new(stream);
    while let Some(head) = http::read_head(&mut reader)? {
        let body = http::read_body(&mut reader, head.request_framing()?)?;
        let mut words = head.start.split(' ');
        let (method, place) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
        let (path, query) = place.split_once('?').unwrap_or((place, ""));
        let query = Query::parse(query);
        shared.lock().requests.push(format!("{method} {place}"));
        let asked = Asked {
            method,
            query: &query,
            accept: head.header("accept").unwrap_or_default(),
            content_type: head.header("content-type").unwrap_or_default(),
            account: account(head.header("authorization").unwrap_or_default()),
            body: &body,
        };
        match target(path) {
            Target::Objects(of) => objects(shared, &of, &asked, &mut writer)?,
            Target::Review(kind) => {
                send(&mut writer, &review(&shared.lock().faults, &kind, asked.account, asked.body))?
            }
            other => send(&mut writer, &about(shared, &other))?,
        }
    }
    Ok(())
}

/// A request but for its path.
struct Asked<'r> {
    method: &'r str,
    query: &'r Query,
    accept: &'r str,
    content_type: &'r str,
    account: &'r str,
    body: &'r [u8],
}

/// A token is taken for the name of an account.
fn account(authorization: &str) -> &str {
    authorization.strip_prefix("Bearer ").unwrap_or("system:anonymous")
}

fn about(shared: &Shared, target: &Target) -> Answer {
    let state = shared.lock();
    match target {
        Target::Version => {
            Answer::ok(json!({"major": "1", "minor": "34", "gitVersion": "v1.34.0", "platform": "linux/amd64"}))
        }
        Target::CoreVersions => Answer::ok(json!({"kind": "APIVersions", "versions": ["v1"]})),
        Target::Groups => state.served.groups(),
        Target::Group(group) => state.served.group(group),
        Target::Resources { group, version } => state.served.resources(group, version),
        Target::Objects(_) | Target::Review(_) | Target::Nothing => not_found(),
    }
}

fn objects(shared: &Shared, of: &Objects, asked: &Asked<'_>, to: &mut impl Write) -> io::Result<()> {
    let (served, fault, streaming) = {
        let state = shared.lock();
        (state.served.serves(of.resource, &of.version), state.faults.get(of.resource.plural).copied(), state.streaming)
    };
    if !served {
        return send(to, &not_found());
    }
    let watching = asked.method == "GET" && asked.query.says("watch");
    let (mut closes, mut body) = (None, Cow::Borrowed(asked.body));
    match fault {
        Some(Fault::Forbidden) => return send(to, &forbidden(of, asked.method, watching)),
        Some(Fault::ReadOnly) if asked.method != "GET" => return send(to, &forbidden(of, asked.method, false)),
        Some(Fault::Fails(status)) => {
            return send(to, &Answer::failure(status, "InternalError", "as the test wants it"));
        }
        Some(Fault::Garbage) => return send(to, &Answer::ok("<html>502 Bad Gateway</html>\n\u{0}{\"type\":")),
        Some(Fault::Endless) => return endless(to),
        Some(Fault::Slow(pause)) => pause_unless_down(shared, pause),
        Some(Fault::Closes(after)) => closes = Some(after),
        Some(Fault::Prunes(member)) => body = Cow::Owned(pruned(asked.body, member)),
        Some(Fault::ReadOnly) | None => {}
    }
    if watching {
        if asked.query.says("sendInitialEvents") && !streaming {
            let problem = "sendInitialEvents: Forbidden: sendInitialEvents is forbidden for watch unless the WatchList feature gate is enabled";
            return send(to, &Answer::failure(422, "Invalid", problem));
        }
        write!(to, "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ntransfer-encoding: chunked\r\n\r\n")?;
        to.flush()?;
        let view = View::new(of, asked.accept);
        watch(shared, of, asked.query, &view, closes, to)?;
        return to.flush();
    }
    let answer = answer(shared, of, &Asked { body: &body, ..*asked });
    send(to, &answer)
}

/// JSON without a member, wherever it is.
fn pruned(body: &[u8], member: &str) -> Vec<u8> {
    fn prune(value: &mut Value, member: &str) {
        match value {
            Value::Object(members) => {
                members.remove(member);
                members.values_mut().for_each(|value| prune(value, member));
            }
            Value::Array(entries) => entries.iter_mut().for_each(|entry| prune(entry, member)),
            _ => {}
        }
    }
    // What is no JSON is refused as such.
    let Ok(mut value) = serde_json::from_slice(body) else { return body.to_vec() };
    prune(&mut value, member);
    value.to_string().into_bytes()
}

fn answer(shared: &Shared, of: &Objects, asked: &Asked<'_>) -> Answer {
    let view = View::new(of, asked.accept);
    let mut state = shared.lock();
    match (asked.method, of.key()) {
        ("GET", None) if asked.accept.contains("as=PartialObjectMetadata;") => {
            let problem = "you requested PartialObjectMetadata, but the requested object is a list";
            Answer::failure(406, "NotAcceptable", problem)
        }
        ("GET", None) => {
            let started_at = asked.query.get("continue").is_some();
            if started_at && state.expired_lists {
                return Answer::failure(410, "Expired", "The provided continue parameter is too old");
            }
            Answer::ok(view.list(&state.store, of, asked.query))
        }
        ("GET", Some(key)) => match state.store.get(&key) {
            Some(object) => Answer::ok(view.object(object)),
            None => Answer::failure(404, "NotFound", &format!("{} {:?} not found", of.resource.plural, key.name)),
        },
        (method, _) => {
            state.outrun(of);
            let answer = write(&mut state.store, method, asked.content_type, of, asked.body);
            state.conflicts += usize::from(answer.status == 409);
            drop(state);
            shared.notify();
            answer
        }
    }
}

fn forbidden(of: &Objects, method: &str, watching: bool) -> Answer {
    let verb = match (method, &of.name) {
        ("GET", _) if watching => "watch",
        ("GET", None) => "list",
        ("GET", Some(_)) => "get",
        ("POST", _) => "create",
        ("PUT", _) => "update",
        ("PATCH", _) => "patch",
        _ => "delete",
    };
    let (plural, group) = (of.resource.plural, of.resource.group);
    let message = format!(
        "{plural} is forbidden: User \"system:serviceaccount:meshlet:meshlet\" cannot {verb} resource \"{plural}\" in API group \"{group}\" at the cluster scope"
    );
    Answer::failure(403, "Forbidden", &message)
}

fn send(to: &mut impl Write, answer: &Answer) -> io::Result<()> {
    let Answer { status, body } = answer;
    let length = body.len();
    write!(to, "HTTP/1.1 {status} -\r\ncontent-type: application/json\r\ncontent-length: {length}\r\n\r\n{body}")?;
    to.flush()
}

fn endless(to: &mut impl Write) -> io::Result<()> {
    write!(to, "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ntransfer-encoding: chunked\r\n\r\n")?;
    let piece = [b'['; 64 * 1024];
    loop {
        write_chunk(to, &piece)?;
    }
}

fn pause_unless_down(shared: &Shared, pause: Duration) {
    let step = Duration::from_millis(20);
    let mut left = pause;
    while !left.is_zero() && !shared.lock().down {
        sleep(step.min(left));
        left = left.saturating_sub(step);
    }
}
