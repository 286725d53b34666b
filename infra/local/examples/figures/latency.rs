//! How long a customer waits for the answer to `POST /v1/instances`.

use reqwest::{Method, StatusCode};

use crate::Outcome;
use crate::table::{Table, percentile, signed_ms};
use crate::vertical::{Vertical, wish};

/// Two organisations with the hundred instances that the largest plan allows.
const PEOPLE: [&str; 2] = ["alice", "bob"];
const EACH: usize = 100;

pub(crate) async fn measure() -> Outcome<()> {
    let folder = tempfile::tempdir()?;
    let vertical = Vertical::start(Some(folder.path()), fly_sim::HostLatencies::default(), false).await?;
    let tokens = PEOPLE.map(|person| vertical.token(person));
    // The first request of all opens the connection and fetches the issuer's keys.
    vertical.call_with(&tokens[0], Method::GET, "/v1/instances", None).await?;
    let (mut creates, mut lists) = (Vec::new(), Vec::new());
    for number in 0..EACH {
        for token in &tokens {
            let body = Some(wish(&format!("n{number}")));
            let (status, _, took) = vertical.call_with(token, Method::POST, "/v1/instances", body).await?;
            if status != StatusCode::ACCEPTED {
                return Err(format!("a create was answered {status}").into());
            }
            creates.push(took.as_secs_f64() * 1000.0);
        }
    }
    for _ in 0..EACH {
        let (_, _, took) = vertical.call_with(&tokens[0], Method::GET, "/v1/instances?limit=50", None).await?;
        lists.push(took.as_secs_f64() * 1000.0);
    }
    let mut table = Table::new(["request", "times", "p50", "p90", "p99", "max"]);
    for (name, times) in [("POST /v1/instances", &creates), ("GET /v1/instances (50 of 100)", &lists)] {
        let of = |percent| signed_ms(percentile(times, percent));
        table.row([name.to_owned(), times.len().to_string(), of(50), of(90), of(99), of(100)]);
    }
    table.print("Latency of the API, over loopback, one request at a time, on disk:");
    Ok(())
}
