//! Waiting for a condition, not for a time.

use std::time::{Duration, Instant};

/// Returns as soon as `condition` holds; after half a minute the test fails.
pub fn wait_for(what: &str, mut condition: impl FnMut() -> bool) {
    let started = Instant::now();
    while !condition() {
        assert!(started.elapsed() < Duration::from_secs(30), "waited in vain until {what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}
