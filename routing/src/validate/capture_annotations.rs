//! Istio's annotations about what of a pod's traffic is captured. None of them refuses the pod: it runs already, and an
//! annotation that cannot be read counts as absent.

use std::collections::BTreeSet;

use crate::model::{IncludedRanges, Labels, OutboundCapture, Subnet, Unused, UnusedAnnotation};

const INCLUDE_RANGES: &str = "traffic.sidecar.istio.io/includeOutboundIPRanges";
const EXCLUDE_RANGES: &str = "traffic.sidecar.istio.io/excludeOutboundIPRanges";
const INCLUDE_PORTS: &str = "traffic.sidecar.istio.io/includeOutboundPorts";
const EXCLUDE_PORTS: &str = "traffic.sidecar.istio.io/excludeOutboundPorts";

/// What a sidecar does by them has no counterpart here, each with what to do instead.
const NOT_HONOURED: [(&str, &str); 7] = [
    ("traffic.sidecar.istio.io/includeInboundPorts", INBOUND),
    ("traffic.sidecar.istio.io/excludeInboundPorts", INBOUND),
    ("traffic.sidecar.istio.io/excludeInterfaces", "leave it out, or exclude ranges by excludeOutboundIPRanges"),
    ("traffic.sidecar.istio.io/kubevirtInterfaces", "leave it out: a virtual machine's own connections stay native"),
    ("sidecar.istio.io/interceptionMode", "leave it out; meshlet.dev/redirect: disabled keeps the pod native"),
    ("sidecar.istio.io/statusPort", STATUS),
    ("status.sidecar.istio.io/port", STATUS),
];
const INBOUND: &str = "leave it out: inbound connections are never captured";
const STATUS: &str = "leave it out: nothing listens in the pod but on its loopback";

const A_RANGE: &str = "write addresses with prefix lengths, 10.0.0.0/8 or fd00::/8, separated by commas";
const A_PORT: &str = "write port numbers separated by commas";

/// What the annotations say, and which of them say nothing.
pub(super) fn read(annotations: &Labels) -> (OutboundCapture, Vec<UnusedAnnotation>) {
    let mut written = Written { annotations, unused: Vec::new() };
    let included_ports = written.value(INCLUDE_PORTS, true, A_PORT, port);
    let included_ranges = written.value(INCLUDE_RANGES, true, A_RANGE, range);
    let ranges = match (&included_ports, included_ranges) {
        // Behind included ports come included ranges: with every port included they decide nothing.
        (Some(Listed::All), _) | (_, None | Some(Listed::All)) => IncludedRanges::All,
        (_, Some(Listed::These(ranges))) => IncludedRanges::Only(ranges),
    };
    let capture = OutboundCapture {
        excluded_ports: written.value(EXCLUDE_PORTS, false, A_PORT, port).map(Listed::these).unwrap_or_default(),
        excluded_ranges: written.value(EXCLUDE_RANGES, false, A_RANGE, range).map(Listed::these).unwrap_or_default(),
        included_ports: included_ports.map(Listed::these).unwrap_or_default(),
        included_ranges: ranges,
    };
    written.not_honoured();
    (capture, written.unused)
}

/// A value that is a list.
enum Listed<T> {
    /// `*`.
    All,
    /// None where the value is empty.
    These(BTreeSet<T>),
}

impl<T> Listed<T> {
    fn these(self) -> BTreeSet<T> {
        match self {
            Self::All => BTreeSet::new(),
            Self::These(these) => these,
        }
    }
}

struct Written<'a> {
    annotations: &'a Labels,
    unused: Vec<UnusedAnnotation>,
}

impl Written<'_> {
    /// The value of an annotation; absent is as invalid. `*` may stand alone where `all` says so.
    fn value<T: Ord>(
        &mut self,
        name: &str,
        all: bool,
        remedy: &str,
        read: impl Fn(&str) -> Result<T, String>,
    ) -> Option<Listed<T>> {
        let value = self.annotations.get(name)?.trim();
        if value == "*" && all {
            return Some(Listed::All);
        }
        let entries = value.split(',').filter(|_| !value.is_empty()).map(str::trim);
        match entries.map(read).collect() {
            Ok(these) => Some(Listed::These(these)),
            Err(problem) => {
                let remedy = if all { format!("{remedy}, or * for all") } else { remedy.to_owned() };
                self.unused(name, value, Unused::Invalid, format!("{problem}, so the default holds"), remedy);
                None
            }
        }
    }

    fn not_honoured(&mut self) {
        for (name, remedy) in NOT_HONOURED {
            if let Some(value) = self.annotations.get(name) {
                let problem = "is not honoured by this version, where no sidecar serves the pod".to_owned();
                self.unused(name, value, Unused::NotHonoured, problem, remedy.to_owned());
            }
        }
    }

    fn unused(&mut self, name: &str, value: &str, why: Unused, problem: String, remedy: String) {
        self.unused.push(UnusedAnnotation { name: name.into(), value: value.into(), why, problem, remedy });
    }
}

