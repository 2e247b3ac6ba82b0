//! What an expectation may say: the keys of an explanation's JSON, and short names for what is asked most.

/// What is written for a key, and how it is compared. `null` is always allowed: there is none.
#[derive(Debug, Clone, Copy)]
pub(super) enum Shape {
    /// The same text.
    Text,
    /// A host name, which may stop short at a dot.
    Host,
    /// `true` or `false`.
    Truth,
    /// A whole number.
    Whole,
    /// A part of one, `0.1` or `10%`, within a twentieth of a percent.
    Share,
    /// A number, or a percentage with its sign.
    Percent,
    /// `2s`; found in milliseconds, where 0 stands for none.
    Duration,
    /// A list of texts in any order, or how many there are.
    Texts,
    /// These keys and perhaps more; text or a number by itself is meant for the key named.
    Fields(&'static [Key], Option<&'static str>),
    /// A list: as many as are found, in any order.
    Exactly(&'static Shape),
    /// A list: each of them is found; none at all when it is empty.
    Among(&'static Shape),
    /// Header lines by name: a value, or `null` for one that is removed or not there.
    Lines,
}

/// A key and where an explanation has it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Key {
    pub(super) name: &'static str,
    /// A JSON pointer; `*` stands for every destination that gets requests.
    pub(super) at: &'static str,
    pub(super) shape: Shape,
}

const fn key(name: &'static str, at: &'static str, shape: Shape) -> Key {
    Key { name, at, shape }
}

/// What `expect:` and `not:` may hold.
pub(super) const TOP: &[Key] = &[
    key("verdict", "/verdict", Shape::Text),
    key("reason", "/reason", Shape::Text),
    key("path", "/path", Shape::Text),
    key("captured", "/client/captured", Shape::Truth),
    key("service", "/service", Shape::Fields(SERVICE, Some("host"))),
    key("virtualService", "/virtualService", Shape::Text),
    key("httpRoute", "/httpRoute", Shape::Text),
    key("rule", "/rule", Shape::Fields(RULE, Some("name"))),
    key("destinations", "/destinations", Shape::Exactly(&DESTINATION)),
    key("host", "/destinations/*/host", Shape::Host),
    key("subset", "/destinations/*/subset", Shape::Text),
    key("destinationRule", "/destinations/*/destinationRule", Shape::Text),
    key("loadBalancer", "/destinations/*/loadBalancer", Shape::Fields(LOAD_BALANCER, Some("policy"))),
    key("pick", "/pick", Shape::Fields(PICK, Some("endpoint"))),
    key("request", "/request", Shape::Fields(REQUEST, None)),
    key("response", "/response", Shape::Fields(RESPONSE, Some("status"))),
    key("responseFlag", "/responseFlag", Shape::Text),
    key("status", "/response/status", Shape::Whole),
    key("location", "/response/headers/location", Shape::Text),
    key("timeout", "/policy/timeoutMs", Shape::Duration),
    key("retries", "/policy/retries", Shape::Fields(RETRIES, Some("attempts"))),
    key("fault", "/policy/fault", Shape::Fields(FAULT, None)),
    key("mirrors", "/policy/mirrors", Shape::Exactly(&MIRROR)),
    key("notUsed", "/notUsed", Shape::Among(&LOSER)),
    key("skipped", "/skipped", Shape::Among(&SKIPPED)),
];

const SERVICE: &[Key] =
    &[key("host", "/host", Shape::Host), key("port", "/port", Shape::Whole), key("protocol", "/protocol", Shape::Text)];

const RULE: &[Key] = &[
    key("kind", "/kind", Shape::Text),
    key("index", "/index", Shape::Whole),
    key("name", "/name", Shape::Text),
    key("match", "/match", Shape::Whole),
    key("delegate", "/delegate", DELEGATE),
];

const DELEGATE: Shape = Shape::Fields(
    &[
        key("virtualService", "/virtualService", Shape::Text),
        key("index", "/index", Shape::Whole),
        key("match", "/match", Shape::Whole),
    ],
    Some("virtualService"),
);

const SKIPPED: Shape = Shape::Fields(
    &[
        key("kind", "/kind", Shape::Text),
        key("index", "/index", Shape::Whole),
        key("name", "/name", Shape::Text),
        key("match", "/match", Shape::Whole),
        key("delegate", "/delegate", DELEGATE),
        key("message", "/message", Shape::Text),
    ],
    Some("name"),
);

const DESTINATION: Shape = Shape::Fields(
    &[
        key("host", "/host", Shape::Host),
        key("subset", "/subset", Shape::Text),
        key("port", "/port", Shape::Whole),
        key("weight", "/weight", Shape::Whole),
        key("share", "/share", Shape::Share),
        key("cluster", "/cluster", Shape::Text),
        key("destinationRule", "/destinationRule", Shape::Text),
        key("endpoints", "/endpoints", Shape::Texts),
        key("loadBalancer", "/loadBalancer", Shape::Fields(LOAD_BALANCER, Some("policy"))),
        key("tls", "/tls", Shape::Fields(TLS, Some("mode"))),
    ],
    Some("subset"),
);

const TLS: &[Key] = &[
    key("mode", "/mode", Shape::Text),
    key("sni", "/sni", Shape::Text),
    key("caCertificates", "/caCertificates", Shape::Text),
    key("subjectAltNames", "/subjectAltNames", Shape::Texts),
    key("insecureSkipVerify", "/insecureSkipVerify", Shape::Truth),
];

const LOAD_BALANCER: &[Key] =
    &[key("policy", "/policy", Shape::Text), key("key", "/key", Shape::Fields(HASH_KEY, None))];

const HASH_KEY: &[Key] = &[
    key("header", "/header", Shape::Text),
    key("cookie", "/cookie", Shape::Text),
    key("queryParameter", "/queryParameter", Shape::Text),
    key("sourceIp", "/sourceIp", Shape::Truth),
];

const PICK: &[Key] = &[
    key("subset", "/subset", Shape::Text),
    key("endpoint", "/endpoint", Shape::Text),
    key("pod", "/pod", Shape::Text),
    key("sticky", "/sticky", Shape::Truth),
];

const REQUEST: &[Key] = &[
    key("method", "/method", Shape::Text),
    key("authority", "/authority", Shape::Text),
    key("path", "/path", Shape::Text),
    key("headers", "/headers", Shape::Lines),
];

const RESPONSE: &[Key] = &[
    key("status", "/status", Shape::Whole),
    key("flag", "/flag", Shape::Text),
    key("headers", "/headers", Shape::Lines),
    key("body", "/body", Shape::Text),
];

const RETRIES: &[Key] = &[
    key("attempts", "/attempts", Shape::Whole),
    key("perTryTimeout", "/perTryTimeoutMs", Shape::Duration),
    key("retryOn", "/retryOn", Shape::Texts),
];

const FAULT: &[Key] = &[
    key("delay", "/delay", Shape::Fields(DELAY, Some("fixed"))),
    key("abort", "/abort", Shape::Fields(ABORT, Some("httpStatus"))),
];

const DELAY: &[Key] = &[key("fixed", "/fixedMs", Shape::Duration), key("percent", "/percent", Shape::Percent)];

const ABORT: &[Key] = &[
    key("httpStatus", "/httpStatus", Shape::Whole),
    key("grpcStatus", "/grpcStatus", Shape::Text),
    key("percent", "/percent", Shape::Percent),
];

const MIRROR: Shape = Shape::Fields(
    &[
        key("host", "/host", Shape::Host),
        key("subset", "/subset", Shape::Text),
        key("port", "/port", Shape::Whole),
        key("percent", "/percent", Shape::Percent),
        key("cluster", "/cluster", Shape::Text),
    ],
    Some("host"),
);

const LOSER: Shape = Shape::Fields(
    &[
        key("object", "/object", Shape::Text),
        key("reason", "/reason", Shape::Text),
        key("message", "/message", Shape::Text),
    ],
    Some("reason"),
);

/// The key of a list.
pub(super) fn named(keys: &'static [Key], name: &str) -> Option<&'static Key> {
    keys.iter().find(|key| key.name == name)
}

/// The names of a list, for a message.
pub(super) fn names(keys: &[Key]) -> String {
    keys.iter().map(|key| key.name).collect::<Vec<_>>().join(", ")
}
