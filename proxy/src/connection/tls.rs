//! TLS to endpoints, where a DestinationRule asks for it: who they have to be, and the handshake.

use std::cell::RefCell;
use std::collections::HashMap;
use std::error::Error;
use std::fmt::{self, Display};
use std::fs::{Metadata, OpenOptions};
use std::io::{self, Read as _};
use std::net::IpAddr;
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::sync::{Arc, OnceLock};

use meshlet_routing::model::{TlsOrigination, Trust};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::pem::PemObject as _;
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName};
use tokio_rustls::rustls::{self, AlertDescription, ClientConfig, InvalidMessage, RootCertStore};

use super::trust::{Names, Verifier};
use crate::protocol::http1::forward;

/// Whom a connection is opened to: those of one peer serve each other's requests.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Peer {
    origination: Arc<TlsOrigination>,
    /// The name in the request's authority, where that is the one to ask for.
    authority: Option<Box<str>>,
}

impl Peer {
    /// For a request, by its head as it is sent.
    pub(crate) fn of_request(origination: &Arc<TlsOrigination>, head: &[u8]) -> Self {
        let authority = origination.sni.is_none().then(|| forward::value(head, ":authority")).flatten();
        let authority = authority.map(|authority| without_port(&String::from_utf8_lossy(&authority)).into());
        Self { origination: Arc::clone(origination), authority }
    }

    /// For bytes that are not read.
    pub(crate) fn of_bytes(origination: &Arc<TlsOrigination>) -> Self {
        Self { origination: Arc::clone(origination), authority: None }
    }

    /// What the server is asked for. `None`: for nothing.
    fn name(&self) -> Option<&str> {
        self.origination.sni.as_deref().or(self.authority.as_deref())
    }
}

/// `host:port` without its port, and an IPv6 address without its brackets.
fn without_port(authority: &str) -> &str {
    if let Some((address, _)) = authority.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        return address;
    }
    authority.rsplit_once(':').map_or(authority, |(host, _)| host)
}

/// The longest file of authorities; those of a system have some 200 KB.
const MOST: u64 = 4 << 20;

/// Which version of a file was read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Stamp {
    inode: u64,
    length: u64,
    modified: (i64, i64),
}

impl Stamp {
    /// `None` when there is no file to read.
    fn of(path: &str) -> Option<Self> {
        let file = std::fs::metadata(path).ok().filter(Metadata::is_file)?;
        Some(Self { inode: file.ino(), length: file.len(), modified: (file.mtime(), file.mtime_nsec()) })
    }
}

/// What handshakes are made with, of one worker; each entry remembers sessions of its servers.
#[derive(Debug, Default)]
pub(crate) struct Configs {
    known: RefCell<HashMap<Arc<TlsOrigination>, Read>>,
}

/// What came of reading a rule's files.
#[derive(Debug)]
struct Read {
    /// Which file of authorities; `None`: there was none.
    stamp: Option<Stamp>,
    /// `None` where the authorities could not be read.
    config: Option<Config>,
}

/// What handshakes of a rule are made with.
#[derive(Debug, Clone)]
struct Config {
    /// Where the name that is asked for is that of the request's authority.
    for_authority: Arc<ClientConfig>,
    /// Everywhere else.
    otherwise: Arc<ClientConfig>,
}

impl Configs {
    /// Speaks TLS on a connection to `address`.
    pub(crate) async fn handshake(
        &self,
        stream: TcpStream,
        peer: &Peer,
        address: IpAddr,
    ) -> io::Result<TlsStream<TcpStream>> {
        let name = match peer.name() {
            Some(name) => ServerName::try_from(name.to_owned()).map_err(|_| Failed::new(UNNAMEABLE))?,
            // An address is asked for by no name.
            None => ServerName::IpAddress(address.into()),
        };
        let config = self.of(peer).await.ok_or_else(|| Failed::new(NO_SECRET))?;
        let config = if peer.authority.is_some() { config.for_authority } else { config.otherwise };
        TlsConnector::from(config).connect(name, stream).await.map_err(|error| Failed::new(reason(&error)))
    }

