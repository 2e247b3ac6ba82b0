//! A header's value as rules write it: text with Envoy's `%VARIABLE%`s in it.

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;

/// Text with variables.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Template(pub Box<[Segment]>);

/// A part of a [`Template`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Segment {
    /// Text, `%%` already one percent sign.
    Text(Box<str>),
    /// What stands between two percent signs.
    Variable(Variable),
}

/// What a template may name.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(missing_docs, reason = "the variants without fields are Envoy's words of the same name: WORDS")]
pub enum Variable {
    /// `REQ(name?alternative)`: a header of the request, else another one. Names are in lower case, `:path` and its like
    /// included.
    RequestHeader {
        name: Box<str>,
        alternative: Option<Box<str>>,
    },
    /// `RESP(name?alternative)`: the same of the response; nothing while there is none.
    ResponseHeader {
        name: Box<str>,
        alternative: Option<Box<str>>,
    },
    /// `START_TIME(format)`: when the request began, by a strftime format; without one as `2026-01-31T23:59:59.123Z`.
    StartTime {
        format: Option<Box<str>>,
    },
    /// A word that Envoy knows and that stands for nothing here, arguments included.
    Nothing(Box<str>),
    Protocol,
    DownstreamRemoteAddress,
    DownstreamRemoteAddressWithoutPort,
    DownstreamRemotePort,
    DownstreamLocalAddress,
    DownstreamLocalAddressWithoutPort,
    DownstreamLocalPort,
    UpstreamHost,
    UpstreamHostWithoutPort,
    UpstreamRemotePort,
    UpstreamCluster,
    UpstreamRequestAttemptCount,
    RouteName,
    ResponseCode,
    ResponseCodeDetails,
    ResponseFlags,
    Hostname,
}

impl Variable {
    /// Every word without arguments, with what it means; some mean the same to a proxy of plain connections.
    pub const WORDS: [(&'static str, Self); 23] = [
        ("PROTOCOL", Self::Protocol),
        ("DOWNSTREAM_REMOTE_ADDRESS", Self::DownstreamRemoteAddress),
        ("DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT", Self::DownstreamRemoteAddressWithoutPort),
        ("DOWNSTREAM_REMOTE_PORT", Self::DownstreamRemotePort),
        ("DOWNSTREAM_DIRECT_REMOTE_ADDRESS", Self::DownstreamRemoteAddress),
        ("DOWNSTREAM_DIRECT_REMOTE_ADDRESS_WITHOUT_PORT", Self::DownstreamRemoteAddressWithoutPort),
        ("DOWNSTREAM_DIRECT_REMOTE_PORT", Self::DownstreamRemotePort),
        ("DOWNSTREAM_LOCAL_ADDRESS", Self::DownstreamLocalAddress),
        ("DOWNSTREAM_LOCAL_ADDRESS_WITHOUT_PORT", Self::DownstreamLocalAddressWithoutPort),
        ("DOWNSTREAM_LOCAL_PORT", Self::DownstreamLocalPort),
        ("UPSTREAM_HOST", Self::UpstreamHost),
        ("UPSTREAM_REMOTE_ADDRESS", Self::UpstreamHost),
        ("UPSTREAM_REMOTE_ADDRESS_WITHOUT_PORT", Self::UpstreamHostWithoutPort),
        ("UPSTREAM_REMOTE_PORT", Self::UpstreamRemotePort),
        ("UPSTREAM_CLUSTER", Self::UpstreamCluster),
        ("UPSTREAM_CLUSTER_RAW", Self::UpstreamCluster),
        ("UPSTREAM_REQUEST_ATTEMPT_COUNT", Self::UpstreamRequestAttemptCount),
        ("ROUTE_NAME", Self::RouteName),
        ("RESPONSE_CODE", Self::ResponseCode),
        ("RESPONSE_CODE_DETAILS", Self::ResponseCodeDetails),
        ("RESPONSE_FLAGS", Self::ResponseFlags),
        ("HOSTNAME", Self::Hostname),
        ("START_TIME", Self::StartTime { format: None }),
    ];
}

impl Template {
    /// Text in which nothing is looked for.
    #[must_use]
    pub fn text(text: &str) -> Self {
        Self([Segment::Text(text.into())].into())
    }

