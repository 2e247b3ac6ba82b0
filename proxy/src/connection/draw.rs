//! Random numbers for decisions: fast, seeded by the kernel, of no use for secrets.

use std::cell::Cell;

use anyhow::Context as _;
use rustix::rand::{GetRandomFlags, getrandom};

/// A splitmix64 generator; each worker has its own.
#[derive(Debug)]
pub(crate) struct Draw(Cell<u64>);

impl Draw {
    /// Seeded by the kernel.
    pub(crate) fn seeded() -> anyhow::Result<Self> {
        let mut seed = [0; 8];
        getrandom(&mut seed, GetRandomFlags::empty()).context("drawing a random seed")?;
        Ok(Self(Cell::new(u64::from_ne_bytes(seed))))
    }

    /// The next number, uniform over all of `u64`.
    pub(crate) fn next(&self) -> u64 {
        let state = self.0.get().wrapping_add(0x9e37_79b9_7f4a_7c15);
        self.0.set(state);
        let mut z = state;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// The next number, uniform over all of `u32`.
    pub(crate) fn next_u32(&self) -> u32 {
        u32::try_from(self.next() >> 32).expect("32 bits are left")
    }

    /// A UUID of version 4 as text, for `x-request-id`.
    pub(crate) fn request_id(&self) -> [u8; 36] {
        let mut bits = [0; 16];
        bits[..8].copy_from_slice(&self.next().to_ne_bytes());
        bits[8..].copy_from_slice(&self.next().to_ne_bytes());
        bits[6] = (bits[6] & 0x0f) | 0x40;
        bits[8] = (bits[8] & 0x3f) | 0x80;
        let mut text = [b'-'; 36];
        let places = [0, 2, 4, 6, 9, 11, 14, 16, 19, 21, 24, 26, 28, 30, 32, 34];
        for (byte, place) in bits.into_iter().zip(places) {
            text[place] = b"0123456789abcdef"[usize::from(byte >> 4)];
            text[place + 1] = b"0123456789abcdef"[usize::from(byte & 0x0f)];
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn given_a_request_id_then_it_has_the_shape_of_a_random_uuid() {
        let draw = Draw::seeded().expect("the kernel has random numbers");
        for _ in 0..100 {
            let id = String::from_utf8(draw.request_id().to_vec()).expect("text");
            let parts: Vec<&str> = id.split('-').collect();
            assert_eq!(parts.iter().map(|part| part.len()).collect::<Vec<_>>(), [8, 4, 4, 4, 12], "{id}");
            assert!(parts[2].starts_with('4') && parts[3].starts_with(['8', '9', 'a', 'b']), "{id}");
            assert!(
                id.bytes().all(|byte| byte == b'-' || byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte)),
                "{id}"
            );
        }
    }
}
