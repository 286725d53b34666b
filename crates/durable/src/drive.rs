//! What follows a walk: pause, turn back, undo, park or end. A small machine whose every move is one write.

use std::ops::ControlFlow;
use std::time::Duration;

use jiff::Timestamp;
use serde_json::Value;

use crate::Wake;
use crate::engine::{Driven, send};
use crate::grip::{Grip, LONGEST_RESULT, Next, bytes, drop_lease, pause};
use crate::journal::{Guard, JournalError};
use crate::record::{Outcome, Phase, Trying, Why};
use crate::run::Armed;

pub(crate) struct Drive<'w, 'a> {
    pub(crate) grip: Grip,
    pub(crate) armed: Vec<Armed<'a>>,
    pub(crate) notices: Vec<Value>,
    pub(crate) wake: &'w dyn Wake,
}

/// Either the invocation is done, or there is more to do in it.
pub(crate) type Turn = ControlFlow<Driven, Next>;

impl Drive<'_, '_> {
    pub(crate) async fn turn(mut self, first: Next) -> Result<Driven, JournalError> {
        let mut next = first;
        loop {
            let turn = match next {
                Next::End(value) => self.end(value).await,
                Next::Pause { after, trying } => self.pause(after, trying).await,
                Next::Paused { until } => ControlFlow::Break(self.sent(until).await),
                Next::Yield => self.yield_now().await,
                Next::TurnBack { why, settle } => self.turn_back(why, settle).await,
                Next::Unwind => self.unwind().await,
                Next::Unwound => self.unwound().await,
                Next::Park(why) => self.park(why).await,
                Next::Unknown => self.leave_for_newer_code().await,
                Next::Superseded => {
                    tracing::info!(run = %self.grip.run(), "another worker took it over");
                    ControlFlow::Break(Driven::Superseded)
                }
                Next::Lost(error) => return Err(error),
            };
            match turn {
                ControlFlow::Break(driven) => return Ok(driven),
                ControlFlow::Continue(more) => next = more,
            }
        }
    }

    async fn end(&mut self, value: Value) -> Turn {
        if self.grip.is_cancelled() {
            return ControlFlow::Continue(Next::TurnBack { why: Why::Cancelled, settle: false });
        }
        if bytes(&value) > LONGEST_RESULT {
            return ControlFlow::Continue(Next::Park(format!("the flow returned {} bytes: a bug of the flow", bytes(&value))));
        }
        let notices = std::mem::take(&mut self.notices);
        self.finish(Outcome::Succeeded, value, notices).await
    }

    /// Everything was undone.
    async fn unwound(&mut self) -> Turn {
        let outcome = match &self.grip.record.phase {
            Phase::Unwinding { why: Why::Failed { step, message } } => Outcome::Failed { step: step.clone(), message: message.clone() },
            _ => Outcome::Cancelled,
        };
        // What the flow said on its way forward has not become true.
        self.finish(outcome, Value::Null, Vec::new()).await
    }

    async fn finish(&mut self, outcome: Outcome, value: Value, notices: Vec<Value>) -> Turn {
        match self.grip.end(outcome.clone(), value, notices).await {
            Ok(follow_up) => {
                tracing::info!(run = %self.grip.run(), ?outcome, "ended");
                if let Some(run) = &follow_up {
                    send(self.wake, run, Duration::ZERO).await;
                }
                ControlFlow::Break(Driven::Ended { outcome, follow_up })
            }
            Err(refused) => ControlFlow::Continue(refused.into_next(false)),
        }
    }

    /// Writes the pause first and sends second: the other way round, the message could arrive while this worker still holds the run,
    /// die out, and leave nobody to wake it.
    async fn pause(&mut self, after: Duration, trying: Trying) -> Turn {
        let until = self.grip.clock.now() + after;
        let settle = trying.attempts > 0;
        let mut next = self.grip.record.clone();
        tracing::info!(run = %self.grip.run(), step = trying.name, said = trying.said, attempts = trying.attempts, "looks again in {after:?}");
        next.trying = Some(trying);
        pause(&mut next, until, &self.grip.timing);
        // A cancel that came while the lease was live has sent no message: it is answered here, instead of after the pause.
        match self.grip.write(next, self.grip.guard()).await {
            Ok(()) => ControlFlow::Break(self.sent(until).await),
            Err(refused) => ControlFlow::Continue(refused.into_next(settle)),
        }
    }

