//! The log: one JSON object per line on standard output, where Fly's log pipeline reads it.

use std::fmt;
use std::io::{self, Write as _};

use jiff::Timestamp;
use serde_json::{Map, Value};
use tracing::field::{Field, Visit};
use tracing::{Event, Subscriber};
use tracing_subscriber::filter::Targets;
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields};
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::registry::LookupSpan;
use tracing_subscriber::util::SubscriberInitExt as _;

use crate::tail::Line;

/// Sends events to standard output, filtered by `RUST_LOG` (`info` where it is not set). A host that has its own subscriber keeps it.
pub(crate) fn start() {
    let wanted = std::env::var("RUST_LOG").ok().and_then(|text| text.parse::<Targets>().ok());
    let filter = wanted.unwrap_or_else(|| Targets::new().with_default(tracing::Level::INFO));
    let lines = tracing_subscriber::fmt::layer().event_format(JsonLines).with_writer(io::stdout);
    // An error means that a subscriber is there already, which is the caller's choice.
    drop(tracing_subscriber::registry().with(lines).with(filter).try_init());
}

/// Writes a line of the gateway among the supervisor's own. A closed standard output must not stop a gateway that works.
pub(crate) fn gateway_line(line: &Line) {
    let record = serde_json::json!({
        "time": line.time, "source": "gateway", "stream": line.stream, "message": line.message,
    });
    let mut out = io::stdout().lock();
    drop(writeln!(out, "{record}").and_then(|()| out.flush()));
}

struct JsonLines;

impl<S, N> FormatEvent<S, N> for JsonLines
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(&self, _: &FmtContext<'_, S, N>, mut writer: Writer<'_>, event: &Event<'_>) -> fmt::Result {
        let mut fields = Fields(Map::new());
        fields.0.insert("time".to_owned(), Timestamp::now().to_string().into());
        fields.0.insert("level".to_owned(), event.metadata().level().as_str().to_ascii_lowercase().into());
        fields.0.insert("source".to_owned(), "supervisor".into());
        event.record(&mut fields);
        writeln!(writer, "{}", Value::Object(fields.0))
    }
}

struct Fields(Map<String, Value>);

impl Visit for Fields {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.0.insert(field.name().to_owned(), format!("{value:?}").into());
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.0.insert(field.name().to_owned(), value.into());
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.0.insert(field.name().to_owned(), value.into());
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.0.insert(field.name().to_owned(), value.into());
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.0.insert(field.name().to_owned(), value.into());
    }

    fn record_error(&mut self, field: &Field, value: &(dyn std::error::Error + 'static)) {
        let chain = std::iter::successors(Some(value), |error| error.source()).map(ToString::to_string);
        self.0.insert(field.name().to_owned(), chain.collect::<Vec<_>>().join(": ").into());
    }
}
