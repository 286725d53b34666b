//! One line: what it says about its own time and weight.

use jiff::Timestamp;
use serde::Deserialize;
use serde_json::Value;

/// A line with its time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Line {
    /// Unix time in nanoseconds.
    pub(crate) timestamp_ns: i64,
    /// `info` or `error`.
    pub(crate) level: &'static str,
    pub(crate) message: String,
}

/// What programs of this platform, and OpenClaw's, call the two fields in their JSON lines.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Structured {
    #[serde(alias = "timestamp", alias = "ts")]
    time: Value,
    level: Value,
}

/// Reads a line's own time, if it states one, and its level.
pub(super) fn read(text: &str) -> (Option<i64>, &'static str) {
    if text.starts_with('{')
        && let Ok(line) = serde_json::from_str::<Structured>(text)
    {
        let error = match &line.level {
            Value::String(level) => matches!(level.to_ascii_lowercase().as_str(), "error" | "fatal" | "critical"),
            // The scale of pino and tslog's consumers: 50 is error, 60 is fatal.
            Value::Number(level) => level.as_u64().is_some_and(|level| level >= 50),
            _ => false,
        };
        return (time(&line.time), if error { "error" } else { "info" });
    }
    let first = text.split_ascii_whitespace().next().unwrap_or_default();
    (stated(first.trim_matches(['[', ']'])), "info")
}

fn time(value: &Value) -> Option<i64> {
    match value {
        Value::String(text) => stated(text),
        // Milliseconds, as JavaScript counts them. Seconds would be a date in January 1970.
        Value::Number(number) => number.as_i64()?.checked_mul(1_000_000).filter(|&ns| ns > 1_000_000_000_000_000_000),
        _ => None,
    }
}

fn stated(text: &str) -> Option<i64> {
    // Most words are no time; the parser is asked only about those that could be.
    let could_be = text.len() >= 20 && text.as_bytes()[0].is_ascii_digit();
    i64::try_from(could_be.then(|| text.parse::<Timestamp>().ok())??.as_nanosecond()).ok()
}
