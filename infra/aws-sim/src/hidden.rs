use std::collections::{BTreeSet, HashMap};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use serde_json::Value;
use tokio::time::Instant;

/// When hidden messages show again. The embedded service does not tell, but everything that hides a message passes by here and says for how
/// long.
///
/// A moment too many costs one look at a queue; one too few costs the pollers' own rest between two looks.
#[derive(Default)]
pub(crate) struct Hidden {
    moments: Mutex<BTreeSet<Instant>>,
    /// How long each queue hides what was received from it, in seconds, by its address.
    visibility: Mutex<HashMap<String, u64>>,
}

impl Hidden {
    /// How long from now until the next message shows, if that is known of any.
    pub(crate) fn next(&self) -> Option<Duration> {
        let now = Instant::now();
        let mut moments = lock(&self.moments);
        while moments.first().is_some_and(|moment| *moment <= now) {
            moments.pop_first();
        }
        moments.first().map(|moment| *moment - now)
    }

    /// A message has just been hidden for so many seconds.
    pub(crate) fn note(&self, seconds: u64) {
        if seconds > 0 {
            lock(&self.moments).insert(Instant::now() + Duration::from_secs(seconds));
        }
    }

    /// What a call has hidden that names the time itself: a message with a delay, or one whose visibility was changed.
    pub(crate) fn note_call(&self, operation: &str, body: &Value) {
        let entries = body["Entries"].as_array().map_or_else(|| std::slice::from_ref(body), Vec::as_slice);
        let field = if operation.starts_with("SendMessage") { "DelaySeconds" } else { "VisibilityTimeout" };
        entries.iter().filter_map(|entry| entry[field].as_u64()).for_each(|seconds| self.note(seconds));
        if operation == "SetQueueAttributes" {
            lock(&self.visibility).clear();
        }
    }

    /// The visibility time-out that a queue is known to have.
    pub(crate) fn visibility(&self, queue: &str) -> Option<u64> {
        lock(&self.visibility).get(queue).copied()
    }

    /// Remembers it until the attributes of any queue are changed.
    pub(crate) fn remember_visibility(&self, queue: &str, seconds: u64) {
        lock(&self.visibility).insert(queue.to_owned(), seconds);
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