// Numbers from 0 on, as Istio's webhook takes them: istio/istio@0098d99 pkg/kube/inject/validate.go, parsePort.
fn port(entry: &str) -> Result<u16, String> {
    let digits = !entry.is_empty() && entry.bytes().all(|byte| byte.is_ascii_digit());
    digits.then(|| entry.parse().ok()).flatten().ok_or_else(|| format!("{entry:?} is not a port"))
}

/// An address without a prefix length is none, as in Istio (validate.go, validateCIDRList).
fn range(entry: &str) -> Result<Subnet, String> {
    let range = Subnet::parse(entry).filter(|_| entry.contains('/'));
    let range = range.ok_or_else(|| format!("{entry:?} is not a range of addresses"))?;
    match range.network() {
        std::net::IpAddr::V6(network) if network.to_ipv4_mapped().is_some() && range.length() >= 96 => {
            Err(format!("{entry:?} is a range of IPv4 addresses written as IPv6"))
        }
        _ => Ok(range),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn annotations(written: &[(&str, &str)]) -> Labels {
        written.iter().map(|(name, value)| ((*name).into(), (*value).into())).collect()
    }

    fn ranges(written: &[&str]) -> BTreeSet<Subnet> {
        written.iter().map(|range| Subnet::parse(range).expect(range)).collect()
    }

    fn check(written: &[(&str, &str)], expected: &OutboundCapture) {
        let (capture, unused) = read(&annotations(written));
        assert_eq!((&capture, &*unused), (expected, &[][..]), "{written:?}");
    }

    #[test]
    fn given_annotations_then_lists_stars_and_empty_values_are_read() {
        let everything = OutboundCapture::default();
        check(&[], &everything);
        check(&[(INCLUDE_RANGES, "*"), (EXCLUDE_RANGES, ""), (INCLUDE_PORTS, ""), (EXCLUDE_PORTS, "")], &everything);
        check(
            &[(EXCLUDE_PORTS, "80, 443"), (EXCLUDE_RANGES, "10.0.0.0/8,fd00::/64"), (INCLUDE_PORTS, "9090")],
            &OutboundCapture {
                excluded_ports: [80, 443].into(),
                excluded_ranges: ranges(&["10.0.0.0/8", "fd00::/64"]),
                included_ports: [9090].into(),
                included_ranges: IncludedRanges::All,
            },
        );
        for (written, only) in [("", &[][..]), ("10.1.2.3/8", &["10.0.0.0/8"]), ("::/0", &["::/0"])] {
            let included_ranges = IncludedRanges::Only(ranges(only));
            check(&[(INCLUDE_RANGES, written)], &OutboundCapture { included_ranges, ..everything.clone() });
        }
        check(&[(INCLUDE_RANGES, ""), (INCLUDE_PORTS, "*")], &everything);
    }

    #[test]
    fn given_a_value_that_cannot_be_read_then_it_counts_as_absent_and_is_reported_and_the_others_hold() {
        for (name, value, problem) in [
            (EXCLUDE_PORTS, "80,https", "\"https\" is not a port"),
            (EXCLUDE_PORTS, "*", "\"*\" is not a port"),
            (EXCLUDE_PORTS, "65536", "\"65536\" is not a port"),
            (INCLUDE_PORTS, "8000-9000", "\"8000-9000\" is not a port"),
            (INCLUDE_PORTS, "80,", "\"\" is not a port"),
            (INCLUDE_PORTS, "+80", "\"+80\" is not a port"),
            (EXCLUDE_RANGES, "10.0.0.1", "\"10.0.0.1\" is not a range of addresses"),
            (EXCLUDE_RANGES, "*", "\"*\" is not a range of addresses"),
            (INCLUDE_RANGES, "10.0.0.0/8,*", "\"*\" is not a range of addresses"),
            (INCLUDE_RANGES, "10.0.0.0/33", "\"10.0.0.0/33\" is not a range of addresses"),
            (
                INCLUDE_RANGES,
                "::ffff:10.0.0.0/104",
                "\"::ffff:10.0.0.0/104\" is a range of IPv4 addresses written as IPv6",
            ),
        ] {
            let (other, value_of_other) =
                if name == EXCLUDE_PORTS { (EXCLUDE_RANGES, "10.0.0.0/8") } else { (EXCLUDE_PORTS, "7") };
            let (alone, _) = read(&annotations(&[(other, value_of_other)]));
            let (capture, unused) = read(&annotations(&[(name, value), (other, value_of_other)]));
            assert_eq!(capture, alone, "{name}: {value}");
            let [unused] = &*unused else { panic!("{name}: {value}: {unused:?}") };
            assert_eq!((unused.why, &*unused.name, &*unused.value), (Unused::Invalid, name, value));
            let text = unused.to_string();
            assert!(text.starts_with(&format!("annotation {name}: {value:?}: {problem}")), "{text}");
            assert!(text.contains("; write "), "{text}");
        }
    }

    #[test]
    fn given_annotations_of_what_a_sidecar_alone_does_then_each_is_reported_once() {
        for (name, _) in NOT_HONOURED {
            let (capture, unused) = read(&annotations(&[(name, "*")]));
            assert!(capture.is_everything());
            let [unused] = &*unused else { panic!("{name}: {unused:?}") };
            assert_eq!((unused.why.as_str(), &*unused.name), ("AnnotationNotHonoured", name));
        }
    }
}
