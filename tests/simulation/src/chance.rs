use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::{Mutex, MutexGuard};
use std::time::Duration;

use fastrand::Rng;

/// A stream of chance of its own for each part of a world, so that one part's draws do not shift another's.
pub(crate) struct Chance(Mutex<Rng>);

impl Chance {
    pub(crate) fn of(seed: u64, part: &str) -> Self {
        Self(Mutex::new(Rng::with_seed(hash(&(seed, part)))))
    }

    /// Whether something of this probability happens.
    pub(crate) fn happens(&self, probability: f64) -> bool {
        probability > 0.0 && self.draw().f64() < probability
    }

    pub(crate) fn below(&self, end: usize) -> usize {
        self.draw().usize(0..end)
    }

    pub(crate) fn pick<'a, T>(&self, from: &'a [T]) -> &'a T {
        &from[self.below(from.len())]
    }

    /// Evenly between two durations.
    pub(crate) fn between(&self, shortest: Duration, longest: Duration) -> Duration {
        let millis = |duration: Duration| u64::try_from(duration.as_millis()).expect("less than the age of the universe");
        Duration::from_millis(self.draw().u64(millis(shortest)..=millis(longest)))
    }

    /// The time until the next of many independent events that come so far apart on average; at most eight times that.
    pub(crate) fn after(&self, mean: Duration) -> Duration {
        mean.mul_f64(-self.draw().f64().max(0.0003).ln())
    }

    fn draw(&self) -> MutexGuard<'_, Rng> {
        self.0.lock().expect("no holder panics")
    }
}

/// The same number between nought and one for the same things.
pub(crate) fn even(things: &impl Hash) -> f64 {
    (hash(things) >> 11) as f64 / (1u64 << 53) as f64
}

/// The same number for the same things, on every machine.
pub(crate) fn hash(things: &impl Hash) -> u64 {
    let mut hasher = DefaultHasher::new();
    things.hash(&mut hasher);
    hasher.finish()
}
