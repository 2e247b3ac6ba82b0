//! Wakes the reader when a file or a cgroup changes.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use notify::{EventKind, RecommendedWatcher, RecursiveMode, Watcher as _};
use tokio::sync::Notify;

/// An inotify watch whose every event wakes one task; watching stops when it is dropped.
pub(crate) struct Watch {
    watcher: Option<RecommendedWatcher>,
    watched: Vec<PathBuf>,
}

impl Watch {
    /// Nothing is watched yet; `wake` is notified on events.
    pub(crate) fn new(wake: Arc<Notify>) -> Self {
        let watcher = notify::recommended_watcher(move |event: notify::Result<notify::Event>| {
            if !event.is_ok_and(|event| matches!(event.kind, EventKind::Access(_))) {
                wake.notify_one();
            }
        });
        let watcher =
            watcher.inspect_err(|error| tracing::warn!(%error, "no inotify: changes are seen once a second")).ok();
        Self { watcher, watched: Vec::new() }
    }

    /// Watches a folder with all below it; for a file its folder, since files are replaced by renaming.
    pub(crate) fn add(&mut self, path: &Path) {
        let (target, mode) = if path.is_dir() {
            (path.to_owned(), RecursiveMode::Recursive)
        } else {
            let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
            (parent.to_owned(), RecursiveMode::NonRecursive)
        };
        if self.watched.contains(&target) {
            return;
        }
        if let Some(watcher) = &mut self.watcher {
            match watcher.watch(&target, mode) {
                Ok(()) => self.watched.push(target),
                Err(error) => {
                    tracing::warn!(path = %target.display(), %error, "not watched: changes are seen once a second")
                }
            }
        }
    }
}
