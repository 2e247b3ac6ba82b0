//! Header fields as places in the bytes they were read from, and the ones that concern this connection alone.

use std::ops::Range;

use super::Refusal;
use super::framing::Lengths;

/// More options than this in all `Connection` lines of a head are nobody's honest need.
const MAX_OPTIONS: usize = 64;

#[derive(Debug, Clone)]
struct Field {
    name: Range<usize>,
    value: Range<usize>,
    forwarded: bool,
}

/// The fields of one head, in order. They borrow nothing: every look at them takes the bytes they were read from.
#[derive(Debug, Default)]
pub(crate) struct Fields(Vec<Field>);

/// What the fields that end at the next hop say (RFC 9110 section 7.6.1, RFC 9112 section 6).
#[derive(Debug, Default)]
pub(crate) struct Control {
    /// How long the body is.
    pub(crate) lengths: Lengths,
    /// `Connection: close`.
    pub(crate) close: bool,
    /// `Connection: keep-alive`, which HTTP/1.0 needs.
    pub(crate) keep_alive: bool,
    /// `Connection: upgrade`.
    pub(crate) upgrade: bool,
    options: usize,
    /// Other fields that end here.
    lists_fields: bool,
}

impl Fields {
    /// Replaces the fields by those httparse found in `bytes`.
    pub(super) fn record(&mut self, bytes: &[u8], headers: &[httparse::Header<'_>]) {
        self.0.clear();
        self.0.extend(headers.iter().map(|header| Field {
            name: place(bytes, header.name.as_bytes()),
            value: place(bytes, header.value),
            forwarded: true,
        }));
    }

    /// Folds the names where they stand: rules compare them so, and Envoy sends them so.
    pub(super) fn fold_names(&self, bytes: &mut [u8]) {
        for field in &self.0 {
            bytes[field.name.clone()].make_ascii_lowercase();
        }
    }

    /// All fields: lower-case name and value.
    pub(crate) fn iter<'b>(&self, bytes: &'b [u8]) -> impl Iterator<Item = (&'b [u8], &'b [u8])> {
        self.0.iter().map(|field| (&bytes[field.name.clone()], &bytes[field.value.clone()]))
    }

    /// The fields to send on.
    pub(super) fn forwarded<'b>(&self, bytes: &'b [u8]) -> impl Iterator<Item = (&'b [u8], &'b [u8])> {
        self.0
            .iter()
            .filter(|field| field.forwarded)
            .map(|field| (&bytes[field.name.clone()], &bytes[field.value.clone()]))
    }

    /// The first value of a name given in lower case.
    pub(crate) fn value<'b>(&self, bytes: &'b [u8], name: &str) -> Option<&'b [u8]> {
        self.iter(bytes).find(|(found, _)| *found == name.as_bytes()).map(|(_, value)| value)
    }

    /// Keeps the fields of this name from being sent on.
    pub(super) fn keep_back(&mut self, bytes: &[u8], name: &[u8]) {
        for field in self.0.iter_mut().filter(|field| &bytes[field.name.clone()] == name) {
            field.forwarded = false;
        }
    }

    /// Reads the fields that end here and keeps them back. Lengths are written anew from what was understood, so that no
    /// `Connection` option can remove one.
    pub(super) fn control(&mut self, bytes: &[u8]) -> Result<Control, Refusal> {
        let mut control = Control::default();
        for field in &mut self.0 {
            let value = &bytes[field.value.clone()];
            match &bytes[field.name.clone()] {
                b"content-length" => control.lengths.content_length(value)?,
                b"transfer-encoding" => control.lengths.transfer_encoding(value)?,
                b"connection" => control.options(value)?,
                b"keep-alive" | b"proxy-connection" | b"upgrade" => {}
                b"te" if !value.eq_ignore_ascii_case(b"trailers") => {}
                _ => continue,
            }
            field.forwarded = false;
        }
        if control.lists_fields {
            self.keep_back_listed(bytes);
        }
        Ok(control)
    }

    fn keep_back_listed(&mut self, bytes: &[u8]) {
        let lists = self.0.iter().filter(|field| &bytes[field.name.clone()] == b"connection");
        let lists: Vec<_> = lists.map(|field| &bytes[field.value.clone()]).collect();
        for option in lists.into_iter().flat_map(options).filter(|option| !option.eq_ignore_ascii_case(b"te")) {
            self.keep_back(bytes, &option.to_ascii_lowercase());
        }
    }
}

impl Control {
    fn options(&mut self, value: &[u8]) -> Result<(), Refusal> {
        for option in options(value) {
            self.options += 1;
            match option {
                _ if self.options > MAX_OPTIONS => return Err(Refusal::TooLarge),
                _ if option.eq_ignore_ascii_case(b"close") => self.close = true,
                _ if option.eq_ignore_ascii_case(b"keep-alive") => self.keep_alive = true,
                _ if option.eq_ignore_ascii_case(b"upgrade") => self.upgrade = true,
                _ => self.lists_fields = true,
            }
        }
        Ok(())
    }
}

/// The members of a comma-separated list; empty ones count as nothing.
pub(super) fn options(value: &[u8]) -> impl Iterator<Item = &[u8]> {
    value.split(|byte| *byte == b',').map(<[u8]>::trim_ascii).filter(|option| !option.is_empty())
}

/// Where `part`, which was cut out of `whole`, stands in it. httparse gives an empty part that stands elsewhere.
pub(super) fn place(whole: &[u8], part: &[u8]) -> Range<usize> {
    if part.is_empty() {
        return 0..0;
    }
    let start = part.as_ptr().addr() - whole.as_ptr().addr();
    start..start + part.len()
}
