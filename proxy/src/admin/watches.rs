//! What the probes and the metrics say of a cluster's watches.

use std::fmt::Write as _;

use crate::cluster::WatchStatus;

/// Why the daemon is not ready, a line for each watch that is waited for.
pub(super) fn unready(watches: &[WatchStatus]) -> String {
    let mut text = "not ready: the kubepods cgroup was not found yet, or the first sync is under way\n".to_owned();
    for watch in watches.iter().filter(|watch| !matches!(watch.state, "following" | "absent")) {
        let said = if watch.message.is_empty() { "" } else { ": " };
        // Writing to a String cannot fail.
        let _ = writeln!(text, "{} is {}{said}{}", watch.resource, watch.state, watch.message);
    }
    text
}

/// Prometheus text; nothing when files are read.
pub(super) fn metrics(watches: &[WatchStatus]) -> String {
    if watches.is_empty() {
        return String::new();
    }
    let mut text = "# TYPE meshlet_watch_lag_seconds gauge\n".to_owned();
    for watch in watches {
        let _ = writeln!(text, "meshlet_watch_lag_seconds{{resource=\"{}\"}} {:.3}", watch.resource, watch.lag_seconds);
    }
    text.push_str("# TYPE meshlet_watch_objects gauge\n");
    for watch in watches {
        let _ = writeln!(text, "meshlet_watch_objects{{resource=\"{}\"}} {}", watch.resource, watch.objects);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn watch(state: &'static str, message: &str, lag_seconds: f64) -> WatchStatus {
        let (resource, message, version) = ("pods".to_owned(), message.to_owned(), Box::default());
        WatchStatus { resource, state, message, objects: 7, version, lag_seconds }
    }

    #[test]
    fn given_watches_then_the_probe_names_those_that_are_waited_for() {
        let text = unready(&[
            watch("following", "", 0.0),
            watch("forbidden", "no verb list", 0.0),
            watch("connecting", "", 0.0),
        ]);
        let lines: Vec<&str> = text.lines().skip(1).collect();
        assert_eq!(lines, ["pods is forbidden: no verb list", "pods is connecting"]);
    }

    #[test]
    fn given_watches_then_the_metrics_have_their_lag_and_their_objects_and_without_any_nothing() {
        let text = metrics(&[watch("failing", "", 12.3456)]);
        assert!(text.contains("meshlet_watch_lag_seconds{resource=\"pods\"} 12.346\n"), "{text}");
        assert!(text.contains("meshlet_watch_objects{resource=\"pods\"} 7\n"), "{text}");
        assert_eq!(metrics(&[]), "");
    }
}
