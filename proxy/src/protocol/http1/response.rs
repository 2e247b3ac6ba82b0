//! A response's head.

use std::mem::MaybeUninit;
use std::ops::Range;

use super::fields::{Fields, place};
use super::framing::Framing;
use super::{MAX_FIELDS, Parsed, Refusal};

/// What a response says before its body. Reused from response to response.
#[derive(Debug, Default)]
pub(crate) struct ResponseHead {
    /// How many bytes it takes.
    pub(crate) length: usize,
    /// 100 to 999.
    pub(crate) status: u16,
    /// The header fields.
    pub(crate) fields: Fields,
    /// Whether the connection lives on afterwards.
    pub(crate) keeps_alive: bool,
    /// What the head says about a body, even where none can follow.
    pub(super) declared: Option<Framing>,
    pub(super) reason: Range<usize>,
}

impl ResponseHead {
    /// Reads the head at the start of `bytes` and folds its field names to lower case there.
    pub(crate) fn parse(&mut self, bytes: &mut [u8]) -> Result<Parsed, Refusal> {
        let mut headers = [const { MaybeUninit::uninit() }; MAX_FIELDS];
        let mut response = httparse::Response::new(&mut []);
        let parsed =
            httparse::ParserConfig::default().parse_response_with_uninit_headers(&mut response, bytes, &mut headers)?;
        let httparse::Status::Complete(length) = parsed else { return Ok(Parsed::Partial) };
        let (Some(status @ 100..), Some(minor)) = (response.code, response.version) else {
            return Err(Refusal::Syntax);
        };
        self.length = length;
        self.status = status;
        self.reason = response.reason.map_or(0..0, |reason| place(bytes, reason.as_bytes()));
        self.fields.record(bytes, response.headers);
        self.fields.fold_names(bytes);
        let control = self.fields.control(bytes)?;
        self.declared = control.lengths.declared()?;
        // A chunked body was never part of HTTP/1.0: whoever sends one is not understood.
        if minor == 0 && self.declared == Some(Framing::Chunked) {
            return Err(Refusal::TransferEncoding);
        }
        self.keeps_alive = !control.close && (minor == 1 || control.keep_alive);
        Ok(Parsed::Complete)
    }

    /// A 1xx: another response follows. 101 ends HTTP on the connection instead.
    pub(crate) fn is_interim(&self) -> bool {
        self.status < 200 && !self.switches()
    }

    /// 101: the protocol changes.
    pub(crate) fn switches(&self) -> bool {
        self.status == 101
    }

    /// Where its body ends (RFC 9112 section 6.3); `to_head`: the request was a HEAD.
    pub(crate) fn framing(&self, to_head: bool) -> Framing {
        if to_head || self.status < 200 || matches!(self.status, 204 | 304) {
            return Framing::Empty;
        }
        self.declared.unwrap_or(Framing::UntilClose)
    }
}
