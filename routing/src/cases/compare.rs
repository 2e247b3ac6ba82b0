//! An expectation against an explanation's JSON.

use serde::Serialize;
use serde_json::{Map, Value};

use super::keys::{Key, Shape, TOP, named};
use crate::validate::duration;

/// One thing that is not as it should be.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Unmet {
    /// Which, by its path in the expectation; begins with `not.` where it should not be so.
    pub key: String,
    /// What should be, or should not.
    pub expected: String,
    /// What is.
    pub found: String,
}

/// Every key whose value is another.
pub(super) fn unmet(wanted: &Map<String, Value>, found: &Value) -> Vec<Unmet> {
    let mut unmet = Vec::new();
    for (name, wanted) in wanted {
        // Checked when it was read.
        let Some(key) = named(TOP, name) else { continue };
        check(key, wanted, found, name, &mut unmet);
    }
    unmet
}

/// Every key whose value is as written, for expectations that must not hold.
pub(super) fn met(wanted: &Map<String, Value>, found: &Value) -> Vec<Unmet> {
    let mut met = Vec::new();
    for (name, wanted) in wanted {
        let Some(key) = named(TOP, name) else { continue };
        let mut unmet = Vec::new();
        check(key, wanted, found, name, &mut unmet);
        if unmet.is_empty() {
            let found = find(found, key.at).into_iter().map(shown).collect::<Vec<_>>().join(", ");
            met.push(Unmet { key: format!("not.{name}"), expected: format!("anything but {}", shown(wanted)), found });
        }
    }
    met
}

/// `path` is the key's own.
fn check(key: &Key, wanted: &Value, within: &Value, path: &str, unmet: &mut Vec<Unmet>) {
    let values = find(within, key.at);
    let before = unmet.len();
    for value in values.iter().copied().chain(values.is_empty().then_some(&Value::Null)) {
        compare(key.shape, wanted, value, path, unmet);
        if unmet.len() > before {
            return;
        }
    }
}

/// What the pointer leads to: nothing, one value, or several by a `*`.
fn find<'v>(value: &'v Value, pointer: &str) -> Vec<&'v Value> {
    let mut found = vec![value];
    for step in pointer.split('/').skip(1) {
        found = found.into_iter().flat_map(|value| within(value, step)).collect();
    }
    found
}

fn within<'v>(value: &'v Value, step: &str) -> Vec<&'v Value> {
    let drawn = |one: &&Value| one.get("share").and_then(Value::as_f64).is_none_or(|share| share > 0.0);
    match value {
        Value::Array(list) if step == "*" => list.iter().filter(drawn).collect(),
        Value::Array(lines) => line(lines, step).into_iter().collect(),
        value => value.get(step).into_iter().collect(),
    }
}

/// The value of a header line, `[name, value]`.
fn line<'v>(lines: &'v [Value], name: &str) -> Option<&'v Value> {
    let named = |line: &&Value| line.get(0).and_then(Value::as_str).is_some_and(|own| own.eq_ignore_ascii_case(name));
    lines.iter().find(named).and_then(|line| line.get(1))
}

fn compare(shape: Shape, wanted: &Value, found: &Value, path: &str, unmet: &mut Vec<Unmet>) {
    match (shape, wanted) {
        (Shape::Fields(keys, _), Value::Object(fields)) if !found.is_null() => {
            for (name, wanted) in fields {
                if let Some(key) = named(keys, name) {
                    check(key, wanted, found, &format!("{path}.{name}"), unmet);
                }
            }
            return;
        }
        (Shape::Fields(keys, Some(short)), Value::String(_) | Value::Number(_)) => {
            if let Some(key) = named(keys, short) {
                check(key, wanted, found, path, unmet);
            }
            return;
        }
        (Shape::Lines, Value::Object(lines)) => {
            let found = found.as_array().map_or(&[][..], Vec::as_slice);
            for (name, wanted) in lines {
                let value = line(found, name).unwrap_or(&Value::Null);
                compare(Shape::Text, wanted, value, &format!("{path}.{name}"), unmet);
            }
            return;
        }
        (Shape::Exactly(entry), Value::Array(wanted)) if pair(entry, wanted, found, true) => return,
        (Shape::Among(entry), Value::Array(wanted)) if pair(entry, wanted, found, false) => return,
        (shape, wanted) if same(shape, wanted, found) => return,
        _ => {}
    }
    unmet.push(Unmet { key: path.to_owned(), expected: shown(wanted), found: told(shape, wanted, found) });
}

/// What was found, in the words of what was wanted.
fn told(shape: Shape, wanted: &Value, found: &Value) -> String {
    match (shape, wanted, found) {
        (Shape::Duration, _, Value::Number(milliseconds)) if milliseconds.as_u64() != Some(0) => {
            format!("{milliseconds}ms")
        }
        (Shape::Duration, ..) => "none".to_owned(),
        (Shape::Texts, Value::Number(_), Value::Array(list)) => list.len().to_string(),
        (Shape::Exactly(entry) | Shape::Among(entry), Value::Array(wanted), Value::Array(found))
            if !found.is_empty() =>
        {
            let told = |found: &Value| told_entry(entry, wanted, found);
            found.iter().map(told).collect::<Vec<_>>().join(" | ")
        }
        _ => shown(found),
    }
}

