//! Names as Istio checks them (istio/istio@86c9f01 pkg/config/labels/instance.go, IsDNS1123Label: upper case passes).

/// A DNS label: letters, digits and dashes, the latter not at its ends.
pub(super) fn is_label(name: &str) -> bool {
    let fine = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
    (1..=63).contains(&name.len()) && name.bytes().all(fine) && !name.starts_with('-') && !name.ends_with('-')
}

/// Labels with dots between them. The first may be a wildcard, an empty last one is a dot at the end
/// (pkg/config/validation/agent/validation.go, ValidateWildcardDomain).
pub(super) fn is_domain(name: &str) -> bool {
    let rest = name.strip_suffix('.').unwrap_or(name);
    let mut labels = rest.split('.');
    let first = labels.next().unwrap_or_default();
    name.len() <= 255 && (first == "*" || is_label(first.strip_prefix("*-").unwrap_or(first))) && labels.all(is_label)
}