    /// That of a peer. A file of authorities is read again when it is another one.
    async fn of(&self, peer: &Peer) -> Option<Config> {
        let stamp = match &peer.origination.trust {
            Trust::SignedBy { authorities: Some(path), .. } => Stamp::of(path),
            Trust::SignedBy { authorities: None, .. } | Trust::Anyone => None,
        };
        if let Some(read) = self.known.borrow().get(&peer.origination).filter(|read| read.stamp == stamp) {
            return read.config.clone();
        }
        let origination = Arc::clone(&peer.origination);
        let config = tokio::task::spawn_blocking(move || config(&origination)).await.ok()?;
        let mut known = self.known.borrow_mut();
        // What neither a table nor a connection knows any more is over.
        known.retain(|origination, _| Arc::strong_count(origination) > 1);
        known.insert(Arc::clone(&peer.origination), Read { stamp, config: config.clone() });
        config
    }
}

/// Reads files. `None` when there are no authorities to be had, which is logged.
fn config(origination: &TlsOrigination) -> Option<Config> {
    let (authorities, names) = match &origination.trust {
        Trust::Anyone => return Config::sole(None, Names::Any),
        Trust::SignedBy { authorities, names } => (authorities, names),
    };
    let roots = match authorities {
        Some(path) => from_file(path)?,
        None => system(),
    };
    if names.is_empty() {
        let for_authority = client(Some(Arc::clone(&roots)), Names::Asked)?;
        return Some(Config { for_authority, otherwise: client(Some(roots), Names::Any)? });
    }
    Config::sole(Some(roots), Names::OneOf(names.clone()))
}

impl Config {
    fn sole(roots: Option<Arc<RootCertStore>>, names: Names) -> Option<Self> {
        let sole = client(roots, names)?;
        Some(Self { for_authority: Arc::clone(&sole), otherwise: sole })
    }
}

fn client(roots: Option<Arc<RootCertStore>>, names: Names) -> Option<Arc<ClientConfig>> {
    let provider = Arc::new(ring::default_provider());
    let verifier = Verifier { roots, names, algorithms: provider.signature_verification_algorithms };
    let builder = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
    let builder = builder.inspect_err(|error| tracing::error!(%error, "setting up TLS")).ok()?;
    Some(Arc::new(builder.dangerous().with_custom_certificate_verifier(Arc::new(verifier)).with_no_client_auth()))
}

/// The authorities of a file of PEM.
fn from_file(path: &str) -> Option<Arc<RootCertStore>> {
    let read = || -> Result<RootCertStore, Box<dyn Error>> {
        let mut roots = RootCertStore::empty();
        for certificate in CertificateDer::pem_slice_iter(&contents(path)?) {
            roots.add(certificate?)?;
        }
        if roots.is_empty() { Err("there is no certificate in it".into()) } else { Ok(roots) }
    };
    match read() {
        Ok(roots) => Some(Arc::new(roots)),
        Err(error) => {
            tracing::warn!(path, %error, "no endpoint is trusted: reading caCertificates");
            None
        }
    }
}

/// Whoever may write a rule may name any path of the node: nobody waits for one, nor reads one that has no end.
fn contents(path: &str) -> io::Result<Vec<u8>> {
    let file = OpenOptions::new().read(true).custom_flags(libc::O_NONBLOCK).open(path)?;
    if !file.metadata()?.is_file() {
        return Err(io::Error::other("it is no file"));
    }
    let mut bytes = Vec::new();
    if file.take(MOST + 1).read_to_end(&mut bytes)? as u64 > MOST {
        return Err(io::Error::other("it is longer than 4 MiB"));
    }
    Ok(bytes)
}

