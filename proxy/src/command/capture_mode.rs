//! `--capture`: what is captured.

use clap::ValueEnum;
use meshlet_routing::explain::Capture;

/// As it is written on a command line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum CaptureMode {
    /// Addresses that a rule gives a meaning to, and ports where a rule is for a name without any.
    Ruled,
    /// Those, and every destination on a port number that is declared HTTP: there Host decides, as in Istio.
    Ports,
}

impl From<CaptureMode> for Capture {
    fn from(mode: CaptureMode) -> Self {
        match mode {
            CaptureMode::Ruled => Self::Ruled,
            CaptureMode::Ports => Self::Ports,
        }
    }
}
