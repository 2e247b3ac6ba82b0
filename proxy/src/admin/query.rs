//! A question as the parameters of a GET.

use std::collections::BTreeMap;

use meshlet_routing::explain::{Asked, Capture, Header, Who, Written};

/// Reads `pod=shop/web&to=http://echo/&header=x-user: alice&…`: the names of the command's flags.
pub(super) fn asked(query: &str) -> Result<Asked, String> {
    let (mut pod, mut namespace, mut labels) = (None, None, BTreeMap::new());
    let (mut url, mut method, mut headers, mut dst) = (None, "GET".to_owned(), Vec::new(), None);
    let (mut seed, mut capture, mut all_rules) = (0, None, false);
    for pair in query.split('&').filter(|pair| !pair.is_empty()) {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        let (name, value) = (decoded(name)?, decoded(value)?);
        let wrong = |what: &str| format!("{name}: {value:?} is not {what}");
        match &*name {
            "pod" => pod = Some(value),
            "from-namespace" => namespace = Some(value),
            "from-labels" => {
                for label in value.split(',') {
                    let (key, value) = label.split_once('=').ok_or_else(|| wrong("KEY=VALUE"))?;
                    labels.insert(key.to_owned(), value.to_owned());
                }
            }
            "to" => url = Some(value),
            "method" => method = value,
            "header" => {
                let header: Header = value.parse().map_err(|problem| format!("header: {problem}"))?;
                headers.push(header.into());
            }
            "dst" => dst = Some(value.parse().map_err(|_| wrong("an IP address"))?),
            "seed" => seed = value.parse().map_err(|_| wrong("a whole number"))?,
            "capture" => capture = Some(self::capture(&value).ok_or_else(|| wrong("ruled or ports"))?),
            "all-rules" => all_rules = matches!(&*value, "" | "true"),
            other => {
                return Err(format!(
                    "{other:?} is not one of pod, from-namespace, from-labels, to, method, header, dst, seed, capture, all-rules"
                ));
            }
        }
    }
    let client = match (pod, namespace) {
        (Some(pod), None) => {
            let (namespace, pod) = pod.split_once('/').unwrap_or(("default", &pod));
            Who::Pod { namespace: namespace.to_owned(), pod: pod.to_owned() }
        }
        (None, Some(namespace)) => Who::Imaginary { namespace, labels },
        _ => return Err("name the client: pod=NAMESPACE/POD, or from-namespace=NAMESPACE".to_owned()),
    };
    let request = url.map(|url| Written { url, method, headers, dst });
    Ok(Asked { client, request, capture, seed, all_rules })
}

fn capture(value: &str) -> Option<Capture> {
    match value {
        "ruled" => Some(Capture::Ruled),
        "ports" => Some(Capture::Ports),
        _ => None,
    }
}

/// `+` and `%xx`.
fn decoded(text: &str) -> Result<String, String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let [first, behind @ ..] = rest {
        rest = behind;
        match first {
            b'+' => bytes.push(b' '),
            b'%' => {
                let hex = behind.get(..2).and_then(|hex| std::str::from_utf8(hex).ok());
                let byte = hex.and_then(|hex| u8::from_str_radix(hex, 16).ok());
                bytes.push(byte.ok_or_else(|| format!("{text:?}: % is not followed by two hexadecimal digits"))?);
                rest = &behind[2..];
            }
            byte => bytes.push(*byte),
        }
    }
    String::from_utf8(bytes).map_err(|_| format!("{text:?} is not UTF-8"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn given_parameters_then_they_are_the_commands_flags() {
        let query = "pod=shop/web&to=http%3A%2F%2Fecho%3A80%2Fa%3Fb&method=PUT&header=X-User%3A+alice&header=x-b%3Ac\
                     &dst=10.0.0.1&seed=7&capture=ports&all-rules";
        let asked = asked(query).expect("a question");
        assert_eq!(asked.client, Who::Pod { namespace: "shop".into(), pod: "web".into() });
        assert_eq!((asked.seed, asked.capture, asked.all_rules), (7, Some(Capture::Ports), true));
        let request = asked.request.expect("a request");
        assert_eq!(request.to_string(), "PUT http://echo:80/a?b -H 'x-user: alice' -H 'x-b: c' --dst 10.0.0.1");
    }

    #[test]
    fn given_what_makes_no_question_then_it_says_why() {
        for query in
            ["", "to=http://echo/", "pod=a&from-namespace=b", "pod=a&colour=blue", "pod=%2", "pod=%ff", "pod=a&seed=x"]
        {
            assert!(asked(query).is_err(), "{query}");
        }
        let imaginary = asked("from-namespace=shop&from-labels=app%3Dweb,v%3D1").expect("a question");
        let labels = BTreeMap::from([("app".to_owned(), "web".to_owned()), ("v".to_owned(), "1".to_owned())]);
        assert_eq!(imaginary.client, Who::Imaginary { namespace: "shop".into(), labels });
    }
}
