use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use super::Faults;
use crate::Fault;
use crate::world::lock;

/// The faults of a running simulator: the generator and how often it was asked.
pub(crate) struct Chance {
    pub(crate) faults: Faults,
    calls: Mutex<BTreeMap<&'static str, u64>>,
    boots: AtomicU64,
}

impl Chance {
    pub(crate) fn new(faults: Faults) -> Self {
        Self { faults, calls: Mutex::default(), boots: AtomicU64::new(0) }
    }

    /// What happens to the next call of an action.
    pub(crate) fn strike(&self, action: &'static str) -> Option<Fault> {
        let number = {
            let mut calls = lock(&self.calls);
            let number = calls.entry(action).or_default();
            *number += 1;
            *number
        };
        let fault = self.faults.strike(number, action)?;
        tracing::info!(action, number, ?fault, "a fault happens");
        Some(fault)
    }

    /// When the next machine to boot crashes.
    pub(crate) fn crash(&self) -> Option<Duration> {
        self.faults.crash_after(self.boots.fetch_add(1, Ordering::Relaxed) + 1)
    }
}
