use std::collections::BTreeMap;
use std::pin::{Pin, pin};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::task::{Context, Poll, Wake, Waker};
use std::time::Duration;

use async_trait::async_trait;
use jiff::Timestamp;

use crate::Clock;

/// A clock that stands still until it is advanced. Clones show the same time.
#[derive(Clone)]
pub struct ManualClock {
    hands: Arc<Mutex<Hands>>,
}

struct Hands {
    now: Timestamp,
    timers: BTreeMap<(Timestamp, u64), Waker>,
    last: u64,
}

impl ManualClock {
    /// A clock that shows this moment.
    #[must_use]
    pub fn at(now: Timestamp) -> Self {
        Self { hands: Arc::new(Mutex::new(Hands { now, timers: BTreeMap::new(), last: 0 })) }
    }

    /// Moves time on and wakes whoever slept until then.
    pub fn advance(&self, by: Duration) {
        let to = self.hands().now + by;
        self.advance_to(to);
    }

    /// Moves time on to this moment; never back.
    pub fn advance_to(&self, to: Timestamp) {
        let mut hands = self.hands();
        hands.now = hands.now.max(to);
        let later = hands.timers.split_off(&(to, u64::MAX));
        let due = std::mem::replace(&mut hands.timers, later);
        drop(hands);
        due.into_values().for_each(Waker::wake);
    }

    /// When the next sleeper wakes.
    #[must_use]
    pub fn next_timer(&self) -> Option<Timestamp> {
        self.hands().timers.keys().next().map(|(at, _)| *at)
    }

    /// Runs a future on this thread. Whenever it waits for nothing but time, time passes at once.
    ///
    /// # Panics
    /// If it waits for something else than this clock, which would be for ever.
    pub fn block_on<F: Future>(&self, future: F) -> F::Output {
        let mut future = pin!(future);
        let flag = Arc::new(Flag::default());
        let waker = Waker::from(flag.clone());
        loop {
            if let Poll::Ready(output) = future.as_mut().poll(&mut Context::from_waker(&waker)) {
                return output;
            }
            if !flag.take() {
                let next = self.next_timer().expect("the future waits for something else than the clock");
                self.advance_to(next);
            }
        }
    }

    fn hands(&self) -> MutexGuard<'_, Hands> {
        self.hands.lock().expect("no holder panics")
    }
}

impl Default for ManualClock {
    /// The first of January 2026, so that times in snapshots are easy to read.
    fn default() -> Self {
        Self::at(Timestamp::from_second(1_767_225_600).expect("a moment within range"))
    }
}

#[async_trait]
impl Clock for ManualClock {
    fn now(&self) -> Timestamp {
        self.hands().now
    }

    async fn sleep(&self, duration: Duration) {
        let until = self.now() + duration;
        Sleep { clock: self.clone(), until, timer: None }.await;
    }
}

struct Sleep {
    clock: ManualClock,
    until: Timestamp,
    timer: Option<u64>,
}

impl Future for Sleep {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        let clock = self.clock.clone();
        let mut hands = clock.hands();
        if hands.now >= self.until {
            return Poll::Ready(());
        }
        let timer = *self.timer.get_or_insert_with(|| {
            hands.last += 1;
            hands.last
        });
        hands.timers.insert((self.until, timer), context.waker().clone());
        Poll::Pending
    }
}

impl Drop for Sleep {
    /// A sleep that nobody waits for any more must not hold time back.
    fn drop(&mut self) {
        if let Some(timer) = self.timer {
            self.clock.hands().timers.remove(&(self.until, timer));
        }
    }
}

/// Whether a future asked to be polled again.
#[derive(Default)]
pub(super) struct Flag(AtomicBool);

impl Flag {
    pub(super) fn take(&self) -> bool {
        self.0.swap(false, Ordering::SeqCst)
    }
}

impl Wake for Flag {
    fn wake(self: Arc<Self>) {
        self.0.store(true, Ordering::SeqCst);
    }
}
