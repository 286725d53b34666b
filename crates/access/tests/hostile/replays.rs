//! The same token again: at once, late, under load.

use std::collections::HashMap;

use access::{AccessError, LEEWAY, Seen};
use proptest::prelude::*;

use crate::forge::{NOW, at};

const CAPACITY: usize = 8;

/// One token that arrives: which, how many seconds after the one before it, how old it is then, and how long it lives.
fn arrivals() -> impl Strategy<Value = Vec<(u8, i64, i64, i64)>> {
    prop::collection::vec((0_u8..24, 0_i64..20, -5_i64..70, 1_i64..=60), 0..80)
}

proptest! {
    #[test]
    fn no_token_is_used_twice_while_it_could_be_accepted_and_the_memory_stays_within_its_bound(arrivals in arrivals()) {
        let mut seen = Seen::new(CAPACITY, at(NOW));
        let mut lives: HashMap<u8, (i64, i64)> = HashMap::new();
        let mut used: HashMap<u8, i64> = HashMap::new();
        let mut now = NOW;
        for (token, later, age, life) in arrivals {
            now += later;
            // A token says the same about itself whenever it comes.
            let (issued, ends) = *lives.entry(token).or_insert((now - age, now - age + life));
            // Only what the verifier lets pass comes here at all.
            if issued > now + LEEWAY.as_secs() || now - ends >= LEEWAY.as_secs() {
                continue;
            }
            let verdict = seen.first_use(&token.to_string(), at(issued), at(ends), at(now));
            let alive = used.values().filter(|ends| now - **ends < LEEWAY.as_secs()).count();
            match verdict {
                Ok(()) => {
                    prop_assert!(issued >= NOW, "a token from before the memory began was used");
                    prop_assert!(used.insert(token, ends).is_none(), "token {token} was used twice");
                    prop_assert!(alive < CAPACITY, "more tokens are remembered than there is room for");
                }
                Err(AccessError::Replayed) => prop_assert!(issued < NOW || used.contains_key(&token), "a fresh token was taken for an old one"),
                // Those whose time was over less than two seconds ago may still take room.
                Err(AccessError::Crowded) => {
                    let held = used.values().filter(|ends| now - **ends <= LEEWAY.as_secs() + 1).count();
                    prop_assert!(held >= CAPACITY, "there was room: {held}");
                }
                Err(other) => prop_assert!(false, "{other}"),
            }
        }
    }
}
