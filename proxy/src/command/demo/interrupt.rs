//! Ctrl-C: the demo ends between two steps, so that everything it built is taken down in order.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use anyhow::{Context as _, bail};
use tokio::signal::unix::{SignalKind, signal};

/// Whether SIGINT or SIGTERM has come.
#[derive(Clone)]
pub(crate) struct Interrupt(Arc<AtomicBool>);

impl Interrupt {
    /// Takes the signals over from here on. The second one ends the process at once; its pods are removed all the same.
    pub(crate) fn listen() -> anyhow::Result<Self> {
        let interrupt = Self(Arc::default());
        let runtime =
            tokio::runtime::Builder::new_current_thread().enable_io().build().context("waiting for signals")?;
        let (mut interrupted, mut terminated) = {
            let _inside = runtime.enter();
            let listen = |kind| signal(kind).context("waiting for signals");
            (listen(SignalKind::interrupt())?, listen(SignalKind::terminate())?)
        };
        let raised = interrupt.clone();
        thread::Builder::new()
            .name("signals".to_owned())
            .spawn(move || {
                runtime.block_on(async {
                    loop {
                        tokio::select! {
                            _ = interrupted.recv() => {}
                            _ = terminated.recv() => {}
                        }
                        if raised.0.swap(true, Ordering::Relaxed) {
                            std::process::exit(1);
                        }
                        eprintln!("taking everything down");
                    }
                });
            })
            .context("starting the thread for signals")?;
        Ok(interrupt)
    }

    /// Fails when a signal has come.
    pub(crate) fn check(&self) -> anyhow::Result<()> {
        if self.0.load(Ordering::Relaxed) {
            bail!("the demo was interrupted");
        }
        Ok(())
    }

    /// Waits for a signal.
    pub(crate) fn wait(&self) {
        while !self.0.load(Ordering::Relaxed) {
            thread::sleep(Duration::from_millis(50));
        }
    }
}
