//! The supervisors inside the tenants' machines, behind the port [`flows::ports::Gateways`].
//!
//! A supervisor is reached at its instance's own address, through the provider's proxy, as anybody would reach it; what it obeys is a
//! control token that is good for one request, one body and 60 seconds.

use std::sync::Arc;
use std::time::Duration;

use access::{Request, Signer};
use async_trait::async_trait;
use domain::InstanceId;
use durable::{Attempt, Clock, Setback};
use flows::ports::Gateways;
use reqwest::{Client, Method, Response, StatusCode};
use serde::Deserialize;

/// How long the supervisor is asked to hold a health request that is not ready.
const LONG_POLL: Duration = Duration::from_secs(20);

/// The answer to a long poll travels for some seconds more.
const TRAVEL: Duration = Duration::from_secs(5);

/// A gateway's process ends within its drain time; the supervisor answers before that, and is asked again.
const ORDER_TIMEOUT: Duration = Duration::from_secs(20);

/// Seconds between two looks at a gateway: the shortest pause of a run. A customer waits for the end of each, after a long poll that ran
/// out a moment too early as well as before the machine is routed.
const LOOK_AGAIN_SECONDS: u64 = 1;

/// The supervisor's report is a few hundred bytes.
const LARGEST_REPORT: usize = 64 * 1024;

/// Characters of a phase that are shown; all that there are have fewer.
const LONGEST_PHASE: usize = 32;

/// Who gives the orders, as supervisors log it.
const ISSUED_BY: &str = "control-plane";

/// The supervisors of all instances.
#[derive(Clone)]
pub struct Supervisors {
    http: Client,
    signer: Arc<Signer>,
    clock: Arc<dyn Clock>,
}

/// What `/health` says of the gateway; the rest of it is for people.
#[derive(Debug, Deserialize)]
struct Report {
    gateway: GatewayReport,
}

#[derive(Debug, Deserialize)]
struct GatewayReport {
    phase: String,
}

impl Supervisors {
    /// Speaks to supervisors through this client, with orders signed by this key.
    #[must_use]
    pub fn new(http: Client, signer: Arc<Signer>, clock: Arc<dyn Clock>) -> Self {
        Self { http, signer, clock }
    }
}

#[async_trait]
impl Gateways for Supervisors {
    async fn await_ready(&self, _instance: &InstanceId, address: &str) -> Attempt<()> {
        let url = format!("{address}/health?until=ready&timeout={}", LONG_POLL.as_secs());
        let answer = match self.http.get(url).timeout(LONG_POLL + TRAVEL).send().await {
            Ok(answer) => answer,
            Err(error) => return Err(Setback::not_yet(LOOK_AGAIN_SECONDS, unreachable(&error))),
        };
        let status = answer.status();
        let not_yet = |why| Err(Setback::not_yet(LOOK_AGAIN_SECONDS, why));
        match report(answer).await.as_ref().map(|report| report.gateway.phase.as_str()) {
            Some("ready") if status == StatusCode::OK => Ok(()),
            Some("refused") => Err(Setback::fatal("the gateway refuses its configuration")),
            Some(phase) => not_yet(format!("the gateway is {}", shown(phase))),
            // Somebody before the supervisor answered, whatever the status: the provider's proxy, before the machine is routed.
            None => not_yet(format!("its address answers {status}, but not with a supervisor's report")),
        }
    }

    async fn restart_process(&self, instance: &InstanceId, address: &str, request: &str) -> Attempt<()> {
        const PATH: &str = "/_rockpool/restart";
        let body = serde_json::json!({ "request": request }).to_string();
        let order = Request { method: Method::POST.as_str(), path: PATH, body: body.as_bytes() };
        let token = self
            .signer
            .control(&instance.to_string(), ISSUED_BY, &order, self.clock.now())
            .map_err(|error| Setback::fatal(format!("no control token could be signed: {error}")))?;
        let sent = self
            .http
            .post(format!("{address}{PATH}"))
            .bearer_auth(token.as_str())
            .header("content-type", "application/json")
            .body(body)
            .timeout(ORDER_TIMEOUT)
            .send()
            .await;
        // Whatever the supervisor has seen of it, the same order may be given again: it knows the request by its name.
        match sent {
            Ok(answer) if answer.status().is_success() => Ok(()),
            Ok(answer) if matches!(answer.status(), StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN | StatusCode::BAD_REQUEST) => {
                Err(Setback::fatal(format!("the supervisor refused the restart with {}", answer.status())))
            }
            Ok(answer) => Err(Setback::retry(format!("the supervisor answered the restart with {}", answer.status()))),
            Err(error) => Err(Setback::retry(unreachable(&error))),
        }
    }
}

/// Reads a supervisor's report, if that is what the answer is. What a tenant's machine sends is read no further than a report is long.
async fn report(mut answer: Response) -> Option<Report> {
    let mut body = Vec::new();
    while let Some(chunk) = answer.chunk().await.ok()? {
        if body.len() + chunk.len() > LARGEST_REPORT {
            return None;
        }
        body.extend_from_slice(&chunk);
    }
    serde_json::from_slice(&body).ok()
}

/// A phase as it may stand in a log and in the timeline: a supervisor's are words, and anything else comes from whoever has the
/// tenant's machine in hand.
fn shown(phase: &str) -> String {
    let word = |c: char| if c.is_ascii_lowercase() || c == '_' { c } else { '?' };
    phase.chars().map(word).take(LONGEST_PHASE).collect()
}

/// A sentence for the timeline, without the address: the timeline already belongs to the instance.
fn unreachable(error: &reqwest::Error) -> String {
    let how = if error.is_timeout() {
        "did not answer in time"
    } else if error.is_connect() {
        "cannot be connected to"
    } else {
        "broke off its answer"
    };
    format!("its machine {how}")
}
