use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use durable::{RunId, Wake, WakeError};
use dynamo::memory::{Fate, Forecast, Weather};
use fastrand::Rng;
use flows::ports::{Queue, QueueError};
use tokio::sync::mpsc;

/// How a queue, or the schedule, delivers.
#[derive(Debug, Clone, Copy)]
pub(super) struct Habits {
    /// Milliseconds until a message arrives, at most.
    pub(super) latency: u64,
    /// How many in a thousand come twice.
    pub(super) twice: u32,
    /// How many in a thousand come late.
    pub(super) late: u32,
    /// By how many milliseconds, at most.
    pub(super) by: u64,
    /// How many in a thousand are refused when they are sent; every second of these arrives all the same.
    pub(super) refused: u32,
}

impl Habits {
    /// An ordinary day of Amazon SQS.
    pub(super) const ORDINARY: Self = Self { latency: 400, twice: 1, late: 0, by: 0, refused: 0 };
    /// At once, once.
    pub(super) const PROMPT: Self = Self { latency: 0, twice: 0, late: 0, by: 0, refused: 0 };
    /// Everything that standard queues may do, often.
    pub(super) const WILD: Self = Self { latency: 900, twice: 100, late: 60, by: 75_000, refused: 20 };

    /// When each copy of one message arrives.
    pub(super) fn arrivals(&self, rng: &mut Rng) -> Vec<Duration> {
        let copies = 1 + usize::from(rng.u32(0..1000) < self.twice);
        let arrival = |rng: &mut Rng| {
            let late = if rng.u32(0..1000) < self.late { rng.u64(0..=self.by) } else { 0 };
            Duration::from_millis(rng.u64(0..=self.latency) + late)
        };
        (0..copies).map(|_| arrival(rng)).collect()
    }

    /// Whether one is refused, and whether it arrives.
    pub(super) fn fate(&self, rng: &mut Rng) -> (bool, bool) {
        let refused = rng.u32(0..1000) < self.refused;
        (refused, !refused || rng.bool())
    }
}

/// A queue. Whoever has the other end gets each message when it arrives.
#[derive(Clone)]
pub(super) struct Post {
    habits: Habits,
    rng: Arc<Mutex<Rng>>,
    arrived: mpsc::UnboundedSender<String>,
}

impl Post {
    pub(super) fn new(habits: Habits, seed: u64) -> (Self, mpsc::UnboundedReceiver<String>) {
        let (arrived, inbox) = mpsc::unbounded_channel();
        (Self { habits, rng: Arc::new(Mutex::new(Rng::with_seed(seed))), arrived }, inbox)
    }

    /// Sends a message, and says whether whoever sends it is told that it was taken.
    fn post(&self, body: &str, delay: Duration) -> bool {
        let mut rng = self.rng.lock().unwrap();
        let (refused, arrives) = self.habits.fate(&mut rng);
        let arrivals = if arrives { self.habits.arrivals(&mut rng) } else { Vec::new() };
        for arrival in arrivals {
            let (arrived, body) = (self.arrived.clone(), body.to_owned());
            tokio::spawn(async move {
                tokio::time::sleep(delay + arrival).await;
                // The test may be over by then.
                arrived.send(body).ok();
            });
        }
        !refused
    }
}

#[async_trait]
impl Queue for Post {
    async fn send(&self, body: &str) -> Result<(), QueueError> {
        if self.post(body, Duration::ZERO) { Ok(()) } else { Err(QueueError("the queue refused it".to_owned())) }
    }
}

#[async_trait]
impl Wake for Post {
    async fn wake(&self, run: &RunId, delay: Duration) -> Result<(), WakeError> {
        if self.post(&run.0, delay) { Ok(()) } else { Err(WakeError("the queue refused it".to_owned())) }
    }
}

/// The weather over the store, by seed.
pub(super) struct Skies {
    pub(super) rng: Mutex<Rng>,
    /// Milliseconds that a call takes, at most.
    pub(super) latency: u64,
    /// How many calls in a thousand go wrong: conflicts, throttling, lost requests and answers.
    pub(super) faults: u32,
    /// Milliseconds by which the indexes lag, mostly at most.
    pub(super) lag: u64,
    /// How many writes in a thousand are seen in the indexes a minute later.
    pub(super) stale: u32,
}

impl Weather for Skies {
    fn forecast(&self, _: &'static str) -> Forecast {
        let mut rng = self.rng.lock().unwrap();
        let fate = match rng.u32(0..1000) < self.faults {
            true => [Fate::Conflict, Fate::Throttled, Fate::LoseRequest, Fate::LoseAnswer][rng.usize(0..4)],
            false => Fate::Pass,
        };
        let stale = if rng.u32(0..1000) < self.stale { 60_000 } else { 0 };
        let mut upto = |milliseconds: u64| Duration::from_millis(rng.u64(0..=milliseconds));
        Forecast { fate, there: upto(self.latency / 2), back: upto(self.latency / 2), lag: upto(self.lag) + Duration::from_millis(stale) }
    }
}
