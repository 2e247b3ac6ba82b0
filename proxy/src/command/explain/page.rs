//! The answer for eyes: verdict first, evidence second, losers last.

use std::fmt::Write as _;

use super::answer::{Answer, Destination, Key, LoadBalancer, Policy, Rule};
use super::marks;

const YES: &str = "✔";
const NO: &str = "✘";
const ASIDE: &str = "–";

/// An answer does not say where it comes from, so that this has to serve both.
const UNRESOLVED: &str = "its endpoints are DNS names that are not known to come to an address: files alone resolve none (ask the daemon, \
                          without -f), and the daemon's log says what its nameservers answered";

/// How much is printed, and how.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Style {
    /// With escape sequences.
    pub(crate) colour: bool,
    /// Endpoints one by one, and every policy even where it is the default.
    pub(crate) wide: bool,
}

/// The page, ending with a line feed.
pub(crate) fn page(answer: &Answer, style: Style) -> String {
    let mut page = Page { text: String::new(), style };
    if answer.request.is_some() || !matches!(&*answer.verdict, "bypass" | "captured") {
        page.verdict(answer);
    }
    page.client(answer);
    page.rules(answer);
    page.split(answer);
    page.policy(answer);
    page.outcome(answer);
    page.lines("MAY MEET", ASIDE, answer.objects.iter().map(String::clone));
    let losers = answer.not_used.iter();
    page.lines("NOT USED", ASIDE, losers.map(|loser| format!("{}  {}: {}", loser.object, loser.reason, loser.message)));
    page.text
}

/// One line: what decided, and where the request goes.
pub(crate) fn summary(answer: &Answer) -> String {
    let by = match (owner(answer), &answer.rule) {
        (Some(object), Some(rule)) => format!("{object} {}", place(rule)),
        (Some(object), None) => format!("{object}, none of whose rules takes it"),
        (None, _) => answer.reason.clone(),
    };
    let to: Vec<String> =
        answer.destinations.iter().map(|one| format!("{} {}", name(one), percent(one.share))).collect();
    let to = if to.is_empty() { String::new() } else { format!(" → {}", to.join(", ")) };
    format!("{} by {by}{to}", answer.verdict)
}

/// The object whose rules the host has.
fn owner(answer: &Answer) -> Option<String> {
    let virtual_service = answer.virtual_service.as_ref().map(|name| format!("VirtualService {name}"));
    virtual_service.or_else(|| answer.http_route.as_ref().map(|name| format!("HTTPRoute {name}")))
}

/// The rules that were tried before, or all when none took the request, each with why.
pub(crate) fn skipped(answer: &Answer) -> Vec<String> {
    answer.skipped.iter().map(|one| format!("{} skipped: {}", place(&one.rule), one.message)).collect()
}

struct Page {
    text: String,
    style: Style,
}

impl Page {
    fn line(&mut self, title: &str, sign: &str, text: &str) {
        let shade = match sign {
            YES => "32",
            NO => "31",
            _ => "2",
        };
        let sign = match (self.style.colour, sign) {
            (_, "") => " ".to_owned(),
            (true, sign) => format!("\x1b[{shade}m{sign}\x1b[0m"),
            (false, sign) => sign.to_owned(),
        };
        writeln!(self.text, "{title:<11} {sign}  {}", one_line(text)).expect("a String takes everything");
    }

    /// Lines of one kind; the first has the title.
    fn lines(&mut self, title: &str, sign: &str, texts: impl Iterator<Item = String>) {
        let mut title = title;
        for text in texts {
            self.line(title, sign, &text);
            title = "";
        }
    }

    fn verdict(&mut self, answer: &Answer) {
        let what = if answer.request.is_some() { "request" } else { "connection" };
        let (sign, sentence) = match &*answer.verdict {
            "bypass" => (ASIDE, format!("the {what} goes out as it is; kube-proxy decides")),
            "passthrough" => (ASIDE, format!("the {what} goes where it was dialled; kube-proxy decides")),
            "route" => (YES, format!("the {what} is sent to a destination below")),
            "redirect" => (YES, "the client is sent elsewhere".to_owned()),
            "reset" => {
                let flag = answer.response_flag.as_ref().map(|flag| format!(", flag {flag}")).unwrap_or_default();
                (NO, format!("the connection has nowhere to go and is closed{flag}"))
            }
            _ => (NO, format!("the {what} is answered by the proxy")),
        };
        let (verdict, reason, path) = (&answer.verdict, &answer.reason, &answer.path);
        self.line("VERDICT", sign, &format!("{verdict}: {sentence} ({reason}, path {path})"));
        if reason == "UnresolvedName" {
            self.line("", ASIDE, UNRESOLVED);
        }
    }

