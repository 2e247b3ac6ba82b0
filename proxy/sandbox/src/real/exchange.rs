//! Requests to the API server, by who may do everything: blocking, a connection each.

use std::io::{BufReader, Write as _};
use std::net::{IpAddr, Ipv4Addr, TcpStream};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, bail};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};
use serde_json::Value;

use crate::http;

use super::ADMIN;

/// How long an answer may take.
const PATIENCE: Duration = Duration::from_secs(60);

/// Who asks.
#[derive(Debug)]
pub struct Admin {
    pub(super) port: u16,
    /// The API server's certificate with its issuer's.
    pub(super) certificates: PathBuf,
}

impl Admin {
    /// The answer to a request; `null` is no body.
    ///
    /// # Errors
    /// When there is no answer, or one that is not a success.
    pub fn ask(&self, method: &str, path: &str, kind: &str, body: &Value) -> anyhow::Result<Value> {
        match self.exchange(method, path, kind, body)? {
            (200..300, answer) => Ok(answer),
            (status, answer) => bail!("{method} {path} answered {status}: {answer}"),
        }
    }

    /// The status and the answer, whatever it is.
    pub(super) fn exchange(&self, method: &str, path: &str, kind: &str, body: &Value) -> anyhow::Result<(u16, Value)> {
        let (status, answer) = self.send(method, path, kind, body)?;
        // Not everything that fails does so in JSON.
        let text = || Value::String(String::from_utf8_lossy(&answer).into_owned());
        Ok((status, serde_json::from_slice(&answer).unwrap_or_else(|_| text())))
    }

    /// What a watch says until it ends.
    pub(super) fn lines(&self, path: &str) -> anyhow::Result<Vec<Value>> {
        let (status, answer) = self.send("GET", path, "application/json", &Value::Null)?;
        anyhow::ensure!(status == 200, "GET {path} answered {status}: {}", String::from_utf8_lossy(&answer));
        let events = serde_json::Deserializer::from_slice(&answer).into_iter::<Value>();
        events.collect::<Result<_, _>>().with_context(|| format!("reading {path}"))
    }

    fn send(&self, method: &str, path: &str, kind: &str, body: &Value) -> anyhow::Result<(u16, Vec<u8>)> {
        let body = if body.is_null() { String::new() } else { body.to_string() };
        let head = format!(
            "{method} {path} HTTP/1.1\r\nhost: 127.0.0.1\r\nauthorization: Bearer {ADMIN}\r\nconnection: close\r\n\
             content-type: {kind}\r\ncontent-length: {}\r\n\r\n",
            body.len()
        );
        let exchange = || {
            let mut stream = self.connect()?;
            stream.write_all(format!("{head}{body}").as_bytes())?;
            stream.flush()?;
            let mut reader = BufReader::new(stream);
            let head = http::read_head(&mut reader)?.context("no answer")?;
            let framing = head.response_framing(method)?;
            Ok::<_, anyhow::Error>((head.status()?, http::read_body(&mut reader, framing)?))
        };
        exchange().with_context(|| format!("{method} {path}"))
    }

    fn connect(&self) -> anyhow::Result<StreamOwned<ClientConnection, TcpStream>> {
        let mut roots = RootCertStore::empty();
        for certificate in CertificateDer::pem_file_iter(&self.certificates)? {
            roots.add(certificate?)?;
        }
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()?
            .with_root_certificates(roots)
            .with_no_client_auth();
        let name = ServerName::from(IpAddr::from(Ipv4Addr::LOCALHOST));
        let connection = ClientConnection::new(Arc::new(config), name)?;
        let stream = TcpStream::connect((Ipv4Addr::LOCALHOST, self.port))?;
        stream.set_read_timeout(Some(PATIENCE))?;
        Ok(StreamOwned::new(connection, stream))
    }
}
