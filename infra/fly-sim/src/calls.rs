use std::collections::VecDeque;
use std::sync::Mutex;

use jiff::Timestamp;

use crate::world::lock;

/// Calls kept; a platform that runs for weeks must not grow by its log.
const KEPT: usize = 10_000;

/// One call that the simulator took.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Call {
    /// When it came.
    pub at: Timestamp,
    /// What it asked for, one of [`ACTIONS`](crate::ACTIONS).
    pub action: &'static str,
    /// The method.
    pub method: String,
    /// The path without the query.
    pub path: String,
    /// The `traceparent` that it came with: the trace that it belongs to.
    pub traceparent: Option<String>,
    /// The status of the answer; `None` while it is under way and when the script lost the answer.
    pub status: Option<u16>,
}

#[derive(Default)]
pub(crate) struct CallLog(Mutex<Kept>);

#[derive(Default)]
struct Kept {
    calls: VecDeque<Call>,
    dropped: u64,
}

impl CallLog {
    /// Notes a call and returns its number.
    pub(crate) fn begin(&self, call: Call) -> u64 {
        let mut kept = lock(&self.0);
        if kept.calls.len() == KEPT {
            kept.calls.pop_front();
            kept.dropped += 1;
        }
        kept.calls.push_back(call);
        kept.dropped + kept.calls.len() as u64
    }

    pub(crate) fn end(&self, number: u64, status: Option<u16>) {
        let mut kept = lock(&self.0);
        let place = number.checked_sub(kept.dropped + 1).and_then(|place| usize::try_from(place).ok());
        if let Some(call) = place.and_then(|place| kept.calls.get_mut(place)) {
            call.status = status;
        }
    }

    pub(crate) fn all(&self) -> Vec<Call> {
        lock(&self.0).calls.iter().cloned().collect()
    }
}
