use std::collections::VecDeque;
use std::time::Duration;

use gateway::Family;
use tokio::time::Instant;

/// The first wait after a crash; it doubles with each further one.
const FIRST: Duration = Duration::from_secs(1);
/// The longest wait that doubling leads to.
const LONGEST: Duration = Duration::from_secs(60);
/// A process that lived this long had no trouble starting: what follows its end is a first crash.
const SETTLED: Duration = Duration::from_secs(300);
/// OpenClaw starts without its channels after three unclean boots within five minutes. It takes the times from its own clock, some
/// seconds after ours, hence the margin.
const BREAKER_WINDOW: Duration = Duration::from_secs(300 + 15);
/// As many unclean boots as may lie in one window.
const BREAKER_LIMIT: usize = 2;

/// When to start a gateway again that ended by itself.
#[derive(Debug)]
pub(super) struct Backoff {
    family: Family,
    in_a_row: u32,
    unclean: VecDeque<Instant>,
}

impl Backoff {
    pub(super) fn new(family: Family) -> Self {
        Self { family, in_a_row: 0, unclean: VecDeque::new() }
    }

    /// The wait from `ended` to the next start of a process that was started at `started`. Only an unclean end counts for the breaker.
    pub(super) fn after(&mut self, started: Instant, ended: Instant, unclean: bool) -> Duration {
        if ended.duration_since(started) >= SETTLED {
            self.in_a_row = 0;
        }
        let doubled = FIRST.saturating_mul(2_u32.saturating_pow(self.in_a_row)).min(LONGEST);
        self.in_a_row = self.in_a_row.saturating_add(1);
        if unclean {
            self.unclean.push_back(started);
        }
        while self.unclean.len() > BREAKER_LIMIT {
            self.unclean.pop_front();
        }
        match self.unclean.front() {
            // One more unclean boot would be the third: it must come after the first of these has left the window.
            Some(first) if self.family == Family::Openclaw && self.unclean.len() == BREAKER_LIMIT => {
                doubled.max((*first + BREAKER_WINDOW).saturating_duration_since(ended))
            }
            _ => doubled,
        }
    }

    /// A person or the control plane wants it now: what went before no longer makes it wait, but the gateway's breaker still counts it.
    pub(super) fn forgive(&mut self) {
        self.in_a_row = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn crashes(family: Family, lives: &[u64]) -> Vec<u64> {
        let mut backoff = Backoff::new(family);
        let mut now = Instant::now();
        lives
            .iter()
            .map(|life| {
                let ended = now + Duration::from_secs(*life);
                let wait = backoff.after(now, ended, true);
                now = ended + wait;
                wait.as_secs()
            })
            .collect()
    }

    #[test]
    fn the_wait_doubles_up_to_a_minute_and_begins_anew_after_five_good_minutes() {
        assert_eq!(crashes(Family::Clawdbot, &[3; 9]), [1, 2, 4, 8, 16, 32, 60, 60, 60]);
        assert_eq!(crashes(Family::Clawdbot, &[3, 3, 3, 300, 3]), [1, 2, 4, 1, 2]);
    }

    #[test]
    fn openclaw_is_never_started_a_third_time_within_five_minutes_of_two_unclean_boots() {
        for life in [1, 10, 90, 200] {
            let waits = crashes(Family::Openclaw, &[life; 12]);
            let mut starts = vec![0];
            for wait in &waits {
                starts.push(starts[starts.len() - 1] + life + wait);
            }
            for three in starts.windows(3) {
                assert!(three[2] - three[0] > 300, "three boots within five minutes: {starts:?}");
            }
        }
    }

    #[test]
    fn a_first_crash_of_openclaw_is_answered_at_once() {
        assert_eq!(crashes(Family::Openclaw, &[60])[0], 1);
        assert_eq!(crashes(Family::Openclaw, &[400, 400, 400]), [1, 1, 1]);
    }
}
