//! The IP families of a pod or a Service.

use std::net::IpAddr;

/// Which addresses a pod or a Service has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Families {
    /// IPv4 alone.
    #[default]
    V4,
    /// IPv6 alone.
    V6,
    /// Both, and IPv4 is the primary one.
    Dual,
}

/// One of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Family {
    V4,
    V6,
}

impl Families {
    /// The primary one first.
    pub(crate) fn listed(self) -> &'static [Family] {
        match self {
            Self::V4 => &[Family::V4],
            Self::V6 => &[Family::V6],
            Self::Dual => &[Family::V4, Family::V6],
        }
    }

    /// `spec.ipFamilyPolicy`.
    pub(crate) fn policy(self) -> &'static str {
        match self {
            Self::V4 | Self::V6 => "SingleStack",
            Self::Dual => "RequireDualStack",
        }
    }
}

impl Family {
    pub(crate) fn of(address: IpAddr) -> Self {
        if address.is_ipv4() { Self::V4 } else { Self::V6 }
    }

    /// As in `spec.ipFamilies`.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::V4 => "IPv4",
            Self::V6 => "IPv6",
        }
    }
}
