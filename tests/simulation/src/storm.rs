//! The weather of the store, on either table.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use aws_sim::{Call, Refusal, Verdict};
use dynamo::memory::{Fate, Forecast, Weather};
use jiff::Timestamp;
use serde_json::json;

use crate::chance::Chance;
use crate::clock::VirtualClock;
use crate::tally::Tally;

/// How often calls of the store go wrong.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct StoreWeather {
    /// Another transaction touches the same item.
    pub(crate) conflict: f64,
    /// Too many requests.
    pub(crate) throttled: f64,
    /// The request is lost.
    pub(crate) lost_request: f64,
    /// The answer is lost.
    pub(crate) lost_answer: f64,
    /// Indexes lag by so much at most; now and then by twenty times that.
    pub(crate) lag: Duration,
}

impl StoreWeather {
    /// Nothing goes wrong.
    pub(crate) const CALM: Self = Self { conflict: 0.0, throttled: 0.0, lost_request: 0.0, lost_answer: 0.0, lag: Duration::ZERO };
}

/// The weather as it is at the moment. Clones share it.
#[derive(Clone)]
pub(crate) struct Storm {
    inner: Arc<Inner>,
}

struct Inner {
    clock: VirtualClock,
    chance: Chance,
    now: Mutex<(StoreWeather, Option<Timestamp>)>,
    tally: Arc<Tally>,
}

impl Storm {
    pub(crate) fn new(seed: u64, clock: VirtualClock, weather: StoreWeather, tally: Arc<Tally>) -> Self {
        Self { inner: Arc::new(Inner { clock, chance: Chance::of(seed, "store"), now: Mutex::new((weather, None)), tally }) }
    }

    pub(crate) fn set(&self, weather: StoreWeather) {
        *self.inner.now.lock().expect("no holder panics") = (weather, None);
    }

    /// Nothing arrives for a while.
    pub(crate) fn down_for(&self, how_long: Duration) {
        self.inner.now.lock().expect("no holder panics").1 = Some(self.inner.clock.now() + how_long);
    }

    pub(crate) fn is_down(&self) -> bool {
        let until = self.inner.now.lock().expect("no holder panics").1;
        until.is_some_and(|until| until > self.inner.clock.now())
    }

    fn fate(&self) -> Fate {
        let Inner { clock, chance, now, tally } = &*self.inner;
        let (weather, down_until) = *now.lock().expect("no holder panics");
        tally.store_calls.add(1);
        let fate = if down_until.is_some_and(|until| until > clock.now()) {
            Fate::LoseRequest
        } else if chance.happens(weather.conflict) {
            Fate::Conflict
        } else if chance.happens(weather.throttled) {
            Fate::Throttled
        } else if chance.happens(weather.lost_request) {
            Fate::LoseRequest
        } else if chance.happens(weather.lost_answer) {
            Fate::LoseAnswer
        } else {
            Fate::Pass
        };
        tally.faults.add(u64::from(fate != Fate::Pass));
        fate
    }

    /// The same for the embedded DynamoDB, whose indexes never lag: now and then a query of one finds nothing. Only the watch and the judge
    /// scan, and nothing befalls them.
    pub(crate) fn verdict(&self, call: &Call<'_>) -> Verdict {
        if call.operation == "Scan" {
            return Verdict::Pass;
        }
        let lag = self.inner.now.lock().expect("no holder panics").0.lag;
        if call.operation == "Query" && call.body.get("IndexName").is_some() && !lag.is_zero() && self.inner.chance.happens(0.02) {
            self.inner.tally.faults.add(1);
            return Verdict::Answer(json!({ "Items": [], "Count": 0, "ScannedCount": 0 }));
        }
        let is_read = matches!(call.operation, "GetItem" | "BatchGetItem" | "Query");
        match self.fate() {
            Fate::Conflict if is_read => Verdict::Pass,
            Fate::Pass => Verdict::Pass,
            Fate::Conflict => Verdict::Refuse(Refusal::TransactionConflict),
            Fate::Throttled => Verdict::Refuse(Refusal::Throttled),
            Fate::LoseRequest => Verdict::LoseRequest,
            Fate::LoseAnswer => Verdict::LoseAnswer,
        }
    }
}

impl Weather for Storm {
    fn forecast(&self, _: &'static str) -> Forecast {
        let chance = &self.inner.chance;
        let lag = self.inner.now.lock().expect("no holder panics").0.lag;
        let lag = if chance.happens(0.01) { lag * 20 } else { lag };
        Forecast {
            fate: self.fate(),
            there: chance.between(Duration::from_millis(1), Duration::from_millis(9)),
            back: Duration::from_millis(1),
            lag: chance.between(Duration::ZERO, lag),
        }
    }
}
