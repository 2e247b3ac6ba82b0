//! JSON → value, without what nobody reads: it is skipped in the text and never takes memory.

use std::fmt;

use serde::de::{Deserialize, DeserializeSeed, Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Number, Value};

/// Which parts of a value are kept. Of a list, the same of each entry.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Keep<'k> {
    /// The whole value.
    All,
    /// These members, and of each what is said.
    Only(&'k [(&'k str, Keep<'k>)]),
    /// All members but these.
    Without(&'k [&'k str]),
}

impl Keep<'_> {
    /// Reads JSON text.
    ///
    /// # Errors
    /// It is not JSON.
    pub(crate) fn read(self, text: &[u8]) -> serde_json::Result<Value> {
        let mut reader = serde_json::Deserializer::from_slice(text);
        let value = self.deserialize(&mut reader)?;
        reader.end()?;
        Ok(value)
    }

    /// What is kept of a member; `None` when nothing is.
    fn of(&self, member: &str) -> Option<Self> {
        match self {
            Self::All => Some(Self::All),
            Self::Only(members) => members.iter().find(|(name, _)| *name == member).map(|(_, keep)| *keep),
            Self::Without(members) => (!members.contains(&member)).then_some(Self::All),
        }
    }
}

impl<'de> DeserializeSeed<'de> for Keep<'_> {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        match self {
            Self::All => Value::deserialize(deserializer),
            Self::Only(_) | Self::Without(_) => deserializer.deserialize_any(self),
        }
    }
}

impl<'de> Visitor<'de> for Keep<'_> {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Value, A::Error> {
        let mut kept = Map::new();
        while let Some(name) = members.next_key::<String>()? {
            match self.of(&name) {
                Some(keep) => drop(kept.insert(name, members.next_value_seed(keep)?)),
                None => drop(members.next_value::<IgnoredAny>()?),
            }
        }
        Ok(Value::Object(kept))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut entries: A) -> Result<Value, A::Error> {
        let mut kept = Vec::new();
        while let Some(entry) = entries.next_element_seed(self)? {
            kept.push(entry);
        }
        Ok(Value::Array(kept))
    }

    fn visit_bool<E: Error>(self, value: bool) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<Value, E> {
        Ok(Number::from_f64(value).map_or(Value::Null, Value::Number))
    }

    fn visit_str<E: Error>(self, value: &str) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_unit<E: Error>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn given_what_is_kept_then_the_rest_is_skipped_at_any_depth() {
        let inner = [("port", Keep::All)];
        let members = [("a", Keep::All), ("list", Keep::Only(&inner)), ("notes", Keep::Without(&["long"]))];
        let text = r#"{"a": {"b": [1, -2, 0.5, null, true]}, "x": {"y": [[]]}, "list": [{"port": 1, "image": "i"}, 7],
            "notes": {"long": "…", "short": "s"}}"#;
        let kept = Keep::Only(&members).read(text.as_bytes()).expect("JSON");
        let wanted = serde_json::json!({"a": {"b": [1, -2, 0.5, null, true]}, "list": [{"port": 1}, 7], "notes": {"short": "s"}});
        assert_eq!(kept, wanted);
    }

    #[test]
    fn given_text_that_is_no_json_then_it_is_refused_where_nothing_is_kept_too() {
        for text in ["", "{", "<html>", r#"{"x": }"#, r#"{"a": 1} {}"#, r#"{"x": "\q"}"#] {
            assert!(Keep::Only(&[("a", Keep::All)]).read(text.as_bytes()).is_err(), "{text}");
        }
    }
}
