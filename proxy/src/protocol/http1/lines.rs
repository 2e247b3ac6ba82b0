//! Header lines that a rule changes before they are sent.

use std::borrow::Cow;

use meshlet_routing::model::{HeaderEdits, Template};

use super::forward::field;
use super::{is_text, is_token};

/// What says where a message ends or belongs to this hop alone; it is written from what was understood, whatever a rule
/// says. Envoy refuses rules about `host` and pseudo-headers, and takes the others and breaks the message.
const OURS: [&[u8]; 7] =
    [b"host", b"connection", b"content-length", b"keep-alive", b"proxy-connection", b"transfer-encoding", b"upgrade"];

/// The lines of one head, names in lower case.
#[derive(Debug, Default)]
pub(crate) struct Lines<'l>(Vec<Line<'l>>);

type Line<'l> = (Cow<'l, [u8]>, Cow<'l, [u8]>);

/// Gives a template's value, as the lines stand.
pub(crate) type Render<'r> = dyn Fn(&Template, &Lines<'_>) -> Vec<u8> + 'r;

impl<'l> Lines<'l> {
    /// As they were received.
    pub(super) fn of(lines: impl Iterator<Item = (&'l [u8], &'l [u8])>) -> Self {
        Self(lines.map(|(name, value)| (name.into(), value.into())).collect())
    }

    /// The first value of a name: what Envoy's `%REQ(name)%` is
    /// (source/common/formatter/http_specific_formatter.cc, HeaderFormatter::findHeader).
    pub(crate) fn value(&self, name: &str) -> Option<Cow<'_, [u8]>> {
        self.0.iter().find(|(found, _)| **found == *name.as_bytes()).map(|(_, value)| (&**value).into())
    }

    /// Whether there is such a line.
    pub(crate) fn has(&self, name: &str) -> bool {
        self.0.iter().any(|(found, _)| **found == *name.as_bytes())
    }

    /// Every line of the name goes.
    pub(crate) fn remove(&mut self, name: &str) {
        if is_a_rules(name.as_bytes()) {
            self.0.retain(|(found, _)| **found != *name.as_bytes());
        }
    }

    /// One line takes the place of all. What is no name or no value is ignored, so that nothing can break the head.
    pub(crate) fn set(&mut self, name: impl Into<Cow<'l, [u8]>>, value: impl Into<Cow<'l, [u8]>>) {
        let (name, value) = (name.into(), value.into());
        if is_a_rules(&name) && value.iter().copied().all(is_text) {
            self.0.retain(|(found, _)| *found != name);
            self.0.push((name, value));
        }
    }

    /// One line more, with the same reservation.
    pub(crate) fn add(&mut self, name: impl Into<Cow<'l, [u8]>>, value: impl Into<Cow<'l, [u8]>>) {
        let (name, value) = (name.into(), value.into());
        if is_a_rules(&name) && value.iter().copied().all(is_text) {
            self.0.push((name, value));
        }
    }

    /// Does a route's operations, list by list. Values are those between a list's removals and its first `set`: one line of
    /// a list does not see what another one writes (envoy source/common/router/header_parser.cc,
    /// HeaderParser::evaluateHeaders). An empty value does nothing.
    pub(crate) fn edit(&mut self, lists: &'l [HeaderEdits], render: &Render<'_>) {
        for list in lists {
            for name in &list.remove {
                self.remove(name);
            }
            let values = |lines: &'l [(Box<str>, Template)]| {
                let values = lines.iter().map(|(name, template)| (name.as_bytes(), render(template, self)));
                values.filter(|(_, value)| !value.is_empty()).collect::<Vec<_>>()
            };
            let (set, add) = (values(&list.set), values(&list.add));
            for (name, value) in set {
                self.set(name, value);
            }
            for (name, value) in add {
                self.add(name, value);
            }
        }
    }

    /// Writes them all.
    pub(super) fn write(&self, out: &mut Vec<u8>) {
        for (name, value) in &self.0 {
            field(out, name, value);
        }
    }
}

/// Whether a rule may have a say about lines of this name.
fn is_a_rules(name: &[u8]) -> bool {
    !name.is_empty() && name.iter().copied().all(is_token) && !OURS.contains(&name)
}

#[cfg(test)]
mod tests {
    use meshlet_routing::model::{Segment, Variable};

    use super::*;

    /// `%REQ(name)%` stands for the line of that name.
    fn render(template: &Template, lines: &Lines<'_>) -> Vec<u8> {
        match &template.0[..] {
            [Segment::Text(text)] => text.as_bytes().to_vec(),
            [Segment::Variable(Variable::RequestHeader { name, .. })] => {
                lines.value(name).unwrap_or_default().into_owned()
            }
            _ => Vec::new(),
        }
    }

    fn check(edits: &[HeaderEdits], expected: &str) {
        let received: [(&[u8], &[u8]); 3] = [(b"a", b"1"), (b"b", b"2"), (b"a", b"3")];
        let mut lines = Lines::of(received.into_iter());
        lines.edit(edits, &render);
        let mut out = Vec::new();
        lines.write(&mut out);
        assert_eq!(String::from_utf8_lossy(&out).replace("\r\n", "; "), expected, "{edits:?}");
    }

    fn list(remove: &[&str], set: &[(&str, &str)], add: &[(&str, &str)]) -> HeaderEdits {
        let line = |(name, value): &(&str, &str)| ((*name).into(), value.parse().expect("a template"));
        HeaderEdits {
            remove: remove.iter().map(|name| (*name).into()).collect(),
            set: set.iter().map(line).collect(),
            add: add.iter().map(line).collect(),
        }
    }

    #[test]
    fn given_operations_then_they_are_done_in_order() {
        check(&[], "a: 1; b: 2; a: 3; ");
        check(&[list(&["a"], &[], &[])], "b: 2; ");
        check(&[list(&[], &[("a", "4")], &[])], "b: 2; a: 4; ");
        check(&[list(&[], &[], &[("b", "4")])], "a: 1; b: 2; a: 3; b: 4; ");
        check(&[list(&["a"], &[("b", "5")], &[("b", "6")]), list(&[], &[("b", "7")], &[])], "b: 7; ");
    }

    #[test]
    fn given_values_from_other_lines_then_they_are_those_before_the_list_and_after_its_removals() {
        check(&[list(&[], &[("b", "%REQ(a)%"), ("c", "%REQ(b)%")], &[])], "a: 1; a: 3; b: 1; c: 2; ");
        check(&[list(&["a"], &[("c", "%REQ(a)%")], &[])], "b: 2; ");
        // A second list sees what the first one has written.
        let first = list(&[], &[("b", "4")], &[("c", "5")]);
        check(&[first, list(&[], &[("d", "%REQ(b)%")], &[])], "a: 1; a: 3; b: 4; c: 5; d: 4; ");
    }

    #[test]
    fn given_what_would_break_the_head_then_it_is_ignored() {
        for name in ["host", "content-length", "transfer-encoding", "connection", "upgrade", ":path", "x y", "", "x:"] {
            check(&[list(&[name], &[(name, "1")], &[(name, "1")])], "a: 1; b: 2; a: 3; ");
        }
        check(&[list(&[], &[("c", "x\r\ny: z"), ("b", "")], &[("c", "\0")])], "a: 1; b: 2; a: 3; ");
    }
}
