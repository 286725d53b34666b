use std::collections::HashMap;
use std::sync::Mutex;

use jiff::Timestamp;

use crate::world::lock;

/// Fly's limits: one request a second per action and identifier with bursts of three, five with bursts of ten for reading a machine, and
/// a hundred deletions of apps a minute (<https://fly.io/docs/machines/api/working-with-machines-api/#rate-limits>).
#[derive(Default)]
pub(crate) struct Limits(Mutex<HashMap<(&'static str, String), Bucket>>);

#[derive(Clone, Copy)]
struct Bucket {
    tokens: f64,
    filled: Timestamp,
}

#[derive(Clone, Copy)]
struct Rate {
    per_second: f64,
    burst: f64,
}

impl Limits {
    /// Takes one token of an action on an identifier: a machine's, else an app's. Returns whether there was one.
    pub(crate) fn admit(&self, action: &'static str, app: Option<&str>, machine: Option<&str>, now: Timestamp) -> bool {
        let (rate, identifier) = match (action, machine, app) {
            ("delete_app", ..) => (Rate { per_second: 100.0 / 60.0, burst: 100.0 }, ""),
            ("get_machine", Some(machine), _) => (Rate { per_second: 5.0, burst: 10.0 }, machine),
            (_, Some(identifier), _) | (_, None, Some(identifier)) => (Rate { per_second: 1.0, burst: 3.0 }, identifier),
            // Nobody has said what limits a call that names neither app nor machine.
            (_, None, None) => return true,
        };
        let mut buckets = lock(&self.0);
        let bucket = buckets.entry((action, identifier.to_owned())).or_insert(Bucket { tokens: rate.burst, filled: now });
        let since = now.duration_since(bucket.filled).as_secs_f64().max(0.0);
        bucket.tokens = (bucket.tokens + since * rate.per_second).min(rate.burst);
        bucket.filled = now;
        let admitted = bucket.tokens >= 1.0;
        if admitted {
            bucket.tokens -= 1.0;
        }
        admitted
    }
}

#[cfg(test)]
mod tests {
    use jiff::SignedDuration;

    use super::*;

    #[test]
    fn three_at_once_then_one_a_second_for_each_action_and_machine() {
        let limits = Limits::default();
        let start = Timestamp::UNIX_EPOCH;
        let admitted =
            |action, machine, seconds| limits.admit(action, Some("app"), Some(machine), start + SignedDuration::from_secs(seconds));
        assert_eq!([0; 5].map(|at| admitted("start_machine", "m1", at)), [true, true, true, false, false]);
        assert!(admitted("stop_machine", "m1", 0), "another action has its own");
        assert!(admitted("start_machine", "m2", 0), "another machine has its own");
        assert_eq!([1, 1].map(|at| admitted("start_machine", "m1", at)), [true, false]);
        assert_eq!([0; 11].map(|at| admitted("get_machine", "m1", at)).iter().filter(|yes| **yes).count(), 10);
    }
}
