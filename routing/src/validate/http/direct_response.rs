//! `directResponse` (istio/istio@86c9f01 pkg/config/validation/validation.go, validateHTTPDirectResponse).

use std::sync::Arc;

use super::super::fields::Fields;
use crate::model::DirectResponse;

/// Istio refuses a longer body.
const LONGEST: usize = 1024 * 1024;
/// Istio warns of a longer body.
const LONG: usize = 100 * 1024;

/// `None` when it is refused.
pub(super) fn read(answer: &Fields<'_>) -> Option<DirectResponse> {
    let report = answer.report();
    let status = answer.number("status").unwrap_or(0);
    let fine = u16::try_from(status).ok().filter(|status| (200..=600).contains(status));
    if fine.is_none() {
        let path = answer.path("status");
        report.error(&path, format!("{status} is no status of an answer"), "write one from 200 to 599");
    }
    let body = answer.object("body").map_or_else(Arc::default, |body| self::body(&body));
    answer.finish();
    if body.len() > LONGEST {
        report.error(&answer.path("body"), format!("is {} bytes long", body.len()), "Istio allows 1 MB");
    } else if body.len() > LONG {
        let problem = format!("is {} bytes long, and every client's routes hold it", body.len());
        report.warn(&answer.path("body"), problem, "serve what is above 100 KB from an endpoint");
    }
    Some(DirectResponse { status: fine?, body })
}

fn body(body: &Fields<'_>) -> Arc<[u8]> {
    let report = body.report();
    let (text, bytes) = (body.text("string"), body.text("bytes"));
    body.finish();
    match (text, bytes) {
        (Some(_), Some(_)) => {
            report.error(body.here(), "has both string and bytes", "keep one");
            Arc::default()
        }
        (Some(text), None) => text.as_bytes().into(),
        (None, Some(text)) => base64(text).map(Into::into).unwrap_or_else(|| {
            report.error(&body.path("bytes"), "is not base64", "encode it, or write string");
            Arc::default()
        }),
        (None, None) => Arc::default(),
    }
}

/// Both alphabets, with or without padding, as protobuf's JSON takes them.
fn base64(text: &str) -> Option<Vec<u8>> {
    let digits = text.trim_end_matches('=').as_bytes();
    let mut bytes = Vec::with_capacity(digits.len() / 4 * 3 + 2);
    for chunk in digits.chunks(4) {
        let mut bits = 0_u32;
        for digit in chunk {
            bits = (bits << 6) | u32::from(value_of(*digit)?);
        }
        // A chunk of n digits holds n - 1 bytes, at its upper end.
        let held = chunk.len().checked_sub(1).filter(|held| *held > 0)?;
        bits <<= 6 * (4 - chunk.len());
        bytes.extend_from_slice(&bits.to_be_bytes()[1..=held]);
    }
    Some(bytes)
}

fn value_of(digit: u8) -> Option<u8> {
    match digit {
        b'A'..=b'Z' => Some(digit - b'A'),
        b'a'..=b'z' => Some(digit - b'a' + 26),
        b'0'..=b'9' => Some(digit - b'0' + 52),
        b'+' | b'-' => Some(62),
        b'/' | b'_' => Some(63),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn given_base64_in_either_alphabet_then_it_is_decoded_and_other_text_is_not() {
        for (text, expected) in [
            ("", Some(&b""[..])),
            ("Zg==", Some(b"f")),
            ("Zm8=", Some(b"fo")),
            ("Zm9v", Some(b"foo")),
            ("Zm9vYg", Some(b"foob")),
            ("+/8=", Some(b"\xfb\xff")),
            ("-_8", Some(b"\xfb\xff")),
            ("Z", None),
            ("Zm9vY", None),
            ("Zm 9v", None),
        ] {
            assert_eq!(base64(text).as_deref(), expected, "{text}");
        }
    }
}