    fn client(&mut self, answer: &Answer) {
        let client = &answer.client;
        let name = client.pod.as_deref().unwrap_or("an imaginary client");
        let sign = if client.captured { YES } else { NO };
        let why = marks::sentence(&client.reason);
        self.line("MESHED", sign, &format!("{}/{name}: {}{why}", client.namespace, client.reason));
        let service = answer.service.as_ref();
        let service = service.map(|service| format!("{}:{}, {}", service.host, service.port, service.protocol));
        match (&answer.capture, service) {
            (Some(capture), service) => {
                let sign = if capture.captured { YES } else { ASIDE };
                let address = if capture.address.contains(':') {
                    format!("[{}]", capture.address)
                } else {
                    capture.address.clone()
                };
                let service = service.map(|service| format!(" = {service}")).unwrap_or_default();
                self.line("CAPTURED", sign, &format!("{address}:{}{service}: {}", capture.port, capture.message));
            }
            (None, Some(service)) => self.line("SERVICE", "", &service),
            (None, None) => {}
        }
    }

    fn rules(&mut self, answer: &Answer) {
        if let Some(rules) = &answer.rules {
            let object = owner(answer).map(|object| format!("{object}  ")).unwrap_or_default();
            let mut title = "RULE";
            for judged in rules {
                let sign = if judged.verdict == "taken" { YES } else { ASIDE };
                let (place, verdict) = (place(&judged.rule), &judged.verdict);
                self.line(title, sign, &format!("{object}{place} {verdict}: {}", judged.message));
                title = "";
            }
            return;
        }
        let title = match (owner(answer), &answer.rule) {
            (Some(object), Some(rule)) => {
                let takes = if rule.entry.is_none() { " takes everything" } else { "" };
                let gateways = answer.gateways.as_deref().map(gateways).unwrap_or_default();
                self.line("RULE", YES, &format!("{object}  {}{takes}{gateways}", place(rule)));
                ""
            }
            (Some(object), None) => {
                self.line("RULE", NO, &format!("{object}  none of its rules takes the request"));
                ""
            }
            (None, _) => "RULE",
        };
        self.lines(title, ASIDE, skipped(answer).into_iter());
    }

    fn split(&mut self, answer: &Answer) {
        let mut title = "SPLIT";
        for destination in &answer.destinations {
            let count = destination.endpoints.len();
            let plural = if count == 1 { "" } else { "s" };
            let how = destination.load_balancer.as_ref().map_or_else(|| "no such cluster".to_owned(), balancer);
            let share = percent(destination.share);
            self.line(title, "", &format!("{}  {share}  {count} endpoint{plural}, {how}", name(destination)));
            title = "";
            if self.style.wide {
                let weight = destination.weight.map(|weight| format!("weight {weight}, ")).unwrap_or_default();
                let endpoints = destination.endpoints.join(" ");
                self.line("", "", &format!("  {weight}port {} of {}  {endpoints}", destination.port, destination.host));
            }
        }
    }

    fn policy(&mut self, answer: &Answer) {
        let mut rules: Vec<String> = Vec::new();
        for rule in answer.destinations.iter().filter_map(|destination| destination.destination_rule.as_ref()) {
            let line = format!("DestinationRule {rule}");
            if !rules.contains(&line) {
                rules.push(line);
            }
        }
        let wide = self.style.wide;
        let done = answer.policy.as_ref().map(|policy| policies(policy, wide)).unwrap_or_default();
        self.lines("POLICY", YES, rules.into_iter().chain(done));
    }

