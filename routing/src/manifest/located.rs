//! YAML → value, with the place of every key and list entry.

use std::fmt;

use serde::de::{Deserialize, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Number, Value};
use serde_saphyr::Spanned;

/// A line and a column, both from 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Position {
    /// The line.
    pub(crate) line: u64,
    /// The column, in characters.
    pub(crate) column: u64,
}

/// Where the parts of a value were written; has the value's own shape.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Places {
    at: Position,
    parts: Parts,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Parts {
    None,
    List(Box<[Places]>),
    /// Sorted by key.
    Map(Box<[(Box<str>, Places)]>),
}

/// A value and its places.
#[derive(Debug)]
pub(crate) struct Located {
    pub(crate) value: Value,
    pub(crate) places: Places,
}

impl Places {
    /// Of a value that was not read from a text.
    pub(crate) fn nowhere() -> Self {
        Self { at: Position { line: 0, column: 0 }, parts: Parts::None }
    }

    /// Where the value itself starts.
    pub(crate) fn start(&self) -> Position {
        self.at
    }

    /// The place of a field by its path, `spec.http[0].match[1].uri`: its key, or where the list entry starts. Of a field
    /// that is not there, the place of the closest one around it.
    pub(crate) fn find(&self, path: &str) -> Position {
        self.walk(path).unwrap_or_else(|closest| closest)
    }

    /// The place of the path, or of the closest field around it.
    fn walk(&self, path: &str) -> Result<Position, Position> {
        let path = path.strip_prefix('.').unwrap_or(path);
        if path.is_empty() {
            return Ok(self.at);
        }
        match &self.parts {
            Parts::None => Err(self.at),
            Parts::List(entries) => {
                let index = path.strip_prefix('[').and_then(|rest| rest.split_once(']'));
                let entry = index.and_then(|(index, rest)| Some((entries.get(index.parse::<usize>().ok()?)?, rest)));
                entry.map_or(Err(self.at), |(entry, rest)| entry.walk(rest))
            }
            Parts::Map(members) => {
                // A key may hold dots of its own: the first one that leads to the end of the path is meant.
                let mut closest = self.at;
                for (key, member) in members {
                    let Some(rest) = path.strip_prefix(&**key) else { continue };
                    if !(rest.is_empty() || rest.starts_with(['.', '['])) {
                        continue;
                    }
                    match member.walk(rest) {
                        Ok(found) => return Ok(found),
                        Err(near) => closest = near,
                    }
                }
                Err(closest)
            }
        }
    }

    /// Takes out the places of a list that is a member: `items` of a `List`.
    pub(crate) fn into_entries(self, key: &str) -> Vec<Places> {
        let Parts::Map(members) = self.parts else { return Vec::new() };
        match members.into_iter().find(|(found, _)| **found == *key).map(|(_, places)| places.parts) {
            Some(Parts::List(entries)) => entries.into(),
            Some(Parts::None | Parts::Map(_)) | None => Vec::new(),
        }
    }
}

/// What one node holds; its own place is the wrapper's.
struct Content {
    value: Value,
    parts: Parts,
}

impl<'de> Deserialize<'de> for Located {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let spanned = Spanned::<Content>::deserialize(deserializer)?;
        Ok(located(spanned))
    }
}

fn located(spanned: Spanned<Content>) -> Located {
    let at = position(&spanned.referenced);
    Located { value: spanned.value.value, places: Places { at, parts: spanned.value.parts } }
}

fn position(location: &serde_saphyr::Location) -> Position {
    Position { line: location.line().max(1), column: location.column().max(1) }
}

impl<'de> Deserialize<'de> for Content {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(ContentVisitor)
    }
}

struct ContentVisitor;

fn scalar<E>(value: impl Into<Value>) -> Result<Content, E> {
    Ok(Content { value: value.into(), parts: Parts::None })
}

impl<'de> Visitor<'de> for ContentVisitor {
    type Value = Content;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a mapping, a list or a scalar")
    }

    fn visit_bool<E: Error>(self, value: bool) -> Result<Content, E> {
        scalar(value)
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<Content, E> {
        scalar(value)
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<Content, E> {
        scalar(value)
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<Content, E> {
        scalar(Number::from_f64(value).map_or(Value::Null, Value::Number))
    }

    fn visit_str<E: Error>(self, value: &str) -> Result<Content, E> {
        scalar(value)
    }

    fn visit_string<E: Error>(self, value: String) -> Result<Content, E> {
        scalar(value)
    }

    fn visit_unit<E: Error>(self) -> Result<Content, E> {
        scalar(Value::Null)
    }

    fn visit_none<E: Error>(self) -> Result<Content, E> {
        scalar(Value::Null)
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<Content, D::Error> {
        Content::deserialize(deserializer)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut entries: A) -> Result<Content, A::Error> {
        let (mut values, mut places) = (Vec::new(), Vec::new());
        while let Some(entry) = entries.next_element::<Located>()? {
            values.push(entry.value);
            places.push(entry.places);
        }
        Ok(Content { value: Value::Array(values), parts: Parts::List(places.into()) })
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Content, A::Error> {
        let (mut values, mut places) = (Map::new(), Vec::new());
        while let Some(key) = members.next_key::<Spanned<String>>()? {
            let mut member = members.next_value::<Located>()?;
            // A field is where its key is: that is what one looks for.
            member.places.at = position(&key.referenced);
            places.push((key.value.as_str().into(), member.places));
            values.insert(key.value, member.value);
        }
        places.sort_by(|(one, _): &(Box<str>, Places), (other, _)| one.cmp(other));
        Ok(Content { value: Value::Object(values), parts: Parts::Map(places.into()) })
    }
}
