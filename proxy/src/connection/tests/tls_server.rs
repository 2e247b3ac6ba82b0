//! Servers that speak TLS, and who signs their certificates.

use std::io::Write as _;
use std::path::Path;

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair, SanType};
use tempfile::NamedTempFile;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use tokio_rustls::rustls::{ServerConfig, ServerConnection, StreamOwned};

use super::*;

/// Who signs certificates, with its own in a file.
pub(super) struct Authority {
    issuer: CertifiedIssuer<'static, KeyPair>,
    file: NamedTempFile,
}

impl Authority {
    pub(super) fn new() -> Self {
        let mut params = CertificateParams::new([]).expect("parameters");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let issuer = CertifiedIssuer::self_signed(params, KeyPair::generate().expect("a key")).expect("a certificate");
        let mut file = NamedTempFile::new().expect("a file");
        file.write_all(issuer.pem().as_bytes()).expect("room");
        Self { issuer, file }
    }

    pub(super) fn path(&self) -> &Path {
        self.file.path()
    }

    /// For a server with these names: DNS names, addresses or URIs.
    pub(super) fn server(&self, names: &[&str]) -> Arc<ServerConfig> {
        let mut params = CertificateParams::new([]).expect("parameters");
        params.subject_alt_names = names
            .iter()
            .map(|name| match name.parse() {
                Ok(address) => SanType::IpAddress(address),
                Err(_) if name.contains("://") => SanType::URI((*name).try_into().expect("a URI")),
                Err(_) => SanType::DnsName((*name).try_into().expect("a name")),
            })
            .collect();
        let key = KeyPair::generate().expect("a key");
        let certificate = params.signed_by(&key, &self.issuer).expect("a certificate");
        let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(key.serialize_der()));
        let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .expect("versions")
            .with_no_client_auth()
            .with_single_cert(vec![certificate.der().clone()], key)
            .expect("a key of the certificate");
        Arc::new(config)
    }
}

pub(super) type Session = StreamOwned<ServerConnection, TcpStream>;

/// An endpoint that speaks TLS and follows a script, a thread per connection.
pub(super) struct Server {
    pub(super) address: SocketAddr,
    connections: Arc<AtomicUsize>,
    /// The names that handshakes asked for, in order.
    asked: Arc<Mutex<Vec<Option<String>>>>,
}

impl Server {
    /// `script` is called after each handshake that succeeds.
    pub(super) fn new(config: Arc<ServerConfig>, script: impl Fn(&mut Session) + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a listener");
        let address = listener.local_addr().expect("its address");
        let (connections, asked) = (Arc::<AtomicUsize>::default(), Arc::<Mutex<Vec<_>>>::default());
        let (count, names, script) = (Arc::clone(&connections), Arc::clone(&asked), Arc::new(script));
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                count.fetch_add(1, Ordering::SeqCst);
                let mut stream = stream.expect("a connection");
                stream.set_read_timeout(Some(PATIENCE)).expect("a time-out");
                let mut session = ServerConnection::new(Arc::clone(&config)).expect("a session");
                let (names, script) = (Arc::clone(&names), Arc::clone(&script));
                std::thread::spawn(move || {
                    while session.is_handshaking() {
                        if session.complete_io(&mut stream).is_err() {
                            return;
                        }
                    }
                    names.lock().expect("no panic held it").push(session.server_name().map(str::to_owned));
                    script(&mut StreamOwned::new(session, stream));
                });
            }
        });
        Self { address, connections, asked }
    }

    /// Answers every request, sending back its body.
    pub(super) fn http(config: Arc<ServerConfig>) -> Self {
        Self::new(config, |session| {
            while let Some(body) = request(session) {
                let head = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n", body.len().max(2));
                let answer = if body.is_empty() { b"ok".to_vec() } else { body };
                if session.write_all(&[head.as_bytes(), &answer].concat()).is_err() {
                    return;
                }
            }
        })
    }

    pub(super) fn connections(&self) -> usize {
        self.connections.load(Ordering::SeqCst)
    }

    pub(super) fn asked(&self) -> Vec<Option<String>> {
        self.asked.lock().expect("no panic held it").clone()
    }
}

/// Reads a request; gives its body.
pub(super) fn request(session: &mut Session) -> Option<Vec<u8>> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        session.read_exact(&mut byte).ok()?;
        head.push(byte[0]);
    }
    let head = String::from_utf8_lossy(&head).to_ascii_lowercase();
    let length = head.split("content-length: ").nth(1).and_then(|rest| rest.split("\r\n").next());
    let mut body = vec![0; length.map_or(0, |length| length.parse().expect("a length"))];
    session.read_exact(&mut body).ok()?;
    Some(body)
}
