//! How the API writes durations and signals.

use std::time::Duration;

use serde_json::Value;

/// What a number without a unit means.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Bare {
    Seconds,
    Nanoseconds,
}

/// Reads a duration: a Go duration (`"1m30s"`) or a bare number.
pub(crate) fn duration(value: &Value, bare: Bare) -> Option<Duration> {
    match (value, bare) {
        (Value::String(text), _) => text.parse().map(Duration::from_secs).ok().or_else(|| go_duration(text)),
        (Value::Number(number), Bare::Seconds) => number.as_u64().map(Duration::from_secs),
        (Value::Number(number), Bare::Nanoseconds) => number.as_u64().map(Duration::from_nanos),
        _ => None,
    }
}

/// Reads a duration as Go's `time.ParseDuration` does (<https://pkg.go.dev/time#ParseDuration>), without signs.
pub(crate) fn go_duration(text: &str) -> Option<Duration> {
    let mut rest = text;
    let mut total = Duration::ZERO;
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit() && c != '.')?;
        let number: f64 = rest[..digits].parse().ok()?;
        let after = &rest[digits..];
        let unit = &after[..after.find(|c: char| c.is_ascii_digit()).unwrap_or(after.len())];
        let seconds = match unit {
            "h" => 3600.0,
            "m" => 60.0,
            "s" => 1.0,
            "ms" => 1e-3,
            "us" | "µs" => 1e-6,
            "ns" => 1e-9,
            _ => return None,
        };
        total = total.checked_add(Duration::try_from_secs_f64(number * seconds).ok()?)?;
        rest = &after[unit.len()..];
    }
    (!text.is_empty()).then_some(total)
}

/// The number of a signal that the API takes by name.
pub(crate) fn signal(name: &str) -> Option<i32> {
    Some(match name {
        "SIGHUP" => 1,
        "SIGINT" => 2,
        "SIGQUIT" => 3,
        "SIGILL" => 4,
        "SIGTRAP" => 5,
        "SIGABRT" => 6,
        "SIGFPE" => 8,
        "SIGKILL" => 9,
        "SIGUSR1" => 10,
        "SIGSEGV" => 11,
        "SIGUSR2" => 12,
        "SIGPIPE" => 13,
        "SIGALRM" => 14,
        "SIGTERM" => 15,
        _ => return None,
    })
}

/// The number of a signal that ends a machine: a stop takes fewer than `signal` does.
pub(crate) fn stop_signal(name: &str) -> Option<i32> {
    let takes = ["SIGHUP", "SIGINT", "SIGQUIT", "SIGKILL", "SIGUSR1", "SIGUSR2", "SIGTERM"].contains(&name);
    signal(name).filter(|_| takes)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn durations_are_read_in_every_form_that_clients_send() {
        let cases = [
            (json!("10s"), Some(Duration::from_secs(10))),
            (json!("1m30s"), Some(Duration::from_secs(90))),
            (json!("1.5s"), Some(Duration::from_millis(1500))),
            (json!("0s"), Some(Duration::ZERO)),
            (json!("10"), Some(Duration::from_secs(10))),
            (json!(10), Some(Duration::from_secs(10))),
            (json!("10 s"), None),
            (json!("s"), None),
            (json!(""), None),
            (json!(-1), None),
            (json!(null), None),
        ];
        for (given, expected) in cases {
            assert_eq!(duration(&given, Bare::Seconds), expected, "{given}");
        }
        assert_eq!(duration(&json!(10_000_000_000u64), Bare::Nanoseconds), Some(Duration::from_secs(10)));
    }
}
