use std::sync::{Mutex, MutexGuard};
use std::time::Duration;

use async_trait::async_trait;
use jiff::Timestamp;

use crate::testing::ManualClock;
use crate::{Clock, RunId, Wake, WakeError};

/// A message as it was sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sent {
    /// The run it names.
    pub run: RunId,
    /// When it was sent.
    pub at: Timestamp,
    /// How long it was to be held back.
    pub delay: Duration,
}

/// A queue in memory that remembers what was sent. Delays run on a [`ManualClock`].
pub struct RecordingWake {
    clock: ManualClock,
    queue: Mutex<Queue>,
}

#[derive(Default)]
struct Queue {
    waiting: Vec<(Timestamp, RunId)>,
    sent: Vec<Sent>,
    lose: usize,
    duplicate: usize,
    fail: usize,
}

impl RecordingWake {
    /// An empty queue.
    #[must_use]
    pub fn new(clock: ManualClock) -> Self {
        Self { clock, queue: Mutex::default() }
    }

    /// The messages whose time has come, taken out of the queue.
    #[must_use]
    pub fn take_due(&self) -> Vec<RunId> {
        let now = self.clock.now();
        let mut queue = self.queue();
        let (due, waiting) = std::mem::take(&mut queue.waiting).into_iter().partition(|(at, _)| *at <= now);
        queue.waiting = waiting;
        let due: Vec<(Timestamp, RunId)> = due;
        due.into_iter().map(|(_, run)| run).collect()
    }

    /// When the next message arrives.
    #[must_use]
    pub fn next_due(&self) -> Option<Timestamp> {
        self.queue().waiting.iter().map(|(at, _)| *at).min()
    }

    /// Every message that was ever sent and not refused, in order.
    #[must_use]
    pub fn sent(&self) -> Vec<Sent> {
        self.queue().sent.clone()
    }

    /// Puts a message in without it being sent by anybody: a redelivery.
    pub fn redeliver(&self, run: RunId, after: Duration) {
        let at = self.clock.now() + after;
        self.queue().waiting.push((at, run));
    }

    /// Loses the next messages without saying so.
    pub fn lose_next(&self, messages: usize) {
        self.queue().lose = messages;
    }

    /// Delivers the next messages twice.
    pub fn duplicate_next(&self, messages: usize) {
        self.queue().duplicate = messages;
    }

    /// Refuses the next messages.
    pub fn fail_next(&self, messages: usize) {
        self.queue().fail = messages;
    }

    fn queue(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().expect("no holder panics")
    }
}

#[async_trait]
impl Wake for RecordingWake {
    async fn wake(&self, run: &RunId, delay: Duration) -> Result<(), WakeError> {
        assert!(
            delay.subsec_nanos() == 0 && delay.as_secs() <= 900,
            "Amazon SQS delays by whole seconds, at most 900; asked for {delay:?}"
        );
        let at = self.clock.now();
        let mut queue = self.queue();
        if take_one(&mut queue.fail) {
            return Err(WakeError("refused by the test".to_owned()));
        }
        queue.sent.push(Sent { run: run.clone(), at, delay });
        if take_one(&mut queue.lose) {
            return Ok(());
        }
        let copies = if take_one(&mut queue.duplicate) { 2 } else { 1 };
        queue.waiting.extend(std::iter::repeat_n((at + delay, run.clone()), copies));
        Ok(())
    }
}

fn take_one(count: &mut usize) -> bool {
    let any = *count > 0;
    *count = count.saturating_sub(1);
    any
}
