//! What has gone wrong is told once, and not for each request and message that meets it: while a table is away, every line that says so
//! hides the one that says something else.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use tracing::callsite::Identifier;
use tracing::field::{Field, Visit};
use tracing::{Event, Level, Metadata, Subscriber};
use tracing_subscriber::layer::{Context, Filter};

/// What was told longer ago is told again: somebody who looks into the log finds that it still lasts.
const AGAIN: Duration = Duration::from_mins(5);

/// Causes that are remembered. More at a time are no single trouble, and each is told.
const MOST: usize = 64;

/// The field that makes an error one of many with the same cause. What calls a person (a field `alarm`) has none.
const CAUSE: &str = "cause";

/// What AWS's SDK adds to an error, another with each call.
const REQUEST_ID: &str = "aws_request_id";

/// Lets an error with a field `cause` through that was not told from the same place with the same cause within five minutes, and
/// everything else.
#[derive(Default)]
pub(crate) struct Repeats(Mutex<HashMap<(Identifier, String), Instant>>);

impl Repeats {
    fn is_news(&self, place: Identifier, cause: &str, now: Instant) -> bool {
        let mut told = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        told.retain(|_, at| now.duration_since(*at) < AGAIN);
        let key = (place, lasting(cause).to_owned());
        if told.contains_key(&key) {
            return false;
        }
        if told.len() < MOST {
            told.insert(key, now);
        }
        true
    }
}

impl<S: Subscriber> Filter<S> for Repeats {
    fn enabled(&self, _: &Metadata<'_>, _: &Context<'_, S>) -> bool {
        true
    }

    fn event_enabled(&self, event: &Event<'_>, _: &Context<'_, S>) -> bool {
        let metadata = event.metadata();
        if *metadata.level() != Level::ERROR || metadata.fields().field(CAUSE).is_none() {
            return true;
        }
        let mut cause = Cause(String::new());
        event.record(&mut cause);
        cause.0.is_empty() || self.is_news(metadata.callsite(), &cause.0, Instant::now())
    }
}

/// What of a cause is the same each time.
pub(crate) fn lasting(cause: &str) -> &str {
    cause.split_once(REQUEST_ID).map_or(cause, |(before, _)| before)
}

struct Cause(String);

impl Visit for Cause {
    fn record_str(&mut self, field: &Field, value: &str) {
        if field.name() == CAUSE {
            value.clone_into(&mut self.0);
        }
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        if field.name() == CAUSE {
            self.0 = format!("{value:?}");
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::sync::Arc;

    use tracing_subscriber::Layer as _;
    use tracing_subscriber::fmt::MakeWriter;
    use tracing_subscriber::layer::SubscriberExt as _;

    use super::*;

    #[derive(Clone, Default)]
    struct Lines(Arc<Mutex<Vec<u8>>>);

    impl Write for Lines {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    impl<'a> MakeWriter<'a> for Lines {
        type Writer = Self;

        fn make_writer(&'a self) -> Self {
            self.clone()
        }
    }

    fn lines_of(work: impl FnOnce()) -> usize {
        let lines = Lines::default();
        let layer = tracing_subscriber::fmt::layer().with_writer(lines.clone()).with_filter(Repeats::default());
        tracing::subscriber::with_default(tracing_subscriber::registry().with(layer), work);
        let written = lines.0.lock().unwrap();
        String::from_utf8_lossy(&written).lines().count()
    }

    #[test]
    fn an_error_is_told_once_for_each_cause_and_place() {
        let fail = |cause: &str, message_id: u32| tracing::error!(cause, message_id, "a message was not handled");
        let told = lines_of(|| {
            (0..5).for_each(|message| fail("no table", message));
            fail("no answer", 5);
            fail("no table", 6);
            tracing::error!(cause = %"no table", "a request failed");
            // Each call of AWS is another, and the trouble is the same.
            (0..3).for_each(|call| fail(&format!("Error {{ code: \"Denied\", aws_request_id: \"{call}\" }}"), call));
        });
        assert_eq!(told, 4);
    }

    #[test]
    fn what_is_no_repeated_error_is_always_told() {
        let told = lines_of(|| {
            for _ in 0..2 {
                tracing::error!(alarm = "run_parked", why = "no table", "a run waits for a person");
                tracing::warn!(cause = "no table", "only a warning");
                tracing::error!(cause = "", "nobody knows why");
            }
        });
        assert_eq!(told, 6);
    }

    #[test]
    fn what_lasts_is_told_again_and_a_flood_of_causes_is_not_kept() {
        let here = tracing::subscriber::with_default(tracing_subscriber::registry(), || tracing::error_span!("here"));
        let place = || here.metadata().unwrap().callsite();
        let (repeats, began) = (Repeats::default(), Instant::now());
        assert!(repeats.is_news(place(), "no table", began));
        assert!(!repeats.is_news(place(), "no table", began + AGAIN / 2));
        assert!(repeats.is_news(place(), "no table", began + AGAIN));
        for number in 0..2 * MOST {
            assert!(repeats.is_news(place(), &number.to_string(), began + AGAIN));
        }
        assert_eq!(repeats.0.lock().unwrap().len(), MOST);
    }
}
