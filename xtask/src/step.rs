//! Steps of a longer command: each has a title and says how long it took.

use std::time::Instant;

use anyhow::Result;

/// Does one step. A failure ends the command: the caller passes it on with `?`.
pub(crate) fn step<T>(title: &str, work: impl FnOnce() -> Result<T>) -> Result<T> {
    eprintln!("==> {title}");
    let start = Instant::now();
    let done = work();
    let verdict = if done.is_ok() { "done" } else { "FAILED" };
    eprintln!("    {title}: {verdict} in {:.1} s", start.elapsed().as_secs_f64());
    done
}