    /// Too little time left. Unlike a pause it does not forget the claims: only progress does, or workers without time would spin
    /// for ever.
    async fn yield_now(&mut self) -> Turn {
        let now = self.grip.clock.now();
        let mut next = self.grip.record.clone();
        let claims = next.claims;
        pause(&mut next, now, &self.grip.timing);
        next.claims = claims;
        match self.grip.write(next, self.grip.guard()).await {
            Ok(()) => ControlFlow::Break(self.sent(now).await),
            Err(refused) => ControlFlow::Continue(refused.into_next(true)),
        }
    }

    /// Sends the message of a written pause. One that is too long for the queue is left to the sweep.
    async fn sent(&mut self, until: Timestamp) -> Driven {
        let left = Duration::try_from(until.duration_since(self.grip.clock.now())).unwrap_or_default();
        let delay = whole_seconds(left);
        if delay <= self.grip.timing.longest_delay {
            send(self.wake, self.grip.run(), delay).await;
        }
        Driven::Paused { until }
    }

    /// Rule 9: the turn is written before the first undo. After an ambiguous answer nobody looks for a moment.
    async fn turn_back(&mut self, why: Why, settle: bool) -> Turn {
        if self.grip.record.committed {
            let why = match why {
                Why::Failed { step, message } => format!("{step} failed after the point of no return: {message}"),
                Why::Cancelled => "it was cancelled after the point of no return".to_owned(),
            };
            return ControlFlow::Continue(Next::Park(why));
        }
        tracing::info!(run = %self.grip.run(), ?why, "turns back");
        let until = self.grip.clock.now() + self.grip.timing.settle;
        let mut next = self.grip.record.clone();
        next.phase = Phase::Unwinding { why };
        next.trying = None;
        next.claims = 0;
        if settle {
            pause(&mut next, until, &self.grip.timing);
        }
        match self.grip.write(next, Guard::None).await {
            Ok(()) if settle => ControlFlow::Continue(Next::Paused { until }),
            Ok(()) => ControlFlow::Continue(Next::Unwind),
            Err(refused) => ControlFlow::Continue(refused.into_next(settle)),
        }
    }

    async fn park(&mut self, why: String) -> Turn {
        let mut next = self.grip.record.clone();
        park_in(&mut next, why.clone());
        match self.grip.write(next, Guard::None).await {
            Ok(()) => ControlFlow::Break(self.parked(why)),
            Err(refused) => ControlFlow::Continue(refused.into_next(false)),
        }
    }

    pub(crate) fn parked(&self, why: String) -> Driven {
        tracing::error!(run = %self.grip.run(), why, "parked: a person has to look");
        Driven::Parked { why }
    }

    async fn leave_for_newer_code(&mut self) -> Turn {
        let mut next = self.grip.record.clone();
        drop_lease(&mut next);
        next.overdue_at = Some(self.grip.clock.now() + self.grip.timing.unknown_version);
        next.claims = 0;
        match self.grip.write(next, Guard::None).await {
            Ok(()) => {
                tracing::info!(run = %self.grip.run(), "left for newer code");
                ControlFlow::Break(Driven::UnknownVersion)
            }
            Err(refused) => ControlFlow::Continue(refused.into_next(false)),
        }
    }
}

/// Stops a run until a person acts. When it is resumed, what it was trying has fresh limits.
pub(crate) fn park_in(next: &mut crate::record::Record, why: String) {
    next.phase = Phase::Parked { why, was: Box::new(next.phase.clone()) };
    drop_lease(next);
    next.overdue_at = None;
    next.trying = None;
    next.claims = 0;
}

/// A queue delays by whole seconds; rounded down, a message could arrive before its time and die out.
fn whole_seconds(duration: Duration) -> Duration {
    Duration::from_secs(duration.as_secs() + u64::from(duration.subsec_nanos() > 0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_delay_is_rounded_up_to_whole_seconds() {
        assert_eq!(whole_seconds(Duration::from_millis(2001)), Duration::from_secs(3));
        assert_eq!(whole_seconds(Duration::from_secs(2)), Duration::from_secs(2));
        assert_eq!(whole_seconds(Duration::ZERO), Duration::ZERO);
    }
}
