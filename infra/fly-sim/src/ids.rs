//! Identifiers in Fly's forms.

use std::sync::{Mutex, PoisonError};

use jiff::Timestamp;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

const HEX: &[u8] = b"0123456789abcdef";
const BASE36: &[u8] = b"0123456789abcdefghijklmnopqrstuvwxyz";
const CROCKFORD: &[u8] = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";

/// Draws identifiers, always the same ones when it was given a seed.
pub(crate) struct Ids(Mutex<StdRng>);

impl Ids {
    pub(crate) fn new(seed: Option<u64>) -> Self {
        Self(Mutex::new(seed.map_or_else(|| StdRng::from_rng(&mut rand::rng()), StdRng::seed_from_u64)))
    }

    fn draw(&self, alphabet: &[u8], length: usize) -> String {
        let mut random = self.0.lock().unwrap_or_else(PoisonError::into_inner);
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
        self.0.lock().unwrap_or_else(PoisonError::into_inner).random_range(1..i32::MAX.unsigned_abs())
    }

    /// A ULID: 48 bits of milliseconds and 80 random bits in Crockford's base 32 (<https://github.com/ulid/spec>).
    pub(crate) fn ulid(&self, now: Timestamp) -> String {
        let mut time = u64::try_from(now.as_millisecond()).unwrap_or_default();
        let mut text = [b'0'; 10];
        for place in text.iter_mut().rev() {
            *place = CROCKFORD[usize::try_from(time & 31).unwrap_or_default()];
            time >>= 5;
        }
        format!("{}{}", String::from_utf8_lossy(&text), self.draw(CROCKFORD, 16))
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
    }

    #[test]
    fn the_same_seed_draws_the_same_identifiers() {
        assert_eq!(Ids::new(Some(7)).machine(), Ids::new(Some(7)).machine());
        assert_ne!(Ids::new(Some(7)).machine(), Ids::new(Some(8)).machine());
    }
}
