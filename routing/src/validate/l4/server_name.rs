//! One of `sniHosts`.

use std::net::IpAddr;

use super::super::fields::Report;
use crate::model::HostPattern;

/// Reads a server name, which one of the object's `hosts` must cover; both are compared as they are written
/// (istio/istio@86c9f01 pkg/config/validation/validation.go, validateSniHost).
pub(super) fn read(report: &Report<'_>, path: &str, name: &str, hosts: &[&str]) -> Option<HostPattern> {
    if name.parse::<IpAddr>().is_ok() {
        report.warn(path, format!("{name:?} is an address"), "clients send names alone: write a name");
    } else if !is_pattern(name) {
        report.error(
            path,
            format!("{name:?} is no server name"),
            "write a DNS name, or a wildcard such as *.example.com",
        );
        return None;
    } else if !hosts.iter().any(|host| covers(host, name)) {
        let problem = format!("{name:?} is not covered by spec.hosts ({})", hosts.join(", "));
        report.error(path, problem, "add it to spec.hosts or correct it");
        return None;
    }
    Some(HostPattern::literal(name))
}

/// Whether every name that `name` stands for is one of `host`'s (istio/istio@86c9f01 pkg/config/host/name.go, SubsetOf).
fn covers(host: &str, name: &str) -> bool {
    match host.strip_prefix('*') {
        Some(suffix) => name.len() >= host.len() && name.ends_with(suffix),
        None => host == name,
    }
}

/// A DNS name, or one whose first label is or starts with a star.
fn is_pattern(name: &str) -> bool {
    let (first, rest) = name.split_once('.').map_or((name, None), |(first, rest)| (first, Some(rest)));
    let first_fits = match first.strip_prefix('*') {
        None => is_label(first),
        Some("") => true,
        Some(behind) => is_label(behind.strip_prefix('-').unwrap_or(behind)),
    };
    let rest = rest.map(|rest| rest.strip_suffix('.').unwrap_or(rest));
    name.len() <= 255 && first_fits && rest.is_none_or(|rest| rest.split('.').all(is_label))
}

fn is_label(label: &str) -> bool {
    (1..=63).contains(&label.len())
        && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
        && !label.starts_with('-')
        && !label.ends_with('-')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn given_a_server_name_then_a_host_that_is_it_or_its_wildcard_covers_it() {
        for (host, name, expected) in [
            ("a.example", "a.example", true),
            ("*.example", "a.example", true),
            ("*.example", "*.example", true),
            ("*.example", "*.a.example", true),
            ("*.a.example", "*.example", false),
            ("a.example", "*.example", false),
            ("*.example", "example", false),
            ("*", "a.example", true),
            ("a", "a.shop.svc.cluster.local", false),
        ] {
            assert_eq!(covers(host, name), expected, "{host} {name}");
        }
    }

    #[test]
    fn given_a_text_then_only_a_dns_name_or_a_wildcard_is_a_server_name() {
        for name in ["*", "a", "a.example", "*.example", "*-a.example", "A-1.example."] {
            assert!(is_pattern(name), "{name}");
        }
        for name in ["", ".", "a..b", "a.*.b", "a b", "-a.b", "*.", "a_b.example", "https://a"] {
            assert!(!is_pattern(name), "{name}");
        }
    }
}
