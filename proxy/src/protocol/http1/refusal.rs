//! Why a message is not forwarded.

/// What is wrong with a message; which reader would have read it how is not ours to guess.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// Not HTTP/1.1: a stray byte, a folded field, another version.
    Syntax,
    /// More than one length, or one that is no number.
    ContentLength,
    /// Anything but a single `chunked`.
    TransferEncoding,
    /// `Content-Length` beside `Transfer-Encoding`.
    BothLengths,
    /// None, several, or one that is no authority.
    Host,
    /// No form of RFC 9112 section 3.2.
    Target,
    /// A chunk size, extension or trailer that is not one.
    Chunk,
    /// A head beyond the limits.
    TooLarge,
}

impl Refusal {
    /// Envoy's response code details, or words in its manner.
    pub(crate) fn details(self) -> &'static str {
        match self {
            Self::Syntax => "http1.codec_error",
            Self::ContentLength => "http1.invalid_content_length",
            Self::TransferEncoding => "http1.invalid_transfer_encoding",
            Self::BothLengths => "http1.content_length_and_chunked_not_allowed",
            Self::Host => "http1.invalid_host",
            Self::Target => "http1.invalid_url",
            Self::Chunk => "http1.invalid_chunk",
            Self::TooLarge => "http1.headers_too_large",
        }
    }
}

impl From<httparse::Error> for Refusal {
    fn from(error: httparse::Error) -> Self {
        match error {
            httparse::Error::TooManyHeaders => Self::TooLarge,
            _ => Self::Syntax,
        }
    }
}
