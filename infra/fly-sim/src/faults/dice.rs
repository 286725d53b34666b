use std::ops::RangeInclusive;

use sha2::{Digest, Sha256};

/// Draws that depend on nothing but what they are for, so that a world replays whatever else was drawn before, on every computer and
/// with every version of every library: SHA-256 of the seed, the occasion and its number.
pub(super) struct Dice([u8; 32]);

impl Dice {
    pub(super) fn cast(seed: u64, occasion: &str, number: u64) -> Self {
        let hash = Sha256::new().chain_update(seed.to_be_bytes()).chain_update(number.to_be_bytes()).chain_update(occasion);
        Self(hash.finalize().into())
    }

    /// The nth of four draws.
    fn draw(&self, nth: usize) -> u64 {
        self.0.as_chunks::<8>().0.get(nth).map_or(0, |bytes| u64::from_be_bytes(*bytes))
    }

    /// A number from 0 to 9,999.
    pub(super) fn of_10_000(&self, nth: usize) -> u32 {
        u32::try_from(self.draw(nth) % 10_000).unwrap_or_default()
    }

    /// A number of the range, ends included.
    pub(super) fn within(&self, nth: usize, range: RangeInclusive<u64>) -> u64 {
        let width = range.end().saturating_sub(*range.start()).saturating_add(1).max(1);
        range.start() + self.draw(nth) % width
    }

    /// One of several; there must be one.
    pub(super) fn one_of<T: Copy>(&self, nth: usize, all: &[T]) -> T {
        let place = usize::try_from(self.draw(nth) % all.len().max(1) as u64).unwrap_or_default();
        all[place]
    }
}
