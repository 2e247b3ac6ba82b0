//! The answer for eyes: verdict first, evidence second, losers last.

use std::fmt::Write as _;

use meshlet_routing::explain::{Destination, Explanation};

const YES: &str = "✔";
const NO: &str = "✘";
const ASIDE: &str = "–";

/// The page, ending with a line feed.
pub(super) fn page(explanation: &Explanation, colour: bool) -> String {
    let mut page = Page { text: String::new(), colour };
    page.client(explanation);
    if explanation.request.is_some() {
        page.request(explanation);
    }
    let mut title = "MAY MEET";
    for object in explanation.objects.iter().flatten() {
        page.line(title, ASIDE, object);
        title = "";
    }
    let mut title = "NOT USED";
    for loser in &explanation.not_used {
        page.line(title, ASIDE, &format!("{}  {}: {}", loser.object, loser.reason, loser.message));
        title = "";
    }
    page.text
}

struct Page {
    text: String,
    colour: bool,
}

impl Page {
    fn line(&mut self, title: &str, sign: &str, text: &str) {
        let shade = match sign {
            YES => "32",
            NO => "31",
            _ => "2",
        };
        let sign =
            if self.colour && !sign.is_empty() { format!("\x1b[{shade}m{sign}\x1b[0m") } else { sign.to_owned() };
        let gap = if sign.is_empty() { " " } else { "" };
        writeln!(self.text, "{title:<11} {sign}{gap}  {text}").expect("a String takes everything");
    }

    fn client(&mut self, explanation: &Explanation) {
        let client = &explanation.client;
        let name = client.pod.as_deref().unwrap_or("an imaginary client");
        let sign = if client.captured { YES } else { NO };
        let state = if client.captured { "captured" } else { "not captured" };
        self.line("CLIENT", sign, &format!("{}/{name} is {state}: {}", client.namespace, client.reason));
    }

    fn request(&mut self, explanation: &Explanation) {
        let sign = match explanation.verdict {
            "route" => YES,
            "respond" => NO,
            _ => ASIDE,
        };
        let sentence = match explanation.verdict {
            "bypass" => "goes out as it is; kube-proxy decides",
            "passthrough" => "goes where it was dialled; kube-proxy decides",
            "route" => "is sent to a destination below",
            _ => "is answered by the proxy",
        };
        let travels = format!("({}, path {})", explanation.reason, explanation.path);
        self.line("VERDICT", sign, &format!("{}: the request {sentence} {travels}", explanation.verdict));
        if let Some(service) = &explanation.service {
            self.line("SERVICE", "", &format!("{}:{}, {}", service.host, service.port, service.protocol));
        }
        if let (Some(object), Some(rule)) = (&explanation.virtual_service, &explanation.rule) {
            let entry =
                rule.entry.map_or_else(|| "no match: takes everything".to_owned(), |entry| format!("match[{entry}]"));
            let name = rule.name.as_ref().map(|name| format!(" {name:?}")).unwrap_or_default();
            self.line("RULE", YES, &format!("VirtualService {object}  {}[{}]{name}, {entry}", rule.kind, rule.index));
        }
        let mut title = if explanation.rule.is_some() { "" } else { "RULE" };
        for skipped in &explanation.skipped {
            let entry = skipped.rule.entry.map(|entry| format!(" match[{entry}]")).unwrap_or_default();
            let name = skipped.rule.name.as_ref().map(|name| format!(" {name:?}")).unwrap_or_default();
            let place = format!("{}[{}]{name}{entry}", skipped.rule.kind, skipped.rule.index);
            self.line(title, ASIDE, &format!("{place} skipped: {}", skipped.message));
            title = "";
        }
        let mut title = "SPLIT";
        for destination in &explanation.destinations {
            self.line(title, "", &split(destination));
            title = "";
        }
        let mut policies: Vec<&str> =
            explanation.destinations.iter().filter_map(|destination| destination.destination_rule.as_deref()).collect();
        policies.dedup();
        for policy in policies {
            self.line("POLICY", YES, &format!("DestinationRule {policy}"));
        }
        if let Some(response) = &explanation.response {
            let body = if response.body.is_empty() { String::new() } else { format!(" {:?}", response.body) };
            self.line("ANSWER", NO, &format!("{} {}{body}", response.status, response.flag));
        }
        if let Some(pick) = &explanation.pick {
            let subset = pick.subset.as_ref().map(|subset| format!("{subset} → ")).unwrap_or_default();
            let sticky =
                if pick.sticky { "  (by the hash: the same while endpoints are)" } else { "  (one draw of many)" };
            self.line("PICK", "", &format!("{subset}{}{sticky}", pick.endpoint));
        }
    }
}

fn split(destination: &Destination) -> String {
    let name = destination.subset.as_deref().unwrap_or(&destination.host);
    let count = destination.endpoints.len();
    let plural = if count == 1 { "" } else { "s" };
    let how = match &destination.load_balancer {
        None => "no such cluster".to_owned(),
        Some(balancer) => match &balancer.key {
            Some(key) => format!("{} by {key}", balancer.policy),
            None => balancer.policy.to_owned(),
        },
    };
    format!("{name}  {:.1} %  {count} endpoint{plural}, {how}", destination.share * 100.0)
}
