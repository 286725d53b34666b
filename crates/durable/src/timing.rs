use std::time::Duration;

/// Every duration and count of the engine, in one place because they only make sense together.
///
/// The chain that keeps two workers from acting on one run is `long_poll + writing <= step_needs`, `invocation < lease` and
/// `6 * invocation <= visibility` (the factor AWS advises for a Lambda function behind a queue:
/// <https://docs.aws.amazon.com/lambda/latest/dg/services-sqs-configure.html>).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Timing {
    /// The time-out of one invocation of the flow-runner.
    pub invocation: Duration,
    /// How long a claim holds.
    pub lease: Duration,
    /// How long the queue hides a message that was delivered.
    pub visibility: Duration,
    /// The longest that a step may wait on a remote side inside one invocation.
    pub long_poll: Duration,
    /// A fresh step is only begun if the invocation has at least this much time left.
    pub step_needs: Duration,
    /// Kept from a step for the write and the message that come after it.
    pub writing: Duration,
    /// How much later than its wake-up a run counts as overdue.
    pub overdue_grace: Duration,
    /// After an ambiguous answer nobody looks before this has passed: the provider's lists lag.
    pub settle: Duration,
    /// The first delay between two attempts; each further one doubles.
    pub backoff_first: Duration,
    /// No delay between two attempts is longer, unless the remote side asks for it.
    pub backoff_longest: Duration,
    /// The longest delay of a message: the limit of Amazon SQS. A longer pause sends nothing, the sweep wakes it.
    pub longest_delay: Duration,
    /// An undo that did not succeed after this long is left for a person.
    pub undo_deadline: Duration,
    /// So many claims without progress or pause are allowed; the next one parks the run.
    pub claims: u32,
    /// The first delay between two wake-ups by the sweep; each further one doubles.
    pub sweep_first: Duration,
    /// No delay between two wake-ups by the sweep is longer.
    pub sweep_longest: Duration,
    /// A run of a version that this code does not know is looked at again after this long: a little less than the minute between two
    /// sweeps, so that each of them finds it, also the one that comes a moment earlier after its minute than the last.
    pub unknown_version: Duration,
}

impl Timing {
    /// The numbers that Rockpool runs with.
    pub const DEFAULT: Self = Self {
        invocation: Duration::from_secs(120),
        lease: Duration::from_secs(150),
        visibility: Duration::from_secs(720),
        long_poll: Duration::from_secs(20),
        step_needs: Duration::from_secs(30),
        writing: Duration::from_secs(5),
        overdue_grace: Duration::from_secs(15),
        settle: Duration::from_secs(2),
        backoff_first: Duration::from_secs(2),
        backoff_longest: Duration::from_secs(60),
        longest_delay: Duration::from_secs(900),
        undo_deadline: Duration::from_secs(3600),
        claims: 12,
        sweep_first: Duration::from_secs(60),
        sweep_longest: Duration::from_secs(3600),
        unknown_version: Duration::from_secs(45),
    };

    /// How long to leave a run alone after it was woken so many times without being claimed: 60, 120, 240 s…
    #[must_use]
    pub(crate) fn sweep_delay(&self, wakes: u32) -> Duration {
        self.sweep_first.saturating_mul(1 << wakes.min(16)).min(self.sweep_longest)
    }
}

impl Default for Timing {
    fn default() -> Self {
        Self::DEFAULT
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const T: Timing = Timing::DEFAULT;

    #[test]
    fn an_invocation_is_over_before_its_lease_and_the_lease_before_the_message_shows_again() {
        assert!(T.invocation < T.lease);
        assert!(T.lease < T.visibility);
        assert!(T.invocation * 6 <= T.visibility);
    }

    #[test]
    fn a_fresh_step_has_time_for_a_long_poll_and_its_write() {
        assert!(T.long_poll + T.writing <= T.step_needs);
        assert!(T.step_needs < T.invocation);
        assert!(T.long_poll <= Duration::from_secs(20));
    }

    #[test]
    fn a_run_is_not_overdue_before_its_message_had_time_to_arrive() {
        assert!(T.overdue_grace >= Duration::from_secs(15));
        assert!(T.settle >= Duration::from_secs(2));
        assert!(T.backoff_first >= T.settle);
        assert!(T.longest_delay <= Duration::from_secs(900));
    }

    #[test]
    fn wake_ups_by_the_sweep_grow_apart_up_to_an_hour() {
        let delays: Vec<u64> = (0..9).map(|wakes| T.sweep_delay(wakes).as_secs()).collect();
        assert_eq!(delays, [60, 120, 240, 480, 960, 1920, 3600, 3600, 3600]);
        assert_eq!(T.sweep_delay(u32::MAX), T.sweep_longest);
    }
}
