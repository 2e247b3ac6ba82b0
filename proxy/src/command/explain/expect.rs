//! `--expect KEY=VALUE`.

use std::str::FromStr;

use meshlet_routing::explain::Explanation;

/// What an answer must say.
#[derive(Debug, Clone)]
pub(super) struct Expectation {
    key: Key,
    written: String,
    value: String,
}

#[derive(Debug, Clone, Copy)]
enum Key {
    Verdict,
    Reason,
    Path,
    Service,
    VirtualService,
    DestinationRule,
    Subset,
    Endpoint,
    Status,
}

impl FromStr for Expectation {
    type Err = String;

    fn from_str(written: &str) -> Result<Self, String> {
        let (key, value) = written.split_once('=').ok_or("write KEY=VALUE")?;
        let known = match key {
            "verdict" => Key::Verdict,
            "reason" => Key::Reason,
            "path" => Key::Path,
            "service" => Key::Service,
            "virtualService" => Key::VirtualService,
            "destinationRule" => Key::DestinationRule,
            "subset" => Key::Subset,
            "endpoint" => Key::Endpoint,
            "status" => Key::Status,
            other => {
                return Err(format!(
                    "{other:?} is not one of verdict, reason, path, service, virtualService, destinationRule, subset, \
                     endpoint, status"
                ));
            }
        };
        Ok(Self { key: known, written: key.to_owned(), value: value.to_owned() })
    }
}

impl Expectation {
    /// The complaint, unless the answer says so. An empty value expects that there is none.
    pub(super) fn unmet(&self, explanation: &Explanation) -> Option<String> {
        let found = self.found(explanation);
        if found == self.value {
            return None;
        }
        let found = if found.is_empty() { "none" } else { &found };
        Some(format!("expected {} {}, found {found}", self.written, self.value))
    }

    fn found(&self, explanation: &Explanation) -> String {
        let pick = explanation.pick.as_ref();
        let found = match self.key {
            Key::Verdict => Some(explanation.verdict.to_owned()),
            Key::Reason => Some(explanation.reason.to_owned()),
            Key::Path => Some(explanation.path.to_owned()),
            Key::Service => explanation.service.as_ref().map(|service| service.host.clone()),
            Key::VirtualService => explanation.virtual_service.clone(),
            Key::DestinationRule => explanation.destinations.iter().find_map(|one| one.destination_rule.clone()),
            Key::Subset => pick.and_then(|pick| pick.subset.clone()),
            Key::Endpoint => pick.map(|pick| pick.endpoint.clone()),
            Key::Status => explanation.response.as_ref().map(|response| response.status.to_string()),
        };
        found.unwrap_or_default()
    }
}
