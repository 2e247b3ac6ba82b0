//! Durations as Go writes them: `1h30m`, `1.5s`, `250ms`.

use std::time::Duration;

use super::fields::Fields;

/// A duration of whole milliseconds, at least one, as Istio wants of everything that is a time limit
/// (istio/istio@86c9f01 pkg/config/validation/agent/validation.go, ValidateDuration).
pub(super) fn whole_millis(fields: &Fields<'_>, key: &'static str) -> Option<Duration> {
    let found = fields.duration(key)?;
    let path = fields.path(key);
    if found < Duration::from_millis(1) {
        fields.report().error(&path, "is less than 1ms", "write 1ms or more, or leave it out");
        return None;
    }
    if found.subsec_nanos() % 1_000_000 != 0 {
        fields.report().error(&path, "is no whole number of milliseconds", "round it");
        return None;
    }
    Some(found)
}

/// Reads a duration of zero or more; `None` for anything else (Go's time.ParseDuration, which Istio reads them with).
pub(crate) fn parse(text: &str) -> Option<Duration> {
    if text == "0" {
        return Some(Duration::ZERO);
    }
    let mut rest = text.strip_prefix('+').unwrap_or(text);
    let mut total = Duration::ZERO;
    if rest.is_empty() {
        return None;
    }
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit() && c != '.').filter(|digits| *digits > 0)?;
        let (number, behind) = rest.split_at(digits);
        let unit = behind.find(|c: char| c.is_ascii_digit() || c == '.').unwrap_or(behind.len());
        let (unit, behind) = behind.split_at(unit);
        total = total.checked_add(part(number, unit)?)?;
        rest = behind;
    }
    Some(total)
}

fn part(number: &str, unit: &str) -> Option<Duration> {
    let nanos: u64 = match unit {
        "ns" => 1,
        "us" | "µs" | "μs" => 1_000,
        "ms" => 1_000_000,
        "s" => 1_000_000_000,
        "m" => 60_000_000_000,
        "h" => 3_600_000_000_000,
        _ => return None,
    };
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    if whole.is_empty() && fraction.is_empty() {
        return None;
    }
    let whole: u64 = if whole.is_empty() { 0 } else { whole.parse().ok()? };
    // What is beyond nine digits is below a nanosecond, but for hours.
    let fraction: String = fraction.chars().take(9).collect();
    let scale = 10_u64.pow(u32::try_from(fraction.len()).ok()?);
    let fraction: u64 = if fraction.is_empty() { 0 } else { fraction.parse().ok()? };
    let part = u128::from(fraction) * u128::from(nanos) / u128::from(scale);
    Some(Duration::from_nanos(whole.checked_mul(nanos)?.checked_add(u64::try_from(part).ok()?)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn given_a_duration_then_it_is_read_as_go_reads_it() {
        for (text, millis) in [
            ("0", Some(0)),
            ("0s", Some(0)),
            ("10s", Some(10_000)),
            ("1.5s", Some(1_500)),
            (".5s", Some(500)),
            ("250ms", Some(250)),
            ("1h30m", Some(5_400_000)),
            ("1m0.001s", Some(60_001)),
            ("1000us", Some(1)),
            ("", None),
            ("10", None),
            ("s", None),
            (".s", None),
            ("-1s", None),
            ("1d", None),
            ("1 s", None),
            ("1.2.3s", None),
            ("99999999999999999999h", None),
        ] {
            assert_eq!(parse(text), millis.map(Duration::from_millis), "{text}");
        }
    }
}
