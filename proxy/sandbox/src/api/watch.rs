//! A watch: what happens to the objects of a resource, as long as somebody reads it.

use std::io::{self, Write};
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::Shared;
use super::answer::{View, failure};
use super::request::{Objects, Query};
use super::store::{Event, Stored};
use crate::http::write_chunk;

/// How long a watch lasts when nobody says.
const LONGEST: Duration = Duration::from_secs(300);
/// How long a watch sleeps at most before it looks whether it is to end.
const LOOK: Duration = Duration::from_millis(100);

/// Writes the watch's lines as chunks until it ends, is closed by a fault or nobody reads any more.
pub(crate) fn watch(
    shared: &Shared,
    of: &Objects,
    query: &Query,
    view: &View,
    closes: Option<Duration>,
    to: &mut impl Write,
) -> io::Result<()> {
    let lasts = query.number("timeoutSeconds").map_or(LONGEST, Duration::from_secs);
    let end = Instant::now() + closes.map_or(lasts, |closes| closes.min(lasts));
    let bookmarks = query.says("allowWatchBookmarks");
    let mut cursor = query.number("resourceVersion").unwrap_or(0);
    let mut bookmarked = Instant::now();
    if query.says("sendInitialEvents") || cursor == 0 {
        cursor = initial(shared, of, query, view, to)?;
    }
    loop {
        let longest = LOOK.min(end.saturating_duration_since(Instant::now()));
        let news = news(shared, of, query, view, cursor, longest);
        for line in &news.lines {
            write_chunk(to, line.as_bytes())?;
        }
        if news.reached.is_some_and(|reached| reached > cursor) {
            bookmarked = Instant::now();
        }
        cursor = news.reached.unwrap_or(cursor);
        if bookmarks && bookmarked.elapsed() >= news.bookmark_every {
            write_chunk(to, view.bookmark(cursor, false).as_bytes())?;
            bookmarked = Instant::now();
        }
        to.flush()?;
        if news.reached.is_none() || news.stopped || Instant::now() >= end {
            return write_chunk(to, b"");
        }
    }
}

/// What a watch finds when it looks.
struct News {
    lines: Vec<String>,
    /// The version up to which it has been told; none when that is too old.
    reached: Option<u64>,
    /// The server goes down, or the resource with it.
    stopped: bool,
    bookmark_every: Duration,
}

/// The objects that there are, and where they end.
fn initial(shared: &Shared, of: &Objects, query: &Query, view: &View, to: &mut impl Write) -> io::Result<u64> {
    let (lines, version) = {
        let state = shared.lock();
        let objects = state.store.list(of.resource.plural, of.namespace.as_deref());
        let selected = objects.filter(|(_, object)| query.selects(object));
        let lines: Vec<String> = selected.map(|(_, object)| view.event("ADDED", object)).collect();
        (lines, state.store.version())
    };
    for line in &lines {
        write_chunk(to, line.as_bytes())?;
    }
    if query.says("sendInitialEvents") {
        write_chunk(to, view.bookmark(version, true).as_bytes())?;
    }
    to.flush()?;
    Ok(version)
}

/// Waits, but not for long, for events after a version.
fn news(shared: &Shared, of: &Objects, query: &Query, view: &View, cursor: u64, longest: Duration) -> News {
    let mut state = shared.lock();
    if state.store.version() == cursor && !state.down && !longest.is_zero() {
        state = shared.wait(state, longest);
    }
    let stopped = state.down || !state.served.serves(of.resource, &of.version);
    let (lines, reached) = match state.store.since(cursor) {
        Some(events) => {
            let lines = events.filter_map(|event| line(event, of, query, view)).collect();
            (lines, Some(state.store.version()))
        }
        None => {
            let message = format!("too old resource version: {cursor} ({})", state.store.version());
            let gone = failure(410, "Expired", &message);
            // The type first, as the API server writes it, whatever order the keys of a map have.
            (vec![format!("{{\"type\":\"ERROR\",\"object\":{gone}}}\n")], None)
        }
    };
    News { lines, reached, stopped, bookmark_every: state.bookmark_every }
}

/// An object that comes to be selected is added, one that no longer is, deleted.
fn line(event: &Event, of: &Objects, query: &Query, view: &View) -> Option<String> {
    let here = of.namespace.as_ref().is_none_or(|namespace| *namespace == event.key.namespace);
    if event.key.plural != of.resource.plural || !here {
        return None;
    }
    let selected = |object: Option<&Arc<Stored>>| object.is_some_and(|object| query.selects(object));
    match (selected(event.before.as_ref()), selected(event.after.as_ref())) {
        (false, true) => event.after.as_ref().map(|after| view.event("ADDED", after)),
        (true, true) => event.after.as_ref().map(|after| view.event("MODIFIED", after)),
        (true, false) => {
            let last = event.after.as_ref().or(event.before.as_ref());
            last.map(|last| view.event("DELETED", last))
        }
        (false, false) => None,
    }
}