/// An entry by the keys that the wanted entries name.
fn told_entry(entry: &Shape, wanted: &[Value], found: &Value) -> String {
    let Shape::Fields(keys, short) = entry else { return shown(found) };
    let named = |key: &&Key| wanted.iter().any(|wanted| wanted.get(key.name).is_some());
    let mut told: Vec<&Key> = keys.iter().filter(named).collect();
    if told.is_empty() {
        told.extend(keys.iter().filter(|key| Some(key.name) == *short));
    }
    let field = |key: &&Key| {
        let value = find(found, key.at).first().map_or("none".to_owned(), |value| shown(value));
        if told.len() == 1 { value } else { format!("{} {value}", key.name) }
    };
    told.iter().map(field).collect::<Vec<_>>().join(", ")
}

/// Whether a scalar is as written.
fn same(shape: Shape, wanted: &Value, found: &Value) -> bool {
    if wanted.is_null() {
        let empty = found.as_array().is_some_and(Vec::is_empty);
        return found.is_null() || empty || matches!(shape, Shape::Duration) && found.as_u64() == Some(0);
    }
    match shape {
        Shape::Host => match (wanted.as_str(), found.as_str()) {
            (Some(wanted), Some(found)) => {
                found.strip_prefix(wanted).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
            }
            _ => false,
        },
        Shape::Share => share(wanted).zip(found.as_f64()).is_some_and(|(wanted, found)| (wanted - found).abs() <= 5e-4),
        Shape::Percent => {
            percent(wanted).zip(found.as_f64()).is_some_and(|(wanted, found)| (wanted - found).abs() <= 5e-2)
        }
        Shape::Duration => {
            let wanted = wanted.as_str().and_then(duration::parse);
            wanted.is_some_and(|wanted| found.as_u64().is_some_and(|found| wanted.as_millis() == u128::from(found)))
        }
        Shape::Texts => texts(wanted, found),
        Shape::Text => text(wanted) == text(found),
        _ => wanted == found,
    }
}

fn text(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        Value::Bool(truth) => Some(truth.to_string()),
        Value::Null | Value::Array(_) | Value::Object(_) => None,
    }
}

/// `0.1`, or `10%`.
pub(super) fn share(written: &Value) -> Option<f64> {
    match written {
        Value::String(text) => Some(percent_sign(text)? / 100.0),
        value => value.as_f64().filter(|share| (0.0..=1.0).contains(share)),
    }
}

/// `10`, or `10%`.
pub(super) fn percent(written: &Value) -> Option<f64> {
    match written {
        Value::String(text) => percent_sign(text),
        value => value.as_f64(),
    }
}

fn percent_sign(text: &str) -> Option<f64> {
    text.strip_suffix('%')?.trim().parse().ok().filter(|percent| (0.0..=100.0).contains(percent))
}

fn texts(wanted: &Value, found: &Value) -> bool {
    let found = found.as_array().map_or(&[][..], Vec::as_slice);
    match wanted {
        Value::Array(wanted) => {
            let sorted = |list: &[Value]| {
                let mut texts: Vec<Option<String>> = list.iter().map(text).collect();
                texts.sort();
                texts
            };
            sorted(wanted) == sorted(found)
        }
        wanted => wanted.as_u64() == u64::try_from(found.len()).ok(),
    }
}

/// Whether each wanted entry has a found one of its own; `all`: and none is left over. Nothing wanted: nothing found.
fn pair(entry: &Shape, wanted: &[Value], found: &Value, all: bool) -> bool {
    let found = found.as_array().map_or(&[][..], Vec::as_slice);
    if wanted.len() > found.len() || (all || wanted.is_empty()) && wanted.len() != found.len() {
        return false;
    }
    let fits = |wanted: &Value, found: &Value| {
        let mut unmet = Vec::new();
        compare(*entry, wanted, found, "", &mut unmet);
        unmet.is_empty()
    };
    let mut partner: Vec<Option<usize>> = vec![None; found.len()];
    (0..wanted.len()).all(|index| {
        let mut tried = vec![false; found.len()];
        augment(index, &|one, other| fits(&wanted[one], &found[other]), &mut partner, &mut tried)
    })
}

/// Finds a partner for `index`, moving others to another of theirs where that helps (an augmenting path).
fn augment(
    index: usize,
    fits: &dyn Fn(usize, usize) -> bool,
    partner: &mut [Option<usize>],
    tried: &mut [bool],
) -> bool {
    for other in 0..partner.len() {
        if tried[other] || !fits(index, other) {
            continue;
        }
        tried[other] = true;
        if partner[other].is_none_or(|rival| augment(rival, fits, partner, tried)) {
            partner[other] = Some(index);
            return true;
        }
    }
    false
}

/// As one writes it.
fn shown(value: &Value) -> String {
    match value {
        Value::Null => "none".to_owned(),
        Value::String(text) => text.clone(),
        Value::Array(list) if list.is_empty() => "none".to_owned(),
        Value::Array(list) => list.iter().map(shown).collect::<Vec<_>>().join(" | "),
        Value::Object(fields) => {
            let field = |(key, value): (&String, &Value)| match value {
                Value::Object(_) => format!("{key} ({})", shown(value)),
                value => format!("{key} {}", shown(value)),
            };
            fields.iter().filter(|(_, value)| !value.is_null()).map(field).collect::<Vec<_>>().join(", ")
        }
        other => other.to_string(),
    }
}