    fn outcome(&mut self, answer: &Answer) {
        if let (Some(request), "route") = (&answer.request, &*answer.verdict) {
            if self.style.wide || !request.headers.is_empty() {
                self.line("SENT", "", &format!("{} {}, Host {}", request.method, request.path, request.authority));
            }
            let line = |(name, value): &(String, Option<String>)| match value {
                Some(value) => format!("  {name}: {value}"),
                None => format!("  {name} removed"),
            };
            self.lines("", "", request.headers.iter().map(line));
        }
        if let Some(response) = &answer.response {
            let sign = if response.status < 400 { YES } else { NO };
            let flag = if response.flag == "-" { String::new() } else { format!(" {}", response.flag) };
            let body = if response.body.is_empty() { String::new() } else { format!(" {:?}", response.body) };
            self.line("ANSWER", sign, &format!("{}{flag}{body}", response.status));
            self.lines("", "", response.headers.iter().map(|(name, value)| format!("  {name}: {value}")));
        }
        if let Some(pick) = &answer.pick {
            let subset = pick.subset.as_ref().map(|subset| format!("{subset} → ")).unwrap_or_default();
            let named = pick.endpoint.parse::<std::net::SocketAddr>().is_err();
            let sticky = if named {
                "the name is resolved when it is asked for"
            } else if pick.sticky {
                "by the hash: the same while endpoints are"
            } else {
                "one draw of many"
            };
            let pod = pick.pod.as_ref().map(|pod| format!("{pod} ")).unwrap_or_default();
            self.line("PICK", "", &format!("{subset}{pod}{}  ({sticky})", pick.endpoint));
        }
    }
}

/// Why the rule is the mesh's.
fn gateways(gateways: &[String]) -> String {
    match gateways {
        [] => "  (gateways not set: mesh)".to_owned(),
        names => format!("  (gateways [{}])", names.join(", ")),
    }
}

/// `http[1] "canary" match[0]`, and the delegate's rule that it stands for.
fn place(rule: &Rule) -> String {
    let name = rule.name.as_ref().map(|name| format!(" {name:?}")).unwrap_or_default();
    let entry = |entry: Option<usize>| entry.map(|entry| format!(" match[{entry}]")).unwrap_or_default();
    let delegate = rule.delegate.as_ref().map(|delegate| {
        let (object, rule) = (&delegate.virtual_service, format!("{}[{}]", rule.kind, delegate.index));
        format!(" → VirtualService {object} {rule}{}", entry(delegate.entry))
    });
    format!("{}[{}]{name}{}{}", rule.kind, rule.index, entry(rule.entry), delegate.unwrap_or_default())
}

fn name(destination: &Destination) -> &str {
    destination.subset.as_deref().unwrap_or(&destination.host)
}

fn percent(share: f64) -> String {
    format!("{:.1} %", share * 100.0)
}

fn balancer(balancer: &LoadBalancer) -> String {
    let key = match &balancer.key {
        None => return balancer.policy.clone(),
        Some(Key::Header(name)) => format!("header {name}"),
        Some(Key::Cookie(name)) => format!("cookie {name}"),
        Some(Key::QueryParameter(name)) => format!("query parameter {name}"),
        Some(Key::SourceIp(_)) => "the client's address".to_owned(),
    };
    format!("{} by {key}", balancer.policy)
}

/// What is done to the request beside sending it; what every request gets is left out unless `wide`.
fn policies(policy: &Policy, wide: bool) -> Vec<String> {
    let mut lines = Vec::new();
    let limit = |milliseconds: u64| if milliseconds == 0 { "none".to_owned() } else { format!("{milliseconds} ms") };
    if wide || policy.timeout_ms > 0 {
        lines.push(format!("timeout {}", limit(policy.timeout_ms)));
    }
    if let Some(retries) = policy.retries.as_ref().filter(|_| wide) {
        let (attempts, each, on) = (retries.attempts, limit(retries.per_try_timeout_ms), retries.retry_on.join(", "));
        lines.push(format!("retries {attempts}, each limited to {each}, on {on}"));
    }
    let fault = policy.fault.as_ref();
    if let Some(delay) = fault.and_then(|fault| fault.delay.as_ref()) {
        lines.push(format!("fault {} % wait {} ms", delay.percent, delay.fixed_ms));
    }
    if let Some(abort) = fault.and_then(|fault| fault.abort.as_ref()) {
        let http = abort.http_status.map(|status| status.to_string());
        let status = http.or_else(|| Some(format!("gRPC {}", abort.grpc_status.as_ref()?))).unwrap_or_default();
        lines.push(format!("fault {} % are answered {status}", abort.percent));
    }
    for mirror in &policy.mirrors {
        let subset = mirror.subset.as_ref().map(|subset| format!(" {subset}")).unwrap_or_default();
        lines.push(format!("mirror {:.1} % to {}{subset}", mirror.percent, mirror.host));
    }
    lines
}

/// One fact, one line: what a manifest holds may have line breaks and escape sequences of its own.
fn one_line(text: &str) -> String {
    text.chars().map(|letter| if letter.is_control() { ' ' } else { letter }).collect()
}
