use std::time::Duration;

/// What becomes of one try of a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fate {
    /// It is carried out and answered.
    Pass,
    /// Another transaction touches the same item.
    Conflict,
    /// Too many requests.
    Throttled,
    /// It never arrives.
    LoseRequest,
    /// It is carried out, but nobody hears of it.
    LoseAnswer,
}

/// What one try of a call is in for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Forecast {
    /// What becomes of it.
    pub fate: Fate,
    /// How long until it has its effect.
    pub there: Duration,
    /// How long from then until the answer is back.
    pub back: Duration,
    /// How long the indexes lag behind the effect.
    pub lag: Duration,
}

/// Decides what becomes of each call. The SDK's three tries are tries of their own.
pub trait Weather: Send + Sync {
    /// What the next try of this operation (`UpdateItem`, `Query`…) is in for.
    fn forecast(&self, operation: &'static str) -> Forecast;
}

/// Every call is carried out at once.
#[derive(Debug, Clone, Copy)]
pub struct Calm;

impl Weather for Calm {
    fn forecast(&self, _: &'static str) -> Forecast {
        Forecast { fate: Fate::Pass, there: Duration::ZERO, back: Duration::ZERO, lag: Duration::ZERO }
    }
}
