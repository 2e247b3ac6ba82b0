//! Who asks and what, as a test file writes it.

use std::collections::BTreeMap;
use std::net::IpAddr;

use serde_json::{Map, Value};

use super::read::{Report, entries, join};
use crate::explain::{Url, Who, Written};

const CLIENT: &[&str] = &["pod", "namespace", "labels"];
const REQUEST: &[&str] = &["url", "authority", "uri", "method", "headers", "dst"];

/// `shop/client`; or `pod` with or without `namespace`; or an imaginary one of a `namespace`, with `labels`.
pub(super) fn client(report: &Report, path: &str, value: &Value) -> Option<Who> {
    if let Some(written) = value.as_str() {
        return Some(pod(written, None));
    }
    let fields = report.fields(path, value, CLIENT)?;
    let text = |name: &str| {
        let value = fields.get(name)?;
        report.read(&join(path, name), value, "text", Value::as_str)
    };
    match (text("pod"), text("namespace")) {
        (Some(_), _) if fields.contains_key("labels") => {
            report.refuse(&join(path, "labels"), "are the pod's own", "remove them, or remove pod");
            None
        }
        (Some(written), namespace) => Some(pod(written, namespace)),
        (None, Some(namespace)) => {
            let labels = fields.get("labels").map(|value| labels(report, &join(path, "labels"), value));
            Some(Who::Imaginary { namespace: namespace.to_owned(), labels: labels.unwrap_or_default() })
        }
        (None, None) => {
            report.refuse(path, "names nobody", "write pod: NAMESPACE/NAME, or namespace: and labels:");
            None
        }
    }
}

fn pod(written: &str, namespace: Option<&str>) -> Who {
    let (namespace, name) = written.split_once('/').unwrap_or((namespace.unwrap_or("default"), written));
    Who::Pod { namespace: namespace.to_owned(), pod: name.to_owned() }
}

fn labels(report: &Report, path: &str, value: &Value) -> BTreeMap<String, String> {
    let fields = report.read(path, value, "a mapping", Value::as_object);
    let text = |(name, value): (&String, &Value)| {
        let text = report.read(&join(path, name), value, "text (quote it)", Value::as_str)?;
        Some((name.clone(), text.to_owned()))
    };
    fields.into_iter().flatten().filter_map(text).collect()
}

/// One entry of `requests`: a URL, or a mapping. A list in place of a method, URL, authority or URI stands for each of its
/// entries.
pub(super) fn requests(report: &Report, path: &str, value: &Value) -> Vec<Written> {
    let plain = |url: String| Written { url, method: "GET".to_owned(), headers: Vec::new(), dst: None };
    if let Some(url) = value.as_str() {
        return if sound(report, path, url) { vec![plain(url.to_owned())] } else { Vec::new() };
    }
    let Some(fields) = report.fields(path, value, REQUEST) else { return Vec::new() };
    let texts = |name: &str| texts(report, &join(path, name), fields.get(name));
    let methods = if fields.contains_key("method") { texts("method") } else { vec!["GET".to_owned()] };
    let mut headers = headers(report, &join(path, "headers"), fields);
    let dst = fields.get("dst").and_then(|value| {
        let address = |value: &Value| value.as_str().and_then(|text| text.parse::<IpAddr>().ok());
        report.read(&join(path, "dst"), value, "an IP address", address)
    });
    let (authorities, uris) = (texts("authority"), texts("uri"));
    let urls = if fields.contains_key("url") {
        if !uris.is_empty() {
            report.refuse(&join(path, "uri"), "is part of url", "remove one of them");
        }
        match &authorities[..] {
            [] => {}
            [one] => headers.push(("host".to_owned(), one.clone())),
            _ => report.refuse(&join(path, "authority"), "is a list beside url", "write one, or leave url out"),
        }
        texts("url")
    } else {
        if authorities.is_empty() {
            report.refuse(path, "goes nowhere", "write url: http://HOST[:PORT]/PATH, or authority: and uri:");
        }
        let uris = if uris.is_empty() { vec!["/".to_owned()] } else { uris };
        authorities.iter().flat_map(|host| uris.iter().map(move |uri| format!("http://{host}{uri}"))).collect()
    };
    let with = |method: &String, url: &String| Written {
        method: method.clone(),
        headers: headers.clone(),
        dst,
        ..plain(url.clone())
    };
    let urls: Vec<&String> = urls.iter().filter(|url| sound(report, path, url)).collect();
    urls.iter().flat_map(|url| methods.iter().map(|method| with(method, url))).collect()
}

fn sound(report: &Report, path: &str, url: &str) -> bool {
    let parsed = url.parse::<Url>();
    if let Err(problem) = &parsed {
        report.refuse(path, format!("{url:?} is not a URL"), problem.as_str());
    }
    parsed.is_ok()
}

fn texts(report: &Report, path: &str, value: Option<&Value>) -> Vec<String> {
    let entries = value.map(|value| entries(path, value)).unwrap_or_default();
    let text =
        |(path, value): (String, &Value)| report.read(&path, value, "text", |value| value.as_str().map(str::to_owned));
    entries.into_iter().filter_map(text).collect()
}

/// Name to value, or to several values: a line each.
fn headers(report: &Report, path: &str, fields: &Map<String, Value>) -> Vec<(String, String)> {
    let Some(value) = fields.get("headers") else { return Vec::new() };
    let lines = report.read(path, value, "a mapping of names to values", Value::as_object);
    let values = |(name, value): (&String, &Value)| {
        let values = texts(report, &join(path, name), Some(value));
        values.into_iter().map(|value| (name.to_ascii_lowercase(), value)).collect::<Vec<_>>()
    };
    lines.into_iter().flatten().flat_map(values).collect()
}
