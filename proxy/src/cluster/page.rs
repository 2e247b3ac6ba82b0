//! A page of a list, as far as it is kept.

use serde_json::Value;

use super::exchange::Trouble;
use super::keep::Keep;
use super::news::version;

/// What it holds.
pub(crate) struct Page {
    /// The version of the whole list.
    pub(crate) version: Box<str>,
    pub(crate) items: Vec<Value>,
    /// The token by which the next page is asked for; `None` on the last one.
    pub(crate) next: Option<String>,
}

impl Page {
    /// Reads a list's text; of its items is kept what `items` says.
    pub(crate) fn read(text: &[u8], items: Keep<'_>) -> Result<Self, Trouble> {
        let metadata = [("resourceVersion", Keep::All), ("continue", Keep::All)];
        let page = [("metadata", Keep::Only(&metadata)), ("items", items)];
        let mut page = Keep::Only(&page).read(text).map_err(|error| Trouble::Garbage(error.to_string()))?;
        // Of metadata, a list without any has no `items`, as it comes from Go.
        let items = match page["items"].take() {
            Value::Array(items) => Some(items),
            Value::Null => Some(Vec::new()),
            _ => None,
        };
        let Some((version, items)) = version(&page).zip(items) else {
            return Err(Trouble::Garbage("a list without items or resourceVersion".to_owned()));
        };
        let next = page["metadata"]["continue"].as_str().filter(|token| !token.is_empty()).map(str::to_owned);
        Ok(Self { version, items, next })
    }
}
