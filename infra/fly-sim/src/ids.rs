//! Identifiers in Fly's forms.

use std::sync::Mutex;

use jiff::Timestamp;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

use crate::world::lock;

const HEX: &[u8] = b"0123456789abcdef";
const BASE36: &[u8] = b"0123456789abcdefghijklmnopqrstuvwxyz";
const CROCKFORD: &[u8] = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";

/// Draws identifiers, always the same ones when it was given a seed.
pub(crate) struct Ids {
    random: Mutex<StdRng>,
    last_ulid: Mutex<u128>,
}

impl Ids {
    pub(crate) fn new(seed: Option<u64>) -> Self {
        let random = seed.map_or_else(|| StdRng::from_rng(&mut rand::rng()), StdRng::seed_from_u64);
        Self { random: Mutex::new(random), last_ulid: Mutex::new(0) }
    }

    fn draw(&self, alphabet: &[u8], length: usize) -> String {
        let mut random = lock(&self.random);
        (0..length).map(|_| char::from(alphabet[random.random_range(0..alphabet.len())])).collect()
    }

    /// `148ed193b95948`: 14 hexadecimal digits.
    pub(crate) fn machine(&self) -> String {
        self.draw(HEX, 14)
    }

    /// `vol_` and 20 characters.
    pub(crate) fn volume(&self) -> String {
        format!("vol_{}", self.draw(BASE36, 20))
    }

    /// `vs_` and 20 characters.
    pub(crate) fn snapshot(&self) -> String {
        format!("vs_{}", self.draw(BASE36, 20))
    }

    pub(crate) fn app(&self) -> String {
        self.draw(BASE36, 16)
    }

    pub(crate) fn nonce(&self) -> String {
        self.draw(HEX, 12)
    }

    pub(crate) fn zone(&self) -> String {
        self.draw(HEX, 4)
    }

    pub(crate) fn request(&self, now: Timestamp, region: &str) -> String {
        format!("{}-{region}", self.ulid(now))
    }

    /// A number that fits 31 bits: Fly's Go client keeps it in 32.
    pub(crate) fn number(&self) -> u32 {
        lock(&self.random).random_range(1..i32::MAX.unsigned_abs())
    }

    /// A ULID: 48 bits of milliseconds and 80 random bits in Crockford's base 32 (<https://github.com/ulid/spec>). Within a millisecond,
    /// which in virtual time may hold everything, each is one more than the last, so that they always sort in the order they were drawn.
    pub(crate) fn ulid(&self, now: Timestamp) -> String {
        let time = u128::try_from(now.as_millisecond()).unwrap_or_default() << 80;
        let fresh = time | (lock(&self.random).random::<u128>() >> 48);
        let mut last = lock(&self.last_ulid);
        *last = if fresh >> 80 > *last >> 80 { fresh } else { *last + 1 };
        let digit = |place: u32| char::from(CROCKFORD[usize::try_from(*last >> (5 * place) & 31).unwrap_or_default()]);
        (0..26).rev().map(digit).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ulid_has_26_characters_and_sorts_by_time() {
        let ids = Ids::new(Some(1));
        let early = ids.ulid(Timestamp::from_millisecond(1_469_918_176_385).unwrap());
        let late = ids.ulid(Timestamp::from_millisecond(1_469_918_176_386).unwrap());
        assert_eq!(early.len(), 26);
        assert!(early.starts_with("01ARYZ6S41"), "the example of the ULID specification: {early}");
        assert!(early < late);
        let same = Timestamp::from_millisecond(1_469_918_176_386).unwrap();
        let many: Vec<_> = (0..100).map(|_| ids.ulid(same)).collect();
        assert!(many.is_sorted() && late < many[0], "also within a millisecond");
    }

    #[test]
    fn the_same_seed_draws_the_same_identifiers() {
        assert_eq!(Ids::new(Some(7)).machine(), Ids::new(Some(7)).machine());
        assert_ne!(Ids::new(Some(7)).machine(), Ids::new(Some(8)).machine());
    }
}
