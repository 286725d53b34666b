use std::time::Duration;

use gateway::environment as names;
use http::request::Parts;
use http::{Method, Response, StatusCode};
use jiff::Timestamp;
use serde_json::{Value, json};

use super::Front;
use super::answer::{Body, Problem, json};
use super::resources;
use crate::status::{Phase, Status};

/// The longest that a caller may wait, whatever it asks for: less than the time after which proxies give up on a silent connection.
const LONGEST_WAIT: Duration = Duration::from_secs(30);

/// `GET /health`: 200 if the gateway is ready, else 503. With `?until=ready&timeout=SECONDS` it answers as soon as it is, or when the time
/// is up. Open to everybody, so it tells numbers and states; what the gateway said, it tells to a caller with a token.
pub(super) async fn health(front: &Front, parts: &Parts) -> Response<Body> {
    if !matches!(parts.method, Method::GET | Method::HEAD) {
        return Problem::method_not_allowed("GET").into_response();
    }
    let wait = match asked_wait(parts.uri.query().unwrap_or_default()) {
        Ok(wait) => wait,
        Err(problem) => return problem.into_response(),
    };
    // Decided before the wait: a control token lives no longer than a minute.
    let details = front.may_read_details(parts);
    if let (Some(wait), Ok(_place)) = (wait, front.waiting.try_acquire()) {
        tokio::select! {
            _ = front.board.until(|status| status.phase == Phase::Ready) => {}
            () = tokio::time::sleep(wait) => {}
            () = front.stop.cancelled() => {}
        }
    }
    let status = front.board.read();
    let code = if status.phase == Phase::Ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    json(code, &report(front, &status, details))
}

fn report(front: &Front, status: &Status, details: bool) -> Value {
    let now = Timestamp::now();
    let settings = &front.settings;
    let mut gateway = json!({
        "family": settings.release.family,
        "version": settings.release.version,
        "ready": status.phase == Phase::Ready,
        "phase": status.phase,
        "since": status.since,
        "starts": status.starts,
        "crashes": status.crashes,
        "orders": { "given": status.ordered, "handled": status.handled },
        "config": { "in_use": status.config, "wanted_digest": status.wanted_digest, "refused": status.refusal.is_some() },
        "next_start": status.next_start,
    });
    if details {
        gateway["config"]["refusal"] = json!(status.refusal);
        gateway["last_exit"] = json!(status.last_exit);
        gateway["trouble"] = json!(status.trouble);
        gateway["examination"] = json!(status.examination);
    }
    json!({
        "status": if status.phase == Phase::Ready { "ready" } else { "not_ready" },
        "instance": settings.instance,
        "supervisor": {
            "version": env!("CARGO_PKG_VERSION"),
            "uptime_seconds": now.duration_since(front.started).as_secs(),
        },
        "gateway": gateway,
        "disk": resources::disk(&settings.place(names::DATA)),
        "memory": resources::memory(status.pid),
    })
}

fn asked_wait(query: &str) -> Result<Option<Duration>, Problem> {
    let mut until = false;
    let mut wait = LONGEST_WAIT;
    for pair in query.split('&').filter(|pair| !pair.is_empty()) {
        match pair.split_once('=') {
            Some(("until", "ready")) => until = true,
            Some(("until", _)) => return Err(Problem::bad_request("`until` can only be `ready`.")),
            Some(("timeout", seconds)) => {
                let seconds = seconds.parse().map_err(|_| Problem::bad_request("`timeout` must be a whole number of seconds."))?;
                wait = LONGEST_WAIT.min(Duration::from_secs(seconds));
            }
            _ => {}
        }
    }
    Ok(until.then_some(wait))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wait_is_asked_for_and_capped() {
        assert_eq!(asked_wait(""), Ok(None));
        assert_eq!(asked_wait("timeout=5"), Ok(None));
        assert_eq!(asked_wait("until=ready"), Ok(Some(LONGEST_WAIT)));
        assert_eq!(asked_wait("until=ready&timeout=20"), Ok(Some(Duration::from_secs(20))));
        assert_eq!(asked_wait("until=ready&timeout=86400"), Ok(Some(LONGEST_WAIT)));
        for bad in ["until=dawn", "until=ready&timeout=soon", "until=ready&timeout=-1"] {
            assert_eq!(asked_wait(bad).unwrap_err().status, StatusCode::BAD_REQUEST);
        }
    }
}
