//! What one try of a step means: pure, so that every row can be tested by itself.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::time::Duration;

use jiff::Timestamp;

use crate::record::{RunId, Trying};
use crate::run::Limits;
use crate::setback::{Attempt, Setback};
use crate::timing::Timing;

/// Remote sides answer with whole pages now and then; a timeline needs a sentence.
const LONGEST_MESSAGE: usize = 600;

/// A world that says "look again at once" would have the queue spin until the deadline.
const SHORTEST_WAIT: Duration = Duration::from_secs(1);

/// What to do after one try.
#[derive(Debug, PartialEq)]
pub(crate) enum Verdict<T> {
    /// It worked.
    Done(T),
    /// Try or look again.
    Again { after: Duration, trying: Trying },
    /// It will not work. `ambiguous`: the last try may still have an effect.
    Over { why: String, ambiguous: bool },
}

/// Judges one try. `None` means that it was cut off because the invocation ended.
pub(crate) fn judge<T>(
    tried: Option<Attempt<T>>,
    mut trying: Trying,
    limits: Limits,
    timing: &Timing,
    run: &RunId,
    now: Timestamp,
) -> Verdict<T> {
    let deadline = trying.since + limits.deadline;
    let (after, why, is_attempt) = match tried {
        Some(Ok(value)) => return Verdict::Done(value),
        Some(Err(Setback::Fatal { why })) => return Verdict::Over { why: shorten(why), ambiguous: false },
        Some(Err(Setback::NotYet { look_again_in, why })) => (Some(look_again_in), why, false),
        Some(Err(Setback::Retry { after, why })) => (after, why, true),
        None => (None, "it had not answered when the worker's time was over".to_owned(), true),
    };
    trying.said = shorten(why);
    if is_attempt {
        trying.attempts = trying.attempts.saturating_add(1);
        if trying.attempts >= limits.attempts {
            return Verdict::Over { why: format!("given up after {} attempts: {}", trying.attempts, trying.said), ambiguous: true };
        }
    }
    if now >= deadline {
        return Verdict::Over { why: format!("given up after {}: {}", spell(limits.deadline), trying.said), ambiguous: is_attempt };
    }
    let after = after.unwrap_or_else(|| backoff(&trying, timing, run));
    // The last look is at the deadline, not after it.
    let left = Duration::try_from(deadline.duration_since(now)).unwrap_or_default();
    let shortest = if is_attempt { timing.settle } else { SHORTEST_WAIT };
    Verdict::Again { after: after.min(left).max(shortest), trying }
}

/// Exponential, with the upper half left to chance. The chance is drawn from the names of run, step and attempt: different runs
/// spread out, and a replayed run does exactly what it did before.
fn backoff(trying: &Trying, timing: &Timing, run: &RunId) -> Duration {
    let doubled = timing.backoff_first.saturating_mul(1 << trying.attempts.min(16));
    let longest = doubled.min(timing.backoff_longest);
    let mut hasher = DefaultHasher::new();
    (run, &trying.name, trying.place, trying.attempts).hash(&mut hasher);
    let chance = u32::try_from(hasher.finish() % 1024).expect("less than 1024");
    longest / 2 + (longest / 2) * chance / 1024
}

pub(crate) fn shorten(mut text: String) -> String {
    if text.len() > LONGEST_MESSAGE {
        text.truncate(text.floor_char_boundary(LONGEST_MESSAGE));
        text.push('…');
    }
    text
}

fn spell(duration: Duration) -> String {
    match duration.as_secs() {
        seconds if seconds >= 120 && seconds % 60 == 0 => format!("{} minutes", seconds / 60),
        seconds => format!("{seconds} seconds"),
    }
}
