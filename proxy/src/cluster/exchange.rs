//! A request to the API server and its answer, in bounded memory and time whatever comes back.

use std::time::Duration;

use bytes::Bytes;
use http::{Request, StatusCode};
use http_body_util::BodyExt as _;
use kube::Client;
use kube::client::Body;
use kube::core::Status;
use tokio::time::timeout;

/// How long an answer may take to begin, and each of its pieces to come.
const PATIENCE: Duration = Duration::from_secs(60);
/// A list of one page, or a line of a watch, is not longer than this.
const LARGEST: usize = 32 * 1024 * 1024;
/// A `Status` is not longer than this.
const LARGEST_STATUS: usize = 64 * 1024;

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Trouble {
    /// No connection, or it broke.
    #[error("{0}")]
    Broken(String),
    /// Nothing came for too long.
    #[error("no answer within {} s", .0.as_secs())]
    Silent(Duration),
    /// More than an answer may have.
    #[error("an answer of more than {} MiB without an end", LARGEST >> 20)]
    TooLong,
    /// An answer that is not what was asked for.
    #[error("an answer that is not the Kubernetes API's: {0}")]
    Garbage(String),
    /// The API server refuses.
    #[error("{0}")]
    Refused(Box<Status>),
}

impl Trouble {
    /// The HTTP status, or that of an error in a watch; 0 without any.
    pub(crate) fn code(&self) -> u16 {
        match self {
            Self::Refused(status) => status.code,
            _ => 0,
        }
    }

    /// Whether nothing may be created because the namespace is being deleted, which is answered 403 like a missing permission.
    pub(crate) fn namespace_ends(&self) -> bool {
        let Self::Refused(status) = self else { return false };
        let causes = status.details.iter().flat_map(|details| &details.causes);
        causes.into_iter().any(|cause| cause.reason == "NamespaceTerminating")
    }

    /// Whether it is refused because of this field.
    pub(crate) fn is_about(&self, field: &str) -> bool {
        let Self::Refused(status) = self else { return false };
        status.details.iter().any(|details| details.causes.iter().any(|cause| cause.field == field))
    }
}

/// Sends a request and gives the body of the answer.
pub(crate) async fn fetch(client: &Client, request: Request<Vec<u8>>) -> Result<Vec<u8>, Trouble> {
    let body = send(client, request).await?;
    collect(body, LARGEST).await
}

/// Sends a request and gives the lines of the answer as they come.
pub(crate) async fn lines(client: &Client, request: Request<Vec<u8>>) -> Result<Lines, Trouble> {
    let body = send(client, request).await?;
    Ok(Lines { body, buffer: Vec::new(), searched: 0 })
}

async fn send(client: &Client, request: Request<Vec<u8>>) -> Result<Body, Trouble> {
    let sent = timeout(PATIENCE, client.send(request.map(Body::from))).await;
    let response = sent.map_err(|_| Trouble::Silent(PATIENCE))?.map_err(|error| Trouble::Broken(causes(&error)))?;
    let status = response.status();
    if status.is_success() {
        return Ok(response.into_body());
    }
    let text = collect(response.into_body(), LARGEST_STATUS).await.unwrap_or_default();
    Err(Trouble::Refused(Box::new(read_status(status, &text))))
}

/// A proxy in between may answer in words of its own.
fn read_status(code: StatusCode, text: &[u8]) -> Status {
    let read: Option<Status> = serde_json::from_slice(text).ok();
    let mut status = read.filter(|status| !status.message.is_empty()).unwrap_or_else(|| Status {
        message: format!("HTTP {code}"),
        reason: code.canonical_reason().unwrap_or_default().to_owned(),
        ..Status::default()
    });
    status.code = code.as_u16();
    status
}

async fn collect(mut body: Body, largest: usize) -> Result<Vec<u8>, Trouble> {
    let mut whole = Vec::new();
    while let Some(piece) = piece(&mut body, PATIENCE).await? {
        if whole.len() + piece.len() > largest {
            return Err(Trouble::TooLong);
        }
        whole.extend_from_slice(&piece);
    }
    Ok(whole)
}

/// The next bytes of a body; `None` at its end.
async fn piece(body: &mut Body, patience: Duration) -> Result<Option<Bytes>, Trouble> {
    loop {
        let frame = timeout(patience, body.frame()).await.map_err(|_| Trouble::Silent(patience))?;
        match frame {
            None => return Ok(None),
            Some(Err(error)) => return Err(Trouble::Broken(causes(&error))),
            // Trailers say nothing.
            Some(Ok(frame)) => {
                if let Ok(bytes) = frame.into_data() {
                    return Ok(Some(bytes));
                }
            }
        }
    }
}

/// An error with what is behind it: the outermost alone says no more than that there is one.
fn causes(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let own = error.to_string();
        if !text.contains(&own) {
            text = format!("{text}: {own}");
        }
        cause = error.source();
    }
    text
}

/// The lines of an answer that does not end.
pub(crate) struct Lines {
    body: Body,
    buffer: Vec<u8>,
    /// So many bytes of the buffer are known to hold no line's end.
    searched: usize,
}

impl Lines {
    /// The next line without its end; `None` when the server closes. What comes after the last end of a line is half a line and
    /// left out.
    pub(crate) async fn next(&mut self, patience: Duration) -> Result<Option<Vec<u8>>, Trouble> {
        loop {
            if let Some(end) = self.buffer[self.searched..].iter().position(|byte| *byte == b'\n') {
                let rest = self.buffer.split_off(self.searched + end + 1);
                let mut line = std::mem::replace(&mut self.buffer, rest);
                line.pop();
                self.searched = 0;
                return Ok(Some(line));
            }
            self.searched = self.buffer.len();
            if self.buffer.len() > LARGEST {
                return Err(Trouble::TooLong);
            }
            match piece(&mut self.body, patience).await? {
                Some(bytes) => self.buffer.extend_from_slice(&bytes),
                None => return Ok(None),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn given_a_403_then_a_namespace_that_ends_is_told_from_a_missing_permission() {
        let refused = |details: &str| {
            let text = format!(
                r#"{{"kind": "Status", "status": "Failure", "message": "no", "reason": "Forbidden", "code": 403{details}}}"#
            );
            Trouble::Refused(Box::new(read_status(StatusCode::FORBIDDEN, text.as_bytes())))
        };
        let ends = r#", "details": {"name": "shop", "causes": [{"reason": "NamespaceTerminating", "field": "metadata.namespace"}]}"#;
        assert!(refused(ends).namespace_ends());
        for other in ["", r#", "details": {"name": "shop", "kind": "events"}"#] {
            let refused = refused(other);
            assert_eq!((refused.code(), refused.namespace_ends()), (403, false), "{other}");
        }
    }
}
