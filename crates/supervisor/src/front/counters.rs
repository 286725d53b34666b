use std::sync::atomic::{AtomicU64, Ordering};

/// What happened at the front since the supervisor began.
#[derive(Debug, Default)]
pub(crate) struct Counters {
    pub(super) forwarded: Counter,
    pub(super) refused: Counter,
    pub(super) unavailable: Counter,
    pub(super) broke_off: Counter,
    pub(super) orders: Counter,
    pub(super) sessions: Counter,
    pub(super) websockets: Counter,
    pub(super) websockets_ended: Counter,
    pub(super) websockets_expired: Counter,
}

/// A number that only grows.
#[derive(Debug, Default)]
pub(super) struct Counter(AtomicU64);

impl Counter {
    pub(super) fn add_one(&self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}
