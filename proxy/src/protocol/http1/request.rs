//! A request's head.

use std::mem::MaybeUninit;
use std::ops::Range;

use meshlet_routing::decide::normalize_path;

use super::fields::{Fields, options, place};
use super::framing::Framing;
use super::{MAX_FIELDS, Parsed, Refusal};

/// What a request says before its body. Reused from request to request, so that its texts rarely allocate.
#[derive(Debug, Default)]
pub(crate) struct RequestHead {
    /// How many bytes it takes.
    pub(crate) length: usize,
    /// The method, case kept.
    pub(crate) method: String,
    /// Host and port as the client wrote them; those of the target where it has them.
    pub(crate) authority: String,
    /// Path and query, normalised; `*` for a server, empty for `CONNECT`.
    pub(crate) path: String,
    /// The header fields.
    pub(crate) fields: Fields,
    /// Where the body ends.
    pub(crate) framing: Framing,
    /// The client wants the connection closed afterwards.
    pub(crate) close: bool,
    /// The client waits for a 100 before it sends the body.
    pub(crate) expects_continue: bool,
    /// The protocol that the client wants to switch to.
    pub(super) upgrade: Option<Range<usize>>,
}

impl RequestHead {
    /// Reads the head at the start of `bytes` and folds its field names to lower case there.
    pub(crate) fn parse(&mut self, bytes: &mut [u8]) -> Result<Parsed, Refusal> {
        let Some(target) = self.scan(bytes)? else { return Ok(Parsed::Partial) };
        self.fields.fold_names(bytes);
        let bytes = &*bytes;
        self.read_fields(bytes)?;
        let target = std::str::from_utf8(&bytes[target]).map_err(|_| Refusal::Target)?;
        self.read_target(target)?;
        Ok(Parsed::Complete)
    }

    /// Whether the client wants to switch protocols.
    pub(crate) fn is_upgrade(&self) -> bool {
        self.upgrade.is_some()
    }

    /// Whether the response has no body, whatever it says.
    pub(crate) fn is_head(&self) -> bool {
        self.method == "HEAD"
    }

    /// Whether the request may be sent a second time when nobody knows what became of the first (RFC 9110 section 9.2.2).
    pub(crate) fn is_idempotent(&self) -> bool {
        matches!(self.method.as_str(), "GET" | "HEAD" | "OPTIONS" | "PUT" | "DELETE" | "TRACE")
    }

    /// Finds the parts; gives the place of the target.
    fn scan(&mut self, bytes: &[u8]) -> Result<Option<Range<usize>>, Refusal> {
        let mut headers = [const { MaybeUninit::uninit() }; MAX_FIELDS];
        let mut request = httparse::Request::new(&mut []);
        let httparse::Status::Complete(length) = request.parse_with_uninit_headers(bytes, &mut headers)? else {
            return Ok(None);
        };
        let (Some(method), Some(target), Some(1)) = (request.method, request.path, request.version) else {
            return Err(Refusal::Syntax);
        };
        self.length = length;
        self.method.clear();
        self.method.push_str(method);
        self.fields.record(bytes, request.headers);
        Ok(Some(place(bytes, target.as_bytes())))
    }

    fn read_fields(&mut self, bytes: &[u8]) -> Result<(), Refusal> {
        let control = self.fields.control(bytes)?;
        self.framing = control.lengths.declared()?.unwrap_or_default();
        self.close = control.close;
        self.authority.clear();
        self.authority.push_str(authority(sole_host(&self.fields, bytes)?)?);
        self.fields.keep_back(bytes, b"host");
        self.expects_continue =
            self.fields.value(bytes, "expect").is_some_and(|value| value.eq_ignore_ascii_case(b"100-continue"));
        self.upgrade = self
            .fields
            .value(bytes, "upgrade")
            // HTTP/2 behind an upgrade would carry requests past the decision; RFC 9113 gave it up.
            .filter(|wanted| control.upgrade && !options(wanted).any(|protocol| protocol.eq_ignore_ascii_case(b"h2c")))
            .map(|wanted| place(bytes, wanted));
        Ok(())
    }

    fn read_target(&mut self, target: &str) -> Result<(), Refusal> {
        self.path.clear();
        if self.method == "CONNECT" {
            return Ok(());
        }
        if target.contains('#') {
            return Err(Refusal::Target);
        }
        let path = match without_scheme(target) {
            Some(rest) => {
                let (host, path) = rest.split_at(rest.find(['/', '?']).unwrap_or(rest.len()));
                if host.is_empty() {
                    return Err(Refusal::Target);
                }
                self.authority.clear();
                self.authority.push_str(authority(host.as_bytes())?);
                if !path.starts_with('/') {
                    self.path.push('/');
                }
                path
            }
            None if target.starts_with('/') || (target == "*" && self.method == "OPTIONS") => target,
            None => return Err(Refusal::Target),
        };
        self.path.push_str(&normalize_path(path));
        Ok(())
    }
}

fn sole_host<'b>(fields: &Fields, bytes: &'b [u8]) -> Result<&'b [u8], Refusal> {
    let mut hosts = fields.iter(bytes).filter(|(name, _)| *name == b"host");
    match (hosts.next(), hosts.next()) {
        (Some((_, host)), None) => Ok(host),
        _ => Err(Refusal::Host),
    }
}

/// What follows `http://` or `https://`: the target of a client that believes it speaks to a proxy.
fn without_scheme(target: &str) -> Option<&str> {
    ["http://", "https://"].into_iter().find_map(|scheme| {
        let (start, rest) = target.split_at_checked(scheme.len())?;
        start.eq_ignore_ascii_case(scheme).then_some(rest)
    })
}

/// A host with or without a port. Its parts are not checked: an odd one is an unknown host.
fn authority(value: &[u8]) -> Result<&str, Refusal> {
    if !is_authority(value) {
        return Err(Refusal::Host);
    }
    std::str::from_utf8(value).map_err(|_| Refusal::Host)
}

/// Whether every byte may stand in an authority.
pub(crate) fn is_authority(value: &[u8]) -> bool {
    value.iter().all(|byte| byte.is_ascii_alphanumeric() || b"-._~!$&'()*+,;=:[]%".contains(byte))
}
