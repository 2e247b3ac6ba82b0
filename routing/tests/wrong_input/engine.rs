//! The whole engine, asked everything about a text. What must hold for any text is asserted here.

use std::net::IpAddr;
use std::sync::Arc;

use meshlet_routing::analyze::analyze;
use meshlet_routing::decide::{Dialled, Outcome, Request, Towards, decide, normalize_path};
use meshlet_routing::explain::{Capture, Client, Question, Speech, about, explain};
use meshlet_routing::fault::{Fault, Severity};
use meshlet_routing::manifest;
use meshlet_routing::model::{Labels, World};
use meshlet_routing::table::{Scope, Table};
use meshlet_routing::validate::validate;

/// Host, path and port of the requests that every text is asked about.
pub(crate) const REQUESTS: &[(&str, &str, &str, u16)] = &[
    ("web", "GET", "/api/x?q=1&r=aa", 80),
    ("web.shop.svc.cluster.local:80", "POST", "/one", 80),
    ("WEB.shop", "GET", "/reg/../reg", 80),
    ("api.pay", "OPTIONS", "/old?x=1", 80),
    ("api.pay", "GET", "/teapot", 80),
    ("api.pay.svc", "GET", "/sub/a/b", 80),
    ("a.example.com", "GET", "/", 80),
    ("web", "GET", "/", 7000),
    ("web", "POST", "/pkg.Service/Method", 9090),
    ("nobody", "GET", "*", 80),
    ("", "", "", 0),
    ("[::1]:99999", "G\u{e9}T", "/%zz?%=&&=", 443),
    ("db", "GET", "/", 5432),
];

const HEADERS: &[(&str, &[u8])] = &[
    ("x-user", b"alice"),
    ("x-any", b""),
    ("origin", b"https://a.example"),
    ("access-control-request-method", b"GET"),
    ("cookie", b"c=1; c=2"),
    ("x-user", b"\xff\x00"),
];

const ADDRESSES: &[&str] = &["10.96.0.1", "10.96.0.2", "fd00::1", "203.0.113.9"];

/// Puts a text through every stage; returns the world it came to.
pub(crate) fn everything(text: &str) -> World {
    let parsed = manifest::parse("f.yaml", text);
    places(&parsed.faults, text);
    let mut valid = Vec::new();
    for manifest in &parsed.manifests {
        let validated = validate(manifest);
        places(&validated.faults, text);
        let refused = validated.faults.iter().any(|fault| fault.severity == Severity::Error);
        assert!(!(refused && validated.valid.is_some()), "refused and used: {:?}", validated.faults);
        valid.extend(validated.valid);
    }
    let world = World::assemble(&valid);
    for scope in scopes() {
        let table = Table::build(&world, &scope);
        for request in REQUESTS {
            decisions_are_total(&table, request);
            explanation_is_told(&world, &scope, request);
        }
        let shown = about(&world, &Client::Imaginary(scope));
        serde_json::to_string(&shown).expect("an explanation is JSON");
    }
    for finding in analyze([("f.yaml", text)]).findings {
        assert!(finding.reference.line >= 1 && finding.reference.column >= 1, "{finding:?}");
        assert!(!finding.message.is_empty(), "{finding:?}");
    }
    world
}

/// Clients that the corpus tells apart.
pub(crate) fn scopes() -> [Scope; 3] {
    let client: Labels = [(Box::from("app"), Box::from("client"))].into();
    [
        Scope::new("shop".into(), Arc::new(client)),
        Scope::new("pay".into(), Arc::default()),
        Scope::new("istio-system".into(), Arc::default()),
    ]
}

/// Every fault names what is wrong and a line of the text.
fn places(faults: &[Fault], text: &str) {
    let lines = u64::try_from(text.split('\n').count()).expect("few lines");
    for fault in faults {
        assert!(!fault.problem.is_empty(), "{fault:?}");
        assert!(fault.source.column >= 1, "{fault:?}");
        assert!((1..=lines + 1).contains(&fault.source.line), "{lines} lines: {fault:?}");
    }
}

/// Every request has exactly one verdict, always the same, and one that can be carried out.
fn decisions_are_total(table: &Table, (host, method, path, port): &(&str, &str, &str, u16)) {
    let path = normalize_path(path);
    let request = Request { method, authority: host, path: &path, headers: HEADERS, source: Some(address("10.1.0.9")) };
    for dialled in ADDRESSES {
        let dialled = Dialled { address: address(dialled), port: *port };
        for draw in [0, 1 << 31, u32::MAX] {
            let decision = decide(table, dialled, &request, draw);
            match &decision.outcome {
                Outcome::Route(route) => {
                    assert!(route.towards == Towards::Dialled || !route.cluster.endpoints.is_empty(), "{decision:?}");
                    assert!(!route.cluster.name.is_empty(), "{decision:?}");
                }
                Outcome::Respond(respond) => {
                    assert!((200..=600).contains(&respond.status), "{decision:?}");
                    assert!(!respond.flag.is_empty(), "{decision:?}");
                    let plain = |text: &str| !text.bytes().any(|byte| matches!(byte, b'\r' | b'\n' | 0));
                    assert!(respond.headers.iter().all(|(_, value)| plain(value)), "{decision:?}");
                }
                Outcome::Passthrough(_) => {}
            }
            let again = decide(table, dialled, &request, draw);
            assert_eq!(format!("{decision:?}"), format!("{again:?}"));
        }
    }
}

/// `explain` says one of the contract's verdicts, and is JSON.
fn explanation_is_told(world: &World, scope: &Scope, ask: &(&str, &str, &str, u16)) {
    let (host, method, path, port) = ask;
    let request = Request { method, authority: host, path, headers: HEADERS, source: None };
    let client = Client::Imaginary(scope.clone());
    let (speech, capture) = (Speech::Http1, Capture::Ports);
    let question =
        Question { client, speech, host, address: None, port: *port, request, capture, seed: 7, all_rules: true };
    let answer = explain(world, &question);
    let verdicts = ["bypass", "passthrough", "route", "respond", "redirect", "reset"];
    assert!(verdicts.contains(&answer.verdict), "{answer:?}");
    assert!(!answer.reason.is_empty(), "{answer:?}");
    assert_eq!(answer.verdict == "route", answer.pick.is_some(), "{answer:?}");
    assert_eq!(matches!(answer.verdict, "respond" | "redirect"), answer.response.is_some(), "{answer:?}");
    serde_json::to_string(&answer).expect("an explanation is JSON");
}

pub(crate) fn address(text: &str) -> IpAddr {
    text.parse().expect("an address")
}
