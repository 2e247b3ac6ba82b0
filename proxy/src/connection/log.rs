//! The access log's own thread: a slow reader of stdout must not slow a request.

use std::io::{self, Write as _};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::JoinHandle;

use crate::settings::AccessLog;

/// Lines that may wait; beyond that they are lost.
const WAITING: usize = 4096;

/// Bytes written at once.
const BATCH: usize = 64 * 1024;

/// Takes lines from any thread.
#[derive(Debug, Clone)]
pub(crate) struct Log {
    lines: SyncSender<String>,
    /// What they look like.
    pub(crate) format: AccessLog,
}

impl Log {
    /// Writes a line, which ends with a line feed, or loses it when the reader is too slow.
    pub(crate) fn line(&self, line: String) {
        let _ = self.lines.try_send(line);
    }
}

/// Starts the thread; it ends when every [`Log`] is gone and written.
pub(crate) fn start(format: AccessLog) -> io::Result<(Log, JoinHandle<()>)> {
    let (sender, lines) = sync_channel(WAITING);
    let thread = std::thread::Builder::new().name("meshlet-log".to_owned()).spawn(move || write(&lines))?;
    Ok((Log { lines: sender, format }, thread))
}

fn write(lines: &Receiver<String>) {
    while let Ok(mut batch) = lines.recv() {
        while batch.len() < BATCH {
            let Ok(line) = lines.try_recv() else { break };
            batch.push_str(&line);
        }
        let mut stdout = io::stdout().lock();
        if stdout.write_all(batch.as_bytes()).and_then(|()| stdout.flush()).is_err() {
            // Nobody reads any more; the lines have nowhere else to go.
            return;
        }
    }
}
