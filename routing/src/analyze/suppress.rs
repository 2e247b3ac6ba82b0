//! Findings that somebody does not want to see: `CODE=KIND NAMESPACE/NAME`, with `*` for any text.

use std::str::FromStr;

use super::Finding;

/// One `-S`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Suppression {
    code: Box<str>,
    origin: Box<str>,
}

impl FromStr for Suppression {
    type Err = String;

    /// `MSH0173=DestinationRule shop/*`; the code may be Istio's, and either side may have `*`.
    fn from_str(text: &str) -> Result<Self, String> {
        let expected = "write CODE=KIND NAMESPACE/NAME, such as 'MSH0173=DestinationRule shop/*'";
        let (code, origin) = text.split_once('=').ok_or_else(|| format!("{text:?} has no '=': {expected}"))?;
        let (code, origin) = (code.trim().to_ascii_uppercase(), origin.trim());
        let digits = code.strip_prefix("MSH").or_else(|| code.strip_prefix("IST"));
        let shaped =
            |rest: &str| rest.contains('*') || rest.len() == 4 && rest.bytes().all(|byte| byte.is_ascii_digit());
        if code != "*" && !digits.is_some_and(shaped) {
            return Err(format!("{code:?} is not a code such as MSH0173: {expected}"));
        }
        if origin.is_empty() {
            return Err(format!("{text:?} names no object: {expected}"));
        }
        Ok(Self { code: code.into(), origin: origin.into() })
    }
}

impl Suppression {
    /// Whether the finding is not to be shown.
    #[must_use]
    pub fn covers(&self, finding: &Finding) -> bool {
        let code = glob(&self.code, finding.code.id) || finding.code.istio.is_some_and(|istio| glob(&self.code, istio));
        code && glob(&self.origin, &finding.origin)
    }
}

/// `*` stands for any text, also none; everything else for itself.
fn glob(pattern: &str, text: &str) -> bool {
    let Some((first, rest)) = pattern.split_once('*') else { return pattern == text };
    let Some(mut text) = text.strip_prefix(first) else { return false };
    let mut parts: Vec<&str> = rest.split('*').collect();
    let last = parts.pop().unwrap_or_default();
    for part in parts {
        let Some(at) = text.find(part) else { return false };
        text = &text[at + part.len()..];
    }
    text.ends_with(last)
}
