//! Envoy's response flags: what was out of the ordinary about a request.

use std::fmt::{self, Display};
use std::ops::{BitOr, BitOrAssign};

/// A set of flags.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Flags(u16);

/// In the order in which Envoy writes them (envoy envoy/stream_info/stream_info.h, CoreResponseFlag).
const WORDS: [&str; 15] = ["UH", "UT", "UF", "UC", "UO", "NR", "DI", "FI", "DC", "URX", "DPE", "DT", "UPE", "NC", "DF"];

impl Flags {
    /// Nothing was.
    pub(crate) const NONE: Self = Self(0);
    /// No healthy endpoint.
    pub(crate) const UH: Self = Self(1);
    /// The endpoint took too long.
    pub(crate) const UT: Self = Self(1 << 1);
    /// The endpoint could not be connected to.
    pub(crate) const UF: Self = Self(1 << 2);
    /// The endpoint ended the connection.
    pub(crate) const UC: Self = Self(1 << 3);
    /// The cluster has as much to do as it may have.
    pub(crate) const UO: Self = Self(1 << 4);
    /// An injected delay.
    pub(crate) const DI: Self = Self(1 << 6);
    /// The client left.
    pub(crate) const DC: Self = Self(1 << 8);
    /// All retries were used.
    pub(crate) const URX: Self = Self(1 << 9);
    /// The client sent what is no request.
    pub(crate) const DPE: Self = Self(1 << 10);
    /// The connection was as old as it may be.
    pub(crate) const DT: Self = Self(1 << 11);
    /// The endpoint sent what is no response.
    pub(crate) const UPE: Self = Self(1 << 12);
    /// The name that the client asked for does not resolve.
    pub(crate) const DF: Self = Self(1 << 14);

    /// The flag of a word; none for any other.
    pub(crate) fn named(word: &str) -> Self {
        WORDS.iter().position(|known| *known == word).map_or(Self::NONE, |index| Self(1 << index))
    }
}

impl BitOr for Flags {
    type Output = Self;

    fn bitor(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}

impl BitOrAssign for Flags {
    fn bitor_assign(&mut self, other: Self) {
        *self = *self | other;
    }
}

impl Display for Flags {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if *self == Self::NONE {
            return f.write_str("-");
        }
        let set = WORDS.iter().enumerate().filter(|(index, _)| self.0 & (1 << index) != 0);
        set.enumerate().try_for_each(|(place, (_, word))| {
            f.write_str(if place > 0 { "," } else { "" })?;
            f.write_str(word)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn given_flags_then_they_are_written_in_envoys_order_and_none_is_a_dash() {
        assert_eq!(Flags::NONE.to_string(), "-");
        assert_eq!((Flags::URX | Flags::UF).to_string(), "UF,URX");
        assert_eq!((Flags::named("FI") | Flags::DI).to_string(), "DI,FI");
        assert_eq!(Flags::named("-"), Flags::NONE);
        let named = [
            ("UH", Flags::UH),
            ("UT", Flags::UT),
            ("UF", Flags::UF),
            ("UC", Flags::UC),
            ("UO", Flags::UO),
            ("DI", Flags::DI),
            ("DC", Flags::DC),
            ("URX", Flags::URX),
            ("DPE", Flags::DPE),
            ("DT", Flags::DT),
            ("UPE", Flags::UPE),
            ("DF", Flags::DF),
        ];
        for (word, flag) in named {
            assert_eq!((Flags::named(word), flag.to_string().as_str()), (flag, word));
        }
    }
}