    /// The value for one request; `value` says what a variable stands for, `None` for nothing.
    pub fn render<'t>(&'t self, mut value: impl FnMut(&Variable) -> Option<Cow<'t, [u8]>>) -> Cow<'t, [u8]> {
        let mut segments = self.0.iter().map(|segment| match segment {
            Segment::Text(text) => text.as_bytes().into(),
            Segment::Variable(variable) => value(variable).unwrap_or_default(),
        });
        let first: Cow<'t, [u8]> = segments.next().unwrap_or_default();
        segments.fold(first, |mut all, segment| {
            all.to_mut().extend_from_slice(&segment);
            all
        })
    }
}

impl FromStr for Template {
    /// What is wrong with the text, in a few words.
    type Err = String;

    /// Reads what Istio's webhook lets pass and Envoy can make a header of
    /// (istio/istio@86c9f01 pkg/config/validation/header_value_validator.go, validateHeaderValue).
    fn from_str(text: &str) -> Result<Self, String> {
        let (mut segments, mut plain, mut rest) = (Vec::new(), String::new(), text);
        while let Some((before, behind)) = rest.split_once('%') {
            plain.push_str(before);
            if let Some(behind) = behind.strip_prefix('%') {
                plain.push('%');
                rest = behind;
                continue;
            }
            let (variable, behind) = variable(behind)?;
            if !plain.is_empty() {
                segments.push(Segment::Text(std::mem::take(&mut plain).into()));
            }
            segments.push(Segment::Variable(variable));
            rest = behind;
        }
        plain.push_str(rest);
        if !plain.is_empty() {
            segments.push(Segment::Text(plain.into()));
        }
        Ok(Self(segments.into()))
    }
}

/// The variable that a text begins with, behind its first percent sign, and what follows its second one.
fn variable(text: &str) -> Result<(Variable, &str), String> {
    let end = text.find(|c: char| !(c.is_ascii_uppercase() || c.is_ascii_digit() || c == '_')).unwrap_or(text.len());
    let (word, rest) = text.split_at(end);
    let (argument, rest) = match rest.strip_prefix('(') {
        None => (None, rest),
        Some(rest) => {
            let (argument, rest) = rest.split_once(')').ok_or_else(|| format!("%{text} has no closing parenthesis"))?;
            (Some(argument), rest)
        }
    };
    let Some(rest) = rest.trim_start_matches(' ').strip_prefix('%').filter(|_| !word.is_empty()) else {
        return Err(format!("%{text} begins with no %VARIABLE%"));
    };
    let header = |argument: &str| {
        let (name, alternative) = match argument.split_once('?') {
            None => (argument, None),
            Some((name, alternative)) => (name, Some(alternative)),
        };
        let fine = |name: &str| !name.is_empty() && !name.contains(['?', ' ', '"', '[', ']']);
        (fine(name) && alternative.is_none_or(fine))
            .then(|| (name.to_ascii_lowercase().into(), alternative.map(|name| name.to_ascii_lowercase().into())))
    };
    let known = match (word, argument) {
        ("REQ", Some(argument)) => {
            header(argument).map(|(name, alternative)| Variable::RequestHeader { name, alternative })
        }
        ("RESP", Some(argument)) => {
            header(argument).map(|(name, alternative)| Variable::ResponseHeader { name, alternative })
        }
        ("START_TIME", Some(format)) => Some(Variable::StartTime { format: Some(format.into()) }),
        (word, None) => Variable::WORDS.iter().find(|(known, _)| *known == word).map(|(_, variable)| variable.clone()),
        (_, Some(_)) => None,
    };
    let nothing = || {
        let written = argument.map_or_else(|| word.to_owned(), |argument| format!("{word}({argument})"));
        WITHOUT_VALUE.contains(&word).then(|| Variable::Nothing(written.into()))
    };
    let written = &text[..text.len() - rest.len()];
    let variable = known.or_else(nothing).ok_or_else(|| format!("%{written} is not one of Envoy's variables"))?;
    Ok((variable, rest))
}

/// Words of Envoy's command operators that nothing here answers to: most are of TLS, of filters, or known at the end alone.
const WITHOUT_VALUE: [&str; 60] = [
    "ACCESS_LOG_TYPE",
    "BYTES_RECEIVED",
    "BYTES_SENT",
    "CLUSTER_METADATA",
    "COMMON_DURATION",
    "CONNECTION_ID",
    "CONNECTION_TERMINATION_DETAILS",
    "DOWNSTREAM_HEADER_BYTES_RECEIVED",
    "DOWNSTREAM_HEADER_BYTES_SENT",
    "DOWNSTREAM_LOCAL_DNS_SAN",
    "DOWNSTREAM_LOCAL_IP_SAN",
    "DOWNSTREAM_LOCAL_SUBJECT",
    "DOWNSTREAM_LOCAL_URI_SAN",
    "DOWNSTREAM_PEER_CERT",
    "DOWNSTREAM_PEER_CERT_V_END",
    "DOWNSTREAM_PEER_CERT_V_START",
    "DOWNSTREAM_PEER_DNS_SAN",
    "DOWNSTREAM_PEER_FINGERPRINT_1",
    "DOWNSTREAM_PEER_FINGERPRINT_256",
    "DOWNSTREAM_PEER_IP_SAN",
    "DOWNSTREAM_PEER_ISSUER",
    "DOWNSTREAM_PEER_SERIAL",
    "DOWNSTREAM_PEER_SUBJECT",
    "DOWNSTREAM_PEER_URI_SAN",
    "DOWNSTREAM_TLS_CIPHER",
    "DOWNSTREAM_TLS_SESSION_ID",
    "DOWNSTREAM_TLS_VERSION",
    "DOWNSTREAM_TRANSPORT_FAILURE_REASON",
    "DOWNSTREAM_WIRE_BYTES_RECEIVED",
    "DOWNSTREAM_WIRE_BYTES_SENT",
    "DURATION",
    "DYNAMIC_METADATA",
    "EMIT_TIME",
    "ENVIRONMENT",
    "FILTER_CHAIN_NAME",
    "FILTER_STATE",
    "GRPC_STATUS",
    "GRPC_STATUS_NUMBER",
    "LOCAL_REPLY_BODY",
    "METADATA",
    "PER_REQUEST_STATE",
    "REQUESTED_SERVER_NAME",
    "REQUEST_DURATION",
    "REQUEST_TX_DURATION",
    "RESPONSE_DURATION",
    "RESPONSE_TX_DURATION",
    "STREAM_ID",
    "TLS_JA3_FINGERPRINT",
    "TRACE_ID",
    "TRAILER",
    "UPSTREAM_CONNECTION_ID",
    "UPSTREAM_FILTER_STATE",
    "UPSTREAM_LOCAL_ADDRESS",
    "UPSTREAM_LOCAL_ADDRESS_WITHOUT_PORT",
    "UPSTREAM_LOCAL_PORT",
    "UPSTREAM_METADATA",
    "UPSTREAM_TLS_VERSION",
    "UPSTREAM_TRANSPORT_FAILURE_REASON",
    "UNIQUE_ID",
    "VIRTUAL_CLUSTER_NAME",
];

impl fmt::Display for Variable {
    /// As it is written between the percent signs.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let header = |f: &mut fmt::Formatter<'_>, word, name, alternative: &Option<Box<str>>| match alternative {
            Some(alternative) => write!(f, "{word}({name}?{alternative})"),
            None => write!(f, "{word}({name})"),
        };
        match self {
            Self::RequestHeader { name, alternative } => header(f, "REQ", name, alternative),
            Self::ResponseHeader { name, alternative } => header(f, "RESP", name, alternative),
            Self::StartTime { format: Some(format) } => write!(f, "START_TIME({format})"),
            Self::Nothing(word) => f.write_str(word),
            other => f.write_str(Self::WORDS.iter().find(|(_, word)| word == other).map_or("", |(word, _)| word)),
        }
    }
}
