//! The queues, in memory, as Amazon SQS is on its worse days.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, OnceLock, Weak};
use std::time::Duration;

use async_trait::async_trait;
use durable::{RunId, Wake, WakeError};
use flows::ports::{Queue, QueueError};

use crate::chance::Chance;
use crate::crew::{Crew, Line};
use crate::tally::Tally;

/// How often messages go wrong.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct PostWeather {
    /// It cannot be sent.
    pub(crate) refused: f64,
    /// It is never delivered.
    pub(crate) lost: f64,
    /// It is delivered twice.
    pub(crate) doubled: f64,
    /// It is delivered up to 90 s late, after others that were sent later.
    pub(crate) late: f64,
}

impl PostWeather {
    /// Nothing goes wrong.
    pub(crate) const CALM: Self = Self { refused: 0.0, lost: 0.0, doubled: 0.0, late: 0.0 };
}

/// All queues together. Clones share them.
#[derive(Clone)]
pub(crate) struct Post {
    inner: Arc<Inner>,
}

struct Inner {
    chance: Chance,
    weather: Mutex<PostWeather>,
    under_way: AtomicUsize,
    crew: OnceLock<Weak<Crew>>,
    tally: Arc<Tally>,
}

impl Post {
    pub(crate) fn new(seed: u64, weather: PostWeather, tally: Arc<Tally>) -> Self {
        let (chance, weather) = (Chance::of(seed, "post"), Mutex::new(weather));
        Self { inner: Arc::new(Inner { chance, weather, under_way: AtomicUsize::new(0), crew: OnceLock::new(), tally }) }
    }

    /// Whoever takes the messages.
    pub(crate) fn employ(&self, crew: &Arc<Crew>) {
        assert!(self.inner.crew.set(Arc::downgrade(crew)).is_ok(), "a post has one crew");
    }

    pub(crate) fn set(&self, weather: PostWeather) {
        *self.inner.weather.lock().expect("no holder panics") = weather;
    }

    /// Messages that are sent and not yet handled.
    pub(crate) fn under_way(&self) -> usize {
        self.inner.under_way.load(Ordering::SeqCst)
    }

    pub(crate) fn line(&self, line: Line) -> Arc<Sender> {
        Arc::new(Sender { post: self.clone(), line })
    }

    async fn send(&self, line: Line, body: &str, delay: Duration) -> bool {
        let Inner { chance, tally, .. } = &*self.inner;
        let weather = *self.inner.weather.lock().expect("no holder panics");
        tokio::time::sleep(chance.between(Duration::from_millis(1), Duration::from_millis(8))).await;
        if chance.happens(weather.refused) {
            tally.faults.add(1);
            return false;
        }
        let copies = match chance.happens(weather.doubled) {
            _ if chance.happens(weather.lost) => 0,
            true => 2,
            false => 1,
        };
        tally.faults.add(u64::from(copies != 1));
        for _ in 0..copies {
            let late = chance.happens(weather.late);
            tally.faults.add(u64::from(late));
            let longest = if late { Duration::from_secs(90) } else { Duration::from_millis(700) };
            let travel = chance.between(Duration::from_millis(10), longest);
            self.inner.under_way.fetch_add(1, Ordering::SeqCst);
            tokio::spawn(self.clone().deliver(line, body.to_owned(), delay + travel));
        }
        true
    }

    /// Delivers until it is handled, hidden after each time for the queue's visibility time-out, and at most so often.
    async fn deliver(self, line: Line, body: String, after: Duration) {
        tokio::time::sleep(after).await;
        for received in 1..=line.receives() {
            let Some(crew) = self.inner.crew.get().and_then(Weak::upgrade) else { break };
            let began = tokio::time::Instant::now();
            if crew.invoke(line, &body).await {
                break;
            }
            drop(crew);
            self.inner.tally.dead_letters.add(u64::from(received == line.receives()));
            if received < line.receives() {
                tokio::time::sleep_until(began + line.visibility()).await;
            }
        }
        self.inner.under_way.fetch_sub(1, Ordering::SeqCst);
    }
}

/// The sending end of one queue.
pub(crate) struct Sender {
    post: Post,
    line: Line,
}

#[async_trait]
impl Queue for Sender {
    async fn send(&self, body: &str) -> Result<(), QueueError> {
        let sent = self.post.send(self.line, body, Duration::ZERO).await;
        sent.then_some(()).ok_or_else(|| QueueError("refused by chance".to_owned()))
    }
}

#[async_trait]
impl Wake for Sender {
    async fn wake(&self, run: &RunId, delay: Duration) -> Result<(), WakeError> {
        assert!(
            delay.subsec_nanos() == 0 && delay.as_secs() <= 900,
            "Amazon SQS delays by whole seconds, at most 900; asked for {delay:?}"
        );
        let sent = self.post.send(self.line, &run.0, delay).await;
        sent.then_some(()).ok_or_else(|| WakeError("refused by chance".to_owned()))
    }
}