/// The system's authorities, read once: where `SSL_CERT_FILE` or `SSL_CERT_DIR` says, else where systems keep them.
fn system() -> Arc<RootCertStore> {
    static ROOTS: OnceLock<Arc<RootCertStore>> = OnceLock::new();
    let read = || {
        let found = rustls_native_certs::load_native_certs();
        let mut roots = RootCertStore::empty();
        let (added, ignored) = roots.add_parsable_certificates(found.certs);
        if added == 0 {
            tracing::warn!(ignored, errors = ?found.errors, "the system has no certificate authorities: no endpoint is trusted without caCertificates");
        }
        Arc::new(roots)
    };
    Arc::clone(ROOTS.get_or_init(read))
}

/// Envoy's words for an authority that is not there (envoy source/common/tls/ssl_socket.cc, NotReadySslSocket).
const NO_SECRET: &str = "TLS_error:_Secret_is_not_supplied_by_SDS";

/// For a name that no server can have.
const UNNAMEABLE: &str = "TLS_error:|the_server's_name_is_none:TLS_error_end";

/// A handshake that failed: Envoy's transport failure reason.
#[derive(Debug)]
struct Failed(String);

impl Failed {
    #[expect(clippy::new_ret_no_self, reason = "it travels as the error of a connection")]
    fn new(reason: impl Into<String>) -> io::Error {
        io::Error::other(Self(reason.into()))
    }
}

impl Display for Failed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Error for Failed {}

/// Envoy's transport failure reason, of a connection whose handshake failed.
pub(crate) fn failure(error: &io::Error) -> Option<&str> {
    error.get_ref()?.downcast_ref::<Failed>().map(|Failed(reason)| reason.as_str())
}

/// As BoringSSL names it, where an operator would look for that; the number is library 16 and its reason.
fn reason(error: &io::Error) -> String {
    use rustls::Error::{AlertReceived, InvalidCertificate, InvalidMessage as Message};
    let known = match error.get_ref().and_then(|error| error.downcast_ref::<rustls::Error>()) {
        Some(InvalidCertificate(_)) => Some((125, "CERTIFICATE_VERIFY_FAILED")),
        Some(Message(InvalidMessage::InvalidContentType | InvalidMessage::UnknownProtocolVersion)) => {
            Some((247, "WRONG_VERSION_NUMBER"))
        }
        Some(AlertReceived(AlertDescription::HandshakeFailure)) => Some((1040, "SSLV3_ALERT_HANDSHAKE_FAILURE")),
        Some(AlertReceived(AlertDescription::ProtocolVersion)) => Some((1070, "TLSV1_ALERT_PROTOCOL_VERSION")),
        Some(AlertReceived(AlertDescription::UnrecognisedName)) => Some((1112, "TLSV1_UNRECOGNIZED_NAME")),
        _ => None,
    };
    match known {
        Some((number, name)) => {
            format!("TLS_error:|{}:SSL_routines:OPENSSL_internal:{name}:TLS_error_end", (16 << 24) + number)
        }
        None => format!("TLS_error:|{}:TLS_error_end", error.to_string().replace(char::is_whitespace, "_")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn given_a_path_that_is_no_file_of_certificates_then_there_are_no_authorities() {
        let folder = tempfile::tempdir().expect("a folder");
        let (long, text) = (folder.path().join("long"), folder.path().join("text"));
        std::fs::File::create(&long).expect("a file").set_len(MOST + 1).expect("room");
        std::fs::write(&text, "not a certificate").expect("room");
        for path in ["/dev/zero", "/nowhere", folder.path().to_str().expect("text"), long.to_str().expect("text")] {
            assert!(contents(path).is_err(), "{path}");
        }
        assert!(from_file(text.to_str().expect("text")).is_none());
    }

    #[test]
    fn given_an_authority_then_its_host_is_asked_for() {
        for (authority, host) in [
            ("a.example", "a.example"),
            ("a.example:8443", "a.example"),
            ("10.0.0.1:80", "10.0.0.1"),
            ("[::1]:80", "::1"),
            ("[::1]", "::1"),
            ("", ""),
        ] {
            assert_eq!(without_port(authority), host, "{authority}");
        }
    }
}
