//! Header operations of a route or a destination.

use std::borrow::Cow;

use super::template::{Template, Variable};

/// What is done to the headers of a request and of its response.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct HeaderOperations {
    /// `headers.request`, without what rewrites Host.
    pub request: HeaderEdits,
    /// `headers.response`.
    pub response: HeaderEdits,
    /// `host` or `:authority` in `headers.request`: replaces Host, and is text, variables are not looked for in it
    /// (istio/istio@86c9f01 pilot/pkg/networking/core/route/route.go, TranslateHeadersOperations: host_rewrite_literal).
    pub authority: Option<Box<str>>,
}

/// One list of operations: `remove`, then `set`, then `add`. Names are in lower case.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct HeaderEdits {
    /// Every line of the name goes.
    pub remove: Vec<Box<str>>,
    /// One line takes the place of all; of two for a name the later wins.
    pub set: Vec<(Box<str>, Template)>,
    /// One line more.
    pub add: Vec<(Box<str>, Template)>,
}

/// Lines to write, with their values.
pub type Lines<'e> = Vec<(&'e str, Cow<'e, [u8]>)>;

impl HeaderEdits {
    /// Whether nothing is done.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        let Self { remove, set, add } = self;
        remove.is_empty() && set.is_empty() && add.is_empty()
    }

    /// The lines to set and those to add, for one request. `value` says what a variable stands for, `None` for nothing. An
    /// operation whose value comes out empty does nothing and is left out.
    ///
    /// All variables of a list stand for what they are between its removals and its first set, as in Envoy
    /// (source/common/router/header_parser.cc, HeaderParser::evaluateHeaders).
    pub fn render<'e>(&'e self, mut value: impl FnMut(&Variable) -> Option<Cow<'e, [u8]>>) -> (Lines<'e>, Lines<'e>) {
        let mut lines = |operations: &'e [(Box<str>, Template)]| {
            let lines = operations.iter().map(|(name, template)| (&**name, template.render(&mut value)));
            lines.filter(|(_, value)| !value.is_empty()).collect()
        };
        (lines(&self.set), lines(&self.add))
    }
}
