use std::time::Duration;

/// Numbers that a seed decides: SplitMix64, <https://prng.di.unimi.it/splitmix64.c>.
pub(crate) struct Dice(u64);

impl Dice {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed)
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number below this one.
    pub(crate) fn below(&mut self, bound: usize) -> usize {
        usize::try_from(self.next() % bound as u64).expect("it is below a usize")
    }

    /// A time below this many milliseconds. Short ones are likelier, because most happens at the beginning.
    pub(crate) fn moment(&mut self, bound_ms: usize) -> Duration {
        let bound = self.below(bound_ms) + 1;
        Duration::from_millis(self.below(bound) as u64)
    }
}

/// A number from the environment, to run more or to replay.
pub(crate) fn asked(name: &str) -> Option<u64> {
    Some(std::env::var(name).ok()?.parse().unwrap_or_else(|_| panic!("{name} must be a number")))
}
