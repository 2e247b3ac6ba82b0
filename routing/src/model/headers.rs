//! Header operations of a route or a destination.

/// What is done to the headers of a request and of its response.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct HeaderOperations {
    /// `headers.request`.
    pub request: HeaderEdits,
    /// `headers.response`.
    pub response: HeaderEdits,
}

/// One `remove`, `set` and `add` list, done in this order. Names are in lower case, each list sorted by name.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct HeaderEdits {
    /// Every line of the name goes.
    pub remove: Vec<Box<str>>,
    /// One line takes the place of all.
    pub set: Vec<(Box<str>, Template)>,
    /// One line more.
    pub add: Vec<(Box<str>, Template)>,
}

/// A header's value as it is written: text with Envoy's `%VARIABLE%`s in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Template(pub Box<[Segment]>);

/// A part of a [`Template`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Segment {
    /// Text, `%%` already one percent sign.
    Text(Box<str>),
    /// The name between the percent signs, arguments included: `REQ(x-user)`.
    Variable(Box<str>),
}

/// One operation, in the order in which a route's operations are done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum HeaderEdit {
    /// Every line of the name goes.
    Remove(Box<str>),
    /// One line takes the place of all.
    Set(Box<str>, Template),
    /// One line more.
    Add(Box<str>, Template),
}
