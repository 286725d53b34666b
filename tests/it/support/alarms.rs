//! Alarms are log lines with a field `alarm`. One subscriber of the whole program hears them; each test has a thread of its own and looks
//! at what was heard there.

use std::cell::RefCell;
use std::sync::Once;

use tracing::field::{Field, Visit};
use tracing::{Event, Subscriber};
use tracing_subscriber::layer::{Context, SubscriberExt};
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{Layer, Registry};

thread_local! {
    static RAISED: RefCell<Vec<String>> = const { RefCell::new(Vec::new()) };
}

struct Listener;

struct Alarm(Option<String>);

impl Visit for Alarm {
    fn record_str(&mut self, field: &Field, value: &str) {
        if field.name() == "alarm" {
            self.0 = Some(value.to_owned());
        }
    }

    fn record_debug(&mut self, field: &Field, value: &dyn std::fmt::Debug) {
        if field.name() == "alarm" {
            self.0 = Some(format!("{value:?}"));
        }
    }
}

impl<S: Subscriber> Layer<S> for Listener {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        let mut alarm = Alarm(None);
        event.record(&mut alarm);
        RAISED.with_borrow_mut(|raised| raised.extend(alarm.0));
    }
}

/// Listens from now on.
pub(crate) fn listen() {
    static LISTENER: Once = Once::new();
    LISTENER.call_once(|| Registry::default().with(Listener).init());
    RAISED.with_borrow_mut(Vec::clear);
}

/// The alarms since the last look.
pub(crate) fn take() -> Vec<String> {
    RAISED.with_borrow_mut(std::mem::take)
}
