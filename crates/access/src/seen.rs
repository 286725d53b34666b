use std::collections::HashMap;

use jiff::Timestamp;

use crate::AccessError;
use crate::claims::LEEWAY;

/// Remembers which tokens were used, so that none is used twice.
///
/// It holds a token until its time has passed, and never forgets one earlier: when it is full it refuses. It lives in memory, so it also
/// refuses tokens from before it began: another process may have accepted them.
#[derive(Debug)]
pub struct Seen {
    since: i64,
    capacity: usize,
    until: HashMap<String, Timestamp>,
}

impl Seen {
    /// A memory that begins now and holds at most `capacity` tokens at a time.
    #[must_use]
    pub fn new(capacity: usize, now: Timestamp) -> Self {
        Self { since: now.as_second(), capacity, until: HashMap::new() }
    }

    /// Notes that a verified token is used, for the first time.
    ///
    /// # Errors
    /// [`AccessError::Replayed`] when it is not the first time or may not be, [`AccessError::Crowded`] when there is no room.
    pub fn first_use(&mut self, token_id: &str, issued_at: Timestamp, expires_at: Timestamp, now: Timestamp) -> Result<(), AccessError> {
        if issued_at.as_second() < self.since || self.until.contains_key(token_id) {
            return Err(AccessError::Replayed);
        }
        if self.until.len() >= self.capacity {
            // Verification accepts a token until the leeway after its end; one second more covers the boundary.
            self.until.retain(|_, end| now.duration_since(*end) <= LEEWAY + jiff::SignedDuration::from_secs(1));
        }
        if self.until.len() >= self.capacity {
            return Err(AccessError::Crowded);
        }
        self.until.insert(token_id.to_owned(), expires_at);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(1_800_000_000 + second).unwrap()
    }

    #[test]
    fn a_token_is_used_once() {
        let mut seen = Seen::new(10, at(0));
        assert_eq!(seen.first_use("a", at(1), at(61), at(2)), Ok(()));
        assert_eq!(seen.first_use("a", at(1), at(61), at(3)), Err(AccessError::Replayed));
        assert_eq!(seen.first_use("b", at(1), at(61), at(3)), Ok(()));
    }

    #[test]
    fn a_token_from_before_the_memory_began_is_refused() {
        let mut seen = Seen::new(10, at(0));
        assert_eq!(seen.first_use("a", at(-1), at(59), at(2)), Err(AccessError::Replayed));
        assert_eq!(seen.first_use("a", at(0), at(60), at(2)), Ok(()));
    }

    #[test]
    fn a_full_memory_refuses_rather_than_forgets_and_makes_room_by_time_alone() {
        let mut seen = Seen::new(2, at(0));
        assert_eq!(seen.first_use("a", at(0), at(60), at(1)), Ok(()));
        assert_eq!(seen.first_use("b", at(0), at(60), at(1)), Ok(()));
        assert_eq!(seen.first_use("c", at(0), at(60), at(1)), Err(AccessError::Crowded));
        assert_eq!(seen.first_use("a", at(0), at(60), at(65)), Err(AccessError::Replayed), "still acceptable by leeway");
        assert_eq!(seen.first_use("c", at(60), at(120), at(67)), Ok(()));
    }
}
